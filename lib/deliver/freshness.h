/* How long ago an event was signed. */
#pragma once
#include "source/source.h"

struct deliver;

enum { FRESHNESS_REASON_SIZE = 160, FRESHNESS_AHEAD_MAX_S = 300 };

/** Looks at the timestamp of an event that is believed: keeps its age for the counters, and tells of a clock
 * that is off where the event was signed more than five minutes ahead of ours. True, with why, in words: the
 * event is older than replay_tolerance_ms, and may be one that somebody has kept. An event of the change log
 * is judged by a timestamp that nobody has signed, if it has one; what the source itself vouches for is never
 * too old. */
PA_MUST_USE bool freshness_is_over(struct deliver *deliver, const struct record *record,
                                   const struct event *event, char reason[FRESHNESS_REASON_SIZE]);
