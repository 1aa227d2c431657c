/* Which signals are held, which are ignored, and which are left alone. */
#include "base/signals.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const int stops[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};
/* What a bug raises, what is no request to end, and the C library's own two. */
static const int others[] = {SIGSEGV, SIGBUS,  SIGFPE, SIGILL,   SIGABRT, SIGTRAP, SIGSYS,
                             SIGCHLD, SIGCONT, SIGURG, SIGWINCH, 32,      33};
static const int strays[] = {SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE, SIGIO, SIGTSTP, SIGPROF, SIGVTALRM};
enum {
    STOPS = sizeof stops / sizeof *stops,
    OTHERS = sizeof others / sizeof *others,
    STRAYS = sizeof strays / sizeof *strays
};

static bool is_held(int number)
{
    sigset_t held;
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &held), 0);
    return sigismember(&held, number) == 1;
}

static void four_signals_ask_to_stop(void **state)
{
    (void)state;
    size_t count = 0;
    const int *given = signals_that_stop(&count);
    assert_int_equal(count, STOPS);
    assert_memory_equal(given, stops, sizeof stops);
}

static void what_may_come_is_held_until_it_is_released(void **state)
{
    (void)state;
    signals_hold();
    for (size_t i = 0; i < STOPS; i++)
        assert_true(is_held(stops[i]));
    for (size_t i = 0; i < STRAYS; i++)
        assert_true(is_held(strays[i]));
    assert_true(is_held(SIGRTMIN) && is_held(SIGRTMAX));
    for (size_t i = 0; i < OTHERS; i++)
        assert_false(is_held(others[i]));
    signals_release();
    for (int number = 1; number <= SIGRTMAX; number++)
        assert_false(is_held(number));
}

static void strays_are_ignored_and_nothing_else(void **state)
{
    (void)state;
    assert_false(signals_is_ignored(SIGUSR1));
    signals_ignore_strays();
    for (size_t i = 0; i < STRAYS; i++)
        assert_true(signals_is_ignored(strays[i]));
    assert_true(signals_is_ignored(SIGRTMIN) && signals_is_ignored(SIGRTMAX));
    for (size_t i = 0; i < OTHERS; i++)
        assert_false(signals_is_ignored(others[i]));
    for (size_t i = 0; i < STOPS; i++)
        assert_false(signals_is_ignored(stops[i]));
    signals_ignore_stops();
    for (size_t i = 0; i < STOPS; i++)
        assert_true(signals_is_ignored(stops[i]));
    assert_false(signals_is_ignored(0));
    assert_false(signals_is_ignored(65));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_signals_ask_to_stop),
        cmocka_unit_test(what_may_come_is_held_until_it_is_released),
        cmocka_unit_test(strays_are_ignored_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
