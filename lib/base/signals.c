/* See signals.h. */
#include "base/signals.h"
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIGNALS = 64, KERNEL_SET_BYTES = 8, LIBRARY_FIRST = 32, LIBRARY_LAST = 33 /* the C library's own */ };

static const int stops[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};

const int *signals_that_stop(size_t *count)
{
    *count = sizeof stops / sizeof *stops;
    return stops;
}

static bool is_stop(int number)
{
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
        if (stops[i] == number)
            return true;
    return false;
}

static bool is_stray(int number)
{
    static const int others[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS,  SIGFPE, SIGILL,  SIGABRT,
                                 SIGTRAP, SIGSYS,  SIGCHLD, SIGCONT, SIGURG, SIGWINCH};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i] == number)
            return false;
    return !is_stop(number) && (number < LIBRARY_FIRST || number > LIBRARY_LAST);
}

static void mask(int how)
{
    uint64_t set = 0;
    for (int number = 1; number <= SIGNALS; number++)
        if (is_stop(number) || is_stray(number))
            set |= UINT64_C(1) << (number - 1);
    syscall(SYS_rt_sigprocmask, how, &set, NULL, KERNEL_SET_BYTES);
}

void signals_hold(void)
{
    mask(SIG_BLOCK);
}

void signals_release(void)
{
    mask(SIG_UNBLOCK);
}

void signals_ignore_strays(void)
{
    for (int number = 1; number <= SIGNALS; number++)
        if (is_stray(number))
            signal(number, SIG_IGN);
}

void signals_ignore_stops(void)
{
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
        signal(stops[i], SIG_IGN);
}

bool signals_is_ignored(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}
