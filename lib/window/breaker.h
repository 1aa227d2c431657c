/* Where a destination's breaker stands. Pure: its owner says how attempts ended, and when its interval is
 * over. */
#pragma once
#include "base/clock.h"
#include "base/must_use.h"
#include <stdbool.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/** All zero: closed, and nothing has failed. */
struct breaker {
    enum breaker_state state;
    /** Failures in a row. */
    unsigned failures;
    /** Half-open: how many attempts may still start. */
    unsigned permits;
    int64_t interval_ms;
};

/** May an attempt start? */
PA_MUST_USE bool breaker_lets(const struct breaker *breaker);
/** One has started: half-open, it uses a permit up. */
void breaker_started(struct breaker *breaker);
/** An attempt failed, and `threshold` in a row are too many. 0: the breaker stays as it was; otherwise it is
 * open, and half-open after so many ms, half of them at random, so that many agents do not probe in step. */
int64_t breaker_failed(struct breaker *breaker, unsigned threshold, const struct clock *clock);
/** The interval is over: so many attempts may start, one at least. */
void breaker_half_open(struct breaker *breaker, unsigned permits);
/** The attempt that was to show whether it answers again said nothing. */
void breaker_cancelled(struct breaker *breaker);
/** It answers. */
void breaker_close(struct breaker *breaker);
