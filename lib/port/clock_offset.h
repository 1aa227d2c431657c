/* This machine's clock beside Port's: every webhook is signed with the time of this machine, and receivers
 * refuse times that are far from their own. Port says its time with every answer. */
#pragma once
#include "base/clock.h"
#include "base/slice.h"
#include "observe/conditions.h"

enum { CLOCK_OFFSET_MAX_S = 30 /* at most so far apart is nobody's trouble */ };

/** `date`: the value of a Date header (RFC 9110, section 6.6.1); null, or one that cannot be read: nothing is
 * noted. A clock that is off is a standing condition, warned of while answers show it. `conditions`: NULL:
 * nobody is told. */
void clock_offset_note(struct conditions *conditions, struct slice date, const struct clock *clock);
