/* When a failed attempt is followed by another. Pure. */
#pragma once
#include "base/clock.h"
#include "base/must_use.h"

struct backoff {
    /** The first included; 0 counts as 1. */
    unsigned max_attempts;
    /** After the first attempt began. */
    int64_t max_elapsed_ms;
    /** Bound of the first wait, doubled with each, up to max_backoff_ms; a random part of it is waited. */
    int64_t initial_backoff_ms, max_backoff_ms;
};

/** In how many ms another attempt begins, after `attempts` of them, the first of which began at `started_ms`
 * (monotonic); -1: there is none. `asked_ms`: the wait that the endpoint asked for; one try at the very end
 * is better than none, where that is too long. */
PA_MUST_USE int64_t backoff_wait_ms(const struct backoff *backoff, const struct clock *clock,
                                    unsigned attempts, int64_t started_ms, int64_t asked_ms);
