/* One request: signed, sent, answered; then tried again, or over. */
#include "deliver/attempt.h"
#include "deliver/conclusion.h"
#include "deliver/report.h"
#include "deliver/retry.h"
#include "deliver/shared.h"
#include "deliver/signing.h"
#include "deliver/telling.h"
#include "port/result.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_WAIT_MS = 500, SHORTAGE_WAIT_MS = 500, TELL_SHORTAGE_EVERY_MS = 60000 };

static struct slice body_of(const struct delivery *delivery)
{
    return mapped_body(&delivery->request, slice_of(delivery->method),
                       buffer_slice(&delivery->event.payload));
}

/* Sending */

/** How much of the answer's body anybody reads. A detail is masked before it is cut, so that a secret on the
 * cut is found: where there are secrets all of it is needed. */
static size_t body_wanted(const struct delivery *delivery)
{
    const struct deliver_options *options = &delivery->deliver->options;
    bool run_wants = delivery->is_run && (delivery->synchronized || delivery->request.reports);
    if (run_wants || options->keeps_answers)
        return SIZE_MAX;
    if (!options->detailed_logging)
        return 0;
    return delivery->request.secret_count > 0 ? SIZE_MAX : DETAIL_BYTES;
}

static void answered(void *ctx, const struct http_result *result);
static void attempt_over(struct delivery *delivery, const struct http_result *result);

/** Headers, in two forms: few of them need no memory. */
struct header_lists {
    struct mapped_header few[OWN_HEADERS + 16], *mapped;
    struct http_header few_sent[OWN_HEADERS + 16], *sent;
    size_t count;
    char seconds[24], attempt[24], traceparent[TRACEPARENT_SIZE];
};

static bool lists_open(struct header_lists *lists, const struct delivery *delivery)
{
    size_t count = OWN_HEADERS + delivery->request.header_count;
    bool few = count <= sizeof lists->few / sizeof *lists->few;
    lists->mapped = few ? lists->few : calloc(count, sizeof *lists->mapped);
    lists->sent = few ? lists->few_sent : calloc(count, sizeof *lists->sent);
    return lists->mapped && lists->sent;
}

static void lists_close(struct header_lists *lists)
{
    if (lists->mapped != lists->few)
        free(lists->mapped);
    if (lists->sent != lists->few_sent)
        free(lists->sent);
}

static int64_t now_s(const struct delivery *delivery)
{
    return clock_wall_ms(delivery->deliver->options.clock) / 1000;
}

/** The headers that go with a request that was signed at that time. */
static void make_headers(const struct delivery *delivery, bool with_body, int64_t signed_s,
                         const char *signature, struct header_lists *lists)
{
    const struct deliver_options *options = &delivery->deliver->options;
    struct buffer seconds = {.ptr = lists->seconds, .cap = sizeof lists->seconds};
    struct buffer attempt = {.ptr = lists->attempt, .cap = sizeof lists->attempt};
    buffer_append_int(&seconds, signed_s);
    buffer_append_int(&attempt, delivery->attempt);
    struct trace_parent parent;
    bool traced = trace_sent_on(options->tracing, &delivery->trace, delivery->attempt, &parent);
    if (traced)
        trace_parent_write(&parent, lists->traceparent);
    const struct own_headers own = {.timestamp = buffer_slice(&seconds),
                                    .signature = slice_of(signature),
                                    .attempt = buffer_slice(&attempt),
                                    .id = slice_of(delivery->id),
                                    .redelivery_of = slice_of(delivery->redelivery_of),
                                    .traceparent = slice_of(traced ? lists->traceparent : NULL),
                                    .tracestate = slice_of(traced ? delivery->tracestate : NULL),
                                    .with_body = with_body};
    lists->count = mapped_headers(&delivery->request, &own, lists->mapped);
    for (size_t i = 0; i < lists->count; i++)
        lists->sent[i] = (struct http_header){lists->mapped[i].name, lists->mapped[i].value};
}

