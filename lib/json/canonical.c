/* One pass: validates JSON (RFC 8259) and writes its canonical form. A string's is ECMAScript's
 * (JSON.stringify, ECMA-262 section 25.5.2.3 QuoteJSONString), so that the agent signs the text that both
 * documented receivers hash. */
#include "json/canonical.h"
#include "base/json_escape.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* Bytes a string may hold as they are: ASCII without controls, quote and backslash. */
static const bool PLAIN[256] = {
#define P8(n)                                                                                               \
    [(n)] = true, [(n) + 1] = true, [(n) + 2] = true, [(n) + 3] = true, [(n) + 4] = true, [(n) + 5] = true, \
    [(n) + 6] = true, [(n) + 7] = true
    [0x20] = true, [0x21] = true, [0x23] = true, [0x24] = true, [0x25] = true, [0x26] = true,
    [0x27] = true, P8(0x28),      P8(0x30),      P8(0x38),      P8(0x40),      P8(0x48),
    P8(0x50),      [0x58] = true, [0x59] = true, [0x5a] = true, [0x5b] = true, [0x5d] = true,
    [0x5e] = true, [0x5f] = true, P8(0x60),      P8(0x68),      P8(0x70),      P8(0x78)};
#undef P8

/** Always false, for `return fail(…)`. */
PA_MAY_IGNORE static bool fail(struct json_walk *walk, const char *problem)
{
    walk->problem = problem;
    return false;
}

static char peek(const struct json_walk *walk)
{
    return walk->at < walk->in.len ? walk->in.ptr[walk->at] : '\0';
}

static void skip_blanks(struct json_walk *walk)
{
    while (walk->at < walk->in.len) {
        char c = walk->in.ptr[walk->at];
        if (c > ' ' || (c != ' ' && c != '\n' && c != '\t' && c != '\r'))
            return;
        walk->at++;
    }
}

/* There is room for all of it from the beginning: it is never longer than the text. */

static void put(struct json_walk *walk, char c)
{
    walk->out->ptr[walk->out->len++] = c;
}

static void put_bytes(struct json_walk *walk, const char *bytes, size_t len)
{
    memcpy(walk->out->ptr + walk->out->len, bytes, len);
    walk->out->len += len;
}

/** The text from `start` to where the walk is, as it stands there. */
static void put_from(struct json_walk *walk, size_t start)
{
    put_bytes(walk, walk->in.ptr + start, walk->at - start);
}

/* Strings */

/** An escape, as JSON.stringify writes its character. */
static bool escape(struct json_walk *walk)
{
    struct slice rest = {walk->in.ptr + walk->at, walk->in.len - walk->at};
    uint32_t code;
    char out[JSON_ESCAPE_MAX];
    size_t taken = json_escape_read(rest, &code), len = 0;
    if (taken == 0) {
        walk->at += rest.len > 1 && rest.ptr[1] == 'u' ? 2 : 1;
        return fail(walk, rest.len == 1        ? "string that does not end"
                          : rest.ptr[1] == 'u' ? "bad \\u escape"
                                               : "bad escape");
    }
    walk->at += taken;
    if (code < 0x80)
        len = json_escape((unsigned char)code, out);
    else if (code >= 0xd800 && code < 0xe000)
        len = json_escape_unit(code, out);
    if (len == 0)
        len = utf8_encode(code, out);
    put_bytes(walk, out, len);
    return true;
}

/** Goes on to the next byte that a string may not hold as it is. Eight bytes at a time: in `stops` the first
 * such byte has its highest bit set (the trick with the borrow is that of "Determine if a word has a zero
 * byte" in Bit Twiddling Hacks, Stanford; bits behind the first are not to be trusted). */
static void skip_plain(struct json_walk *walk)
{
    const uint64_t ones = UINT64_MAX / 255, high = ones << 7;
    while (walk->in.len - walk->at >= 8) {
        uint64_t bytes;
        memcpy(&bytes, walk->in.ptr + walk->at, sizeof bytes);
        bytes = le64toh(bytes);
        uint64_t quote = bytes ^ ones * '"', backslash = bytes ^ ones * '\\';
        uint64_t stops = (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
                          ((bytes - ones * ' ') & ~bytes) | bytes) &
                         high;
        if (stops) {
            walk->at += (size_t)__builtin_ctzll(stops) / 8;
            return;
        }
        walk->at += 8;
    }
    while (walk->at < walk->in.len && PLAIN[(unsigned char)walk->in.ptr[walk->at]])
        walk->at++;
}

/** A string, canonical, into `out`, quotes included. What stands between two escapes is copied at once. */
static bool write_string(struct json_walk *walk)
{
    size_t start = walk->at++;
    for (;;) {
        skip_plain(walk);
        if (walk->at >= walk->in.len)
            return fail(walk, "string that does not end");
        unsigned char c = (unsigned char)walk->in.ptr[walk->at];
        if (c == '"')
            break;
        if (c < 0x20)
            return fail(walk, "control character in a string");
        if (c == '\\') {
            put_from(walk, start);
            if (!escape(walk))
                return false;
            start = walk->at;
        } else {
            size_t len = utf8_sequence(walk->in.ptr + walk->at, walk->in.len - walk->at);
            if (len == 0)
                return fail(walk, "invalid UTF-8");
            walk->at += len;
        }
    }
    walk->at++;
    put_from(walk, start);
    return true;
}

/* Numbers and literals */

static bool digits(struct json_walk *walk)
{
    size_t start = walk->at;
    while (peek(walk) >= '0' && peek(walk) <= '9')
        walk->at++;
    return walk->at > start;
}

