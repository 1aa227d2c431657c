/* Evaluates an event with the agent's mapper, hears each expression's result, and makes the request that
 * would be sent. Must show no secret: all that is shown goes through explanation_mask. */
#include "explain.h"
#include "base/secrets.h"
#include "environment.h"
#include "hints.h"
#include "http/url.h"
#include "report.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

extern char **environ;

struct explaining {
    const struct explain_options *options;
    struct explanation *out;
};

/* Expressions */

static void evaluated(void *ctx, const char *where, struct slice expression, struct slice result,
                      struct slice problem)
{
    const struct explaining *explaining = ctx;
    struct explanation *out = explaining->out;
    struct explained_expression *grown =
        realloc(out->expressions, (out->expression_count + 1) * sizeof *out->expressions);
    if (!grown) {
        out->out_of_memory = true;
        return;
    }
    out->expressions = grown;
    struct explained_expression *one = &grown[out->expression_count++];
    *one = (struct explained_expression){.where = strdup(where)};
    buffer_append_slice(&one->expression, expression);
    buffer_append_slice(&one->result, result);
    buffer_append_slice(&one->problem, problem);
    out->out_of_memory |= !one->where || one->expression.failed || one->result.failed || one->problem.failed;
    if (explaining->options->evaluating)
        snprintf(explaining->options->evaluating, explaining->options->evaluating_size, "%s", where);
}

/* Secrets */

static void add_secret(struct explanation *out, struct slice value)
{
    if (value.len >= SECRET_MIN)
        mapped_append(&out->secrets, MAPPED_SECRET, value);
}

static void add_environment_secrets(struct explanation *out)
{
    for (char **entry = environ; *entry; entry++) {
        const char *value = strchr(*entry, '=');
        if (value && secret_name((struct slice){*entry, (size_t)(value - *entry)}))
            add_secret(out, slice_of(value + 1));
    }
}

/** A text that an expression took out of the environment, for a member that is named like a secret. */
static void add_expression_secrets(struct explanation *out)
{
    for (size_t i = 0; i < out->expression_count; i++) {
        const struct explained_expression *one = &out->expressions[i];
        struct slice text = buffer_slice(&one->expression), result = buffer_slice(&one->result);
        const char *last = one->where ? strrchr(one->where, '.') : NULL;
        if (last && secret_name(slice_of(last + 1)) && memmem(text.ptr, text.len, "env", 3) &&
            !map_environment_gives_nothing(text, NULL) && result.len > 2 && *result.ptr == '"')
            add_secret(out, (struct slice){result.ptr + 1, result.len - 2});
    }
}

static void collect_secrets(const struct explain_options *options, struct explanation *out)
{
    struct slice fields = buffer_slice(&out->fields);
    struct mapped_field field;
    while (mapped_next(&fields, &field))
        if (field.tag == MAPPED_SECRET)
            mapped_append(&out->secrets, MAPPED_SECRET, field.value);
    for (size_t i = 0; i < out->mapped.header_count; i++) {
        const struct mapped_header *header = &out->mapped.headers[i];
        if (secret_name(header->name) && !map_environment_left_empty(out, header->name, header->value, NULL))
            add_secret(out, header->value);
    }
    add_secret(out, options->secret);
    add_secret(out, url_user_info(out->target));
    add_secret(out, url_user_info(buffer_slice(&out->url)));
    add_environment_secrets(out);
    add_expression_secrets(out);
}

void explanation_mask(const struct explanation *explanation, struct slice text, struct buffer *out)
{
    mapped_mask(buffer_slice(&explanation->secrets), text, out);
}

/* The request */

static void add_header(struct explanation *out, struct slice name, struct slice value, bool placeholder)
{
    struct explained_header *grown = realloc(out->headers, (out->header_count + 1) * sizeof *out->headers);
    if (!grown) {
        out->out_of_memory = true;
        return;
    }
    out->headers = grown;
    struct explained_header *header = &grown[out->header_count++];
    *header = (struct explained_header){.placeholder = placeholder};
    buffer_append_slice(&header->name, name);
    buffer_append_slice(&header->value, value);
}

/** As the agent makes them, with words for what it only knows when it sends. */
static void make_headers(struct explanation *out)
{
    const struct own_headers own = {.timestamp = SLICE_LITERAL("<seconds since the epoch>"),
                                    .signature = SLICE_LITERAL("v1,<signature of timestamp.body>"),
                                    .attempt = SLICE_LITERAL("<1 for the first attempt>"),
                                    .id = SLICE_LITERAL("<topic>-<partition>-<offset>"),
                                    .with_body = out->has_body};
    struct mapped_header *list = calloc(OWN_HEADERS + out->mapped.header_count, sizeof *list);
    size_t count = list ? mapped_headers(&out->mapped, &own, list) : 0;
    out->out_of_memory |= !list;
    for (size_t i = 0; i < count; i++) {
        bool mapped = false;
        for (size_t j = 0; j < out->mapped.header_count; j++)
            mapped |= list[i].value.ptr == out->mapped.headers[j].value.ptr;
        add_header(out, list[i].name, list[i].value, !mapped);
    }
    free(list);
}

/** An empty path stays empty, which says the same. */
static void show_as_sent(const struct url_parts *parts, struct explanation *out)
{
    struct buffer bare = {0};
    buffer_append_slice(&bare, buffer_slice(&out->url));
    buffer_append_char(&bare, '/');
    if (!slice_equal_text(buffer_slice(&bare), parts->url)) {
        buffer_clear(&out->url);
        buffer_append_text(&out->url, parts->url);
    }
    out->out_of_memory |= bare.failed || out->url.failed;
    buffer_clear(&bare);
}

