/* Shared by the files of this room only: its listeners.
 *
 *   observe.c     the one call; counts
 *   kinds.c       what each kind of event becomes, in one table (kinds.h)
 *   counters.c    the table of counters, and the summary line
 *   lines.c       what happened, as log lines
 *   hints.c       what to look at after a failure
 *   run_logs.c    what happened, as progress logs on the run
 *   runs.c        what is remembered of runs
 *   flow.c        what happened last, for whoever watches
 *   metrics.c     how long things took, and how they ended
 *   conditions.c  what goes on being wrong
 */
#pragma once
#include "observe/observe.h"

/** How a kind of standing condition is told. Names of fields: null where the kind has no such thing. */
struct condition_words {
    const char *begun, *ended;
    struct slice subject, value;
    /** Warned of again only when it is met, a minute after the last time, and without a count. */
    bool when_met;
};
/** conditions_new with other words. */
PA_MUST_USE struct conditions *conditions_of(const struct clock *clock, const struct condition_words *kinds);

void lines_write(const struct observer_options *options, const struct observed *observed);
void run_log_write(void (*tell_run)(struct run_report *report, struct slice text),
                   const struct observed *observed);
/** In words; "" for a whole body. */
const char *observed_cut_words(enum observed_cut cut);
/** Why the record ended so (observed_why), with its mapping's warning behind it as far as there is space. */
void observed_cause(const struct observed *observed, char *out, size_t size);
/** `text` as it may be shown: itself, or what `show` makes of it, in `room` (cleared by the caller). */
struct slice observed_shown(const struct observed *observed, struct slice text, struct buffer *room);
