/* Time and randomness enter here, so that a test can set them. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/** A source of time and randomness. `clock_system()` is the real one; tests pass their own. */
struct clock {
    /** Monotonic milliseconds, for waiting and durations. */
    int64_t (*monotonic_ms)(void *ctx);
    /** Milliseconds since the Unix epoch, for stamps. */
    int64_t (*wall_ms)(void *ctx);
    /** A uniform number in [0, 1), for jitter; not for secrets. */
    double (*random)(void *ctx);
    void *ctx;
};

/** The system's clock; lives for ever. */
const struct clock *clock_system(void);
int64_t clock_monotonic_ms(const struct clock *clock);
int64_t clock_wall_ms(const struct clock *clock);

enum { CLOCK_RFC3339_SIZE = 25 };
/** Writes "2026-01-13T15:20:16.641Z" and NUL into out (RFC 3339, UTC, milliseconds). */
void clock_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE]);
/** Full-jitter exponential backoff: a random duration in [0, min(cap, first * factor^attempt)], at least 1
 * ms. `attempt` counts from 0. */
int64_t clock_backoff_ms(const struct clock *clock, int64_t first_ms, double factor, int64_t cap_ms,
                         unsigned attempt);
