/* What is due later: times that live in their owners (so that waiting allocates nothing and cannot fail), and
 * one timer for the earliest. It never looks at whose time it is. */
#pragma once
#include "base/clock.h"
#include "base/must_use.h"
#include <stdbool.h>
#include <uv.h>

/** A time, embedded in its owner; all zero: not scheduled. */
struct due {
    int64_t at_ms;
    /** NULL: not scheduled. */
    void (*fired)(struct due *due);
    struct due *child, *sibling, *previous;
};

struct schedule {
    uv_timer_t *timer;
    const struct clock *clock;
    struct due *first;
};

/** `clock` is borrowed. False: out of memory. */
PA_MUST_USE bool schedule_open(struct schedule *schedule, uv_loop_t *loop, const struct clock *clock);
/** Nothing fires any more; the owners of what is still scheduled need not remove it. */
void schedule_close(struct schedule *schedule);
/** `due` must not be scheduled. `fired` runs from the loop, once, when `at_ms` (monotonic) has come; `due` is
 * not scheduled any more then, and may be added again. */
void schedule_add(struct schedule *schedule, struct due *due, int64_t at_ms, void (*fired)(struct due *due));
/** Does nothing when it is not scheduled. */
void schedule_remove(struct schedule *schedule, struct due *due);
/** Fires what is due now, as the timer does. What is added meanwhile and due already fires too. */
void schedule_fire(struct schedule *schedule);