static bool write_number(struct json_walk *walk)
{
    size_t start = walk->at;
    if (peek(walk) == '-')
        walk->at++;
    if (peek(walk) == '0')
        walk->at++;
    else if (!digits(walk))
        return fail(walk, "not a value");
    if (peek(walk) == '.') {
        walk->at++;
        if (!digits(walk))
            return fail(walk, "bad number");
    }
    if (peek(walk) == 'e' || peek(walk) == 'E') {
        walk->at++;
        if (peek(walk) == '+' || peek(walk) == '-')
            walk->at++;
        if (!digits(walk))
            return fail(walk, "bad number");
    }
    put_from(walk, start);
    return true;
}

static bool write_literal(struct json_walk *walk, const char *word)
{
    size_t len = strlen(word);
    if (walk->in.len - walk->at < len || memcmp(walk->in.ptr + walk->at, word, len) != 0)
        return fail(walk, "not a value");
    put_bytes(walk, word, len);
    walk->at += len;
    return true;
}

/* Structures */

static bool write_value(struct json_walk *walk, unsigned place);

/** A member, with the comma before it. `parent` is the place of its object. */
static bool write_member(struct json_walk *walk, unsigned parent, bool *first)
{
    size_t mark = walk->out->len; /* before the comma: where a member that is left out ends up */
    struct json_member member = {0};
    if (!*first)
        put(walk, ',');
    size_t name_at = walk->out->len;
    if (peek(walk) != '"')
        return fail(walk, "member name expected");
    if (!write_string(walk))
        return false;
    size_t name_len = walk->out->len - name_at;
    skip_blanks(walk);
    if (peek(walk) != ':')
        return fail(walk, "':' expected");
    walk->at++;
    put(walk, ':');
    skip_blanks(walk);
    if (parent != 0)
        walk->watch->begins(walk->ctx, parent, (struct slice){walk->out->ptr + name_at, name_len}, peek(walk),
                            &member);
    size_t value_at = walk->out->len;
    if (!write_value(walk, member.place))
        return false;
    if (parent != 0) {
        struct slice name = {walk->out->ptr + name_at, name_len};
        struct slice value = {walk->out->ptr + value_at, walk->out->len - value_at};
        if (!walk->watch->ends(walk->ctx, parent, &member, name, value, mark)) {
            walk->out->len = mark;
            return true;
        }
    }
    *first = false;
    return true;
}

static bool write_object(struct json_walk *walk, unsigned place)
{
    bool first = true;
    walk->at++;
    put(walk, '{');
    skip_blanks(walk);
    if (peek(walk) == '}') {
        walk->at++;
        put(walk, '}');
        return true;
    }
    for (;;) {
        skip_blanks(walk);
        if (!write_member(walk, place, &first))
            return false;
        skip_blanks(walk);
        char c = peek(walk);
        if (c != ',' && c != '}')
            return fail(walk, "',' or '}' expected");
        walk->at++;
        if (c == '}')
            break;
    }
    put(walk, '}');
    return true;
}

static bool write_array(struct json_walk *walk)
{
    walk->at++;
    put(walk, '[');
    skip_blanks(walk);
    if (peek(walk) == ']') {
        walk->at++;
        put(walk, ']');
        return true;
    }
    for (;;) {
        skip_blanks(walk);
        if (!write_value(walk, 0))
            return false;
        skip_blanks(walk);
        char c = peek(walk);
        if (c != ',' && c != ']')
            return fail(walk, "',' or ']' expected");
        walk->at++;
        put(walk, c);
        if (c == ']')
            return true;
    }
}

static bool write_value(struct json_walk *walk, unsigned place)
{
    char c = peek(walk);
    if (c == '{' || c == '[') {
        if (++walk->depth > JSON_MAX_DEPTH)
            return fail(walk, "nesting too deep");
        bool ok = c == '{' ? write_object(walk, place) : write_array(walk);
        walk->depth--;
        return ok;
    }
    if (c == '"')
        return write_string(walk);
    if (c == 't')
        return write_literal(walk, "true");
    if (c == 'f')
        return write_literal(walk, "false");
    if (c == 'n')
        return write_literal(walk, "null");
    if (walk->at >= walk->in.len)
        return fail(walk, "unexpected end");
    return write_number(walk);
}

int json_walk(struct json_walk *walk, unsigned place, struct error *err)
{
    skip_blanks(walk);
    if (walk->at >= walk->in.len)
        return error_set(err, PA_ERR_INVALID, "empty record");
    if (buffer_reserve(walk->out, walk->in.len) != 0)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    if (write_value(walk, place)) {
        skip_blanks(walk);
        if (walk->at < walk->in.len)
            fail(walk, "something after the end");
    }
    if (walk->problem)
        return error_set(err, PA_ERR_INVALID, "not JSON: %s at byte %zu", walk->problem, walk->at);
    return 0;
}

int json_canonical(struct slice in, struct buffer *out, struct error *err)
{
    struct json_walk walk = {.in = in, .out = out};
    size_t before = out->len;
    int failed = json_walk(&walk, 0, err);
    if (failed)
        out->len = before;
    return failed;
}

static bool is_zero(struct slice number)
{
    char *text = slice_to_text(number);
    bool zero = text && strtod(text, NULL) == 0;
    free(text);
    return zero;
}

bool json_is_truthy(struct slice value)
{
    static const char *const falsy[] = {"false", "null", "\"\"", "[]", "{}", "0"};
    if (value.len == 0)
        return false;
    for (size_t i = 0; i < sizeof falsy / sizeof *falsy; i++)
        if (slice_equal_text(value, falsy[i]))
            return false;
    bool number = *value.ptr == '-' || (*value.ptr >= '0' && *value.ptr <= '9');
    return !number || !is_zero(value);
}
