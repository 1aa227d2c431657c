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

static void append_url(struct buffer *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ' ')
            buffer_append_text(out, "%20");
        else
            buffer_append_char(out, text.ptr[i]);
    }
}

void mapped_url(const struct mapped_request *request, struct slice url, struct buffer *out)
{
    const char *fragment = url.len > 0 ? memchr(url.ptr, '#', url.len) : NULL;
    struct slice base = {url.ptr, fragment ? (size_t)(fragment - url.ptr) : url.len};
    append_url(out, base);
    if (request->query.len > 0) {
        bool has_query = base.len > 0 && memchr(base.ptr, '?', base.len);
        bool open = has_query && (base.ptr[base.len - 1] == '?' || base.ptr[base.len - 1] == '&');
        if (!open)
            buffer_append_char(out, has_query ? '&' : '?');
        buffer_append_slice(out, request->query);
    }
    if (fragment)
        append_url(out, (struct slice){fragment, url.len - base.len});
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
    struct slice method = invocations.len > 0 ? invocations : SLICE_LITERAL("POST");
    bool known = !slice_is_null(request->method);
    if (known)
        method = request->method;
    for (size_t i = 0; i < sizeof in_use / sizeof *in_use && !known; i++)
        known = slice_equal_ignore_case(method, in_use[i]);
    if (!known)
        return error_set(err, PA_ERR_INVALID,
                         "the invocation method's \"method\" is none of POST, PUT, PATCH, DELETE, GET");
    for (size_t i = 0; i < method.len; i++) {
        char c = method.ptr[i];
        buffer_append_char(out, c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
    }
    return 0;
}

static bool has_header(const struct mapped_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (slice_equal_ignore_case(request->headers[i].name, name))
            return true;
    return false;
}

size_t mapped_headers(const struct mapped_request *request, const struct own_headers *own,
                      struct mapped_header *out)
{
    const struct {
        const char *name;
        struct slice value;
        bool always;
    } ours[OWN_HEADERS] = {{"Content-Type", SLICE_LITERAL("application/json"), false},
                           {"X-Port-Timestamp", own->timestamp, true},
                           {"X-Port-Signature", own->signature, true},
                           {"X-Port-Attempt", own->attempt, true},
                           {"Idempotency-Key", own->id, false},
                           {"webhook-id", own->id, false}};
    size_t count = 0;
    for (size_t i = 0; i < OWN_HEADERS; i++)
        if (ours[i].always || !has_header(request, ours[i].name))
            out[count++] = (struct mapped_header){slice_of(ours[i].name), ours[i].value};
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

/** The value of `count` hexadecimal digits; -1: they are not all there. */
static int32_t hexadecimal(struct slice text, size_t count)
{
    int32_t value = 0;
    if (text.len < count)
        return -1;
    for (size_t i = 0; i < count; i++) {
        char c = text.ptr[i];
        int32_t digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static struct slice after(struct slice text, size_t count)
{
    return (struct slice){text.ptr + count, text.len - count};
}

/** \uXXXX, or two of them for a character beyond the basic plane. Bytes of the text taken; 0: it is neither.
 */
static size_t unescape_unicode(struct slice text, char out[4], size_t *len)
{
    int32_t code = hexadecimal(after(text, 2), 4), low = -1;
    size_t taken = 6;
    if (code >= 0xD800 && code < 0xDC00 && text.len >= 12 && text.ptr[6] == '\\' && text.ptr[7] == 'u')
        low = hexadecimal(after(text, 8), 4);
    if (low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        taken = 12;
    }
    if (code < 0)
        return 0;
    *len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = *len; i > 1; i--, code >>= 6)
        out[i - 1] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(leads[*len] | code);
    return taken;
}

/** Reads one escape: of JSON, or of a URL. Bytes of the text taken; 0: there is none. */
static size_t unescape(struct slice text, char out[4], size_t *len)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    *len = 1;
    if (text.len >= 3 && text.ptr[0] == '%') {
        int32_t byte = hexadecimal(after(text, 1), 2);
        out[0] = (char)byte;
        return byte < 0 ? 0 : 3;
    }
    if (text.len < 2 || text.ptr[0] != '\\')
        return 0;
    if (text.ptr[1] == 'u')
        return unescape_unicode(text, out, len);
    const char *letter = text.ptr[1] ? strchr(letters, text.ptr[1]) : NULL;
    if (!letter)
        return 0;
    out[0] = meanings[letter - letters];
    return 2;
}

/** Does the text begin with the secret, each character as it is or escaped? Then how many bytes of it. */
static size_t begins_with_escaped(struct slice text, struct slice secret)
{
    size_t at = 0;
    while (secret.len > 0) {
        char bytes[4];
        size_t len, taken = at < text.len ? unescape(after(text, at), bytes, &len) : 0;
        if (taken > 0 && len <= secret.len && memcmp(bytes, secret.ptr, len) == 0) {
            at += taken;
            secret = after(secret, len);
        } else if (at < text.len &&
                   (text.ptr[at] == secret.ptr[0] ||
                    (text.ptr[at] == '+' && secret.ptr[0] == ' '))) { /* forms write blanks so */
            at++;
            secret = after(secret, 1);
        } else {
            return 0;
        }
    }
    return at;
}

/** The longest of the decrypted values that the text begins with, in whatever writing; 0: none. */
static size_t secret_at(struct slice fields, struct slice text)
{
    struct mapped_field field;
    size_t longest = 0;
    while (mapped_next(&fields, &field)) {
        struct slice secret = field.value;
        if (field.tag != MAPPED_SECRET || secret.len == 0)
            continue;
        size_t len = begins_with_escaped(text, secret);
        if (len < secret.len && text.len >= secret.len && memcmp(text.ptr, secret.ptr, secret.len) == 0)
            len = secret.len; /* one that holds what looks like an escape */
        if (len > longest)
            longest = len;
    }
    return longest;
}

void mapped_mask(struct slice fields, struct slice text, struct buffer *out)
{
    struct buffer secrets = {0};
    struct mapped_field field;
    /* The fields hold a whole body as well: what is looked through for every byte of the text is less. */
    for (struct slice rest = fields; mapped_next(&rest, &field);)
        if (field.tag == MAPPED_SECRET)
            mapped_append(&secrets, MAPPED_SECRET, field.value);
    out->failed |= secrets.failed; /* better nothing than a secret */
    for (size_t len; text.len > 0; text = after(text, len)) {
        len = secret_at(buffer_slice(&secrets), text);
        if (len > 0)
            buffer_append_text(out, "***");
        else
            buffer_append(out, text.ptr, len = 1);
    }
    if (secrets.ptr)
        explicit_bzero(secrets.ptr, secrets.len);
    buffer_clear(&secrets);
}
