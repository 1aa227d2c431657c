/* This machine's clock beside Port's: every webhook is signed with the time of this machine, and receivers
 * refuse times that are far from their own. Port says its time with every answer. */
#pragma once
#include "base/clock.h"
#include "base/slice.h"
#include <stdbool.h>

enum { CLOCK_OFFSET_MAX_S = 30 /* at most so far apart is nobody's trouble */ };

/** Zeroed at first. */
struct clock_offset {
    bool off;
    /** Monotonic: when it was said last. */
    int64_t told_ms;
};

/** `date`: the value of a Date header (RFC 9110, section 6.6.1); null, or one that cannot be read: nothing is
 * noted. A clock that is off is warned of at once, and once a minute while answers show it; the end is told
 * too. */
void clock_offset_note(struct clock_offset *offset, struct slice date, const struct clock *clock);
