/* Notes the event's numbers that no double keeps, by their own text, and looks for the doubles that jq made
 * of them in a result. */
#include "map/digits.h"
#include "json/canonical.h"
#include "json/decimal.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT_MAX = 32 };

/* Reading */

/** Whether one of the double's own notations is the number: then none of its digits is lost. */
static bool is_exact(struct slice text, double value)
{
    char written[SHORT_MAX];
    struct decimal wanted, got;
    bool equal = false;
    decimal_read(text, &wanted);
    for (int precision = DBL_DIG; precision <= DBL_DECIMAL_DIG && isfinite(value) && !equal; precision++) {
        snprintf(written, sizeof written, "%.*g", precision, value);
        decimal_read(slice_of(written), &got);
        equal = !wanted.digits.failed && !got.digits.failed && decimal_equal(&wanted, &got);
        decimal_clear(&got);
    }
    decimal_clear(&wanted);
    return equal;
}

jv long_numbers_read(struct slice text, struct long_numbers *found)
{
    char copy[SHORT_MAX], *end = copy;
    double value = INFINITY;
    if (text.len < sizeof copy) {
        memcpy(copy, text.ptr, text.len);
        copy[text.len] = '\0';
        value = strtod(copy, &end);
        if (*end == '\0' && end != copy && is_exact(text, value))
            return jv_number(value);
    }
    jv number = jv_parse_sized(text.ptr, (int)text.len);
    if (jv_get_kind(number) == JV_KIND_NUMBER && found && found->count < LONG_NUMBERS_MAX)
        found->list[found->count++] = (struct long_number){text, jv_number_value(number)};
    return number;
}

/* Finding */

static bool says(jv number, struct slice text)
{
    struct decimal wanted, got;
    jv written = jv_dump_string(number, 0);
    decimal_read(text, &wanted);
    decimal_read(slice_of(jv_string_value(written)), &got);
    wanted.negative = got.negative; /* what was only negated is whole */
    bool equal = decimal_equal(&wanted, &got);
    decimal_clear(&wanted);
    decimal_clear(&got);
    jv_free(written);
    return equal;
}

static bool cut_in_number(const struct long_numbers *numbers, jv value)
{
    for (size_t i = 0; i < numbers->count; i++)
        if (fabs(jv_number_value(value)) == fabs(numbers->list[i].value))
            return !says(jv_copy(value), numbers->list[i].text);
    return false;
}

/** jq's text of the double is in the text, where the number's own is not. */
static bool cut_in_text(const struct long_numbers *numbers, jv value)
{
    struct slice text = {jv_string_value(value), (size_t)jv_string_length_bytes(jv_copy(value))};
    bool found = false;
    for (size_t i = 0; i < numbers->count && !found; i++) {
        struct slice own = numbers->list[i].text;
        jv written = jv_dump_string(jv_number(fabs(numbers->list[i].value)), 0);
        const char *cut = jv_string_value(written);
        found = text.len > 0 && memmem(text.ptr, text.len, cut, strlen(cut)) &&
                !memmem(text.ptr, text.len, own.ptr, own.len);
        jv_free(written);
    }
    return found;
}

/** Takes `value` over. */
static bool cut_in(const struct long_numbers *numbers, jv value, unsigned depth)
{
    jv_kind kind = jv_get_kind(value);
    bool found = false;
    if (kind == JV_KIND_NUMBER) {
        found = cut_in_number(numbers, value);
    } else if (kind == JV_KIND_STRING) {
        found = cut_in_text(numbers, value);
    } else if (kind == JV_KIND_ARRAY && depth < JSON_MAX_DEPTH) {
        int count = jv_array_length(jv_copy(value));
        for (int i = 0; i < count && !found; i++)
            found = cut_in(numbers, jv_array_get(jv_copy(value), i), depth + 1);
    } else if (kind == JV_KIND_OBJECT && depth < JSON_MAX_DEPTH) {
        for (int at = jv_object_iter(value); !found && jv_object_iter_valid(value, at);
             at = jv_object_iter_next(value, at))
            found = cut_in(numbers, jv_object_iter_key(value, at), depth) ||
                    cut_in(numbers, jv_object_iter_value(value, at), depth + 1);
    }
    jv_free(value);
    return found;
}

bool long_numbers_cut(const struct long_numbers *numbers, jv value)
{
    return numbers->count > 0 && cut_in(numbers, jv_copy(value), 0);
}