/** A redirect has left the request without its body, and so without what describes it. */
static bool sent_without_body(void *ctx, struct http_call *call)
{
    struct delivery *delivery = ctx;
    struct header_lists lists;
    int64_t signed_s = now_s(delivery);
    bool ready =
        lists_open(&lists, delivery) && signer_sign(delivery->deliver->options.signer, signed_s,
                                                    SLICE_LITERAL(""), delivery->redirected_signature) == 0;
    size_t kept = 0;
    if (ready)
        make_headers(delivery, false, signed_s, delivery->redirected_signature, &lists);
    for (size_t i = 0; ready && i < lists.count; i++)
        if (!slice_equal_text_ignore_case(lists.sent[i].name, "Content-Type"))
            lists.sent[kept++] = lists.sent[i];
    ready = ready && http_call_headers(call, lists.sent, kept);
    lists_close(&lists);
    return ready;
}

static struct http_call *start_call(struct delivery *delivery)
{
    const struct url_parts *url = &delivery->target->parts;
    struct slice body = body_of(delivery);
    size_t wanted = body_wanted(delivery);
    struct header_lists lists;
    struct http_call *call = NULL;
    if (lists_open(&lists, delivery)) {
        make_headers(delivery, !slice_is_null(body), delivery->signed_s, delivery->signature, &lists);
        const struct http_request request = {.method = delivery->method,
                                             .url = url->url,
                                             .parsed = url->parsed,
                                             .without_body = sent_without_body,
                                             .headers = lists.sent,
                                             .header_count = lists.count,
                                             .body = body,
                                             .discard_body = wanted < SIZE_MAX,
                                             .keep_bytes = wanted,
                                             .text = (wanted > 0),
                                             .keep_headers = delivery->is_run && delivery->request.reports};
        call = http_start(delivery->deliver->options.http, &request, answered, delivery);
    }
    lists_close(&lists);
    return call;
}

/** False: the event is too old to be delivered. */
static bool is_fresh(const struct delivery *delivery)
{
    const struct deliver_options *options = &delivery->deliver->options;
    return options->event_max_age_ms == 0 || delivery->record_ms < 0 || delivery->attempt > 0 ||
           clock_wall_ms(options->clock) - delivery->record_ms <= options->event_max_age_ms;
}

static void fail_without_memory(struct delivery *delivery)
{
    const struct http_result result = {.failure = HTTP_MEMORY, .reason = "out of memory"};
    attempt_over(delivery, &result);
}

static void signed_elsewhere(void *ctx, const char *signature)
{
    struct delivery *delivery = ctx;
    struct deliver *deliver = delivery->deliver;
    delivery->signing = NULL;
    if (signature)
        memcpy(delivery->signature, signature, SIGNATURE_SIZE);
    delivery->call = signature ? start_call(delivery) : NULL;
    if (delivery->call)
        return;
    fail_without_memory(delivery);
    deliver_pump(deliver);
}

/** It is being signed, or is on its way. False: out of memory. */
static bool sign_and_start(struct delivery *delivery)
{
    const struct deliver_options *options = &delivery->deliver->options;
    struct slice body = body_of(delivery);
    delivery->signed_s = now_s(delivery);
    if (!turn_bytes_fit(&delivery->deliver->signed_in_turn, options->loop, body.len, SIGNING_BYTES)) {
        delivery->signing = signing_start(options->loop, options->signer, delivery->signed_s, body,
                                          signed_elsewhere, delivery);
        return delivery->signing != NULL;
    }
    if (slice_is_null(body))
        body = SLICE_LITERAL("");
    if (signer_sign(options->signer, delivery->signed_s, body, delivery->signature) != 0)
        return false;
    delivery->call = start_call(delivery);
    return delivery->call != NULL;
}

static void send_delivery(struct delivery *delivery)
{
    life_enter(delivery, LIFE_SENDING);
    if (delivery->attempt++ == 0)
        delivery->started_ms = clock_monotonic_ms(delivery->deliver->options.clock);
    delivery_open_report(delivery);
    delivery_tell_start(delivery, body_of(delivery));
    if (!sign_and_start(delivery))
        fail_without_memory(delivery);
}

