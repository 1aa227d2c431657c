/* Events that are not to be believed. */
#pragma once
#include "event/signature.h"
#include "source/source.h"

struct deliver;
struct delivery;

enum refusal {
    REFUSAL_NONE,
    /** No signature. */
    REFUSAL_MISSING,
    /** No usable timestamp. */
    REFUSAL_MALFORMED,
    /** The signature is of something else. */
    REFUSAL_WRONG,
    /** The event has the other topic's invocation method. */
    REFUSAL_OTHER_TOPICS,
    /** Out of memory: nothing is known. */
    REFUSAL_UNKNOWN
};
/** Is the event to be believed, by where its record comes from and by its signature? Touches nothing else, so
 * it may run in another thread, with a signer of its own. */
PA_MUST_USE enum refusal refusal_of(struct signer *signer, const struct record *record,
                                    const struct event *event);
/** Tells of it: the first of a minute one by one, the rest of that minute together. */
void refusal_tell(struct deliver *deliver, const struct record *record, const struct event *event,
                  enum refusal refusal);
/** Is Port told that the event's run failed? Only of workflow node runs, and of those only as many as can be
 * told within a minute, ten a second. */
PA_MUST_USE bool refusal_is_reported(struct deliver *deliver, const struct event *event,
                                     enum refusal refusal);
/** The delivery ends with a failure reported for its run, when it is its turn. */
void refusal_report(struct delivery *delivery, enum refusal refusal);
