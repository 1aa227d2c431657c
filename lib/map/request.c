/* See request.h. */
#include "map/request.h"
#include "base/cut.h"
#include <stdlib.h>
#include <string.h>

static size_t parse_number(struct slice text)
{
    size_t number = 0;
    for (size_t i = 0; i < text.len; i++)
        number = number * 10 + (size_t)(text.ptr[i] - '0');
    return number;
}

static bool add_header_name(struct mapped_request *out, struct slice name)
{
    struct mapped_header *grown =
        realloc(out->headers, (out->header_count + 1) * sizeof *out->headers); /* few, once an event */
    if (!grown)
        return false;
    out->headers = grown;
    out->headers[out->header_count++] = (struct mapped_header){.name = name};
    return true;
}

/** False: out of memory. */
static bool read_field(const struct mapped_field *field, struct mapped_request *out)
{
    switch (field->tag) {
    case MAPPED_INDEX:
        out->mapping = parse_number(field->value);
        break;
    case MAPPED_REPORTS:
        out->reports = true;
        out->reported = field->value;
        break;
    case MAPPED_FAILED:
        out->failure = field->value;
        break;
    case MAPPED_SECRET:
        out->secret_count++;
        break;
    case MAPPED_URL:
        out->url = field->value;
        break;
    case MAPPED_METHOD:
        out->method = field->value;
        break;
    case MAPPED_HEADER_NAME:
        return add_header_name(out, field->value);
    case MAPPED_HEADER_VALUE:
        if (out->header_count > 0)
            out->headers[out->header_count - 1].value = field->value;
        break;
    case MAPPED_QUERY:
        out->query = field->value;
        break;
    case MAPPED_BODY:
        out->body = field->value;
        break;
    case MAPPED_NO_BODY:
        out->no_body = true;
        break;
    case MAPPED_HEADERS_JSON:
        out->headers_json = field->value;
        break;
    case MAPPED_QUERY_JSON:
        out->query_json = field->value;
        break;
    default: /* MAPPED_NONE is the absence of the rest; warnings have their own reader */
        break;
    }
    return true;
}

int mapped_request_read(struct slice fields, struct mapped_request *out)
{
    struct mapped_field field;
    *out = (struct mapped_request){0};
    while (mapped_next(&fields, &field))
        if (!read_field(&field, out))
            return PA_ERR_MEMORY;
    return fields.len == 0 ? 0 : PA_ERR_INVALID;
}

void mapped_request_clear(struct mapped_request *request)
{
    free(request->headers);
    *request = (struct mapped_request){0};
}

void mapped_report_read(struct slice fields, struct mapped_report *out)
{
    struct mapped_field field;
    *out = (struct mapped_report){0};
    while (mapped_next(&fields, &field)) {
        if (field.tag == MAPPED_FAILED)
            out->failure = field.value;
        else if (field.tag == REPORTED_STATUS)
            out->status = field.value;
        else if (field.tag == REPORTED_SUMMARY)
            out->summary = field.value;
        else if (field.tag == REPORTED_LINK_JSON)
            out->link_json = field.value;
        else if (field.tag == REPORTED_EXTERNAL_ID)
            out->external_run_id = field.value;
    }
}

static bool reports_field(const struct mapped_request *request, enum mapped_tag tag)
{
    return request->reported.len > 0 && memchr(request->reported.ptr, (int)tag, request->reported.len);
}

struct mapped_report mapped_report_over(const struct mapped_request *request,
                                        const struct mapped_report *given, const struct mapped_report *usual,
                                        bool answered)
{
    struct mapped_report out = *usual;
    out.failure = given->failure;
    if (reports_field(request, REPORTED_STATUS) && (answered || !slice_is_null(given->status)))
        out.status = given->status;
    if (reports_field(request, REPORTED_SUMMARY))
        out.summary = given->summary;
    if (reports_field(request, REPORTED_LINK_JSON))
        out.link_json = given->link_json;
    if (reports_field(request, REPORTED_EXTERNAL_ID))
        out.external_run_id = given->external_run_id;
    return out;
}

void mapped_warnings(struct slice fields, void (*warned)(void *ctx, struct slice warning), void *ctx)
{
    struct mapped_field field;
    while (mapped_next(&fields, &field))
        if (field.tag == MAPPED_WARNING)
            warned(ctx, field.value);
}

struct slice mapped_last_warning(struct slice fields)
{
    struct slice last = {NULL, 0};
    struct mapped_field field;
    while (mapped_next(&fields, &field))
        if (field.tag == MAPPED_WARNING)
            last = field.value;
    return last;
}

