#include "map/context.h"
#include "event/event.h"

static void append_member(struct buffer *out, const char *lead, struct slice json, const char *absent)
{
    buffer_append_text(out, lead);
    if (slice_is_null(json))
        buffer_append_text(out, absent);
    else
        buffer_append_slice(out, json);
}

static void append_text_member(struct buffer *out, const char *lead, struct slice text)
{
    buffer_append_text(out, lead);
    buffer_append_json_string(out, text);
}

void report_context_write(const struct report_context *context, struct buffer *out)
{
    struct buffer json = {0};
    bool is_json = json_canonical(context->text, &json, NULL) == 0;
    append_member(out, "{\"body\":", context->event, "null");
    append_text_member(out, ",\"request\":{\"method\":", context->method);
    append_text_member(out, ",\"url\":", context->url);
    append_member(out, ",\"body\":", context->body, "null");
    append_member(out, ",\"headers\":", context->headers_json, "{}");
    append_member(out, ",\"query\":", context->query_json, "{}");
    buffer_appendf(out, "},\"response\":{\"statusCode\":%d", context->status);
    append_member(out, ",\"headers\":", context->response_headers_json, "{}");
    append_text_member(out, ",\"text\":", context->text);
    append_member(out, ",\"json\":", is_json ? buffer_slice(&json) : (struct slice){0}, "null");
    buffer_append_text(out, "}}");
    out->failed |= json.failed;
    buffer_clear(&json);
}
