/* What an answer means, for the run's result (docs/contract.md#results) and whoever is told of it; and what
 * of a delivery may be shown. */
#include "deliver/outcome.h"
#include "deliver/shared.h"
#include "deliver/writing.h"
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

/** Parts of a query or a path; a URL with more of them has been made to cost time. And bytes of a body that
 * are shown: a log line cuts a text before. */
enum { PARTS_MAX = 256, BODY_SHOWN_MAX = 20 << 10 };

/** What is made to be looked for. */
struct made_secrets {
    struct buffer user_info, basic, query;
};

/** The values of a query. Of a URL with more of them than any has, nothing that is said is shown. */
static void add_query(struct slice values, struct secrets *out)
{
    size_t count = 0;
    for (; values.len > 0 && count < PARTS_MAX; count++) {
        size_t len = strnlen(values.ptr, values.len);
        secrets_add(out, (struct slice){values.ptr, len}, SECRET_MIN);
        len += len < values.len;
        values.ptr += len;
        values.len -= len;
    }
    out->failed |= values.len > 0;
}

/** A path that is a secret, and each part of it; the same. */
static void add_path(const char *path, struct secrets *out)
{
    size_t whole = strcspn(path, "?"), count = 0;
    secrets_add(out, (struct slice){path, whole}, SECRET_MIN);
    for (size_t at = 0; at < whole && !out->failed; count++) {
        size_t len = strcspn(path + at, "/?");
        secrets_add(out, (struct slice){path + at, len}, SECRET_MIN);
        at += len + 1;
        out->failed |= count == PARTS_MAX;
    }
}

/** What was sent, or is known, and must not be shown when it comes back. */
static void collect_secrets(const struct delivery *delivery, struct secrets *out, struct made_secrets *made)
{
    const struct deliver_options *options = &delivery->deliver->options;
    mapped_secrets(buffer_slice(&delivery->mapped), out);
    mapped_header_secrets(&delivery->request, out);
    add_signature(out, slice_of(delivery->signature));
    add_signature(out, slice_of(delivery->redirected_signature));
    secrets_add(out, options->client_secret, SECRET_MIN);
    secrets_add(out, options->client_secret_previous, SECRET_MIN);
    secrets_add(out, options->client_secret_former, SECRET_MIN);
    secrets_add(out, options->admin_token, SECRET_MIN);
    if (options->http)
        http_client_secrets(options->http, out);
    if (options->reports)
        reports_secrets(options->reports, out);
    if (!delivery->target)
        return;
    struct slice url = slice_of(delivery->target->parts.url);
    if (options->hide_url_paths)
        add_path(url_target(url.ptr), out);
    url_append_query_values(url, &made->query);
    add_query(buffer_slice(&made->query), out);
    url_credentials(url, &made->user_info, &made->basic);
    secrets_add_user_info(out, buffer_slice(&made->user_info));
    secrets_add(out, buffer_slice(&made->basic), 1);
    out->failed |= made->user_info.failed || made->basic.failed || made->query.failed;
}

static void forget_made(struct made_secrets *made)
{
    buffer_wipe(&made->user_info);
    buffer_wipe(&made->basic);
    buffer_wipe(&made->query);
}

void outcome_body_shown(const struct delivery *delivery, struct slice body, struct buffer *out)
{
    struct secrets secrets = {0};
    struct made_secrets made = {{0}, {0}, {0}};
    collect_secrets(delivery, &secrets, &made);
    redact(&secrets, body, BODY_SHOWN_MAX, out);
    secrets_clear(&secrets);
    forget_made(&made);
}

static void describe_failure(const struct delivery *delivery, const struct http_result *result, bool detailed,
                             struct outcome *out)
{
    bool answered = result->failure == HTTP_OK;
    struct secrets secrets = {0};
    struct made_secrets made = {{0}, {0}, {0}};
    const struct webhook_failure failure = {.answered = answered,
                                            .status = result->status,
                                            .reason = slice_of(result->reason),
                                            .quoted = detailed ? result->text : (struct slice){NULL, 0},
                                            .attempts = delivery->attempt,
                                            .secrets = &secrets};
    out->error_type = answered ? "http_status" : http_failure_name(result->failure);
    if (!answered || detailed)
        collect_secrets(delivery, &secrets, &made);
    result_failure(&failure, &out->cause, &out->detail, &out->summary);
    secrets_clear(&secrets);
    forget_made(&made);
}

/** May the answer's text be written as JSON in this turn? */
static bool may_be_written(const struct delivery *delivery, const struct http_result *result)
{
    struct deliver *deliver = delivery->deliver;
    return turn_bytes_fit(&deliver->written_in_turn, deliver->options.loop, result->text.len, WRITING_BYTES);
}

static void keep_answer(const struct http_result *result, struct outcome *out)
{
    if (out->answer.len == 0)
        buffer_append_slice(&out->answer, result->text);
}

static void answer_of(const struct delivery *delivery, const struct http_result *result, struct outcome *out)
{
    out->owes_response = !may_be_written(delivery, result);
    if (out->owes_response)
        keep_answer(result, out);
    else
        result_response(delivery->event.run_id, delivery->synchronized, result->status, result->text,
                        &out->response);
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
    if (delivery->is_run && delivery->synchronized && result->failure == HTTP_OK)
        answer_of(delivery, result, out);
}

void outcome_clear(struct outcome *outcome)
{
    buffer_clear(&outcome->cause);
    buffer_clear(&outcome->response);
    buffer_clear(&outcome->answer);
    buffer_clear(&outcome->summary);
    buffer_clear(&outcome->detail);
    *outcome = (struct outcome){.error_type = ""};
}

size_t outcome_context(const struct delivery *delivery, const struct http_result *result, struct slice body,
                       struct outcome *outcome, struct buffer *out)
{
    struct buffer headers = {0};
    const struct mapped_request *mapped = &delivery->request;
    size_t left_out = mapped_headers_json(result->headers, &headers);
    const struct report_context context = {
        .event = buffer_slice(&delivery->event.payload),
        .method = slice_of(delivery->method),
        .url = mapped_base_url(mapped, &delivery->event.invocation),
        .body = body,
        .headers_json = mapped->headers_json,
        .query_json = mapped->query_json,
        .status = result->status,
        .response_headers_json = buffer_slice(&headers),
    };
    report_context_begin(&context, out);
    outcome->owes_context = !may_be_written(delivery, result);
    if (outcome->owes_context)
        keep_answer(result, outcome);
    else
        report_context_end(result->text, out);
    out->failed |= headers.failed;
    buffer_clear(&headers);
    return left_out;
}
