/* Where values begin and end. No recursion: brackets are counted. */
#include "json/members.h"
#include "json/string.h"

static void advance(struct slice *text, size_t count)
{
    text->ptr += count;
    text->len -= count;
}

static void skip_blanks(struct slice *text)
{
    while (text->len > 0 && char_is_blank(*text->ptr))
        advance(text, 1);
}

/** Length of the object or array that starts here; 0: it does not end. */
static size_t nested_length(struct slice text)
{
    size_t depth = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '"') {
            size_t len = json_string_length((struct slice){text.ptr + i, text.len - i});
            if (len == 0)
                return 0;
            i += len - 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (--depth == 0)
                return i + 1;
        }
    }
    return 0;
}

/** Length of the value that starts here; 0: there is none, or it does not end. */
static size_t value_length(struct slice text)
{
    if (text.len == 0)
        return 0;
    if (*text.ptr == '"')
        return json_string_length(text);
    if (*text.ptr == '{' || *text.ptr == '[')
        return nested_length(text);
    size_t len = 0;
    while (len < text.len && text.ptr[len] != ',' && text.ptr[len] != '}' && text.ptr[len] != ']')
        len++;
    return len;
}

struct members members_of(struct slice value)
{
    value = slice_trim(value);
    bool object = value.len > 0 && *value.ptr == '{', array = value.len > 0 && *value.ptr == '[';
    struct members walk = {.rest = value, .close = object ? '}' : ']', .broken = !object && !array};
    if (!walk.broken)
        advance(&walk.rest, 1);
    return walk;
}

static bool breaks(struct members *walk)
{
    walk->broken = true;
    return false;
}

static bool next_name(struct members *walk, struct slice *name)
{
    *name = (struct slice){NULL, 0};
    if (walk->close == ']')
        return true;
    size_t len = walk->rest.len > 0 && *walk->rest.ptr == '"' ? json_string_length(walk->rest) : 0;
    if (len == 0)
        return false;
    *name = (struct slice){walk->rest.ptr + 1, len - 2};
    advance(&walk->rest, len);
    skip_blanks(&walk->rest);
    if (walk->rest.len == 0 || *walk->rest.ptr != ':')
        return false;
    advance(&walk->rest, 1);
    skip_blanks(&walk->rest);
    return true;
}

bool members_next(struct members *walk, struct slice *name, struct slice *value)
{
    if (walk->broken || walk->ended)
        return false;
    skip_blanks(&walk->rest);
    if (walk->rest.len == 0)
        return breaks(walk);
    if (*walk->rest.ptr == walk->close) {
        walk->ended = true;
        return false;
    }
    if (walk->begun) {
        if (*walk->rest.ptr != ',')
            return breaks(walk);
        advance(&walk->rest, 1);
        skip_blanks(&walk->rest);
    }
    walk->begun = true;
    if (!next_name(walk, name))
        return breaks(walk);
    size_t len = value_length(walk->rest);
    if (len == 0)
        return breaks(walk);
    *value = slice_trim((struct slice){walk->rest.ptr, len});
    advance(&walk->rest, len);
    return true;
}

struct slice members_find(struct slice object, const char *name)
{
    struct members walk = members_of(object);
    struct slice found = {NULL, 0}, key, value;
    if (walk.close != '}')
        return found;
    while (members_next(&walk, &key, &value))
        if (slice_equal_text(key, name))
            found = value;
    return found;
}
