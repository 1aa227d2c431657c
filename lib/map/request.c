/* See request.h. */
#include "map/request.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

void mapped_warnings(struct slice fields, void (*warned)(void *ctx, struct slice warning), void *ctx)
{
    struct mapped_field field;
    while (mapped_next(&fields, &field))
        if (field.tag == MAPPED_WARNING)
            warned(ctx, field.value);
}

/* The request's parts */

void mapped_url(const struct mapped_request *request, struct slice url, struct buffer *out)
{
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
        buffer_append(out, fragment, url.len - base.len);
}

void mapped_method(struct slice method, struct buffer *out)
{
    for (size_t i = 0; i < method.len; i++) {
        char c = method.ptr[i];
        buffer_append_char(out, c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
    }
}

bool mapped_has_header(const struct mapped_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (slice_equal_ignore_case(request->headers[i].name, name))
            return true;
    return false;
}

bool mapped_header_is_reserved(struct slice name)
{
    return slice_equal_ignore_case(name, "X-Port-Signature") ||
           slice_equal_ignore_case(name, "X-Port-Timestamp") ||
           slice_equal_ignore_case(name, "X-Port-Attempt");
}

/* The answer's headers */

/** Takes the next "Name: value" line. False: there is none. */
static bool next_header(struct slice *lines, struct slice *name, struct slice *value)
{
    const char *end = lines->len > 0 ? memchr(lines->ptr, '\n', lines->len) : NULL;
    size_t len = end ? (size_t)(end - lines->ptr) : lines->len;
    const char *colon = len > 0 ? memchr(lines->ptr, ':', len) : NULL;
    if (!colon)
        return false;
    *name = (struct slice){lines->ptr, (size_t)(colon - lines->ptr)};
    *value = slice_trim((struct slice){colon + 1, len - name->len - 1});
    len += end != NULL;
    lines->ptr += len;
    lines->len -= len;
    return true;
}

static bool same_name(struct slice a, struct slice b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

/** The value of every line from here on that has this name, joined (RFC 9110, section 5.2). */
static void append_joined(struct buffer *out, struct slice lines, struct slice name)
{
    struct slice other, value;
    struct buffer joined = {0};
    while (next_header(&lines, &other, &value)) {
        if (!same_name(name, other))
            continue;
        if (joined.len > 0)
            buffer_append_text(&joined, ", ");
        buffer_append_slice(&joined, value);
    }
    buffer_append_json_string(out, buffer_slice(&joined));
    out->failed |= joined.failed;
    buffer_clear(&joined);
}

static bool came_before(struct slice all, const char *line, struct slice name)
{
    struct slice other, value;
    while (all.ptr < line && next_header(&all, &other, &value))
        if (other.ptr < line && same_name(name, other))
            return true;
    return false;
}

void mapped_headers_json(struct slice lines, struct buffer *out)
{
    struct slice all = lines, name, value, here = lines;
    bool first = true;
    buffer_append_char(out, '{');
    while (next_header(&lines, &name, &value)) {
        if (!came_before(all, here.ptr, name)) {
            if (!first)
                buffer_append_char(out, ',');
            first = false;
            buffer_append_json_string(out, name);
            buffer_append_char(out, ':');
            append_joined(out, here, name);
        }
        here = lines;
    }
    buffer_append_char(out, '}');
}

/* Masking */

/** Takes the text over, and puts the masked one in its place. */
static void mask_one(struct buffer *text, struct slice secret)
{
    struct buffer masked = {0};
    struct slice rest = buffer_slice(text);
    const char *found;
    if (secret.len == 0 || rest.len < secret.len)
        return;
    while (rest.len >= secret.len && (found = memmem(rest.ptr, rest.len, secret.ptr, secret.len))) {
        buffer_append(&masked, rest.ptr, (size_t)(found - rest.ptr));
        buffer_append_text(&masked, "***");
        rest.len -= (size_t)(found - rest.ptr) + secret.len;
        rest.ptr = found + secret.len;
    }
    if (masked.len == 0 && !masked.failed)
        return;
    buffer_append_slice(&masked, rest);
    masked.failed |= text->failed;
    buffer_clear(text);
    *text = masked;
}

static void append_percent_encoded(struct buffer *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != 0 && strchr("-._~", c));
        if (plain)
            buffer_append_char(out, (char)c);
        else
            buffer_appendf(out, "%%%02X", c);
    }
}

static void mask_secret(struct buffer *text, struct slice secret)
{
    struct buffer written = {0};
    mask_one(text, secret);
    buffer_append_json_escaped(&written, secret);
    mask_one(text, buffer_slice(&written));
    written.len = 0;
    append_percent_encoded(&written, secret);
    mask_one(text, buffer_slice(&written));
    text->failed |= written.failed;
    if (written.ptr)
        explicit_bzero(written.ptr, written.len);
    buffer_clear(&written);
}

void mapped_mask(struct slice fields, struct slice text, struct buffer *out)
{
    struct mapped_field field;
    struct buffer masked = {0};
    buffer_append_slice(&masked, text);
    while (mapped_next(&fields, &field))
        if (field.tag == MAPPED_SECRET)
            mask_secret(&masked, field.value);
    if (masked.failed) /* better nothing than a secret */
        out->failed = true;
    else
        buffer_append_slice(out, buffer_slice(&masked));
    buffer_clear(&masked);
}
