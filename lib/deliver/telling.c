/* What lib/observe is told of: the one place that spells out what there is to say of a record, a delivery and
 * an attempt. */
#include "deliver/telling.h"
#include "deliver/shared.h"
#include "port/result.h"
#include <string.h>

void deliver_tell_circuit(const struct deliver *deliver, const char *destination, unsigned failures)
{
    const struct observed observed = {.kind = failures > 0 ? OBSERVED_CIRCUIT_OPEN : OBSERVED_CIRCUIT_CLOSED,
                                      .destination = destination,
                                      .count = failures};
    observe(deliver->options.observer, &observed);
}

struct observed record_observed(const struct record *record, struct slice run_id, enum observed_kind kind)
{
    return (struct observed){.kind = kind,
                             .record_id = record->id,
                             .topic = record->topic,
                             .partition = record->partition,
                             .offset = record->offset,
                             .record_ms = record->timestamp_ms,
                             .run_id = slice_is_null(run_id) ? record->run_id : run_id};
}

void record_tell(const struct deliver *deliver, const struct record *record, const struct event *event,
                 enum observed_kind kind)
{
    const struct observed observed = record_observed(record, event->run_id, kind);
    observe(deliver->options.observer, &observed);
}

static void show(const void *ctx, struct slice text, struct buffer *out)
{
    outcome_shown(ctx, text, out);
}

static struct observed about(const struct delivery *delivery, enum observed_kind kind)
{
    const struct outcome *outcome = &delivery->outcome;
    return (struct observed){
        .kind = kind,
        .record_id = slice_of(delivery->id),
        .topic = delivery->topic,
        .partition = delivery->partition,
        .offset = delivery->offset,
        .record_ms = delivery->record_ms,
        .run_id = delivery->event.run_id,
        .trace = *delivery->trace.id ? &delivery->trace : NULL,
        .report = delivery->report,
        .method = delivery->method,
        .url = slice_of(delivery->target ? delivery->target->parts.redacted : NULL),
        .show = delivery->request.secret_count > 0 ? show : NULL,
        .show_ctx = delivery,
        .attempt = delivery->attempt,
        .mapping = delivery->request.mapping,
        .status = outcome->status,
        .error_type = outcome->error_type,
        .reason = buffer_slice(&outcome->cause),
        .warning = kind == OBSERVED_UNSENT ? mapped_last_warning(buffer_slice(&delivery->mapped))
                                           : (struct slice){NULL, 0},
        .answer = buffer_slice(&outcome->detail),
        .summary = buffer_slice(&outcome->summary),
        .reported = delivery->is_run ? result_status(outcome->success, delivery->synchronized) : NULL,
        .has_letter = delivery->deliver->options.dead_letters != NULL,
        .letter_written = delivery->letter_written,
    };
}

void delivery_tell(const struct delivery *delivery, enum observed_kind kind)
{
    const struct observed observed = about(delivery, kind);
    observe(delivery->deliver->options.observer, &observed);
}

const char *delivery_hint(const struct delivery *delivery)
{
    const struct observed observed = about(delivery, OBSERVED_RETRYING);
    return observed_hint(&observed);
}

void delivery_tell_done(const struct delivery *delivery)
{
    int64_t now_ms = clock_monotonic_ms(delivery->deliver->options.clock);
    struct observed observed = about(delivery, OBSERVED_DONE);
    observed.error_type = delivery->end_error ? delivery->end_error : "";
    observed.status = delivery->end_status;
    observed.wait_ms = delivery->is_run && delivery->end_error ? now_ms - delivery->ended_ms : -1;
    observe(delivery->deliver->options.observer, &observed);
}

void delivery_tell_move(const struct delivery *delivery, const char *from, const char *to)
{
    struct observed observed = about(delivery, OBSERVED_MOVED);
    observed.from = from;
    observed.to = to;
    observe(delivery->deliver->options.observer, &observed);
}

