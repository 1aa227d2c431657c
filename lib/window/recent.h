/* How long a destination's answers took in the last minutes: counts by duration, whose size does not depend
 * on how many there were. Pure; must never allocate. */
#pragma once
#include "base/must_use.h"
#include <stddef.h>
#include <stdint.h>

enum {
    /** Half octaves of milliseconds: up to nine minutes. */
    RECENT_BUCKETS = 40,
    /** What is older than twice this is forgotten. */
    RECENT_PERIOD_MS = 120000
};

/** All zero: nothing yet. */
struct recent {
    /** Of this period in [0], of the one before in [1]. */
    uint16_t counts[2][RECENT_BUCKETS];
    int64_t began_ms;
};

/** An answer came that took so long. */
void recent_note(struct recent *recent, int64_t now_ms, int64_t ms);
/** What at least `percent` of them (1 to 100) took at most, within a quarter; -1: there were none. */
PA_MUST_USE int64_t recent_percentile(const struct recent *recent, int64_t now_ms, unsigned percent);
