/* For one test program: libuv's clock stands still in it, so that a timer has as long to go as it was given,
 * however slow the machine is. Its timers end when the test starts them anew with 0. It stands where the
 * machine's own has not been yet: who waits for another thread until a moment of this clock, as the log does
 * for its writer, has as long as that takes. */
#pragma once
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *out)
{
    if (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE)
        return (int)syscall(SYS_clock_gettime, clock, out);
    *out = (struct timespec){.tv_sec = INT32_MAX};
    return 0;
}
