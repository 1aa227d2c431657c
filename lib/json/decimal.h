/* Numbers in decimal notation, exactly. */
#pragma once
#include "base/buffer.h"

enum { DECIMAL_POINT_MAX = 9999 };

/** 0.DIGITS times ten to the power of `point`. */
struct decimal {
    bool negative;
    /** No zeros at either end. */
    struct buffer digits;
    /** More than DECIMAL_POINT_MAX: the exponent has too many digits to be read. */
    long point;
};

/** Reads a number of JSON. Clear `out` with decimal_clear; out of memory: out->digits.failed. */
void decimal_read(struct slice text, struct decimal *out);
/** Appends it as ECMAScript writes numbers (ECMA-262, Number::toString with radix 10). */
void decimal_append(struct buffer *out, const struct decimal *decimal);
PA_MUST_USE bool decimal_equal(const struct decimal *a, const struct decimal *b);
void decimal_clear(struct decimal *decimal);