static void make_request(struct explanation *out)
{
    const struct mapped_request *mapped = &out->mapped;
    struct url_parts parts;
    struct error err = {0};
    out->target = mapped_base_url(mapped, &out->event.invocation);
    mapped_url(mapped, out->target, &out->url);
    const char *unsendable = mapped_unsendable(mapped, &out->event.invocation);
    if (unsendable) {
        buffer_append_text(&out->failure, unsendable);
        make_headers(out);
        return;
    }
    int failed = mapped_method(mapped, out->event.invocation.method, &out->method, &err);
    out->body = mapped_body(mapped, buffer_slice(&out->method), buffer_slice(&out->event.payload));
    out->has_body = !slice_is_null(out->body);
    if (!failed) {
        failed = url_parse(buffer_slice(&out->url), &parts, &err);
        if (!failed)
            show_as_sent(&parts, out);
        url_parts_clear(&parts);
    }
    if (failed)
        buffer_append_text(&out->failure, err.message);
    make_headers(out);
}

/* The event */

static int parse_record(const struct explain_options *options, struct slice record, struct explanation *out,
                        struct error *err)
{
    int failed = event_parse(&out->event, options->kind == EXPLAIN_CHANGE_LOG ? EVENT_CHANGE_LOG : EVENT_RUN,
                             record, err);
    if (failed || options->kind != EXPLAIN_BY_CONTENT || out->event.invocation.present)
        return failed;
    failed = event_parse(&out->event, EVENT_CHANGE_LOG, record, err);
    return failed || out->event.invocation.present ? failed
                                                   : event_parse(&out->event, EVENT_RUN, record, err);
}

static void note(struct explanation *out, const char *text)
{
    buffer_append_text(&out->notes, text);
    buffer_append_char(&out->notes, '\n');
}

/** What the running agent does with such an event before it looks at mappings. */
static void make_notes(const struct explain_options *options, struct explanation *out)
{
    const struct event *event = &out->event;
    if (event->kind == EVENT_CHANGE_LOG)
        note(out, "this is a change-log event (changelogDestination): it carries no signature and no run");
    if (event->wrong_type) {
        note(out, event->wrong_type);
        note(out, "the agent skips such an event");
    } else if (event->other_topics) {
        note(out, event_other_topics(event->kind));
        note(out, "the agent refuses such an event");
    } else if (!event->invocation.agent) {
        note(out, "the agent skips this event: its invocation method's \"agent\" is not true");
    }
    if (slice_is_null(options->secret))
        note(out, "PORT_CLIENT_SECRET is not set: signatures are not checked, and fieldsToDecryptPaths stay "
                  "encrypted");
}

static void evaluate(const struct explain_options *options, struct explanation *out)
{
    struct explaining explaining = {options, out};
    struct mapping_trace trace = {evaluated, &explaining};
    mappings_request(options->mappings, buffer_slice(&out->event.payload), options->secret, &trace,
                     &out->fields);
    out->out_of_memory |= out->fields.failed;
    if (mapped_request_read(buffer_slice(&out->fields), &out->mapped) != 0)
        out->out_of_memory = true;
    out->mapping_count = mappings_count(options->mappings);
    if (out->mapped.mapping == 0 && slice_is_null(out->mapped.failure))
        buffer_append_text(&out->failure,
                           "no mapping wants the event: the agent skips it, and reports a workflow "
                           "node run failed (unless MAPPING_MISS is skip)");
    else if (!slice_is_null(out->mapped.failure))
        buffer_append_slice(&out->failure, out->mapped.failure);
    else
        make_request(out);
    if (out->failure.len == 0 && options->response)
        map_report_make(options, &trace, out);
}

void explanation_make(const struct explain_options *options, struct slice record, struct explanation *out)
{
    struct error err = {0};
    *out = (struct explanation){0};
    event_init(&out->event);
    if (parse_record(options, record, out, &err) != 0) {
        buffer_append_text(&out->failure, "the event cannot be read: ");
        buffer_append_text(&out->failure, err.message);
        return;
    }
    make_notes(options, out);
    evaluate(options, out);
    map_environment_note(out);
    map_hint_members(out);
    collect_secrets(options, out);
}

void explanation_clear(struct explanation *explanation)
{
    for (size_t i = 0; i < explanation->expression_count; i++) {
        free(explanation->expressions[i].where);
        buffer_clear(&explanation->expressions[i].expression);
        buffer_clear(&explanation->expressions[i].result);
        buffer_clear(&explanation->expressions[i].problem);
    }
    for (size_t i = 0; i < explanation->header_count; i++) {
        buffer_clear(&explanation->headers[i].name);
        buffer_clear(&explanation->headers[i].value);
    }
    struct explained_report *report = &explanation->report;
    struct buffer *buffers[] = {&explanation->fields, &explanation->secrets,    &explanation->failure,
                                &explanation->method, &explanation->url,        &explanation->notes,
                                &report->fields,      &report->status,          &report->summary,
                                &report->link_json,   &report->external_run_id, &report->response_json};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffer_clear(buffers[i]);
    free(explanation->expressions);
    free(explanation->headers);
    mapped_request_clear(&explanation->mapped);
    event_clear(&explanation->event);
    *explanation = (struct explanation){0};
}
