/* A record to a delivery, or to a line that says why not. Nothing is done on the word of an event that nobody
 * signed. */
#include "deliver/intake.h"
#include "deliver/conclusion.h"
#include "deliver/freshness.h"
#include "deliver/mapping.h"
#include "deliver/reading.h"
#include "deliver/refusal.h"
#include "deliver/report.h"
#include "deliver/shared.h"
#include "deliver/telling.h"
#include <stdlib.h>
#include <string.h>

static void skip(struct deliver *deliver, const struct record *record, struct event *event,
                 struct ticket *ticket)
{
    record_tell(deliver, record, event, OBSERVED_NOT_FOR_AGENT);
    event_clear(event);
    source_ticket_done(ticket);
}

/** The lane of a record with a key. False: out of memory. */
static bool enter_keys_lane(struct delivery *delivery, const struct record *record)
{
    struct buffer name = {0};
    if (slice_is_null(record->key))
        return true;
    buffer_append_text(&name, "k");
    buffer_append_text(&name, record->topic ? record->topic : "");
    buffer_append_char(&name, '\0');
    buffer_append_slice(&name, record->key);
    bool entered =
        !name.failed && window_enter_lane(delivery->deliver->window, &delivery->slot, buffer_slice(&name));
    buffer_clear(&name);
    return entered;
}

bool intake_keep_record(struct delivery *delivery, const struct record *record)
{
    if (!delivery->deliver->options.dead_letters)
        return true;
    delivery->has_key = !slice_is_null(record->key);
    buffer_append_slice(&delivery->key, record->key);
    buffer_append_slice(&delivery->value, record->value);
    return !delivery->key.failed && !delivery->value.failed;
}

/** There is no memory for it: it stays in its partition, undone. Its event is cleared. */
static void leave(const struct deliver *deliver, const struct record *record, struct event *event,
                  struct ticket *ticket)
{
    record_tell(deliver, record, event, OBSERVED_LEFT);
    event_clear(event);
    source_ticket_drop(ticket);
}

struct delivery *intake_delivery(struct deliver *deliver, const struct record *record, struct event *event,
                                 struct ticket *ticket)
{
    size_t topic_size = record->topic ? strlen(record->topic) + 1 : 0;
    size_t first_size = record->redelivery_of ? strlen(record->redelivery_of) + 1 : 0;
    struct delivery *delivery = calloc(1, sizeof *delivery + record->id.len + 1 + topic_size + first_size);
    if (!delivery) {
        leave(deliver, record, event, ticket);
        return NULL;
    }
    delivery->deliver = deliver;
    delivery->ticket = ticket;
    delivery->assignment = record->assignment;
    memcpy(delivery->id, record->id.ptr, record->id.len);
    if (record->topic)
        delivery->topic = memcpy(delivery->id + record->id.len + 1, record->topic, topic_size);
    if (record->redelivery_of)
        delivery->redelivery_of =
            memcpy(delivery->id + record->id.len + 1 + topic_size, record->redelivery_of, first_size);
    delivery->partition = record->partition;
    delivery->offset = record->offset;
    delivery->unrepeatable = record->unrepeatable;
    delivery->event = *event;
    delivery->is_run = record->kind == EVENT_RUN && run_id_is_usable(event->run_id);
    delivery->synchronized = event->invocation.synchronized;
    delivery->record_ms = record->timestamp_ms;
    delivery->taken_ms = clock_monotonic_ms(deliver->options.clock);
    delivery->outcome.error_type = "";
    delivery->content = dedup_content(record, event);
    deliver->in_state[delivery->state]++;
    LIST_INSERT_HEAD(&deliver->deliveries, delivery, all);
    delivery_charge(delivery);
    return delivery;
}