void delivery_tell_mapped(const struct delivery *delivery)
{
    struct observed observed = about(delivery, OBSERVED_MAPPED);
    observed.duration_ms = clock_monotonic_ms(delivery->deliver->options.clock) - delivery->mapping_ms;
    observe(delivery->deliver->options.observer, &observed);
}

void delivery_tell_why(const struct delivery *delivery, enum observed_kind kind, struct slice reason)
{
    struct observed observed = about(delivery, kind);
    observed.reason = reason;
    observe(delivery->deliver->options.observer, &observed);
}

void delivery_tell_start(struct delivery *delivery, struct slice body)
{
    struct observed observed = about(delivery, OBSERVED_SENDING);
    struct buffer shown = {0};
    if (body.len > 0 && log_enabled(LOG_DEBUG)) /* nobody else shows it */
        outcome_body_shown(delivery, body, &shown);
    observed.body = body.len > 0 ? buffer_slice(&shown) : body;
    observed.wait_ms = delivery->started_ms - delivery->taken_ms;
    if (delivery->start_told) /* once to its run */
        observed.report = NULL;
    delivery->start_told |= delivery->report != NULL;
    observe(delivery->deliver->options.observer, &observed);
    buffer_wipe(&shown);
}

void delivery_tell_attempt(struct delivery *delivery, enum observed_kind kind,
                           const struct http_result *result, int64_t wait_ms)
{
    static const enum observed_cut cuts[] = {[HTTP_WHOLE] = OBSERVED_WHOLE,
                                             [HTTP_CUT_TOO_LONG] = OBSERVED_CUT_TOO_LONG,
                                             [HTTP_CUT_NO_ROOM] = OBSERVED_CUT_NO_ROOM,
                                             [HTTP_CUT_UNREADABLE] = OBSERVED_CUT_UNREADABLE,
                                             [HTTP_CUT_ENDED_EARLY] = OBSERVED_CUT_ENDED_EARLY,
                                             [HTTP_CUT_UNSURE] = OBSERVED_CUT_UNSURE};
    struct observed observed = about(delivery, kind);
    observed.max_attempts = delivery->deliver->options.retry.max_attempts;
    observed.answered = result->failure == HTTP_OK;
    observed.resent = result->resent;
    observed.redirects = result->redirects;
    observed.cut = cuts[result->body_cut];
    observed.kept_bytes = result->body.len;
    if (delivery->deliver->options.keeps_answers)
        observed.whole_answer = result->text;
    observed.duration_ms = result->duration_ms;
    observed.wait_ms = wait_ms;
    if (kind == OBSERVED_DELIVERED || kind == OBSERVED_FAILED)
        delivery->ending = (struct ending){.kind = (int)kind,
                                           .resent = result->resent,
                                           .redirects = result->redirects,
                                           .duration_ms = result->duration_ms};
    observe(delivery->deliver->options.observer, &observed);
}

void delivery_tell_waits(struct delivery *delivery, const char *reason)
{
    if (delivery->waits.told || !delivery->is_run)
        return;
    delivery->waits.told = true;
    delivery_tell_why(delivery, OBSERVED_WAITS, slice_of(reason));
}

void delivery_tell_ended(struct delivery *delivery, const char *port_result)
{
    struct ending *ending = &delivery->ending;
    char waited[WAITS_TEXT_SIZE];
    bool ended = ending->kind == OBSERVED_DELIVERED || ending->kind == OBSERVED_FAILED ||
                 ending->kind == OBSERVED_UNSENT;
    bool is_news = !ending->told || strcmp(port_result, "waiting") != 0;
    if (!ended || !is_news)
        return;
    struct observed observed = about(delivery, OBSERVED_ENDED);
    observed.unlisted = ending->told; /* its line has said that it waits */
    ending->told = true;
    observed.ended = (enum observed_kind)ending->kind;
    observed.resent = ending->resent;
    observed.redirects = ending->redirects;
    observed.duration_ms = ending->duration_ms;
    observed.port_result = port_result;
    observed.waited = waits_text(delivery, waited);
    observe(delivery->deliver->options.observer, &observed);
}
