#include "map/json_text.h"
#include "event/event.h"
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

static size_t string_end(struct slice json, size_t at)
{
    for (at++; at < json.len && json.ptr[at] != '"'; at++)
        at += json.ptr[at] == '\\';
    return at + 1 < json.len ? at + 1 : json.len;
}

static size_t number_end(struct slice json, size_t at)
{
    while (at < json.len && (is_digit(json.ptr[at]) || strchr("+-.eE", json.ptr[at])))
        at++;
    return at;
}

/** Copies valid compact JSON with its numbers rewritten. */
static void rewrite_numbers(struct slice json, struct buffer *out)
{
    for (size_t at = 0, start = 0; at <= json.len; start = at) {
        while (at < json.len && json.ptr[at] != '-' && !is_digit(json.ptr[at]))
            at = json.ptr[at] == '"' ? string_end(json, at) : at + 1;
        buffer_append(out, json.ptr + start, at - start);
        if (at == json.len)
            break;
        size_t end = number_end(json, at);
        append_number(out, (struct slice){json.ptr + at, end - at});
        at = end;
    }
}

int json_text_append(struct buffer *out, jv value)
{
    struct buffer canonical = {0};
    size_t before = out->len;
    jv text = jv_dump_string(value, 0);
    struct slice dumped = {jv_string_value(text), (size_t)jv_string_length_bytes(jv_copy(text))};
    int failed = json_canonical(dumped, &canonical, NULL);
    if (!failed)
        rewrite_numbers(buffer_slice(&canonical), out);
    if (!failed && out->failed)
        failed = PA_ERR_MEMORY;
    if (failed)
        out->len = before;
    buffer_clear(&canonical);
    jv_free(text);
    return failed;
}

static bool is_surrogate(struct slice escape)
{
    return escape.len >= 6 && escape.ptr[1] == 'u' && (escape.ptr[2] | 0x20) == 'd' &&
           strchr("89abcdefABCDEF", escape.ptr[3]) && escape.ptr[3] != '\0';
}

/** Writes U+FFFD over every surrogate; false: there was none. */
static bool replace_surrogates(char *json, size_t len)
{
    bool replaced = false;
    for (size_t at = 0; at + 1 < len; at++) {
        if (json[at] != '\\')
            continue;
        if (is_surrogate((struct slice){json + at, len - at})) {
            memcpy(json + at + 2, "fffd", 4);
            replaced = true;
        }
        at++;
    }
    return replaced;
}

jv json_text_parse(struct slice json)
{
    if (json.len >= INT32_MAX)
        return jv_invalid();
    jv value = jv_parse_sized(json.ptr, (int)json.len);
    if (jv_is_valid(value))
        return value;
    char *copy = slice_to_text(json);
    if (copy && replace_surrogates(copy, json.len)) {
        jv_free(value);
        value = jv_parse_sized(copy, (int)json.len);
    }
    free(copy);
    return value;
}
