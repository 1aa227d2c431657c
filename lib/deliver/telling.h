/* What lib/observe is told of. */
#pragma once
#include "http/client.h"
#include "observe/observe.h"
#include "source/source.h"

struct deliver;
struct delivery;

/** A destination only fails, and how often it has in a row; 0: it answers again. */
void deliver_tell_circuit(const struct deliver *deliver, const char *destination, unsigned failures);
/** The record, for whoever adds to what is told. `run_id`: the event's; null: the record's own, if any. */
struct observed record_observed(const struct record *record, struct slice run_id, enum observed_kind kind);
void record_tell(const struct deliver *deliver, const struct record *record, const struct event *event,
                 enum observed_kind kind);
/** What happened to the delivery, with its last attempt's outcome, as far as there is one. */
void delivery_tell(const struct delivery *delivery, enum observed_kind kind);
/** What to look at after its last attempt, which failed; NULL: the cause says all. Lives for ever. */
PA_MUST_USE const char *delivery_hint(const struct delivery *delivery);
/** Its record is given back as done. */
void delivery_tell_done(const struct delivery *delivery);
void delivery_tell_move(const struct delivery *delivery, const char *from, const char *to);
/** The same with another reason. */
void delivery_tell_why(const struct delivery *delivery, enum observed_kind kind, struct slice reason);
/** Its mapping has been evaluated. */
void delivery_tell_mapped(const struct delivery *delivery);
/** Once: its run has to wait before it is sent, for this reason. */
void delivery_tell_waits(struct delivery *delivery, const char *reason);
/** Only where it has ended: its end has its line, once, with what Port says of the result. Where that was
 * that it waits, what Port says in the end is told too, without a line. */
void delivery_tell_ended(struct delivery *delivery, const char *port_result);
/** An attempt begins: once, its run is told. */
void delivery_tell_start(struct delivery *delivery, struct slice body);
/** An attempt is over, and its outcome known. `wait_ms`: until the next; 0: there is none. */
void delivery_tell_attempt(struct delivery *delivery, enum observed_kind kind,
                           const struct http_result *result, int64_t wait_ms);
