/* See backoff.h. */
#include "window/backoff.h"

int64_t backoff_wait_ms(const struct backoff *backoff, const struct clock *clock, unsigned attempts,
                        int64_t started_ms, int64_t asked_ms)
{
    int64_t left_ms = started_ms + backoff->max_elapsed_ms - clock_monotonic_ms(clock);
    if (attempts >= backoff->max_attempts || left_ms <= 0)
        return -1;
    int64_t wait_ms =
        clock_backoff_ms(clock, backoff->initial_backoff_ms, 2.0, backoff->max_backoff_ms, attempts - 1);
    if (wait_ms < asked_ms)
        wait_ms = asked_ms;
    return wait_ms < left_ms ? wait_ms : left_ms;
}
