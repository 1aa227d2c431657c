/* The headers and the query that a mapping gives. */
#include "map/applying.h"
#include "map/message.h"
#include <string.h>

/* Headers */

enum { HEADERS_MAX = 100, HEADER_BYTES_MAX = 64 * 1024 };

/** Why a header may not be sent; NULL: it may. */
static const char *header_problem(struct slice name, struct slice value)
{
    if (!applying_is_token(name))
        return "a header's name has a character that names cannot have";
    for (size_t i = 0; i < value.len; i++)
        if (((unsigned char)value.ptr[i] < 0x20 && value.ptr[i] != '\t') || value.ptr[i] == 0x7f)
            return "a header's value holds a line break or another control character";
    return NULL;
}

/** Why a header is not the mapping's to set: it says how the message is framed, or is for the next connection
 * alone, which is the agent's (RFC 9110, section 7.6.1). NULL: it is. */
static const char *left_out(struct slice name)
{
    static const char framing[] = "left out: the agent says itself how the body is sent",
                      connection[] = "left out: it is about the connection, which is the agent's",
                      proxy[] = "left out: the proxy's password stands in the proxy's setting";
    static const struct {
        const char *name, *why;
    } ours[] = {{"Content-Length", framing},      {"Transfer-Encoding", framing},
                {"Connection", framing},          {"Trailer", framing},
                {"Upgrade", connection},          {"TE", connection},
                {"HTTP2-Settings", connection},   {"Keep-Alive", connection},
                {"Proxy-Connection", connection}, {"Proxy-Authorization", proxy}};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (slice_equal_text_ignore_case(name, ours[i].name))
            return ours[i].why;
    return NULL;
}

/** Counts a header that is to be sent; why there are too many, NULL: there are not. */
static const char *too_many(struct applying *applying, struct slice name, struct slice value)
{
    applying->header_count++;
    applying->header_bytes += name.len + value.len;
    if (applying->header_count > HEADERS_MAX)
        return "there are more than 100 headers";
    return applying->header_bytes > HEADER_BYTES_MAX ? "there are more than 64 KiB of headers" : NULL;
}

static void map_header(struct applying *applying, jv name, jv value)
{
    struct buffer text = {0};
    if (jv_get_kind(value) == JV_KIND_NULL) {
        jv_free(value);
    } else if (left_out(applying_text(name))) {
        jv_free(value);
        applying_warn(applying, "headers.", applying_text(name), left_out(applying_text(name)));
    } else if (!applying_append_scalar(applying, &text, value)) {
        applying_fail(applying, "a header is a list or an object; it must be a text, number or boolean");
    } else {
        const char *problem = header_problem(applying_text(name), buffer_slice(&text));
        if (!problem)
            problem = too_many(applying, applying_text(name), buffer_slice(&text));
        if (problem) {
            applying_fail(applying, problem);
        } else {
            mapped_append(applying->fields, MAPPED_HEADER_NAME, applying_text(name));
            applying_append(applying, MAPPED_HEADER_VALUE, &text);
        }
    }
    buffer_clear(&text);
    jv_free(name);
}

/* The query */

static void append_encoded(struct buffer *out, struct slice text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != 0 && strchr("-._~", c));
        if (plain) {
            buffer_append_char(out, (char)c);
        } else {
            buffer_append_char(out, '%');
            buffer_append_char(out, digits[c >> 4]);
            buffer_append_char(out, digits[c & 15]);
        }
    }
}

static void append_parameter(struct applying *applying, struct buffer *query, jv name, jv value)
{
    struct buffer text = {0};
    if (jv_get_kind(value) == JV_KIND_NULL) {
        jv_free(value);
    } else if (!applying_append_scalar(applying, &text, value)) {
        applying_fail(
            applying,
            "a query parameter is an object or a list in a list; it must be a text, number or boolean");
    } else {
        if (query->len > 0)
            buffer_append_char(query, '&');
        append_encoded(query, applying_text(name));
        buffer_append_char(query, '=');
        append_encoded(query, buffer_slice(&text));
    }
    buffer_clear(&text);
}