/** An attempt that does not take place. */
static void expire(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    char reason[128];
    snprintf(reason, sizeof reason, "the event is older than EVENT_MAX_AGE_SECONDS (%lld s)",
             (long long)(deliver->options.event_max_age_ms / 1000));
    window_ended(deliver->window, &delivery->slot, SLOT_CANCELLED, 0);
    delivery_tell(delivery, OBSERVED_EXPIRED);
    delivery_leave_lane(delivery);
    delivery_fail_unsent(delivery, "event_expired", reason);
}

void deliver_pump(struct deliver *deliver)
{
    struct slot *slot;
    if (deliver->pumping) /* what starts, or does not, may ask for more: the loop below sees to that */
        return;
    deliver->pumping = true;
    while (!deliver->withdrawing && !window_is_full(deliver->window) &&
           memory_answers_fit(&deliver->memory) && (slot = window_next(deliver->window))) {
        struct delivery *delivery = delivery_of_slot(slot);
        if (is_fresh(delivery))
            send_delivery(delivery);
        else
            expire(delivery);
    }
    deliver->pumping = false;
}

/* Answers */

static void due_again(struct due *due)
{
    struct delivery *delivery = delivery_of_due(due);
    delivery_ready(delivery);
    deliver_pump(delivery->deliver);
}

/** Outside of the window; it is queued again. */
static void wait_for_retry(struct delivery *delivery, int64_t wait_ms)
{
    struct deliver *deliver = delivery->deliver;
    life_enter(delivery, LIFE_WAITING);
    schedule_add(&deliver->schedule, &delivery->due, clock_monotonic_ms(deliver->options.clock) + wait_ms,
                 due_again);
}

static void try_again(struct delivery *delivery, const struct http_result *result, int64_t wait_ms)
{
    delivery_tell_attempt(delivery, OBSERVED_RETRYING, result, wait_ms);
    outcome_clear(&delivery->outcome); /* the next attempt has its own */
    wait_for_retry(delivery, wait_ms);
    /* Where others wait outside of memory already, a long wait is no reason to be in it. */
    const struct deliver *deliver = delivery->deliver;
    bool others_wait = deliver->kept.count > 0 && wait_ms >= LONG_WAIT_MS;
    if (others_wait || window_is_beyond_share(deliver->window, &delivery->slot, false))
        PA_IGNORE(delivery_keep(delivery)); /* it waits in memory then */
}

/** Whoever comes next has all its attempts. */
static void leave_retry(struct delivery *delivery, const struct http_result *result)
{
    delivery_tell_attempt(delivery, OBSERVED_RETRY_LEFT, result, 0);
    delivery_leave(delivery);
}

static void keep_context(struct delivery *delivery, const struct http_result *result)
{
    char reason[64];
    size_t left_out =
        outcome_context(delivery, result, body_of(delivery), &delivery->outcome, &delivery->context);
    if (left_out == 0)
        return;
    snprintf(reason, sizeof reason, "%zu headers beyond the first %d", left_out, ANSWER_HEADERS_MAX);
    delivery_tell_why(delivery, OBSERVED_HEADERS_LEFT_OUT, slice_of(reason));
}

/** The last attempt is over: its outcome is told, and then what is owed to it. */
static void end(struct delivery *delivery, const struct http_result *result)
{
    struct deliver *deliver = delivery->deliver;
    delivery_tell_attempt(delivery, delivery->outcome.success ? OBSERVED_DELIVERED : OBSERVED_FAILED, result,
                          0);
    if (delivery->request.reports && delivery->is_run)
        keep_context(delivery, result);
    dedup_add(&deliver->dedup, delivery);
    delivery_leave_lane(delivery);
    delivery_conclude(delivery);
}

/** The system gives the agent no connection: it has no file descriptor left, most of the time. That is not
 * the endpoint's doing, so it is no attempt and nothing a breaker hears of. The delivery waits, and the
 * window narrows to what is under way. */
