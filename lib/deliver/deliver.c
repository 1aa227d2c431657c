/* The state machine of deliver.h: what moves a delivery from one state to the next, and what it leaves
 * behind. */
#include "base/log.h"
#include "deliver/internal.h"
#include <stdlib.h>
#include <string.h>

enum { SUMMARY_FIELDS_MAX = 32 };

static void pump(struct deliver *deliver);

/* Room */

static void room_again(uv_idle_t *wake)
{
    struct deliver *deliver = wake->data;
    uv_idle_stop(wake);
    if (deliver->options.room && !deliver->stopped)
        deliver->options.room(deliver->options.room_ctx);
}

/** Something was given up: the source hears of it once an eighth of the bound is free, not record by record.
 */
static void room_check(struct deliver *deliver)
{
    size_t held = deliver->counters.bytes_held + reports_bytes(deliver->options.reports);
    size_t bound = deliver->options.max_bytes;
    if (!deliver->room_wanted || (held > bound - bound / 8 && deliver->counters.bytes_held > 0))
        return;
    deliver->room_wanted = false;
    uv_idle_start(deliver->wake, room_again);
}

/* The end of a delivery */

static void payload_release(struct delivery *delivery)
{
    size_t payload = delivery->event.payload.cap;
    buffer_clear(&delivery->event.payload);
    delivery->bytes -= payload;
    delivery->deliver->counters.bytes_held -= payload;
}

void delivery_free(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    if (delivery->previous)
        delivery->previous->next = delivery->next;
    else
        deliver->first = delivery->next;
    if (delivery->next)
        delivery->next->previous = delivery->previous;
    deliver->counters.bytes_held -= delivery->bytes;
    target_release(delivery->target);
    if (delivery->destination)
        destination_release(deliver, delivery->destination);
    event_clear(&delivery->event);
    free(delivery);
    room_check(deliver);
}

static void delivery_done(struct delivery *delivery)
{
    struct ticket *ticket = delivery->ticket;
    delivery_free(delivery);
    source_ticket_done(ticket);
}

static void delivery_drop(struct delivery *delivery)
{
    struct ticket *ticket = delivery->ticket;
    delivery->deliver->counters.dropped++;
    delivery_free(delivery);
    source_ticket_drop(ticket);
}

/** The lane goes on without this delivery. */
static void leave_lane(struct delivery *delivery)
{
    struct lane *lane = delivery->lane;
    delivery->lane = NULL;
    if (!lane || lane->head != delivery)
        return;
    struct delivery *next = lane_leave(delivery->deliver, lane);
    if (next)
        delivery_queue(next);
}

/* Results */

static void reported(void *ctx, enum report_outcome outcome)
{
    struct delivery *delivery = ctx;
    struct deliver *deliver = delivery->deliver;
    delivery->report = NULL;
    deliver->counters.reporting--;
    deliver->counters.refused_results += outcome == REPORT_REFUSED;
    delivery_done(delivery);
}

/** Nothing but success of an asynchronous run goes unreported. */
static struct run_result result_of(const struct delivery *delivery, const struct outcome *outcome)
{
    struct run_result result = {0};
    if (outcome->response.len > 0)
        result.response = buffer_slice(&outcome->response);
    if (!outcome->success) {
        result.status = SLICE_LITERAL("FAILURE");
        result.summary = buffer_slice(&outcome->summary);
    } else if (delivery->synchronized) {
        result.status = SLICE_LITERAL("SUCCESS");
    }
    return result;
}

static void report(struct delivery *delivery, const struct outcome *outcome)
{
    struct deliver *deliver = delivery->deliver;
    struct run_result result = result_of(delivery, outcome);
    if (!delivery->report) {
        /* A run without a report: its queue could not be opened for want of memory. */
        delivery->is_run ? delivery_drop(delivery) : delivery_done(delivery);
        return;
    }
    delivery->state = DELIVERY_REPORTING;
    deliver->counters.reporting++;
    payload_release(delivery);
    run_report_finish(delivery->report, &result, reported, delivery);
    room_check(deliver);
}