void intake_trace(struct delivery *delivery, const struct record *record, uint64_t serial)
{
    const struct deliver_options *options = &delivery->deliver->options;
    const struct event *event = &delivery->event;
    struct trace_parent parent;
    struct slice state = record->tracestate;
    if (!trace_parent_read(record->traceparent, &parent)) {
        state = event->tracestate;
        PA_IGNORE(trace_parent_read(event->traceparent, &parent)); /* then it has none */
    }
    trace_begin(options->tracing, &parent, serial, clock_wall_ms(options->clock), &delivery->trace);
    state = *parent.trace_id ? trace_state_usable(state) : (struct slice){NULL, 0};
    if (!slice_is_null(state)) /* without memory for it, the trace goes on without its state */
        delivery->tracestate = slice_to_text(state);
}

/** A verified event: on its way to its destination, or failed because it cannot be sent. */
static void admit(struct delivery *delivery, const struct record *record)
{
    const struct deliver *deliver = delivery->deliver;
    if (!intake_keep_record(delivery, record) || !enter_keys_lane(delivery, record)) {
        delivery_leave(delivery);
        return;
    }
    delivery_charge(delivery);
    bool keep = deliver->by_reference || window_lane_is_full(deliver->window, &delivery->slot);
    if (!keep || !delivery_keep(delivery))
        delivery_map(delivery);
}

/** A record that was delivered a moment ago: what is still owed to it goes on. */
static void receive_again(struct deliver *deliver, const struct record *record, struct event *event,
                          struct ticket *ticket, struct run_report *report)
{
    record_tell(deliver, record, event, OBSERVED_REPEATED);
    if (!report) {
        event_clear(event);
        source_ticket_done(ticket);
        return;
    }
    struct delivery *delivery = intake_delivery(deliver, record, event, ticket);
    if (!delivery) {
        run_report_cancel(report);
        return;
    }
    delivery->report = report;
    life_enter(delivery, LIFE_REPORTING);
    run_report_resume(report, delivery_report_accepted, delivery);
}

/** Nothing is sent, and a dead letter keeps the event. */
static void fail_taken(struct delivery *delivery, const struct record *record, const char *error_type,
                       const char *reason)
{
    if (intake_keep_record(delivery, record))
        delivery_fail_unsent(delivery, error_type, reason);
    else
        delivery_leave(delivery);
}

/** An event that nobody can deliver: its run is reported failed where the source vouches for whose it is. */
static void refuse_record(struct deliver *deliver, const struct record *record, struct event *event,
                          struct ticket *ticket, const char *reason)
{
    bool of_run = !slice_is_null(record->run_id);
    struct observed observed =
        record_observed(record, event->run_id, of_run ? OBSERVED_UNREADABLE_OF_RUN : OBSERVED_UNREADABLE);
    observed.reason = slice_of(reason);
    observe(deliver->options.observer, &observed);
    if (!of_run) {
        event_clear(event);
        source_ticket_done(ticket);
        return;
    }
    event_clear(event);
    buffer_append_slice(&event->texts, record->run_id);
    if (event->texts.failed) {
        leave(deliver, record, event, ticket);
        return;
    }
    event->run_id = buffer_slice(&event->texts);
    struct delivery *delivery = intake_delivery(deliver, record, event, ticket);
    if (delivery)
        fail_taken(delivery, record, "bad_record", reason);
}

/** Why no run can be told what becomes of the event, in words; NULL: one can, or it has none. */
static const char *whose_run_is_unclear(const struct event *event)
{
    if (event->kind != EVENT_RUN)
        return NULL;
    if (event->duplicate_run)
        return "context or context.runId comes twice: no run can be told";
    if (event->context_wrong)
        return "context is not an object: no run can be told";
    return event->run_id_wrong ? "context.runId is not a text: no run can be told" : NULL;
}

/** Whoever sent it may have kept it from an earlier time: nothing is sent, and a dead letter keeps it. */
static void fail_stale(struct delivery *delivery, const struct record *record, const char *reason)
{
    if (!intake_keep_record(delivery, record)) {
        delivery_leave(delivery);
        return;
    }
    delivery_tell(delivery, OBSERVED_STALE);
    delivery_fail_unsent(delivery, "signature_expired", reason);
}