static void wait_for_connection(struct delivery *delivery, const struct http_result *result)
{
    struct deliver *deliver = delivery->deliver;
    const struct clock *clock = deliver->options.clock;
    int64_t now_ms = clock_monotonic_ms(clock);
    window_ended(deliver->window, &delivery->slot, SLOT_CANCELLED, 0);
    delivery->attempt--;
    if (deliver->stopped && !delivery->unrepeatable) {
        delivery_leave(delivery);
        return;
    }
    wait_for_retry(delivery, SHORTAGE_WAIT_MS + (int64_t)(clock->random(clock->ctx) * SHORTAGE_WAIT_MS));
    unsigned slots = window_narrow(deliver->window);
    if (deliver->shortage_told_ms > 0 && now_ms - deliver->shortage_told_ms < TELL_SHORTAGE_EVERY_MS)
        return;
    deliver->shortage_told_ms = now_ms;
    observe(
        deliver->options.observer,
        &(struct observed){.kind = OBSERVED_SHORTAGE, .reason = slice_of(result->reason), .count = slots});
}

/** What the attempt says of its destination. */
static enum slot_end end_of(const struct http_result *result)
{
    if (result->proxy_refused || (result->failure == HTTP_EGRESS && result->status == 0))
        return SLOT_CANCELLED; /* it was not asked */
    if (result->failure == HTTP_MEMORY || result->failure == HTTP_BAD_URL)
        return SLOT_OURS;
    if (result->status > 0)
        return result->status < 500 ? SLOT_ANSWERED : SLOT_FAILED;
    bool silent = result->failure == HTTP_IDLE_TIMEOUT || result->failure == HTTP_CONNECT_TIMEOUT ||
                  result->failure == HTTP_TOTAL_TIMEOUT;
    return silent ? SLOT_SILENT : SLOT_REFUSED;
}

static void attempt_over(struct delivery *delivery, const struct http_result *result)
{
    struct deliver *deliver = delivery->deliver;
    int64_t wait_ms;
    if (result->failure == HTTP_NO_DESCRIPTOR) {
        wait_for_connection(delivery, result);
        return;
    }
    outcome_of(delivery, result, deliver->options.detailed_logging, &delivery->outcome);
    if (!delivery->outcome.success)
        window_note_cause(&delivery->slot, buffer_slice(&delivery->outcome.cause), delivery_hint(delivery));
    window_ended(deliver->window, &delivery->slot, end_of(result), result->duration_ms);
    if (delivery->outcome.success ||
        !retry_wait(&deliver->options, delivery->attempt, delivery->started_ms, result, &wait_ms))
        end(delivery, result);
    else if (deliver->stopped && !delivery->unrepeatable)
        leave_retry(delivery, result);
    else
        try_again(delivery, result, wait_ms);
}

static void answered(void *ctx, const struct http_result *result)
{
    struct delivery *delivery = ctx;
    struct deliver *deliver = delivery->deliver;
    delivery->call = NULL;
    attempt_over(delivery, result);
    deliver_pump(deliver);
}

void delivery_give_up(struct delivery *delivery, const char *unsent, const char *unanswered)
{
    const struct deliver *deliver = delivery->deliver;
    if (delivery->attempt == 0) {
        delivery_fail_unsent(delivery, "cancelled", unsent);
        return;
    }
    struct http_result result = {.failure = HTTP_CANCELLED,
                                 .duration_ms =
                                     clock_monotonic_ms(deliver->options.clock) - delivery->started_ms};
    snprintf(result.reason, sizeof result.reason, "%s", unanswered);
    outcome_of(delivery, &result, deliver->options.detailed_logging, &delivery->outcome);
    end(delivery, &result);
}

void delivery_cancel_attempt(struct delivery *delivery)
{
    if (delivery->signing)
        signing_forget(delivery->signing);
    else
        http_call_forget(delivery->call, NULL, NULL);
    delivery->signing = NULL;
    delivery->call = NULL;
    window_ended(delivery->deliver->window, &delivery->slot, SLOT_CANCELLED, 0);
}