/* The request's parts */

struct slice mapped_base_url(const struct mapped_request *request, const struct invocation_method *invocation)
{
    return slice_is_null(request->url) ? invocation->url : request->url;
}

void mapped_url(const struct mapped_request *request, struct slice url, struct buffer *out)
{
    url = slice_strip(url);
    const char *fragment = url.len > 0 ? memchr(url.ptr, '#', url.len) : NULL;
    struct slice base = {url.ptr, fragment ? (size_t)(fragment - url.ptr) : url.len};
    buffer_append_slice(out, base);
    if (request->query.len > 0) {
        bool has_query = base.len > 0 && memchr(base.ptr, '?', base.len);
        bool open = has_query && (base.ptr[base.len - 1] == '?' || base.ptr[base.len - 1] == '&');
        if (!open)
            buffer_append_char(out, has_query ? '&' : '?');
        buffer_append_slice(out, request->query);
    }
    if (fragment)
        buffer_append_slice(out, (struct slice){fragment, url.len - base.len});
}

struct slice mapped_body(const struct mapped_request *request, struct slice method, struct slice event)
{
    if (request->no_body || slice_equal_text(method, "HEAD"))
        return (struct slice){NULL, 0};
    return slice_is_null(request->body) ? event : request->body;
}

int mapped_method(const struct mapped_request *request, struct slice invocations, struct buffer *out,
                  struct error *err)
{
    static const char *const in_use[] = {"POST", "PUT", "PATCH", "DELETE", "GET"};
    /* A tunnel, and what sends the request's own headers back. */
    static const char *const no_requests[] = {"CONNECT", "TRACE", "TRACK"};
    struct slice method = invocations.len > 0 ? invocations : SLICE_LITERAL("POST");
    bool known = !slice_is_null(request->method);
    if (known)
        method = request->method;
    for (size_t i = 0; i < sizeof in_use / sizeof *in_use && !known; i++)
        known = slice_equal_text_ignore_case(method, in_use[i]);
    if (!known)
        return error_set(err, PA_ERR_INVALID,
                         "the invocation method's \"method\" is none of POST, PUT, PATCH, DELETE, GET");
    for (size_t i = 0; i < sizeof no_requests / sizeof *no_requests; i++)
        if (slice_equal_text_ignore_case(method, no_requests[i]))
            return error_set(err, PA_ERR_INVALID, "the mapping's method is %s, which the agent does not send",
                             no_requests[i]);
    for (size_t i = 0; i < method.len; i++) {
        char c = method.ptr[i];
        buffer_append_char(out, c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
    }
    return 0;
}

const char *mapped_unsendable(const struct mapped_request *request,
                              const struct invocation_method *invocation)
{
    if (invocation->method_wrong && slice_is_null(request->method))
        return "the invocation method's \"method\" is not a text";
    if (invocation->url_wrong && slice_is_null(request->url))
        return "the invocation method's \"url\" is not a text";
    return NULL;
}

static bool has_header(const struct mapped_request *request, struct slice name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (slice_equal_ignore_case(request->headers[i].name, name))
            return true;
    return false;
}

size_t mapped_headers(const struct mapped_request *request, const struct own_headers *own,
                      struct mapped_header *out)
{
    const struct slice parent = SLICE_LITERAL("traceparent"), none = {NULL, 0};
    const struct {
        struct slice name;
        struct slice value;
        bool always;
    } ours[OWN_HEADERS] = {
        {SLICE_LITERAL("Content-Type"), SLICE_LITERAL("application/json"), false},
        {SLICE_LITERAL("X-Port-Timestamp"), own->timestamp, true},
        {SLICE_LITERAL("X-Port-Signature"), own->signature, true},
        {SLICE_LITERAL("X-Port-Attempt"), own->attempt, true},
        {SLICE_LITERAL("Idempotency-Key"), own->id, false},
        {SLICE_LITERAL("webhook-id"), own->id, false},
        {SLICE_LITERAL("X-Port-Redelivery-Of"), own->redelivery_of, !slice_is_null(own->redelivery_of)},
        {parent, own->traceparent, false},
        {SLICE_LITERAL("tracestate"), has_header(request, parent) ? none : own->tracestate, false}};
    size_t count = 0;
    for (size_t i = own->with_body ? 0 : 1; i < OWN_HEADERS; i++)
        if (!slice_is_null(ours[i].value) && (ours[i].always || !has_header(request, ours[i].name)))
            out[count++] = (struct mapped_header){ours[i].name, ours[i].value};
    for (size_t i = 0; i < request->header_count; i++) {
        bool reserved = false;
        for (size_t own_at = 0; own_at < OWN_HEADERS; own_at++)
            reserved |=
                ours[own_at].always && slice_equal_ignore_case(request->headers[i].name, ours[own_at].name);
        if (!reserved)
            out[count++] = request->headers[i];
    }
    return count;
}

/* The answer's headers */

/** Takes the next "Name: value" line. False: there is none. */
static bool next_header(struct slice *lines, struct slice *name, struct slice *value)
{
    struct slice rest = *lines, line = slice_cut(&rest, '\n');
    if (line.len == 0 || !memchr(line.ptr, ':', line.len))
        return false;
    *name = slice_cut(&line, ':');
    *value = slice_trim(line);
    *lines = rest;
    return true;
}

struct answer_header {
    struct slice name, value;
    /** The next one of this name; 0: there is none, as none comes before the first. */
    size_t next;
    /** Another of this name came before it. */
    bool repeated;
};

/** Reads the first lines, and how many are left. */
static size_t read_headers(struct slice *lines, struct answer_header headers[ANSWER_HEADERS_MAX],
                           size_t *left_out)
{
    struct slice name, value;
    size_t count = 0;
    for (; count < ANSWER_HEADERS_MAX && next_header(lines, &name, &value); count++)
        headers[count] = (struct answer_header){.name = name, .value = value};
    *left_out = 0;
    while (next_header(lines, &name, &value))
        ++*left_out;
    return count;
}

static void chain_names(struct answer_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t next = i + 1;
        while (next < count && !slice_equal_ignore_case(headers[i].name, headers[next].name))
            next++;
        if (next < count) {
            headers[i].next = next;
            headers[next].repeated = true;
        }
    }
}

