/* What is told once a minute, as counts. Knows no delivery. */
#pragma once
#include "observe/observe.h"
#include "window/due.h"

/** What is told once a minute, as counts. */
struct minute {
    /** Borrowed, all three. */
    struct schedule *schedule;
    const struct clock *clock;
    struct observer *observer;
    /** The end of the minute that has begun. */
    struct due due;
    /** Refused events that had a line of their own. */
    unsigned refusals_told;
    /** Refused events beyond those. */
    uint64_t refusals_untold;
    /** Node runs among them that Port is not told of. */
    uint64_t refusals_unreported;
    /** Events that no mapping wants. */
    uint64_t unwanted;
};

/** Zero-initialised otherwise; everything is borrowed. */
void minute_open(struct minute *minute, struct schedule *schedule, const struct clock *clock,
                 struct observer *observer);
/** Something is counted: a minute begins, unless one has. */
void minute_begin(struct minute *minute);
/** Tells what has been counted so far. */
void minute_close(struct minute *minute);
