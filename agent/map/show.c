/* What is shown of an explanation, and its form for programs. */
#include "show.h"
#include "base/cut.h"
#include "environment.h"
#include "http/url.h"
#include "json/canonical.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *field_of(const char *where)
{
    const char *comma = where ? strstr(where, ", ") : NULL;
    return comma ? comma + 2 : "";
}

const struct explained_expression *map_show_enabled(const struct explanation *explanation, size_t number)
{
    char where[64];
    snprintf(where, sizeof where, "mapping %zu, enabled", number);
    for (size_t i = 0; i < explanation->expression_count; i++)
        if (strcmp(explanation->expressions[i].where, where) == 0)
            return &explanation->expressions[i];
    return NULL;
}

void map_show_why(const struct explanation *explanation, struct buffer *out)
{
    size_t chosen = explanation->mapped.mapping, count = explanation->mapping_count;
    const struct explained_expression *enabled = chosen > 0 ? map_show_enabled(explanation, chosen) : NULL;
    if (explanation->ended)
        buffer_append_text(out, "the evaluation was ended");
    else if (chosen > 0 && enabled)
        buffer_appendf(out, "mapping %zu of %zu is the first whose enabled is true", chosen, count);
    else if (chosen > 0)
        buffer_appendf(out, "mapping %zu of %zu applies to every event that reaches it", chosen, count);
    else if (explanation->event.payload.len == 0)
        buffer_append_text(out, "the event cannot be read");
    else if (count == 0)
        buffer_append_text(out, "there is no mapping");
    else
        buffer_appendf(out, "none of the %zu mappings has an enabled that is true for the event", count);
}

void map_show_header_value(const struct explanation *explanation, const struct explained_header *header,
                           struct buffer *out)
{
    struct slice name = buffer_slice(&header->name), value = buffer_slice(&header->value);
    if (header->placeholder)
        buffer_append_slice(out, value);
    else if (secret_name(name) && map_environment_left_empty(explanation, name, value, out))
        return;
    else if (secret_name(name))
        buffer_append_text(out, "***");
    else
        explanation_mask(explanation, buffer_slice(&header->value), out);
}

void map_show_url(const struct explanation *explanation, struct buffer *out)
{
    struct slice url = buffer_slice(&explanation->url);
    struct slice userinfo = url_user_info(url);
    struct buffer text = {0};
    if (slice_is_null(userinfo)) {
        buffer_append_slice(&text, url);
    } else {
        const char *rest = userinfo.ptr + userinfo.len;
        buffer_append(&text, url.ptr, (size_t)(userinfo.ptr - url.ptr));
        buffer_append_text(&text, "***");
        buffer_append(&text, rest, url.len - (size_t)(rest - url.ptr));
    }
    explanation_mask(explanation, buffer_slice(&text), out);
    out->failed |= text.failed;
    buffer_clear(&text);
}

/** A header's expression, or a member of an object of them, whose result is a credential. */
static bool is_credential(const struct explained_expression *expression)
{
    const char *field = field_of(expression->where);
    return strncmp(field, "headers.", 8) == 0 && secret_name(slice_of(field + 8));
}

/** What masking left of `json`: a text that holds it, where a number or a member's name was masked. */
static void append_masked_json(struct slice json, const struct buffer *masked, struct buffer *out)
{
    struct slice text = buffer_slice(masked);
    struct buffer canonical = {0};
    if (slice_equal(text, json) || json_canonical(text, &canonical, NULL) == 0)
        buffer_append_slice(out, text);
    else
        buffer_append_json_string(out, text);
    out->failed |= masked->failed;
    buffer_clear(&canonical);
}