/** The values of all that have its name, joined (RFC 9110, section 5.2). */
static void append_joined(struct buffer *out, const struct answer_header *headers, size_t at)
{
    struct buffer joined = {0};
    buffer_append_slice(&joined, headers[at].value);
    while ((at = headers[at].next) > 0) {
        if (joined.len > 0)
            buffer_append_text(&joined, ", ");
        buffer_append_slice(&joined, headers[at].value);
    }
    buffer_append_json_string(out, buffer_slice(&joined));
    out->failed |= joined.failed;
    buffer_clear(&joined);
}

size_t mapped_headers_json(struct slice lines, struct buffer *out)
{
    struct answer_header headers[ANSWER_HEADERS_MAX];
    size_t left_out, count = read_headers(&lines, headers, &left_out);
    bool first = true;
    chain_names(headers, count);
    buffer_append_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (headers[i].repeated)
            continue;
        if (!first)
            buffer_append_char(out, ',');
        first = false;
        buffer_append_json_string(out, headers[i].name);
        buffer_append_char(out, ':');
        append_joined(out, headers, i);
    }
    buffer_append_char(out, '}');
    return left_out;
}

/* Secrets */

void mapped_secrets(struct slice fields, struct secrets *out)
{
    struct mapped_field field;
    while (mapped_next(&fields, &field))
        if (field.tag == MAPPED_SECRET)
            secrets_add(out, field.value, 1);
}

/** "sid=abc; theme=dark": a cookie's value comes back without the others. */
static void add_cookies(struct slice value, struct secrets *out)
{
    while (value.len > 0) {
        struct slice cookie = slice_cut(&value, ';');
        slice_cut(&cookie, '='); /* its name; without a value nothing is left */
        secrets_add(out, slice_trim(cookie), SECRET_MIN);
    }
}

void mapped_header_secrets(const struct mapped_request *request, struct secrets *out)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice value = request->headers[i].value;
        if (!secret_name(request->headers[i].name))
            continue;
        secrets_add(out, value, SECRET_MIN);
        const char *blank = value.len > 0 ? memchr(value.ptr, ' ', value.len) : NULL;
        if (blank) /* "Bearer abc": what comes back may be without its scheme */
            secrets_add(out, slice_trim((struct slice){blank, value.len - (size_t)(blank - value.ptr)}),
                        SECRET_MIN);
        add_cookies(value, out);
    }
}

void mapped_mask(struct slice fields, struct slice text, struct buffer *out)
{
    struct secrets secrets = {0};
    mapped_secrets(fields, &secrets);
    redact(&secrets, text, SIZE_MAX, out);
    secrets_clear(&secrets);
}
