/* See expect.h. */
#include "expect.h"
#include "json/canonical.h"
#include "json/members.h"
#include "json/string.h"
#include <stdlib.h>

enum { DEPTH_MAX = 64, SHOWN_MAX = 200 };

struct comparing {
    struct buffer *out;
    struct buffer path;
    unsigned depth;
    bool same;
};

static void compare(struct comparing *comparing, struct slice expected, struct slice actual);

static void append_cut(struct buffer *out, struct slice json)
{
    size_t len = json.len > SHOWN_MAX ? SHOWN_MAX : json.len;
    buffer_append(out, json.ptr, len);
    buffer_append_text(out, len < json.len ? "…" : "");
}

static void tell_difference(struct comparing *comparing, struct slice expected, struct slice actual)
{
    struct buffer *out = comparing->out;
    comparing->same = false;
    buffer_append_text(out, comparing->path.len > 0 ? buffer_text(&comparing->path) : "the whole");
    buffer_append_text(out, ": expected ");
    append_cut(out, expected);
    buffer_append_text(out, ", got ");
    if (slice_is_null(actual))
        buffer_append_text(out, "nothing");
    else
        append_cut(out, actual);
    buffer_append_char(out, '\n');
}

/** A member or an element, under its name. */
static void compare_inner(struct comparing *comparing, struct slice name, size_t index, struct slice expected,
                          struct slice actual)
{
    size_t before = comparing->path.len;
    if (slice_is_null(name))
        buffer_appendf(&comparing->path, "[%zu]", index);
    else
        buffer_appendf(&comparing->path, "%s%.*s", before > 0 ? "." : "", (int)name.len, name.ptr);
    comparing->depth++;
    compare(comparing, expected, actual);
    comparing->depth--;
    comparing->path.len = before;
}

static void compare_objects(struct comparing *comparing, struct slice expected, struct slice actual)
{
    struct members walk = members_of(expected);
    struct slice name, value;
    while (members_next(&walk, &name, &value)) {
        char *text = slice_to_text(name);
        compare_inner(comparing, name, 0, value, text ? members_find(actual, text) : (struct slice){NULL, 0});
        free(text);
    }
}

static void compare_lists(struct comparing *comparing, struct slice expected, struct slice actual)
{
    struct members left = members_of(expected), right = members_of(actual);
    struct slice none, one, other;
    bool more_left, more_right;
    size_t index = 0;
    for (;;) {
        more_left = members_next(&left, &none, &one);
        more_right = members_next(&right, &none, &other);
        if (!more_left || !more_right)
            break;
        compare_inner(comparing, (struct slice){NULL, 0}, index++, one, other);
    }
    if (more_left || more_right)
        tell_difference(comparing, expected, actual);
}

/** A text that holds JSON, as JSON. */
static bool inner_json(struct slice text, struct buffer *out)
{
    struct buffer plain = {0};
    bool json = text.len >= 2 && *text.ptr == '"' &&
                json_unescape((struct slice){text.ptr + 1, text.len - 2}, &plain) &&
                json_canonical(buffer_slice(&plain), out, NULL) == 0;
    buffer_clear(&plain);
    return json;
}

static void compare(struct comparing *comparing, struct slice expected, struct slice actual)
{
    char kind = expected.len > 0 ? *expected.ptr : '\0', other = actual.len > 0 ? *actual.ptr : '\0';
    bool nested = kind == '{' || kind == '[';
    struct buffer inner = {0};
    if (nested && other == '"' && inner_json(actual, &inner)) {
        actual = buffer_slice(&inner);
        other = *actual.ptr;
    }
    if (slice_equal(expected, actual)) {
        buffer_clear(&inner);
        return;
    }
    if (!nested || kind != other || comparing->depth == DEPTH_MAX)
        tell_difference(comparing, expected, actual);
    else if (kind == '{')
        compare_objects(comparing, expected, actual);
    else
        compare_lists(comparing, expected, actual);
    buffer_clear(&inner);
}

bool map_expect(struct slice expected, struct slice actual, struct buffer *out)
{
    struct comparing comparing = {.out = out, .same = true};
    compare(&comparing, expected, actual);
    buffer_clear(&comparing.path);
    return comparing.same && !out->failed;
}

struct slice map_expectation(struct slice expected, size_t number)
{
    struct members walk = members_of(expected);
    struct slice name, value;
    if (expected.len == 0 || *expected.ptr != '[')
        return expected;
    while (members_next(&walk, &name, &value))
        if (number-- == 0)
            return value;
    return (struct slice){NULL, 0};
}