void map_show_result(const struct explanation *explanation, const struct explained_expression *expression,
                     struct buffer *out)
{
    struct slice result = buffer_slice(&expression->result);
    struct buffer masked = {0}, which = {0};
    bool credential = is_credential(expression);
    if (credential && map_environment_gives_nothing(buffer_slice(&expression->expression), &which)) {
        buffer_append_json_string(out, buffer_slice(&which));
        buffer_clear(&which);
        return;
    }
    if (credential && !slice_equal_text(result, "null")) {
        buffer_append_text(out, "\"***\"");
        return;
    }
    explanation_mask(explanation, result, &masked);
    append_masked_json(result, &masked, out);
    buffer_clear(&masked);
}

/* JSON */

static void append_masked_text(const struct explanation *explanation, const char *lead, struct slice text,
                               struct buffer *out)
{
    struct buffer masked = {0};
    explanation_mask(explanation, text, &masked);
    buffer_append_text(out, lead);
    buffer_append_json_string(out, buffer_slice(&masked));
    out->failed |= masked.failed;
    buffer_clear(&masked);
}

static void append_mappings(const struct explanation *explanation, struct buffer *out)
{
    size_t chosen = explanation->mapped.mapping, last = chosen > 0 ? chosen : explanation->mapping_count;
    buffer_append_text(out, ",\"mappings\":[");
    for (size_t number = 1; number <= explanation->mapping_count; number++) {
        const struct explained_expression *enabled = map_show_enabled(explanation, number);
        buffer_appendf(out, "%s{\"mapping\":%zu,\"enabled\":", number > 1 ? "," : "", number);
        if (number > last)
            buffer_append_text(out, "null,\"result\":null"); /* not looked at */
        else if (!enabled)
            buffer_append_text(out, number == chosen ? "true,\"result\":true" : "false,\"result\":false");
        if (enabled) {
            buffer_append_json_string(out, buffer_slice(&enabled->expression));
            buffer_append_text(out, ",\"result\":");
            map_show_result(explanation, enabled, out);
        }
        buffer_appendf(out, ",\"applies\":%s}", number == chosen ? "true" : "false");
    }
    buffer_append_char(out, ']');
}

static void append_expressions(const struct explanation *explanation, struct buffer *out)
{
    buffer_append_text(out, ",\"expressions\":[");
    for (size_t i = 0; i < explanation->expression_count; i++) {
        const struct explained_expression *one = &explanation->expressions[i];
        buffer_append_text(out, i > 0 ? ",{\"where\":" : "{\"where\":");
        buffer_append_json_string(out, slice_of(one->where));
        buffer_append_text(out, ",\"expression\":");
        buffer_append_json_string(out, buffer_slice(&one->expression));
        buffer_append_text(out, ",\"result\":");
        map_show_result(explanation, one, out);
        if (one->problem.len > 0)
            append_masked_text(explanation, ",\"problem\":", buffer_slice(&one->problem), out);
        else
            buffer_append_text(out, ",\"problem\":null");
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, ']');
}

static void append_headers(const struct explanation *explanation, struct buffer *out)
{
    buffer_append_text(out, ",\"headers\":{");
    for (size_t i = 0; i < explanation->header_count; i++) {
        const struct explained_header *header = &explanation->headers[i];
        struct buffer value = {0};
        map_show_header_value(explanation, header, &value);
        if (i > 0)
            buffer_append_char(out, ',');
        buffer_append_json_string(out, buffer_slice(&header->name));
        buffer_append_char(out, ':');
        buffer_append_json_string(out, buffer_slice(&value));
        out->failed |= value.failed;
        buffer_clear(&value);
    }
    buffer_append_char(out, '}');
}

static void append_request(const struct explanation *explanation, struct buffer *out)
{
    struct buffer url = {0};
    buffer_append_text(out, ",\"request\":");
    if (explanation->failure.len > 0) {
        buffer_append_text(out, "null");
        return;
    }
    map_show_url(explanation, &url);
    buffer_append_text(out, "{\"method\":");
    buffer_append_json_string(out, buffer_slice(&explanation->method));
    buffer_append_text(out, ",\"url\":");
    buffer_append_json_string(out, buffer_slice(&url));
    append_headers(explanation, out);
    if (explanation->has_body)
        append_masked_text(explanation, ",\"body\":", explanation->body, out);
    else
        buffer_append_text(out, ",\"body\":null");
    buffer_append_char(out, '}');
    out->failed |= url.failed;
    buffer_clear(&url);
}