static void observe(const struct delivery *delivery, const struct http_result *result,
                    const struct outcome *outcome)
{
    struct deliver *deliver = delivery->deliver;
    if (!deliver->options.observe)
        return;
    struct buffer reason = {0};
    buffer_append_slice(&reason, buffer_slice(&outcome->cause));
    const char *status = !delivery->is_run        ? ""
                         : !outcome->success      ? "FAILURE"
                         : delivery->synchronized ? "SUCCESS"
                                                  : "";
    struct delivery_outcome seen = {
        .topic = delivery->topic,
        .partition = delivery->partition,
        .offset = delivery->offset,
        .run_id = delivery->event.run_id,
        .kind = outcome->success ? "delivered" : "failed",
        .method = delivery->method,
        .url = delivery->target ? delivery->target->parts.redacted : "",
        .status = result->status,
        .duration_ms = result->duration_ms,
        .reason = buffer_text(&reason),
        .reported = status,
    };
    deliver->options.observe(deliver->options.observe_ctx, &seen);
    buffer_clear(&reason);
}

/* Sending */

static void open_report(struct delivery *delivery)
{
    if (delivery->is_run && !delivery->report)
        delivery->report = run_report_open(delivery->deliver->options.reports, delivery->event.run_id);
}

static void answered(void *ctx, const struct http_result *result)
{
    struct delivery *delivery = ctx;
    struct deliver *deliver = delivery->deliver;
    struct outcome outcome;
    delivery->call = NULL;
    deliver->counters.sending--;
    deliver->counters.redelivered_resends += result->resent;
    destination_answered(deliver, delivery->destination, result->failure);
    outcome_of(delivery, result, deliver->options.detailed_logging, &outcome);
    outcome.success ? deliver->counters.delivered++ : deliver->counters.failed++;
    outcome_log(delivery, result, &outcome);
    if (delivery->report) {
        struct buffer text = {0};
        outcome_run_log(delivery, result, &outcome, &text);
        run_report_log(delivery->report, buffer_slice(&text));
        buffer_clear(&text);
    }
    observe(delivery, result, &outcome);
    leave_lane(delivery);
    report(delivery, &outcome);
    outcome_clear(&outcome);
    pump(deliver);
}

void delivery_fail_unsent(struct delivery *delivery, const char *reason)
{
    struct deliver *deliver = delivery->deliver;
    struct outcome outcome = {.error_type = "bad_request"};
    struct http_result result = {0};
    buffer_append_text(&outcome.cause, reason);
    buffer_appendf(&outcome.summary, "No webhook was sent: %s", reason);
    deliver->counters.failed++;
    log_warning("webhook failed", F_STR("messaging.destination.name", delivery->topic), F_PARTITION(delivery),
                F_OFFSET(delivery), F_STR("error.type", outcome.error_type), F_STR("error.message", reason),
                F_SLICE("port.run_id", delivery->event.run_id));
    observe(delivery, &result, &outcome);
    open_report(delivery);
    if (delivery->report)
        run_report_log(delivery->report, buffer_slice(&outcome.summary));
    report(delivery, &outcome);
    outcome_clear(&outcome);
}

void delivery_refuse(struct delivery *delivery, const char *reason)
{
    struct outcome outcome = {.error_type = "bad_signature"};
    buffer_append_text(&outcome.summary, reason);
    open_report(delivery);
    report(delivery, &outcome);
    outcome_clear(&outcome);
}

static bool body_matters(const struct delivery *delivery)
{
    return delivery->deliver->options.detailed_logging || (delivery->is_run && delivery->synchronized);
}

