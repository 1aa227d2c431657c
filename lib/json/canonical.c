/* One pass: validates JSON (RFC 8259) and writes its canonical form. A string's is ECMAScript's
 * (JSON.stringify, ECMA-262 section 25.5.2.3 QuoteJSONString), so that the agent signs the text that both
 * documented receivers hash. */
#include "json/canonical.h"
#include "base/json_escape.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

/* What is canonical already is copied in the largest pieces there are: mostly the whole text in one. There is
 * room for all of it from the beginning: it is never longer than the text. */

static void copy_up_to_here(struct json_walk *walk)
{
    size_t len = walk->at - walk->copied;
    if (len == 0)
        return;
    memcpy(walk->out->ptr + walk->out->len, walk->in.ptr + walk->copied, len);
    walk->out->len += len;
    walk->copied = walk->at;
}

/** How long the output is with all up to here. */
static size_t length_up_to_here(const struct json_walk *walk)
{
    return walk->out->len + (walk->at - walk->copied);
}

/** Where a part begins: in the text, and in the output. */
struct beginning {
    size_t in, out;
};

static struct beginning begin_here(const struct json_walk *walk)
{
    return (struct beginning){walk->at, length_up_to_here(walk)};
}

/** The canonical form of what stands from there up to here: the text itself, where it was canonical. */
static struct slice canonical_from(struct json_walk *walk, struct beginning from)
{
    if (walk->copied <= from.in)
        return (struct slice){walk->in.ptr + from.in, walk->at - from.in};
    copy_up_to_here(walk);
    return (struct slice){walk->out->ptr + from.out, walk->out->len - from.out};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void leave_blanks_out(struct json_walk *walk)
{
    copy_up_to_here(walk);
    while (walk->at < walk->in.len && is_blank(walk->in.ptr[walk->at]))
        walk->at++;
    walk->copied = walk->at;
}

/** The next byte that is not blank; NUL at the end. Records have no blanks, mostly. */
static inline char next_byte(struct json_walk *walk)
{
    char c = peek(walk);
    if (!is_blank(c))
        return c;
    leave_blanks_out(walk);
    return peek(walk);
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
    copy_up_to_here(walk);
    walk->at += taken;
    walk->copied = walk->at;
    if (code < 0x80)
        len = json_escape((unsigned char)code, out);
    else if (code >= 0xd800 && code < 0xe000)
        len = json_escape_unit(code, out);
    if (len == 0)
        len = utf8_encode(code, out);
    memcpy(walk->out->ptr + walk->out->len, out, len);
    walk->out->len += len;
    return true;
}

/** Where the next byte is that a string may not hold as it is. Sixteen bytes at a time where the processor
 * can; else eight: in `stops` the first such byte has its highest bit set (the trick with the borrow is that
 * of "Determine if a word has a zero byte" in Bit Twiddling Hacks, Stanford; bits behind the first are not to
 * be trusted). */
static size_t skip_plain(struct slice in, size_t at)
{
    const uint64_t ones = UINT64_MAX / 255, high = ones << 7;
#ifdef __SSE2__
    const __m128i quotes = _mm_set1_epi8('"'), backslashes = _mm_set1_epi8('\\'),
                  controls = _mm_set1_epi8(0x1f);
    while (in.len - at >= sizeof(__m128i)) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(in.ptr + at));
        /* As signed bytes those beyond ASCII are less than the controls. */
        __m128i plain =
            _mm_andnot_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quotes), _mm_cmpeq_epi8(bytes, backslashes)),
                             _mm_cmpgt_epi8(bytes, controls));
        unsigned stops = (unsigned)_mm_movemask_epi8(plain) ^ 0xffffU;
        if (stops)
            return at + (size_t)__builtin_ctz(stops);
        at += sizeof(__m128i);
    }
#endif
    while (in.len - at >= 8) {
        uint64_t bytes;
        memcpy(&bytes, in.ptr + at, sizeof bytes);
        bytes = le64toh(bytes);
        uint64_t quote = bytes ^ ones * '"', backslash = bytes ^ ones * '\\';
        uint64_t stops = (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
                          ((bytes - ones * ' ') & ~bytes) | bytes) &
                         high;
        if (stops)
            return at + (size_t)__builtin_ctzll(stops) / 8;
        at += 8;
    }
    while (at < in.len && PLAIN[(unsigned char)in.ptr[at]])
        at++;
    return at;
}

