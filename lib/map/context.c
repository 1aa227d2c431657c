/* Joins parts that are JSON already; parses nothing but the answer's text. */
#include "map/context.h"
#include "json/canonical.h"

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

void report_context_begin(const struct report_context *context, struct buffer *out)
{
    append_member(out, "{\"body\":", context->event, "null");
    append_text_member(out, ",\"request\":{\"method\":", context->method);
    append_text_member(out, ",\"url\":", context->url);
    append_member(out, ",\"body\":", context->body, "null");
    append_member(out, ",\"headers\":", context->headers_json, "{}");
    append_member(out, ",\"query\":", context->query_json, "{}");
    buffer_appendf(out, "},\"response\":{\"statusCode\":%d", context->status);
    append_member(out, ",\"headers\":", context->response_headers_json, "{}");
}

void report_context_end(struct slice text, struct buffer *out)
{
    struct buffer json = {0};
    int failed = json_canonical(text, &json, NULL);
    append_text_member(out, ",\"text\":", text);
    append_member(out, ",\"json\":", failed ? (struct slice){NULL, 0} : buffer_slice(&json), "null");
    buffer_append_text(out, "}}");
    out->failed |= json.failed || failed == PA_ERR_MEMORY;
    buffer_clear(&json);
}

void report_context_write(const struct report_context *context, struct slice text, struct buffer *out)
{
    report_context_begin(context, out);
    report_context_end(text, out);
}