static void map_parameter(struct applying *applying, struct buffer *query, jv name, jv value)
{
    if (jv_get_kind(value) == JV_KIND_ARRAY) {
        int count = jv_array_length(jv_copy(value));
        for (int i = 0; i < count; i++)
            append_parameter(applying, query, name, jv_array_get(jv_copy(value), i));
        jv_free(value);
    } else {
        append_parameter(applying, query, name, value);
    }
    jv_free(name);
}

/** ["x", 1]: a parameter in a list of them. Takes the pair over. */
static void map_pair(struct applying *applying, struct buffer *query, jv pair)
{
    struct buffer name = {0};
    jv first = jv_invalid(), second = jv_invalid();
    if (jv_get_kind(pair) == JV_KIND_ARRAY && jv_array_length(jv_copy(pair)) == 2) {
        first = jv_array_get(jv_copy(pair), 0);
        second = jv_array_get(jv_copy(pair), 1);
    }
    if (applying_append_scalar(applying, &name, first)) {
        map_parameter(applying, query, jv_string_sized(buffer_text(&name), (int)name.len), second);
    } else {
        applying_fail(applying, "the query is a list of something else than pairs of a name and a value");
        jv_free(second);
    }
    applying->fields->failed |= name.failed;
    buffer_clear(&name);
    jv_free(pair);
}

static bool is_hexadecimal(struct slice text, size_t at)
{
    return at + 2 < text.len &&
           slice_hexadecimal((struct slice){text.ptr + at + 1, text.len - at - 1}, 2) >= 0;
}

/** x=1&y=2 as it came, except that a "?" before it is cut off and what a query has no place for is encoded.
 */
static void map_query_text(struct buffer *query, struct slice text)
{
    for (size_t i = text.len > 0 && *text.ptr == '?'; i < text.len; i++) {
        char c = text.ptr[i];
        bool legal = (c != 0 && strchr("!$&'()*+,;=:@/?[]", c)) || (c == '%' && is_hexadecimal(text, i));
        if (legal)
            buffer_append_char(query, c);
        else
            append_encoded(query, (struct slice){&c, 1});
    }
}

static void map_members(struct applying *applying, enum mapping_field field, jv object, struct buffer *query)
{
    for (int at = jv_object_iter(object); jv_object_iter_valid(object, at);
         at = jv_object_iter_next(object, at)) {
        jv name = jv_object_iter_key(object, at), value = jv_object_iter_value(object, at);
        if (field == FIELD_HEADERS)
            map_header(applying, name, value);
        else
            map_parameter(applying, query, name, value);
    }
}

/** Makes headers or a query of `value` (borrowed). False: it is nothing that they can be made of. */
static bool map_list(struct applying *applying, enum mapping_field field, jv value, struct buffer *query)
{
    bool is_query = field == FIELD_QUERY;
    jv_kind kind = jv_get_kind(value);
    if (kind == JV_KIND_OBJECT) {
        map_members(applying, field, value, query);
    } else if (is_query && kind == JV_KIND_STRING) {
        map_query_text(query, applying_text(value));
    } else if (is_query && kind == JV_KIND_ARRAY) {
        int count = jv_array_length(jv_copy(value));
        for (int i = 0; i < count; i++)
            map_pair(applying, query, jv_array_get(jv_copy(value), i));
    } else {
        return false;
    }
    return true;
}

/** Headers, which are an object, or a query, which may also be a text or a list of pairs; null: none. */
void applying_map_object(struct applying *applying, enum mapping_field field, jv event)
{
    const struct json_template *template = applying->mapping->fields[field];
    bool headers = field == FIELD_HEADERS;
    if (!template || applying->failed)
        return;
    applying->in_headers = headers;
    jv value = applying_evaluate(applying, template, event, "", mapping_field_names[field]);
    applying->in_headers = false;
    struct buffer query = {0}, json = {0};
    if (map_list(applying, field, value, &query)) {
        if (query.len > 0 || query.failed)
            applying_append(applying, MAPPED_QUERY, &query);
        if (applying->mapping->reports) {
            applying_append_json(applying, &json, jv_copy(value));
            applying_append(applying, headers ? MAPPED_HEADERS_JSON : MAPPED_QUERY_JSON, &json);
        }
    } else if (jv_get_kind(value) != JV_KIND_NULL) {
        applying_fail(applying, headers ? "the headers are not an object"
                                        : "the query is not an object, a text or a list of pairs");
    }
    buffer_clear(&query);
    jv_free(value);
}