static struct http_call *start_call(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    struct slice body = buffer_slice(&delivery->event.payload);
    int64_t now_s = clock_wall_ms(deliver->options.clock) / 1000;
    char signature[SIGNATURE_SIZE], stamp[24];
    if (signer_sign(deliver->options.signer, now_s, body, signature) != 0)
        return NULL;
    struct buffer seconds = {.ptr = stamp, .cap = sizeof stamp};
    buffer_append_int(&seconds, now_s);
    const struct http_header headers[] = {
        {SLICE_LITERAL("Content-Type"), SLICE_LITERAL("application/json")},
        {SLICE_LITERAL("X-Port-Timestamp"), buffer_slice(&seconds)},
        {SLICE_LITERAL("X-Port-Signature"), slice_of(signature)},
        {SLICE_LITERAL("Idempotency-Key"), slice_of(delivery->id)},
        {SLICE_LITERAL("webhook-id"), slice_of(delivery->id)},
    };
    struct http_request request = {.method = delivery->method,
                                   .url = delivery->target->url,
                                   .headers = headers,
                                   .header_count = sizeof headers / sizeof *headers,
                                   .body = body,
                                   .discard_body = !body_matters(delivery)};
    return http_start(deliver->options.http, &request, answered, delivery);
}

static void send_delivery(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    deliver->counters.queued--;
    deliver->counters.sending++;
    delivery->state = DELIVERY_SENDING;
    open_report(delivery);
    if (delivery->report) {
        struct buffer text = {0};
        buffer_appendf(&text, "Sending %s %s (attempt 1)", delivery->method,
                       delivery->target->parts.redacted);
        run_report_log(delivery->report, buffer_slice(&text));
        buffer_clear(&text);
    }
    log_debug("request", F_STR("messaging.destination.name", delivery->topic), F_PARTITION(delivery),
              F_OFFSET(delivery), F_STR("http.request.method", delivery->method),
              F_STR("url.full", delivery->target->parts.redacted),
              F_SLICE("body", buffer_slice(&delivery->event.payload)));
    delivery->call = start_call(delivery);
    if (delivery->call)
        return;
    struct http_result result = {.failure = HTTP_MEMORY, .reason = "out of memory"};
    answered(delivery, &result);
}

static void pump(struct deliver *deliver)
{
    struct delivery *delivery;
    while (!deliver->withdrawing && deliver->counters.sending < deliver->options.max_in_flight &&
           (delivery = destination_next(deliver)))
        send_delivery(delivery);
}

void delivery_queue(struct delivery *delivery)
{
    destination_push(delivery->deliver, delivery);
    pump(delivery->deliver);
}

/* Withdrawing */

/** Takes a delivery that has not started out of its lane and queue. */
static void unqueue(struct delivery *delivery)
{
    if (delivery->queue)
        list_remove(delivery);
    delivery->deliver->counters.queued--;
    leave_lane(delivery);
}

static void forget_sending(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    http_call_forget(delivery->call, NULL, NULL);
    delivery->call = NULL;
    deliver->counters.sending--;
    destination_answered(deliver, delivery->destination, HTTP_CANCELLED);
    leave_lane(delivery);
}

static void withdraw_delivery(struct delivery *delivery)
{
    if (delivery->state == DELIVERY_QUEUED)
        unqueue(delivery);
    else if (delivery->state == DELIVERY_SENDING)
        forget_sending(delivery);
    else
        delivery->deliver->counters.reporting--;
    if (delivery->report)
        run_report_cancel(delivery->report);
    delivery->report = NULL;
    delivery_drop(delivery);
}

struct withdrawal {
    const void *assignment; /* of this one alone; NULL: of all */
    bool started;           /* what has started as well */
    bool unrepeatable;      /* what nobody gets again as well */
};

/** Withdraws what matches. Leaving a lane may start the next in it, so those that have not started go first,
 * the last of a lane before the first: the list has the newest in front. */
