#include "map/json_text.h"
#include "event/event.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where ECMAScript's notation changes: the decimal point's place among the digits. */
enum { POINT_MAX = 21, POINT_MIN = -6, EXPONENT_MAX = 9999 };

/** A number's digits and where the point is: 0.DIGITS times ten to the power of `point`. */
struct decimal {
    bool negative;
    struct buffer digits; /* no zeros at either end */
    long point;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/** Reads a number with an exponent. */
static void decimal_read(struct slice text, struct decimal *out)
{
    size_t at = 0;
    bool fraction = false;
    *out = (struct decimal){.negative = text.ptr[0] == '-'};
    for (at = out->negative; at < text.len && (is_digit(text.ptr[at]) || text.ptr[at] == '.'); at++) {
        if (text.ptr[at] == '.') {
            fraction = true;
            continue;
        }
        bool leading = out->digits.len == 0 && text.ptr[at] == '0';
        if (!leading)
            buffer_append_char(&out->digits, text.ptr[at]);
        out->point += fraction ? (leading ? -1 : 0) : (leading ? 0 : 1);
    }
    while (out->digits.len > 0 && out->digits.ptr[out->digits.len - 1] == '0')
        out->digits.len--;
    char exponent[8] = "";
    size_t len = text.len - at - 1;
    if (len < sizeof exponent) {
        memcpy(exponent, text.ptr + at + 1, len);
        exponent[len] = '\0';
        out->point += strtol(exponent, NULL, 10);
    } else {
        out->point = EXPONENT_MAX + 1;
    }
}

static void append_zeros(struct buffer *out, long count)
{
    for (long i = 0; i < count; i++)
        buffer_append_char(out, '0');
}

/** ECMA-262, Number::toString with radix 10: k digits, n the point's place. */
static void decimal_append(struct buffer *out, const struct decimal *decimal)
{
    struct slice digits = buffer_slice(&decimal->digits);
    long k = (long)digits.len, n = decimal->point;
    if (k == 0) {
        buffer_append_char(out, '0');
        return;
    }
    if (decimal->negative)
        buffer_append_char(out, '-');
    if (n > 0 && n <= POINT_MAX) {
        buffer_append(out, digits.ptr, (size_t)(k < n ? k : n));
        append_zeros(out, n - k);
        if (k > n) {
            buffer_append_char(out, '.');
            buffer_append(out, digits.ptr + n, (size_t)(k - n));
        }
    } else if (n > POINT_MIN && n <= 0) {
        buffer_append_text(out, "0.");
        append_zeros(out, -n);
        buffer_append_slice(out, digits);
    } else {
        buffer_append_char(out, digits.ptr[0]);
        if (k > 1) {
            buffer_append_char(out, '.');
            buffer_append(out, digits.ptr + 1, (size_t)(k - 1));
        }
        buffer_appendf(out, "e%c%ld", n > 0 ? '+' : '-', labs(n - 1));
    }
}

static void append_number(struct buffer *out, struct slice text)
{
    struct decimal decimal;
    if (!memchr(text.ptr, 'e', text.len) && !memchr(text.ptr, 'E', text.len)) {
        buffer_append_slice(out, text);
        return;
    }
    decimal_read(text, &decimal);
    if (decimal.digits.failed)
        out->failed = true;
    else if (labs(decimal.point) > EXPONENT_MAX) /* beyond what any receiver reads as a number */
        buffer_append_slice(out, text);
    else
        decimal_append(out, &decimal);
    buffer_clear(&decimal.digits);
}

/** As jq writes numbers: its own text where it has one, then as ECMAScript has it. */
static void write_number(struct buffer *out, jv number)
{
    jv text = jv_dump_string(number, 0);
    append_number(out, slice_of(jv_string_value(text)));
    jv_free(text);
}

/** How JSON.stringify (ECMA-262, QuoteJSONString) escapes this character; NULL: it does not. */
static const char *escape_of(char c, char unicode[8])
{
    static const char *const short_forms[] = {['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f",
                                              ['\r'] = "\\r", ['"'] = "\\\"", ['\\'] = "\\\\"};
    unsigned char code = (unsigned char)c;
    if (code < sizeof short_forms / sizeof *short_forms && short_forms[code])
        return short_forms[code];
    if (code >= 0x20)
        return NULL;
    snprintf(unicode, 8, "\\u%04x", code);
    return unicode;
}

/** jq's texts are valid UTF-8. */
static void write_string(struct buffer *out, jv string)
{
    const char *text = jv_string_value(string);
    size_t len = (size_t)jv_string_length_bytes(jv_copy(string)), start = 0;
    buffer_append_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        char unicode[8];
        const char *escape = escape_of(text[i], unicode);
        if (!escape)
            continue;
        buffer_append(out, text + start, i - start);
        buffer_append_text(out, escape);
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
        write_string(out, jv_object_iter_key(object, at));
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
        write_string(out, value);
        return true;
    case JV_KIND_NUMBER:
        write_number(out, value);
        return true;
    case JV_KIND_ARRAY:
    case JV_KIND_OBJECT:
        if (depth == EVENT_MAX_DEPTH) {
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
