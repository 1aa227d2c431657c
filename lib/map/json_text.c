/* Writes jq's values as JSON.stringify would, numbers as jq has them. Fails beyond the depth that an event
 * may have, instead of leaving a part out. */
#include "map/json_text.h"
#include "base/json_escape.h"
#include "json/canonical.h"
#include "json/decimal.h"
#include <stdlib.h>
#include <string.h>

static void append_number(struct buffer *out, struct slice text)
{
    struct decimal decimal;
    if (!memchr(text.ptr, 'e', text.len) && !memchr(text.ptr, 'E', text.len)) {
        buffer_append_slice(out, text);
        return;
    }
    decimal_read(text, &decimal);
    if (labs(decimal.point) > DECIMAL_POINT_MAX) /* beyond what any receiver reads as a number */
        buffer_append_slice(out, text);
    else
        decimal_append(out, &decimal);
    decimal_clear(&decimal);
}

/** As jq writes numbers: its own text where it has one, then as ECMAScript has it. */
static void write_number(struct buffer *out, jv number)
{
    jv text = jv_dump_string(number, 0);
    append_number(out, slice_of(jv_string_value(text)));
    jv_free(text);
}

/** jq's texts are valid UTF-8. */
static void write_json_string(struct buffer *out, jv string)
{
    const char *text = jv_string_value(string);
    size_t len = (size_t)jv_string_length_bytes(jv_copy(string)), start = 0;
    buffer_append_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        char escape[JSON_ESCAPE_MAX];
        size_t escape_len = json_escape((unsigned char)text[i], escape);
        if (escape_len == 0)
            continue;
        buffer_append(out, text + start, i - start);
        buffer_append(out, escape, escape_len);
        start = i + 1;
    }
    buffer_append(out, text + start, len - start);
    buffer_append_char(out, '"');
    jv_free(string);
}

static bool write_value(struct buffer *out, jv value, unsigned depth);

static bool write_array(struct buffer *out, jv array, unsigned depth)
{
    bool fits = true;
    int count = jv_array_length(jv_copy(array));
    buffer_append_char(out, '[');
    for (int i = 0; i < count && fits; i++) {
        if (i > 0)
            buffer_append_char(out, ',');
        fits = write_value(out, jv_array_get(jv_copy(array), i), depth);
    }
    buffer_append_char(out, ']');
    jv_free(array);
    return fits;
}

static bool write_object(struct buffer *out, jv object, unsigned depth)
{
    bool fits = true, first = true;
    buffer_append_char(out, '{');
    for (int at = jv_object_iter(object); fits && jv_object_iter_valid(object, at);
         at = jv_object_iter_next(object, at)) {
        if (!first)
            buffer_append_char(out, ',');
        first = false;
        write_json_string(out, jv_object_iter_key(object, at));
        buffer_append_char(out, ':');
        fits = write_value(out, jv_object_iter_value(object, at), depth);
    }
    buffer_append_char(out, '}');
    jv_free(object);
    return fits;
}

/** Appends `value` (taken over). False: it is nested too deeply. */
static bool write_value(struct buffer *out, jv value, unsigned depth)
{
    switch (jv_get_kind(value)) {
    case JV_KIND_STRING:
        write_json_string(out, value);
        return true;
    case JV_KIND_NUMBER:
        write_number(out, value);
        return true;
    case JV_KIND_ARRAY:
    case JV_KIND_OBJECT:
        if (depth == JSON_MAX_DEPTH) {
            jv_free(value);
            return false;
        }
        return jv_get_kind(value) == JV_KIND_ARRAY ? write_array(out, value, depth + 1)
                                                   : write_object(out, value, depth + 1);
    case JV_KIND_TRUE:
        buffer_append_text(out, "true");
        break;
    case JV_KIND_FALSE:
        buffer_append_text(out, "false");
        break;
    default:
        buffer_append_text(out, "null");
    }
    jv_free(value);
    return true;
}

int json_text_append(struct buffer *out, jv value)
{
    size_t before = out->len;
    int failed = write_value(out, value, 0) ? 0 : PA_ERR_INVALID;
    if (!failed && out->failed)
        failed = PA_ERR_MEMORY;
    if (failed)
        out->len = before;
    return failed;
}
