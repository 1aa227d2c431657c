/* Preloaded into the agent (LD_PRELOAD), for bench/run.py: how long the turns of its loop take. A turn is
 * what the main thread does between two waits of epoll. It measures from outside, so it is no part of the
 * agent, and writes one line to the file that BENCH_TURNS names when the agent ends. */
#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { STEP_US = 100, STEPS = 10000 };

static struct {
    pid_t pid;
    /** When the last wait of the main thread ended; 0: never. */
    int64_t woken_us, woken_cpu_us;
    uint64_t turns, longest_us;
    /** Of processor time, which other load does not change. */
    uint64_t longest_cpu_us;
    /** By duration, STEP_US each; the last one: all that are longer. */
    uint32_t counts[STEPS];
} seen;

static char told_to[4096];

static int64_t now_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void note(uint64_t us, uint64_t cpu_us)
{
    uint64_t step = us / STEP_US;
    seen.turns++;
    seen.counts[step < STEPS ? step : STEPS - 1]++;
    if (us > seen.longest_us)
        seen.longest_us = us;
    if (cpu_us > seen.longest_cpu_us)
        seen.longest_cpu_us = cpu_us;
}

static bool is_main_thread(void)
{
    return gettid() == getpid();
}

static void wait_begins(void)
{
    if (is_main_thread() && seen.woken_us > 0)
        note((uint64_t)(now_us(CLOCK_MONOTONIC) - seen.woken_us),
             (uint64_t)(now_us(CLOCK_THREAD_CPUTIME_ID) - seen.woken_cpu_us));
}

static int wait_ended(int ready)
{
    if (is_main_thread()) {
        seen.pid = getpid();
        seen.woken_us = now_us(CLOCK_MONOTONIC);
        seen.woken_cpu_us = now_us(CLOCK_THREAD_CPUTIME_ID);
    }
    return ready;
}

/* libuv's versions wait with one or the other. */
__attribute__((visibility("default"))) int epoll_pwait(int fd, struct epoll_event *events, int max,
                                                       int timeout, const sigset_t *mask)
{
    static int (*real)(int, struct epoll_event *, int, int, const sigset_t *);
    if (!real)
        *(void **)(&real) = dlsym(RTLD_NEXT, "epoll_pwait");
    wait_begins();
    return wait_ended(real(fd, events, max, timeout, mask));
}

__attribute__((visibility("default"))) int epoll_wait(int fd, struct epoll_event *events, int max,
                                                      int timeout)
{
    static int (*real)(int, struct epoll_event *, int, int);
    if (!real)
        *(void **)(&real) = dlsym(RTLD_NEXT, "epoll_wait");
    wait_begins();
    return wait_ended(real(fd, events, max, timeout));
}

static uint64_t below(double share)
{
    uint64_t sum = 0, step = 0;
    while (step < STEPS - 1 && (double)(sum += seen.counts[step]) < share * (double)seen.turns)
        step++;
    return (step + 1) * STEP_US;
}

/** The agent wipes its environment. */
__attribute__((constructor)) static void learn_path(void)
{
    const char *path = getenv("BENCH_TURNS");
    snprintf(told_to, sizeof told_to, "%s", path ? path : "");
}

__attribute__((destructor)) static void tell(void)
{
    FILE *file = *told_to && seen.pid == getpid() && seen.turns > 0 ? fopen(told_to, "w") : NULL;
    if (!file)
        return;
    fprintf(file, "{\"turns\":%llu,\"longest_us\":%llu,\"longest_cpu_us\":%llu,\"p999_us\":%llu}\n",
            (unsigned long long)seen.turns, (unsigned long long)seen.longest_us,
            (unsigned long long)seen.longest_cpu_us, (unsigned long long)below(0.999));
    fclose(file);
}