static bool walk_string(struct json_walk *walk)
{
    walk->at++;
    for (;;) {
        walk->at = skip_plain(walk->in, walk->at);
        if (walk->at >= walk->in.len)
            return fail(walk, "string that does not end");
        unsigned char c = (unsigned char)walk->in.ptr[walk->at];
        if (c == '"')
            break;
        if (c < 0x20)
            return fail(walk, "control character in a string");
        if (c == '\\') {
            if (!escape(walk))
                return false;
        } else {
            size_t len = utf8_sequence(walk->in.ptr + walk->at, walk->in.len - walk->at);
            if (len == 0)
                return fail(walk, "invalid UTF-8");
            walk->at += len;
        }
    }
    walk->at++;
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

static bool walk_number(struct json_walk *walk)
{
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
    return true;
}

static bool walk_literal(struct json_walk *walk, const char *word)
{
    size_t len = strlen(word);
    if (walk->in.len - walk->at < len || memcmp(walk->in.ptr + walk->at, word, len) != 0)
        return fail(walk, "not a value");
    walk->at += len;
    return true;
}

/* Structures */

static bool walk_value(struct json_walk *walk, unsigned place);

/** A member's name, and on to its value. */
static bool walk_name(struct json_walk *walk)
{
    if (next_byte(walk) != '"')
        return fail(walk, "member name expected");
    return walk_string(walk);
}

static bool walk_colon(struct json_walk *walk)
{
    if (next_byte(walk) != ':')
        return fail(walk, "':' expected");
    walk->at++;
    return true;
}

/** A member of the object at `parent`, which is watched; the first one has no comma before it. */
static bool walk_watched(struct json_walk *walk, unsigned parent, bool first, bool *kept)
{
    struct json_member member = {0};
    struct json_part part = {.begin = length_up_to_here(walk) - !first};
    next_byte(walk); /* what is blank is no part of the name */
    struct beginning name_from = begin_here(walk);
    if (!walk_name(walk))
        return false;
    struct slice name = canonical_from(walk, name_from);
    if (!walk_colon(walk))
        return false;
    walk->watch->begins(walk->ctx, parent, name, next_byte(walk), &member);
    struct beginning value_from = begin_here(walk);
    if (!walk_value(walk, member.place))
        return false;
    struct slice value = canonical_from(walk, value_from);
    part.end = length_up_to_here(walk);
    *kept = walk->watch->ends(walk->ctx, parent, &member, name, value, part);
    if (!*kept) {
        copy_up_to_here(walk);
        walk->out->len = part.begin;
    }
    return true;
}

static bool walk_object(struct json_walk *walk, unsigned place)
{
    bool first = true, kept = true;
    walk->at++;
    if (next_byte(walk) == '}') {
        walk->at++;
        return true;
    }
    for (;;) {
        if (place != 0 ? !walk_watched(walk, place, first, &kept)
                       : !walk_name(walk) || !walk_colon(walk) || !walk_value(walk, 0))
            return false;
        first = first && !kept;
        char c = next_byte(walk);
        if (c != ',' && c != '}')
            return fail(walk, "',' or '}' expected");
        walk->at++;
        if (c == '}')
            return true;
        if (first)
            walk->copied = walk->at; /* nothing stands before this comma */
    }
}

static bool walk_array(struct json_walk *walk)
{
    walk->at++;
    if (next_byte(walk) == ']') {
        walk->at++;
        return true;
    }
    for (;;) {
        if (!walk_value(walk, 0))
            return false;
        char c = next_byte(walk);
        if (c != ',' && c != ']')
            return fail(walk, "',' or ']' expected");
        walk->at++;
        if (c == ']')
            return true;
    }
}

static bool walk_value(struct json_walk *walk, unsigned place)
{
    char c = next_byte(walk);
    if (c == '{' || c == '[') {
        if (++walk->depth > JSON_MAX_DEPTH)
            return fail(walk, "nesting too deep");
        bool ok = c == '{' ? walk_object(walk, place) : walk_array(walk);
        walk->depth--;
        return ok;
    }
    if (c == '"')
        return walk_string(walk);
    if (c == 't')
        return walk_literal(walk, "true");
    if (c == 'f')
        return walk_literal(walk, "false");
    if (c == 'n')
        return walk_literal(walk, "null");
    if (walk->at >= walk->in.len)
        return fail(walk, "unexpected end");
    return walk_number(walk);
}

int json_walk(struct json_walk *walk, unsigned place, struct error *err)
{
    if (buffer_reserve(walk->out, walk->in.len) != 0)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    next_byte(walk); /* there may be none */
    if (walk->at >= walk->in.len)
        return error_set(err, PA_ERR_INVALID, "not JSON: it is empty");
    if (walk_value(walk, place)) {
        copy_up_to_here(walk);
        next_byte(walk); /* there should be none */
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
    static const struct slice falsy[] = {SLICE_LITERAL("false"), SLICE_LITERAL("null"), SLICE_LITERAL("\"\""),
                                         SLICE_LITERAL("[]"),    SLICE_LITERAL("{}"),   SLICE_LITERAL("0")};
    if (value.len == 0)
        return false;
    for (size_t i = 0; i < sizeof falsy / sizeof *falsy; i++)
        if (slice_equal(value, falsy[i]))
            return false;
    bool number = *value.ptr == '-' || (*value.ptr >= '0' && *value.ptr <= '9');
    return !number || !is_zero(value);
}