static void withdraw_matching(struct deliver *deliver, const struct withdrawal *what)
{
    struct delivery *next;
    deliver->withdrawing = true;
    for (struct delivery *delivery = deliver->first; delivery; delivery = next) {
        next = delivery->next; // NOLINT(clang-analyzer-unix.Malloc): only `delivery` is freed below
        bool matches = !what->assignment || delivery->assignment == what->assignment;
        bool kept = (!what->started && delivery->state != DELIVERY_QUEUED) ||
                    (!what->unrepeatable && delivery->unrepeatable);
        if (matches && !kept)
            withdraw_delivery(delivery);
    }
    deliver->withdrawing = false;
}

static void deliver_withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    struct deliver *deliver = ctx;
    struct withdrawal what = {.assignment = assignment, .unrepeatable = true};
    withdraw_matching(deliver, &what);
    what.started = cancel_started;
    if (cancel_started)
        withdraw_matching(deliver, &what);
    pump(deliver);
}

void deliver_stop_starting(struct deliver *deliver)
{
    deliver->stopped = true;
    withdraw_matching(deliver, &(struct withdrawal){0});
    pump(deliver);
}

bool deliver_idle(const struct deliver *deliver)
{
    return deliver->counters.queued + deliver->counters.sending + deliver->counters.reporting == 0;
}

/* Counters */

void deliver_counters(const struct deliver *deliver, struct deliver_counters *out)
{
    *out = deliver->counters;
}

void deliver_log_summary(const struct deliver *deliver, const struct log_field *more, size_t count)
{
    const struct deliver_counters *c = &deliver->counters;
    if (!log_enabled(LOG_INFO))
        return;
    struct log_field fields[SUMMARY_FIELDS_MAX] = {
        F_INT("taken", c->taken),
        F_INT("delivered", c->delivered),
        F_INT("failed", c->failed),
        F_INT("skipped", c->skipped),
        F_INT("bad_records", c->bad_records),
        F_INT("bad_signatures", c->bad_signatures),
        F_INT("dropped", c->dropped),
        F_INT("refused_results", c->refused_results),
        F_INT("resent", c->redelivered_resends),
        F_INT("queued", c->queued),
        F_INT("in_flight", c->sending),
        F_INT("waiting_for_port", c->reporting),
        F_INT("bytes_held", c->bytes_held),
        F_INT("report_bytes", reports_bytes(deliver->options.reports))};
    size_t own = 0;
    while (own < SUMMARY_FIELDS_MAX && fields[own].name)
        own++;
    for (size_t i = 0; i < count && own < SUMMARY_FIELDS_MAX; i++)
        fields[own++] = more[i];
    log_write(LOG_INFO, "summary", fields, own);
}

/* Life */

static void wake_free(uv_handle_t *handle)
{
    free(handle);
}

struct source_sink deliver_sink(struct deliver *deliver)
{
    return (struct source_sink){deliver, deliver_has_room, deliver_take, deliver_withdraw};
}

struct deliver *deliver_new(const struct deliver_options *options)
{
    struct deliver *deliver = calloc(1, sizeof *deliver);
    if (!deliver)
        return NULL;
    deliver->options = *options;
    deliver->wake = calloc(1, sizeof *deliver->wake);
    if (!deliver->wake) {
        free(deliver);
        return NULL;
    }
    uv_idle_init(options->loop, deliver->wake);
    deliver->wake->data = deliver;
    return deliver;
}

void deliver_free(struct deliver *deliver)
{
    if (!deliver)
        return;
    deliver->stopped = true;
    withdraw_matching(deliver, &(struct withdrawal){.unrepeatable = true});
    withdraw_matching(deliver, &(struct withdrawal){.started = true, .unrepeatable = true});
    lanes_free(deliver);
    destinations_free(deliver);
    targets_free(deliver);
    for (size_t i = 0; i < sizeof deliver->topics / sizeof *deliver->topics; i++)
        free(deliver->topics[i]);
    uv_idle_stop(deliver->wake);
    uv_close((uv_handle_t *)deliver->wake, wake_free);
    free(deliver);
}
