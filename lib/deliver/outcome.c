/* What an answer means: in the log, to the run's people, and as the run's result (contract, section 4). Pure.
 */
#include "base/log.h"
#include "deliver/internal.h"
#include <string.h>

static struct slice cut_detail(struct slice body)
{
    if (body.len > DETAIL_BYTES)
        body.len = DETAIL_BYTES;
    return body.len > 0 ? body : (struct slice){NULL, 0};
}

/** The values that count as an empty response. */
static bool counts_as_empty(struct slice json)
{
    static const char *const empty[] = {"{}", "[]", "\"\"", "0", "false", "null"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        if (slice_equal_text(json, empty[i]))
            return true;
    return false;
}

/** The body as a JSON value: itself when it is one, else its text as a string. */
static void response_json(struct slice body, struct buffer *out)
{
    if (json_canonical(body, out, NULL) != 0)
        buffer_append_json_string(out, body);
}

static void node_response(int status, struct slice body, struct buffer *out)
{
    buffer_appendf(out, "{\"status\":%d,\"data\":", status);
    if (body.len > 0)
        response_json(body, out);
    else
        buffer_append_text(out, "{}");
    buffer_append_char(out, '}');
}

static void action_response(struct slice body, struct buffer *out)
{
    if (body.len == 0)
        return;
    response_json(body, out);
    if (counts_as_empty(buffer_slice(out)))
        buffer_clear(out);
}

void outcome_of(const struct delivery *delivery, const struct http_result *result, bool detailed,
                struct outcome *out)
{
    *out = (struct outcome){.error_type = ""};
    out->success = result->failure == HTTP_OK && result->status < 400;
    /* A redirect that is not followed is a failure, whatever its status. */
    if (!out->success) {
        out->error_type = result->failure == HTTP_OK ? "http_status" : http_failure_name(result->failure);
        if (result->failure == HTTP_OK)
            buffer_appendf(&out->cause, "the endpoint answered %d", result->status);
        else
            buffer_append_text(&out->cause, result->reason);
        if (detailed)
            out->detail = cut_detail(result->body);
        buffer_append_text(&out->summary,
                           result->failure == HTTP_OK ? "Webhook failed: " : "Webhook got no valid answer: ");
        buffer_append_slice(&out->summary, buffer_slice(&out->cause));
        if (out->detail.ptr) {
            buffer_append_text(&out->summary, ". Answer: ");
            buffer_append_slice(&out->summary, out->detail);
        }
    }
    if (!delivery->is_run || !delivery->synchronized || result->failure != HTTP_OK)
        return;
    if (!run_id_is_node_run(delivery->event.run_id))
        action_response(result->body, &out->response);
    else if (out->success)
        node_response(result->status, result->body, &out->response);
}

void outcome_clear(struct outcome *outcome)
{
    buffer_clear(&outcome->cause);
    buffer_clear(&outcome->response);
    buffer_clear(&outcome->summary);
}

void outcome_log(const struct delivery *delivery, const struct http_result *result,
                 const struct outcome *outcome)
{
    enum log_level level = outcome->success ? LOG_INFO : LOG_WARNING;
    if (!log_enabled(level))
        return;
    const struct log_field fields[] = {
        F_STR("messaging.destination.name", delivery->topic),
        F_PARTITION(delivery),
        F_OFFSET(delivery),
        F_STR("http.request.method", delivery->method),
        F_STR("url.full", delivery->target->parts.redacted),
        result->status ? F_INT("http.response.status_code", result->status) : F_NONE,
        outcome->success ? F_NONE : F_STR("error.type", outcome->error_type),
        outcome->success ? F_NONE : F_SLICE("error.message", buffer_slice(&outcome->cause)),
        F_SLICE("port.run_id", delivery->event.run_id),
        F_INT("attempt", 1),
        F_INT("duration_ms", result->duration_ms),
        result->resent ? F_BOOL("resent", true) : F_NONE,
        result->redirects ? F_INT("redirects", result->redirects) : F_NONE,
        F_SLICE("answer", outcome->detail),
    };
    log_write(level, outcome->success ? "webhook delivered" : "webhook failed", fields,
              sizeof fields / sizeof *fields);
    if (result->body_cut)
        log_warning("response body cut: it was longer than WEBHOOK_MAX_RESPONSE_BYTES",
                    F_STR("messaging.destination.name", delivery->topic), F_PARTITION(delivery),
                    F_OFFSET(delivery), F_STR("url.full", delivery->target->parts.redacted),
                    F_INT("kept_bytes", result->body.len));
}

void outcome_run_log(const struct delivery *delivery, const struct http_result *result,
                     const struct outcome *outcome, struct buffer *text)
{
    (void)delivery;
    if (result->failure == HTTP_OK)
        buffer_appendf(text, "Webhook answered %d in %lld ms", result->status,
                       (long long)result->duration_ms);
    else
        buffer_appendf(text, "Webhook failed after %lld ms: %s", (long long)result->duration_ms,
                       result->reason);
    if (outcome->detail.ptr) {
        buffer_append_text(text, ". Answer: ");
        buffer_append_slice(text, outcome->detail);
    }
}
