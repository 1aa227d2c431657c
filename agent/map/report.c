/* Reads a response file into an answer, and applies defaults and the mapping's report to it as the agent
 * would. */
#include "report.h"
#include "base/json_tree.h"
#include "http/charset.h"
#include "map/context.h"
#include "port/result.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_OK = 200 };

/* The answer */

static void append_item(struct buffer *out, const cJSON *item)
{
    char *text = cJSON_PrintUnformatted(item);
    if (text)
        buffer_append_text(out, text);
    else
        out->failed = true;
    cJSON_free(text);
}

/** A body as it came, as the agent would read it. */
static void append_text(struct buffer *out, struct slice body)
{
    struct buffer storage = {0};
    buffer_append_slice(out, body_text(body, (struct slice){NULL, 0}, false, &storage));
    out->failed |= storage.failed;
    buffer_clear(&storage);
}

static int read_object(const cJSON *root, struct explained_response *out, struct error *err)
{
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(root, "statusCode");
    const cJSON *headers = cJSON_GetObjectItemCaseSensitive(root, "headers");
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(root, "text");
    const cJSON *json = cJSON_GetObjectItemCaseSensitive(root, "json");
    if (!cJSON_IsNumber(status) || status->valueint < 100 || status->valueint > 599)
        return error_set(err, PA_ERR_INVALID, "statusCode must be a number from 100 to 599");
    if (headers && !cJSON_IsObject(headers) && !cJSON_IsNull(headers))
        return error_set(err, PA_ERR_INVALID, "headers must be an object");
    if (text && !cJSON_IsString(text) && !cJSON_IsNull(text))
        return error_set(err, PA_ERR_INVALID, "text must be a text");
    out->status = status->valueint;
    if (cJSON_IsObject(headers))
        append_item(&out->headers_json, headers);
    if (cJSON_GetStringValue(text))
        buffer_append_text(&out->text, cJSON_GetStringValue(text));
    else if (json)
        append_item(&out->text, json);
    return 0;
}

int map_response_read(struct slice text, struct explained_response *out, struct error *err)
{
    int failed = 0;
    *out = (struct explained_response){.given = true, .status = STATUS_OK};
    cJSON *root = json_tree(text, NULL);
    if (cJSON_IsObject(root) && cJSON_GetObjectItemCaseSensitive(root, "statusCode"))
        failed = read_object(root, out, err);
    else
        append_text(&out->text, text);
    cJSON_Delete(root);
    if (out->headers_json.len == 0)
        buffer_append_text(&out->headers_json, "{}");
    if (out->text.failed || out->headers_json.failed)
        failed = error_set(err, PA_ERR_MEMORY, "out of memory");
    return failed;
}

void map_response_clear(struct explained_response *response)
{
    buffer_clear(&response->headers_json);
    buffer_clear(&response->text);
    *response = (struct explained_response){0};
}

/* The report */

static void write_context(const struct explained_response *response, const struct explanation *explanation,
                          struct buffer *out)
{
    const struct report_context context = {
        .event = buffer_slice(&explanation->event.payload),
        .method = buffer_slice(&explanation->method),
        .url = explanation->target,
        .body = explanation->has_body ? explanation->body : (struct slice){NULL, 0},
        .headers_json = explanation->mapped.headers_json,
        .query_json = explanation->mapped.query_json,
        .status = response->status,
        .response_headers_json = buffer_slice(&response->headers_json),
    };
    report_context_write(&context, buffer_slice(&response->text), out);
}

/** What is reported where the mapping says nothing else. */
static void make_default(const struct explain_options *options, const struct explanation *explanation,
                         struct explained_report *report)
{
    const struct explained_response *response = options->response;
    const struct event *event = &explanation->event;
    bool success = result_is_success(response->status), synchronized = event->invocation.synchronized;
    struct slice text = buffer_slice(&response->text);
    buffer_append_slice(&report->status, slice_of(result_status(success, synchronized)));
    result_response(event->run_id, synchronized, response->status, text, &report->response_json);
    if (success)
        return;
    struct buffer cause = {0}, detail = {0};
    struct secrets secrets = {0};
    const struct webhook_failure failure = {.answered = true,
                                            .status = response->status,
                                            .quoted = options->detailed ? text : (struct slice){NULL, 0},
                                            .attempts = 1,
                                            .secrets = &secrets};
    mapped_secrets(buffer_slice(&explanation->secrets), &secrets);
    result_failure(&failure, &cause, &detail, &report->summary);
    secrets_clear(&secrets);
    buffer_clear(&cause);
    buffer_clear(&detail);
}

static void replace(struct buffer *field, struct slice value)
{
    struct buffer out = {0};
    buffer_append_slice(&out, value);
    buffer_clear(field);
    *field = out;
}

static void apply_mapping(const struct explain_options *options, const struct mapping_trace *trace,
                          struct explanation *out)
{
    struct explained_report *report = &out->report;
    struct buffer context = {0};
    struct mapped_report given;
    const struct mapped_report usual = {
        .status = report->status.len > 0 ? buffer_slice(&report->status) : (struct slice){NULL, 0},
        .summary = report->summary.len > 0 ? buffer_slice(&report->summary) : (struct slice){NULL, 0}};
    write_context(options->response, out, &context);
    mappings_report(options->mappings, out->mapped.mapping, buffer_slice(&context), options->secret, trace,
                    &report->fields);
    mapped_report_read(buffer_slice(&report->fields), &given);
    struct mapped_report over = mapped_report_over(&out->mapped, &given, &usual, true);
    replace(&report->status, over.status);
    replace(&report->summary, over.summary);
    replace(&report->link_json, over.link_json);
    replace(&report->external_run_id, over.external_run_id);
    out->out_of_memory |= context.failed || report->fields.failed;
    buffer_clear(&context);
}

void map_report_make(const struct explain_options *options, const struct mapping_trace *trace,
                     struct explanation *out)
{
    struct explained_report *report = &out->report;
    report->made = run_id_is_usable(out->event.run_id) && out->event.kind == EVENT_RUN;
    if (!report->made)
        return;
    make_default(options, out, report);
    if (out->mapped.reports)
        apply_mapping(options, trace, out);
}
