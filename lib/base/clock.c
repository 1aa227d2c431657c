/* The system's clocks and random numbers. No other file may ask for either. */
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_monotonic(void *ctx)
{
    (void)ctx;
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t system_wall(void *ctx)
{
    (void)ctx;
    return read_clock(CLOCK_REALTIME);
}

static double system_random(void *ctx)
{
    uint64_t bits = 0;
    (void)ctx;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits)
        bits = (uint64_t)read_clock(CLOCK_MONOTONIC) * 6364136223846793005u;
    return (double)(bits >> 11) / 9007199254740992.0; /* 2^53 */
}

const struct clock *clock_system(void)
{
    static const struct clock system = {system_monotonic, system_wall, system_random, NULL};
    return &system;
}

int64_t clock_monotonic_ms(const struct clock *clock)
{
    return clock->monotonic_ms(clock->ctx);
}

int64_t clock_wall_ms(const struct clock *clock)
{
    return clock->wall_ms(clock->ctx);
}

void clock_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    int millis = (int)(wall_ms % 1000);
    struct tm t;
    gmtime_r(&seconds, &t);
    char text[64];
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (t.tm_year + 1900) % 10000,
             t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, millis);
    for (size_t i = 0; i < CLOCK_RFC3339_SIZE; i++)
        out[i] = text[i];
    out[CLOCK_RFC3339_SIZE - 1] = '\0';
}

int64_t clock_backoff_ms(const struct clock *clock, int64_t first_ms, double factor, int64_t cap_ms,
                         unsigned attempt)
{
    double bound = (double)first_ms;
    for (unsigned i = 0; i < attempt && bound < (double)cap_ms; i++)
        bound *= factor;
    if (bound > (double)cap_ms)
        bound = (double)cap_ms;
    int64_t wait_ms = (int64_t)(bound * clock->random(clock->ctx));
    return wait_ms < 1 ? 1 : wait_ms;
}
