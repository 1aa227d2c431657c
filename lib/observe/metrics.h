/* What is measured as it happens, beside the counters: how long things took, and how they ended by kind. A
 * listener of this room; whoever serves metrics reads it. Bounded; must never allocate. */
#pragma once
#include "base/clock.h"
#include "observe/observe.h"

enum { HISTOGRAM_BOUNDS = 14, STATUS_CLASSES = 6, REFUSAL_REASONS = 4 };

/** Upper bounds of the buckets, inclusive; what is longer is in the last one. */
extern const int64_t histogram_bounds_ms[HISTOGRAM_BOUNDS];

/** All zero: empty. */
struct histogram {
    /** Not cumulative. */
    uint64_t counts[HISTOGRAM_BOUNDS + 1];
    int64_t sum_ms;
};
/** A time below 0 (clocks differ) counts as 0. */
void histogram_add(struct histogram *histogram, int64_t ms);

/** Since the start. All zero: nothing yet. */
struct metrics {
    /** Last attempts; from taking a record to its first attempt; from a record's own time to its event's end.
     */
    struct histogram delivery_duration, queue_wait, event_age;
    /** Events that ended, failed ones in [0] and delivered ones in [1], by the class of the last status: 1 to
     * 5, 0: there was none. */
    uint64_t ended[2][STATUS_CLASSES];
    /** Events that are not to be believed, in the order of metrics_refusals. */
    uint64_t refused[REFUSAL_REASONS];
};

/** What `refused` counts, as labels; live for ever. */
extern const char *const metrics_refusals[REFUSAL_REASONS];

void metrics_note(struct metrics *metrics, const struct clock *clock, const struct observed *observed);
