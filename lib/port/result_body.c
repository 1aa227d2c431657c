/* The JSON that a run's result is told with. Holds no state; what cannot be written marks the buffer failed.
 */
#include "port/result_body.h"

static void add_name(struct buffer *body, const char *name)
{
    buffer_append_char(body, body->len > 0 ? ',' : '{');
    buffer_append_json_string(body, slice_of(name));
    buffer_append_char(body, ':');
}

static void add_field(struct buffer *body, const char *name, struct slice value)
{
    if (slice_is_null(value))
        return;
    add_name(body, name);
    buffer_append_json_string(body, value);
}

static void add_json_field(struct buffer *body, const char *name, struct slice json)
{
    if (slice_is_null(json))
        return;
    add_name(body, name);
    buffer_append_slice(body, json);
}

void action_result_write(const struct run_result *result, struct buffer *body)
{
    add_field(body, "status", result->status);
    add_field(body, "summary", result->summary);
    add_json_field(body, "link", result->link_json);
    add_field(body, "externalRunId", result->external_run_id);
    if (body->len > 0)
        buffer_append_char(body, '}');
}

void node_result_write(const struct run_result *result, struct buffer *body)
{
    if (slice_is_null(result->status))
        return;
    bool success = slice_equal_text(result->status, "SUCCESS");
    buffer_appendf(body, "{\"status\":\"COMPLETED\",\"result\":\"%s\"", success ? "SUCCESS" : "FAILED");
    if (success && !slice_is_null(result->response)) {
        buffer_append_text(body, ",\"output\":{\"response\":");
        buffer_append_slice(body, result->response);
        buffer_append_char(body, '}');
    }
    buffer_append_char(body, '}');
}

void action_response_write(struct slice response, struct buffer *body)
{
    static const char before[] = "{\"response\":", after[] = "}";
    PA_IGNORE(buffer_reserve_to(body, sizeof before + response.len + sizeof after)); /* it is marked */
    buffer_append_text(body, before);
    buffer_append_slice(body, response);
    buffer_append_text(body, after);
}

void run_log_body_write(bool node_run, struct slice text, struct buffer *body)
{
    buffer_append_text(body, node_run ? "{\"logs\":[{\"level\":\"INFO\",\"message\":" : "{\"message\":");
    buffer_append_json_string(body, text);
    buffer_append_text(body, node_run ? "}]}" : "}");
}