struct warning_list {
    const struct explanation *explanation;
    struct buffer *out;
    size_t count;
};

static void append_warning(void *ctx, struct slice warning)
{
    struct warning_list *list = ctx;
    append_masked_text(list->explanation, list->count++ > 0 ? "," : "", warning, list->out);
}

static void append_warnings(const struct explanation *explanation, struct buffer *out)
{
    struct warning_list list = {explanation, out, 0};
    buffer_append_text(out, ",\"warnings\":[");
    mapped_warnings(buffer_slice(&explanation->fields), append_warning, &list);
    mapped_warnings(buffer_slice(&explanation->report.fields), append_warning, &list);
    buffer_append_char(out, ']');
}

static void append_notes(const struct explanation *explanation, struct buffer *out)
{
    struct slice rest = buffer_slice(&explanation->notes);
    buffer_append_text(out, ",\"notes\":[");
    for (const char *before = ""; rest.len > 0; before = ",") {
        buffer_append_text(out, before);
        buffer_append_json_string(out, slice_cut(&rest, '\n'));
    }
    buffer_append_char(out, ']');
}

/** A text, or null where there is none. */
static void append_field(const struct explanation *explanation, const char *lead, const struct buffer *text,
                         struct buffer *out)
{
    if (text->len > 0) {
        append_masked_text(explanation, lead, buffer_slice(text), out);
    } else {
        buffer_append_text(out, lead);
        buffer_append_text(out, "null");
    }
}

/** JSON as it is, or null where there is none. */
static void append_json(const struct explanation *explanation, const char *lead, const struct buffer *json,
                        struct buffer *out)
{
    struct buffer masked = {0};
    buffer_append_text(out, lead);
    explanation_mask(explanation, buffer_slice(json), &masked);
    if (json->len > 0)
        append_masked_json(buffer_slice(json), &masked, out);
    else
        buffer_append_text(out, "null");
    buffer_clear(&masked);
}

static void append_report(const struct explanation *explanation, struct buffer *out)
{
    const struct explained_report *report = &explanation->report;
    if (!report->made) {
        buffer_append_text(out, ",\"report\":null");
        return;
    }
    buffer_append_text(out, ",\"report\":{\"runId\":");
    buffer_append_json_string(out, explanation->event.run_id);
    append_field(explanation, ",\"status\":", &report->status, out);
    append_field(explanation, ",\"summary\":", &report->summary, out);
    append_json(explanation, ",\"link\":", &report->link_json, out);
    append_field(explanation, ",\"externalRunId\":", &report->external_run_id, out);
    append_json(explanation, ",\"response\":", &report->response_json, out);
    buffer_append_char(out, '}');
}

void map_show_json(const struct explanation *explanation, struct buffer *out)
{
    struct buffer why = {0};
    map_show_why(explanation, &why);
    if (explanation->mapped.mapping > 0)
        buffer_appendf(out, "{\"mapping\":%zu", explanation->mapped.mapping);
    else
        buffer_append_text(out, "{\"mapping\":null");
    buffer_append_text(out, ",\"why\":");
    buffer_append_json_string(out, buffer_slice(&why));
    append_mappings(explanation, out);
    append_expressions(explanation, out);
    append_request(explanation, out);
    append_field(explanation, ",\"failure\":", &explanation->failure, out);
    append_warnings(explanation, out);
    append_notes(explanation, out);
    append_report(explanation, out);
    buffer_append_text(out, "}\n");
    out->failed |= why.failed;
    buffer_clear(&why);
}
