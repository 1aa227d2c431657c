/* What an answer means in the log, in progress logs and as the run's result (docs/contract.md#results). */
#include "base/log.h"
#include "deliver/internal.h"
#include "map/context.h"
#include "port/result.h"
#include <string.h>

void outcome_shown(const struct delivery *delivery, struct slice text, struct buffer *out)
{
    if (delivery->request.secret_count > 0)
        mapped_mask(buffer_slice(&delivery->mapped), text, out);
    else
        buffer_append_slice(out, text);
}

static void add_signature(struct secrets *out, struct slice signature)
{
    if (slice_starts_with(signature, "v1,"))
        secrets_add(out, (struct slice){signature.ptr + 3, signature.len - 3}, SECRET_MIN);
}

/** What was sent, or is known, and must not be shown when it comes back. `credentials`: what is made for
 * this. */
static void collect_secrets(const struct delivery *delivery, struct secrets *out,
                            struct buffer credentials[2])
{
    const struct deliver_options *options = &delivery->deliver->options;
    mapped_secrets(buffer_slice(&delivery->mapped), out);
    mapped_header_secrets(&delivery->request, out);
    add_signature(out, slice_of(delivery->signature));
    add_signature(out, slice_of(delivery->redirected_signature));
    secrets_add(out, options->client_secret, SECRET_MIN);
    if (!delivery->target)
        return;
    url_credentials(slice_of(delivery->target->parts.url), &credentials[0], &credentials[1]);
    struct slice plain = buffer_slice(&credentials[0]);
    const char *colon = plain.len > 0 ? memchr(plain.ptr, ':', plain.len) : NULL;
    size_t user = colon ? (size_t)(colon - plain.ptr) : plain.len;
    secrets_add(out, plain, SECRET_MIN);
    if (colon && user + 1 < plain.len)
        secrets_add(out, (struct slice){colon + 1, plain.len - user - 1}, SECRET_MIN);
    else /* a token alone */
        secrets_add(out, (struct slice){plain.ptr, user}, SECRET_MIN);
    secrets_add(out, buffer_slice(&credentials[1]), 1);
    out->failed |= credentials[0].failed || credentials[1].failed;
}

static void wipe(struct buffer *buffer)
{
    if (buffer->ptr)
        explicit_bzero(buffer->ptr, buffer->cap);
    buffer_clear(buffer);
}

static void describe_failure(const struct delivery *delivery, const struct http_result *result, bool detailed,
                             struct outcome *out)
{
    bool answered = result->failure == HTTP_OK;
    struct secrets secrets = {0};
    struct buffer credentials[2] = {{0}, {0}};
    const struct webhook_failure failure = {.answered = answered,
                                            .status = result->status,
                                            .reason = slice_of(result->reason),
                                            .quoted = detailed ? result->text : (struct slice){NULL, 0},
                                            .attempts = delivery->attempt,
                                            .secrets = &secrets};
    out->error_type = answered ? "http_status" : http_failure_name(result->failure);
    if (!answered || detailed)
        collect_secrets(delivery, &secrets, credentials);
    result_failure(&failure, &out->cause, &out->detail, &out->summary);
    secrets_clear(&secrets);
    wipe(&credentials[0]);
    wipe(&credentials[1]);
}

void outcome_of(const struct delivery *delivery, const struct http_result *result, bool detailed,
                struct outcome *out)
{
    outcome_clear(out);
    out->status = result->status;
    /* A redirect that is not followed is a failure, whatever its status. */
    out->success = result->failure == HTTP_OK && result_is_success(result->status);
    out->answered = result->failure == HTTP_OK || result->failure == HTTP_REDIRECT;
    if (!out->success)
        describe_failure(delivery, result, detailed, out);
    if (delivery->is_run && result->failure == HTTP_OK)
        result_response(delivery->event.run_id, delivery->synchronized, result->status, result->text,
                        &out->response);
}

void outcome_clear(struct outcome *outcome)
{
    buffer_clear(&outcome->cause);
    buffer_clear(&outcome->response);
    buffer_clear(&outcome->summary);
    buffer_clear(&outcome->detail);
    *outcome = (struct outcome){.error_type = ""};
}

/* The log */

/** Nothing keeps what fails for good where no dead letters are written: then the line that says so is an
 * error. */
static enum log_level failure_level(const struct delivery *delivery)
{
    return delivery->deliver->options.dead_letters ? LOG_WARNING : LOG_ERROR;
}

static struct log_field age_of(const struct delivery *delivery)
{
    int64_t age_ms = clock_wall_ms(delivery->deliver->options.clock) - delivery->record_ms;
    return delivery->record_ms >= 0 ? F_INT("event.age_ms", age_ms) : F_NONE;
}

static const char *cut_in_words(enum http_cut cut)
{
    static const char *const words[] = {
        [HTTP_WHOLE] = "",
        [HTTP_CUT_TOO_LONG] = "response body cut: it was longer than WEBHOOK_MAX_RESPONSE_BYTES",
        [HTTP_CUT_NO_ROOM] = "response body cut: there was no room for it in WEBHOOK_TOTAL_RESPONSE_BYTES",
        [HTTP_CUT_UNREADABLE] = "response body left out: its Content-Encoding could not be undone",
        [HTTP_CUT_ENDED_EARLY] = "response body cut: its Content-Encoding ended before its end"};
    return words[cut];
}

