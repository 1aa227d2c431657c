/* For one test program: libuv's clock stands still in it, so that a timer has as long to go as it was given,
 * however slow the machine is. Its timers end when the test starts them anew with 0. */
#pragma once
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *out)
{
    if (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE)
        return (int)syscall(SYS_clock_gettime, clock, out);
    *out = (struct timespec){.tv_sec = 1000};
    return 0;
}
