/* Canonical JSON to jq's values: what jq's own parser does, in a third of its time. */
#include "map/json_text.h"
#include "json/canonical.h"
#include "json/string.h"
#include <stdlib.h>
#include <string.h>

enum { EXACT_DIGITS = 15 /* of which every integer is a double */ };

struct parsing {
    const char *at, *end;
    /** Of a string with escapes; kept for the next one. */
    struct buffer text;
    struct long_numbers *long_numbers;
    unsigned depth;
};

static jv parse_value(struct parsing *parsing);

/* Strings */

static jv parse_string(struct parsing *parsing)
{
    struct slice rest = {parsing->at, (size_t)(parsing->end - parsing->at)};
    size_t len = json_string_length(rest);
    if (len == 0)
        return jv_invalid();
    struct slice inside = {rest.ptr + 1, len - 2};
    parsing->at += len;
    if (!memchr(inside.ptr, '\\', inside.len))
        return jv_string_sized(inside.ptr, (int)inside.len);
    parsing->text.len = 0;
    if (!json_unescape(inside, &parsing->text) || parsing->text.failed)
        return jv_invalid();
    return jv_string_sized(parsing->text.ptr, (int)parsing->text.len);
}

/* Numbers */

static bool is_number_char(char c)
{
    return (c >= '0' && c <= '9') || (c && strchr("+-.eE", c));
}

/** Integers that any double holds are made here. */
static jv parse_number(struct parsing *parsing)
{
    const char *start = parsing->at;
    bool negative = start < parsing->end && *start == '-';
    int64_t whole = 0;
    parsing->at += negative;
    const char *digits = parsing->at;
    while (parsing->at < parsing->end && *parsing->at >= '0' && *parsing->at <= '9' &&
           parsing->at - digits <= EXACT_DIGITS)
        whole = whole * 10 + (*parsing->at++ - '0');
    bool simple = parsing->at > digits && parsing->at - digits <= EXACT_DIGITS &&
                  (parsing->at == parsing->end || !is_number_char(*parsing->at)) && (whole != 0 || !negative);
    if (simple)
        return jv_number((double)(negative ? -whole : whole));
    while (parsing->at < parsing->end && is_number_char(*parsing->at))
        parsing->at++;
    struct slice text = {start, (size_t)(parsing->at - start)};
    return text.len > 0 ? long_numbers_read(text, parsing->long_numbers) : jv_invalid();
}

/* Structures */

static bool take_char(struct parsing *parsing, char c)
{
    if (parsing->at == parsing->end || *parsing->at != c)
        return false;
    parsing->at++;
    return true;
}

static jv parse_array(struct parsing *parsing)
{
    jv array = jv_array();
    parsing->at++;
    if (take_char(parsing, ']'))
        return array;
    do {
        jv element = parse_value(parsing);
        if (!jv_is_valid(element)) {
            jv_free(array);
            return element;
        }
        array = jv_array_append(array, element);
    } while (take_char(parsing, ','));
    if (take_char(parsing, ']'))
        return array;
    jv_free(array);
    return jv_invalid();
}

static jv parse_object(struct parsing *parsing)
{
    jv object = jv_object();
    parsing->at++;
    if (take_char(parsing, '}'))
        return object;
    do {
        jv key = parsing->at < parsing->end && *parsing->at == '"' ? parse_string(parsing) : jv_invalid();
        jv value = jv_is_valid(key) && take_char(parsing, ':') ? parse_value(parsing) : jv_invalid();
        if (!jv_is_valid(value)) {
            jv_free(key);
            jv_free(object);
            return value;
        }
        object = jv_object_set(object, key, value);
    } while (take_char(parsing, ','));
    if (take_char(parsing, '}'))
        return object;
    jv_free(object);
    return jv_invalid();
}

static jv parse_word(struct parsing *parsing, const char *word, jv value)
{
    struct slice rest = {parsing->at, (size_t)(parsing->end - parsing->at)};
    if (!slice_starts_with(rest, word))
        return jv_invalid();
    parsing->at += strlen(word);
    return value;
}

static jv parse_structure(struct parsing *parsing)
{
    if (parsing->depth == JSON_MAX_DEPTH)
        return jv_invalid();
    parsing->depth++;
    jv value = *parsing->at == '[' ? parse_array(parsing) : parse_object(parsing);
    parsing->depth--;
    return value;
}

static jv parse_value(struct parsing *parsing)
{
    switch (parsing->at < parsing->end ? *parsing->at : '\0') {
    case '"':
        return parse_string(parsing);
    case '{':
    case '[':
        return parse_structure(parsing);
    case 't':
        return parse_word(parsing, "true", jv_true());
    case 'f':
        return parse_word(parsing, "false", jv_false());
    case 'n':
        return parse_word(parsing, "null", jv_null());
    default:
        return parse_number(parsing);
    }
}

jv json_text_parse(struct slice json, struct long_numbers *found)
{
    if (json.len >= INT32_MAX)
        return jv_invalid();
    struct parsing parsing = {.at = json.ptr, .end = json.ptr + json.len, .long_numbers = found};
    jv value = parse_value(&parsing);
    if (jv_is_valid(value) && parsing.at != parsing.end) {
        jv_free(value);
        value = jv_invalid();
    }
    buffer_clear(&parsing.text);
    return value;
}
