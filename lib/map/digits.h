/* Numbers with more digits than a double keeps. jq 1.6 loses the rest, jq 1.7 when it computes with such a
 * number: whoever forwards such a number should know it. Private to the map room. */
#pragma once
#include "base/slice.h"
#include <jv.h>

enum { LONG_NUMBERS_MAX = 64 };

struct long_number {
    /** As it came; borrowed from what was read. */
    struct slice text;
    /** What is left of it. */
    double value;
};

/** Those of one text; beyond LONG_NUMBERS_MAX they are not noted. */
struct long_numbers {
    size_t count;
    struct long_number list[LONG_NUMBERS_MAX];
};

/** A number of JSON as a value: a double where that says the same, so that both versions of jq write the same
 * text of it (1, not 1.0); else as jq reads it, and noted in `found` (may be NULL). */
jv long_numbers_read(struct slice text, struct long_numbers *found);
/** Whether one of `numbers` is in `value` (borrowed) without its last digits, as a number or inside a text.
 */
PA_MUST_USE bool long_numbers_cut(const struct long_numbers *numbers, jv value);
