/* Records that a person has the running agent deliver once more (`port-agent redeliver`): asked for one by
 * one, and what became of each until that was fetched. Must never hold more than REDELIVERIES_MAX. */
#pragma once
#include "admin/server.h"
#include "observe/observe.h"
#include "snapshot.h"

enum { REDELIVERIES_MAX = 32 };

struct redeliveries;

/** NULL: out of memory. */
PA_MUST_USE struct redeliveries *redeliveries_new(void);
/** What is still under way is told to nobody any more; no source of `redeliveries_ask` may be open. NULL is
 * allowed. */
void redeliveries_free(struct redeliveries *redeliveries);
/** A listener of the observer's (observer_options.told). NULL is allowed. */
void redeliveries_told(struct redeliveries *redeliveries, const struct observed *observed);
/** Has the record at `target` ("PARTITION:OFFSET", of the runs topic) delivered once more. 202: its outcome
 * follows; 400: no such place can be; 409: the same one is under way; 501: this agent's events have no
 * places; 503: ask again. */
void redeliveries_ask(struct redeliveries *redeliveries, const struct status_parts *parts, const char *target,
                      struct admin_answer *answer);
/** What became of it. 200: an outcome (record_outcome.h); 202: it is under way; 404: nothing is known of it;
 * 503: there was no space for it, so it is to be asked for again. */
void redeliveries_fetch(struct redeliveries *redeliveries, const char *target, struct admin_answer *answer);
