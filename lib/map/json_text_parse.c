/* Canonical JSON to jq's values: what jq's own parser does, in a third of its time. */
#include "event/event.h"
#include "map/json_text.h"
#include <stdlib.h>
#include <string.h>

enum { EXACT_DIGITS = 15 /* of which every integer is a double */, ESCAPE_LEN = 6 };

struct parsing {
    const char *at, *end;
    /** Of a string with escapes; kept for the next one. */
    struct buffer text;
    struct long_numbers *long_numbers;
    unsigned depth;
};

static jv parse_value(struct parsing *parsing);

/* Strings */

/** Takes \uXXXX, which canonical JSON has for control characters and for half a surrogate pair. */
static bool unescape_unicode(struct parsing *parsing)
{
    struct slice digits = {parsing->at + 2, (size_t)(parsing->end - parsing->at) - 2};
    int32_t code = slice_hexadecimal(digits, 4);
    if (code >= 0 && code < 0x80)
        buffer_append_char(&parsing->text, (char)code);
    else if (code >= 0xD800 && code < 0xE000)
        buffer_append_text(&parsing->text, "\xef\xbf\xbd");
    else
        return false;
    parsing->at += ESCAPE_LEN;
    return true;
}

/** Takes the escape that is next. False: it is none. */
static bool unescape(struct parsing *parsing)
{
    static const char letters[] = "\"\\bfnrt", meanings[] = "\"\\\b\f\n\r\t";
    char c = parsing->end - parsing->at > 1 ? parsing->at[1] : '\0';
    if (c == 'u')
        return unescape_unicode(parsing);
    const char *letter = c ? strchr(letters, c) : NULL;
    if (!letter)
        return false;
    buffer_append_char(&parsing->text, meanings[letter - letters]);
    parsing->at += 2;
    return true;
}

static const char *plain_end(const struct parsing *parsing)
{
    const char *at = parsing->at;
    while (at < parsing->end && *at != '"' && *at != '\\')
        at++;
    return at;
}

static jv parse_string_with_escapes(struct parsing *parsing)
{
    parsing->text.len = 0;
    for (;;) {
        const char *end = plain_end(parsing);
        buffer_append(&parsing->text, parsing->at, (size_t)(end - parsing->at));
        parsing->at = end;
        if (end == parsing->end)
            return jv_invalid();
        if (*end == '"')
            break;
        if (!unescape(parsing))
            return jv_invalid();
    }
    parsing->at++;
    if (parsing->text.failed)
        return jv_invalid();
    return jv_string_sized(buffer_slice(&parsing->text).ptr, (int)parsing->text.len);
}

static jv parse_string(struct parsing *parsing)
{
    const char *start = ++parsing->at, *end = plain_end(parsing);
    if (end < parsing->end && *end == '\\')
        return parse_string_with_escapes(parsing);
    if (end == parsing->end)
        return jv_invalid();
    parsing->at = end + 1;
    return jv_string_sized(start, (int)(end - start));
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

static bool take(struct parsing *parsing, char c)
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
    if (take(parsing, ']'))
        return array;
    do {
        jv element = parse_value(parsing);
        if (!jv_is_valid(element)) {
            jv_free(array);
            return element;
        }
        array = jv_array_append(array, element);
    } while (take(parsing, ','));
    if (take(parsing, ']'))
        return array;
    jv_free(array);
    return jv_invalid();
}

static jv parse_object(struct parsing *parsing)
{
    jv object = jv_object();
    parsing->at++;
    if (take(parsing, '}'))
        return object;
    do {
        jv key = parsing->at < parsing->end && *parsing->at == '"' ? parse_string(parsing) : jv_invalid();
        jv value = jv_is_valid(key) && take(parsing, ':') ? parse_value(parsing) : jv_invalid();
        if (!jv_is_valid(value)) {
            jv_free(key);
            jv_free(object);
            return value;
        }
        object = jv_object_set(object, key, value);
    } while (take(parsing, ','));
    if (take(parsing, '}'))
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
    if (parsing->depth == EVENT_MAX_DEPTH)
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