static void fail_duplicate(struct delivery *delivery, const struct record *record)
{
    char reason[96];
    snprintf(reason, sizeof reason, "%s comes twice in the event", delivery->event.duplicate);
    fail_taken(delivery, record, "bad_record", reason);
}

/** A readable event for this agent. */
static void receive(struct deliver *deliver, const struct record *record, struct event *event,
                    enum refusal refusal, struct ticket *ticket)
{
    if (refusal == REFUSAL_UNKNOWN) {
        leave(deliver, record, event, ticket);
        return;
    }
    if (!record->trusted && event->kind == EVENT_RUN && refusal != REFUSAL_OTHER_TOPICS)
        standing_signature(deliver, refusal == REFUSAL_NONE);
    if (refusal != REFUSAL_NONE)
        refusal_tell(deliver, record, event, refusal);
    if (refusal != REFUSAL_NONE && !refusal_is_reported(deliver, event, refusal)) {
        event_clear(event);
        source_ticket_done(ticket);
        return;
    }
    const char *nobodys = refusal == REFUSAL_NONE && !record->trusted ? whose_run_is_unclear(event) : NULL;
    if (nobodys) {
        refuse_record(deliver, record, event, ticket, nobodys);
        return;
    }
    struct run_report *owed = NULL;
    if (refusal == REFUSAL_NONE && dedup_find(&deliver->dedup, record, event, &owed)) {
        receive_again(deliver, record, event, ticket, owed);
        return;
    }
    char stale[FRESHNESS_REASON_SIZE];
    bool is_stale = refusal == REFUSAL_NONE && freshness_is_over(deliver, record, event, stale);
    struct delivery *delivery = intake_delivery(deliver, record, event, ticket);
    if (!delivery)
        return;
    if (refusal == REFUSAL_NONE)
        intake_trace(delivery, record, 0);
    if (refusal == REFUSAL_NONE && record->kind == EVENT_RUN && !delivery->is_run &&
        delivery->event.run_id.len)
        delivery_tell(delivery, OBSERVED_UNREPORTABLE);
    if (refusal != REFUSAL_NONE)
        refusal_report(delivery, refusal);
    else if (record->given_up)
        fail_taken(delivery, record, "cancelled", record->given_up);
    else if (is_stale)
        fail_stale(delivery, record, stale);
    else if (delivery->event.duplicate)
        fail_duplicate(delivery, record);
    else
        admit(delivery, record);
}

static void take_read(struct deliver *deliver, struct record_read *read)
{
    const struct record *record = read->record;
    struct event *event = &read->event;
    if (read->failed == PA_ERR_MEMORY)
        leave(deliver, record, event, read->ticket);
    else if (read->failed)
        refuse_record(deliver, record, event, read->ticket, read->why);
    else if (!record->trusted && !event->invocation.agent)
        skip(deliver, record, event, read->ticket);
    else
        receive(deliver, record, event, read->refusal, read->ticket);
}

void deliver_take(void *ctx, const struct record *record, struct ticket *ticket)
{
    struct deliver *deliver = ctx;
    struct record_read read = {.record = record, .ticket = ticket};
    if (record->redelivery_of && deliver->by_reference) { /* there is no space, and it cannot be kept */
        source_ticket_drop(ticket);
        return;
    }
    event_init(&read.event);
    deliver->can_keep |= source_ticket_can_read_again(ticket);
    record_tell(deliver, record, &read.event, OBSERVED_TAKEN);
    if (deliver->stopped && !record->unrepeatable) {
        source_ticket_drop(ticket);
        return;
    }
    if (!reading_start(deliver, &read, take_read))
        leave(deliver, record, &read.event, ticket);
}
