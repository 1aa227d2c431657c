/* Digits and exponent as text, so that no digit is lost however many there are; written as ECMAScript writes
 * numbers. */
#include "json/decimal.h"
#include <stdlib.h>
#include <string.h>

/* Where ECMAScript's notation changes: the decimal point's place among the digits. */
enum { POINT_MAX = 21, POINT_MIN = -6 };

void decimal_read(struct slice text, struct decimal *out)
{
    size_t at = 0;
    bool fraction = false;
    *out = (struct decimal){.negative = text.ptr[0] == '-'};
    for (at = out->negative; at < text.len && (char_is_digit(text.ptr[at]) || text.ptr[at] == '.'); at++) {
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
    size_t len = at < text.len ? text.len - at - 1 : 0;
    if (len < sizeof exponent) {
        memcpy(exponent, text.ptr + text.len - len, len);
        exponent[len] = '\0';
        out->point += strtol(exponent, NULL, 10);
    } else {
        out->point = DECIMAL_POINT_MAX + 1;
    }
}

static void append_zeros(struct buffer *out, long count)
{
    for (long i = 0; i < count; i++)
        buffer_append_char(out, '0');
}

void decimal_append(struct buffer *out, const struct decimal *decimal)
{
    struct slice digits = buffer_slice(&decimal->digits); /* k of them, n: the point's place */
    long k = (long)digits.len, n = decimal->point;
    if (decimal->digits.failed) {
        out->failed = true;
        return;
    }
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

bool decimal_equal(const struct decimal *a, const struct decimal *b)
{
    struct slice left = buffer_slice(&a->digits), right = buffer_slice(&b->digits);
    bool zero = left.len == 0 && right.len == 0;
    return zero || (a->negative == b->negative && a->point == b->point && slice_equal(left, right));
}

void decimal_clear(struct decimal *decimal)
{
    buffer_clear(&decimal->digits);
}
