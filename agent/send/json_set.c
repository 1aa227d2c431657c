/* See json_set.h. */
#include "json_set.h"
#include "json/members.h"
#include <stdlib.h>
#include <string.h>

/** The first word of a path, and what follows its dot; null: nothing does. */
static struct slice first_word(struct slice path, struct slice *rest)
{
    const char *dot = path.len > 0 ? memchr(path.ptr, '.', path.len) : NULL;
    size_t len = dot ? (size_t)(dot - path.ptr) : path.len;
    *rest = dot ? (struct slice){dot + 1, path.len - len - 1} : (struct slice){NULL, 0};
    return (struct slice){path.ptr, len};
}

static void append_missing(struct slice path, struct slice value, struct buffer *out)
{
    if (slice_is_null(path)) {
        buffer_append_slice(out, value);
        return;
    }
    struct slice rest, word = first_word(path, &rest);
    buffer_append_char(out, '{');
    buffer_append_json_string(out, word);
    buffer_append_char(out, ':');
    append_missing(rest, value, out);
    buffer_append_char(out, '}');
}

/** A list's element; the null slice: there is none. */
static struct slice element_at(struct slice list, struct slice word)
{
    struct members walk = members_of(list);
    struct slice name, value;
    char digits[8] = "";
    if (word.len == 0 || word.len >= sizeof digits || strspn(word.ptr, "0123456789") < word.len)
        return (struct slice){NULL, 0};
    memcpy(digits, word.ptr, word.len);
    unsigned long index = strtoul(digits, NULL, 10);
    while (members_next(&walk, &name, &value))
        if (index-- == 0)
            return value;
    return (struct slice){NULL, 0};
}

static struct slice member_at(struct slice object, struct slice word)
{
    struct buffer name = {0};
    buffer_append_json_escaped(&name, word);
    struct slice value = members_find(object, buffer_text(&name));
    buffer_clear(&name);
    return value;
}

/** `in` with the value at `path` set, appended to `out`. */
static int set_in(struct slice in, struct slice path, struct slice value, struct buffer *out,
                  struct error *err)
{
    if (slice_is_null(path)) {
        buffer_append_slice(out, value);
        return 0;
    }
    struct slice rest, word = first_word(path, &rest);
    bool object = in.len > 0 && *in.ptr == '{', list = in.len > 0 && *in.ptr == '[';
    struct slice inner = object ? member_at(in, word) : list ? element_at(in, word) : (struct slice){NULL, 0};
    if (!slice_is_null(inner)) {
        size_t before = (size_t)(inner.ptr - in.ptr);
        buffer_append(out, in.ptr, before);
        int failed = slice_equal_text(inner, "null") && !slice_is_null(rest)
                         ? (append_missing(rest, value, out), 0)
                         : set_in(inner, rest, value, out, err);
        buffer_append(out, inner.ptr + inner.len, in.len - before - inner.len);
        return failed;
    }
    if (!object)
        return error_set(err, PA_ERR_INVALID, "'%.*s' has no place: %s", (int)word.len, word.ptr,
                         list ? "the list is not that long" : "what is before it is no object");
    buffer_append(out, in.ptr, in.len - 1);
    if (in.len > 2)
        buffer_append_char(out, ',');
    buffer_append_json_string(out, word);
    buffer_append_char(out, ':');
    append_missing(rest, value, out);
    buffer_append_char(out, '}');
    return 0;
}

int json_set(struct buffer *json, const char *path, struct slice value, struct error *err)
{
    struct buffer out = {0};
    int failed = set_in(buffer_slice(json), slice_of(path), value, &out, err);
    if (!failed && out.failed)
        failed = error_set(err, PA_ERR_MEMORY, "out of memory");
    if (failed) {
        buffer_clear(&out);
        return failed;
    }
    buffer_clear(json);
    *json = out;
    return 0;
}
