/* A record to a delivery, or to a line that says why not. */
#pragma once
#include "source/source.h"

void deliver_take(void *ctx, const struct record *record, struct ticket *ticket);

struct deliver;
struct delivery;

/** A delivery in the state TAKEN, in no lane yet, which has taken the event over. NULL: out of memory, the
 * ticket is dropped and the event cleared. */
PA_MUST_USE struct delivery *intake_delivery(struct deliver *deliver, const struct record *record,
                                             struct event *event, struct ticket *ticket);
/** Places it in the trace of its record's headers, or else of its event's. `serial`: as trace_begin takes it.
 */
void intake_trace(struct delivery *delivery, const struct record *record, uint64_t serial);
/** Keeps the record's own bytes, where a dead letter may need them. False: out of memory. */
PA_MUST_USE bool intake_keep_record(struct delivery *delivery, const struct record *record);