static void log_cut(const struct delivery *delivery, struct slice url, const struct http_result *result)
{
    log_warning(cut_in_words(result->body_cut), F_STR("messaging.destination.name", delivery->topic),
                F_PARTITION(delivery), F_OFFSET(delivery), F_SLICE("url.full", url),
                F_INT("kept_bytes", result->body.len));
}

void outcome_log(const struct delivery *delivery, const struct http_result *result)
{
    const struct outcome *outcome = &delivery->outcome;
    enum log_level level = outcome->success ? LOG_INFO : failure_level(delivery);
    struct buffer url = {0};
    outcome_shown(delivery, slice_of(delivery->target->parts.redacted), &url);
    if (log_enabled(level)) {
        const struct log_field fields[] = {
            F_STR("messaging.destination.name", delivery->topic),
            F_PARTITION(delivery),
            F_OFFSET(delivery),
            F_STR("http.request.method", delivery->method),
            F_SLICE("url.full", buffer_slice(&url)),
            result->status ? F_INT("http.response.status_code", result->status) : F_NONE,
            outcome->success ? F_NONE : F_STR("error.type", outcome->error_type),
            outcome->success ? F_NONE : F_SLICE("error.message", buffer_slice(&outcome->cause)),
            F_SLICE("port.run_id", delivery->event.run_id),
            delivery->request.mapping ? F_INT("mapping", delivery->request.mapping) : F_NONE,
            F_INT("attempt", delivery->attempt),
            F_INT("duration_ms", result->duration_ms),
            age_of(delivery),
            result->resent ? F_BOOL("resent", true) : F_NONE,
            result->redirects ? F_INT("redirects", result->redirects) : F_NONE,
            outcome->detail.len > 0 ? F_SLICE("answer", buffer_slice(&outcome->detail)) : F_NONE,
        };
        log_write(level, outcome->success ? "webhook delivered" : "webhook failed", fields,
                  sizeof fields / sizeof *fields);
    }
    if (result->body_cut)
        log_cut(delivery, buffer_slice(&url), result);
    buffer_clear(&url);
}

void outcome_log_unsent(const struct delivery *delivery)
{
    enum log_level level = failure_level(delivery);
    if (!log_enabled(level))
        return;
    const struct log_field fields[] = {F_STR("messaging.destination.name", delivery->topic),
                                       F_PARTITION(delivery),
                                       F_OFFSET(delivery),
                                       F_STR("error.type", delivery->outcome.error_type),
                                       F_SLICE("error.message", buffer_slice(&delivery->outcome.cause)),
                                       F_SLICE("port.run_id", delivery->event.run_id),
                                       age_of(delivery)};
    log_write(level, "webhook failed", fields, sizeof fields / sizeof *fields);
}

/* The run's people */

void outcome_run_log(const struct delivery *delivery, const struct http_result *result, struct buffer *text)
{
    const struct outcome *outcome = &delivery->outcome;
    if (result->failure == HTTP_OK) {
        buffer_appendf(text, "Webhook answered %d in %lld ms", result->status,
                       (long long)result->duration_ms);
    } else {
        buffer_appendf(text, "Webhook failed after %lld ms: ", (long long)result->duration_ms);
        buffer_append_slice(text, buffer_slice(&outcome->cause));
    }
    if (delivery->attempt > 1)
        buffer_appendf(text, " (attempt %u)", delivery->attempt);
    if (result->body_cut)
        buffer_appendf(text, "; %s", cut_in_words(result->body_cut));
    if (outcome->detail.len > 0) {
        buffer_append_text(text, ". Answer: ");
        buffer_append_slice(text, buffer_slice(&outcome->detail));
    }
}

/* Reports and observers */

void outcome_context(const struct delivery *delivery, const struct http_result *result, struct slice body,
                     struct buffer *out)
{
    struct buffer headers = {0};
    const struct mapped_request *mapped = &delivery->request;
    mapped_headers_json(result->headers, &headers);
    const struct report_context context = {
        .event = buffer_slice(&delivery->event.payload),
        .method = slice_of(delivery->method),
        .url = mapped_base_url(mapped, &delivery->event.invocation),
        .body = body,
        .headers_json = mapped->headers_json,
        .query_json = mapped->query_json,
        .status = result->status,
        .response_headers_json = buffer_slice(&headers),
        .text = result->text,
    };
    report_context_write(&context, out);
    out->failed |= headers.failed;
    buffer_clear(&headers);
}

void outcome_observe(const struct delivery *delivery, int64_t duration_ms)
{
    const struct deliver_options *options = &delivery->deliver->options;
    const struct outcome *outcome = &delivery->outcome;
    if (!options->observe)
        return;
    struct buffer reason = {0};
    buffer_append_slice(&reason, buffer_slice(&outcome->cause));
    const char *status = delivery->is_run ? result_status(outcome->success, delivery->synchronized) : NULL;
    struct delivery_outcome seen = {
        .topic = delivery->topic,
        .partition = delivery->partition,
        .offset = delivery->offset,
        .run_id = delivery->event.run_id,
        .kind = outcome->success ? "delivered" : "failed",
        .method = delivery->method,
        .url = delivery->target ? delivery->target->parts.redacted : "",
        .status = outcome->status,
        .duration_ms = duration_ms,
        .reason = buffer_text(&reason),
        .reported = status ? status : "",
    };
    options->observe(options->observe_ctx, &seen);
    buffer_clear(&reason);
}
