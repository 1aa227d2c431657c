/* An explanation as text for people. */
#include "show.h"
#include <string.h>

enum { RESULT_SHOWN = 400 };

static void heading(struct buffer *out, const char *text)
{
    buffer_appendf(out, "\n%s\n", text);
}

static void append_cut(struct slice text, struct buffer *out)
{
    size_t len = text.len;
    if (len > RESULT_SHOWN) {
        len = RESULT_SHOWN;
        while (len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
            len--;
    }
    buffer_append(out, text.ptr, len);
    if (len < text.len)
        buffer_appendf(out, "… (%zu bytes)", text.len);
}

static void append_problem(const struct explanation *explanation, const struct explained_expression *one,
                           struct buffer *out)
{
    if (one->problem.len == 0)
        return;
    buffer_append_text(out, "   (jq: ");
    explanation_mask(explanation, buffer_slice(&one->problem), out);
    buffer_append_char(out, ')');
}

static void append_result(const struct explanation *explanation, const struct explained_expression *one,
                          struct buffer *out)
{
    struct buffer shown = {0};
    map_show_result(explanation, one, &shown);
    append_cut(buffer_slice(&shown), out);
    out->failed |= shown.failed;
    buffer_clear(&shown);
    append_problem(explanation, one, out);
}

static void append_mappings(const struct explanation *explanation, struct buffer *out)
{
    size_t chosen = explanation->mapped.mapping;
    heading(out, "Mappings");
    for (size_t number = 1; number <= explanation->mapping_count; number++) {
        const struct explained_expression *enabled = map_show_enabled(explanation, number);
        buffer_appendf(out, "  %s %zu  ", number == chosen ? "▶" : " ", number);
        if (chosen > 0 && number > chosen) {
            buffer_append_text(out, "not looked at");
        } else if (enabled) {
            buffer_append_text(out, "enabled: ");
            buffer_append_slice(out, buffer_slice(&enabled->expression));
            buffer_append_text(out, "  →  ");
            append_result(explanation, enabled, out);
        } else {
            buffer_append_text(out, number == chosen ? "enabled for every event" : "enabled is false");
        }
        buffer_append_char(out, '\n');
    }
    buffer_append_text(out, "  so: ");
    map_show_why(explanation, out);
    buffer_append_char(out, '\n');
}

static bool is_enabled(const struct explained_expression *one)
{
    const char *comma = strstr(one->where, ", ");
    return comma && strcmp(comma + 2, "enabled") == 0;
}

static void append_expressions(const struct explanation *explanation, struct buffer *out)
{
    bool any = false;
    for (size_t i = 0; i < explanation->expression_count; i++) {
        const struct explained_expression *one = &explanation->expressions[i];
        if (is_enabled(one))
            continue;
        if (!any)
            heading(out, "Expressions");
        any = true;
        buffer_appendf(out, "  %s\n      ", one->where);
        buffer_append_slice(out, buffer_slice(&one->expression));
        buffer_append_text(out, "\n    → ");
        append_result(explanation, one, out);
        buffer_append_char(out, '\n');
    }
}

static void append_request(const struct explanation *explanation, struct buffer *out)
{
    if (explanation->failure.len > 0) {
        heading(out, "No request");
        buffer_append_text(out, "  ");
        explanation_mask(explanation, buffer_slice(&explanation->failure), out);
        buffer_append_char(out, '\n');
        return;
    }
    heading(out, "Request");
    buffer_append_text(out, "  ");
    buffer_append_slice(out, buffer_slice(&explanation->method));
    buffer_append_char(out, ' ');
    map_show_url(explanation, out);
    buffer_append_char(out, '\n');
    for (size_t i = 0; i < explanation->header_count; i++) {
        buffer_append_text(out, "  ");
        buffer_append_slice(out, buffer_slice(&explanation->headers[i].name));
        buffer_append_text(out, ": ");
        map_show_header_value(explanation, &explanation->headers[i], out);
        buffer_append_char(out, '\n');
    }
    buffer_append_text(out, "\n  ");
    if (explanation->has_body)
        explanation_mask(explanation, explanation->body, out);
    else
        buffer_append_text(out, "(no body)");
    buffer_append_char(out, '\n');
}

static void append_field(const struct explanation *explanation, const char *name, const struct buffer *value,
                         struct buffer *out)
{
    if (value->len == 0)
        return;
    buffer_appendf(out, "  %-14s ", name);
    explanation_mask(explanation, buffer_slice(value), out);
    buffer_append_char(out, '\n');
}

static void append_report(const struct explanation *explanation, bool asked, struct buffer *out)
{
    const struct explained_report *report = &explanation->report;
    if (!asked || explanation->failure.len > 0)
        return;
    heading(out, "Report");
    if (!report->made) {
        buffer_append_text(out, "  nothing: the event has no run\n");
        return;
    }
    size_t before = out->len;
    append_field(explanation, "status", &report->status, out);
    append_field(explanation, "summary", &report->summary, out);
    append_field(explanation, "link", &report->link_json, out);
    append_field(explanation, "externalRunId", &report->external_run_id, out);
    append_field(explanation, "response", &report->response_json, out);
    if (out->len == before)
        buffer_append_text(out,
                           "  nothing: the run stays in progress until the endpoint's side reports it\n");
}

struct lines {
    const struct explanation *explanation;
    struct buffer *out;
    bool any;
};

static void append_warning(void *ctx, struct slice warning)
{
    struct lines *lines = ctx;
    if (!lines->any)
        heading(lines->out, "Warnings");
    lines->any = true;
    buffer_append_text(lines->out, "  ");
    explanation_mask(lines->explanation, warning, lines->out);
    buffer_append_char(lines->out, '\n');
}

void map_show_text(const struct explanation *explanation, bool report_asked, struct buffer *out)
{
    struct lines warnings = {explanation, out, false};
    struct slice notes = buffer_slice(&explanation->notes);
    if (explanation->event.payload.len > 0)
        append_mappings(explanation, out);
    append_expressions(explanation, out);
    append_request(explanation, out);
    append_report(explanation, report_asked, out);
    mapped_warnings(buffer_slice(&explanation->fields), append_warning, &warnings);
    mapped_warnings(buffer_slice(&explanation->report.fields), append_warning, &warnings);
    if (notes.len > 0) {
        heading(out, "Notes");
        buffer_append_slice(out, notes);
    }
}
