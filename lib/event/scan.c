/* One pass: validates JSON (RFC 8259), writes its canonical form, cuts the signature members, notes a few
 * members. The canonical form of a string is ECMAScript's (JSON.stringify, ECMA-262 section 25.5.2.3
 * QuoteJSONString), so that what we sign is what both documented receivers hash. Recursion is bounded by
 * max_depth. */
#include "event/scan.h"
#include "base/json_escape.h"
#include "event/event.h"
#include "json/string.h"
#include <string.h>

#define IN_ROOT "changelogDestination"

struct walk {
    struct scan *scan;
    unsigned max_depth;
};

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

static bool fail(struct scan *s, const char *problem)
{
    if (!s->problem)
        s->problem = problem;
    return false;
}

static char peek(const struct scan *s)
{
    return s->at < s->in.len ? s->in.ptr[s->at] : '\0';
}

static void skip_blanks(struct scan *s)
{
    while (s->at < s->in.len) {
        char c = s->in.ptr[s->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
            return;
        s->at++;
    }
}

/* Strings */

/** An escape, as JSON.stringify writes its character. */
static bool escape(struct scan *s)
{
    struct slice rest = {s->in.ptr + s->at, s->in.len - s->at};
    uint32_t code;
    char out[JSON_ESCAPE_MAX];
    size_t taken = json_escape_read(rest, &code), len = 0;
    if (taken == 0) {
        s->at += rest.len > 1 && rest.ptr[1] == 'u' ? 2 : 1;
        return fail(s, rest.len == 1        ? "string that does not end"
                       : rest.ptr[1] == 'u' ? "bad \\u escape"
                                            : "bad escape");
    }
    s->at += taken;
    if (code < 0x80)
        len = json_escape((unsigned char)code, out);
    else if (code >= 0xd800 && code < 0xe000)
        len = json_escape_unit(code, out);
    buffer_append(s->out, out, len > 0 ? len : utf8_encode(code, out));
    return true;
}

/** A string, canonical, into `out`, quotes included. */
static bool scan_string(struct scan *s)
{
    s->at++;
    buffer_append_char(s->out, '"');
    for (;;) {
        size_t start = s->at;
        while (s->at < s->in.len && PLAIN[(unsigned char)s->in.ptr[s->at]])
            s->at++;
        buffer_append(s->out, s->in.ptr + start, s->at - start);
        if (s->at >= s->in.len)
            return fail(s, "string that does not end");
        unsigned char c = (unsigned char)s->in.ptr[s->at];
        if (c == '"')
            break;
        if (c == '\\') {
            if (!escape(s))
                return false;
        } else if (c < 0x20) {
            return fail(s, "control character in a string");
        } else {
            size_t len = utf8_sequence(s->in.ptr + s->at, s->in.len - s->at);
            if (len == 0)
                return fail(s, "invalid UTF-8");
            buffer_append(s->out, s->in.ptr + s->at, len);
            s->at += len;
        }
    }
    s->at++;
    buffer_append_char(s->out, '"');
    return true;
}

/* Numbers and literals */

static bool digits(struct scan *s)
{
    size_t start = s->at;
    while (peek(s) >= '0' && peek(s) <= '9')
        s->at++;
    return s->at > start;
}

static bool scan_number(struct scan *s)
{
    size_t start = s->at;
    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0')
        s->at++;
    else if (!digits(s))
        return fail(s, "not a value");
    if (peek(s) == '.') {
        s->at++;
        if (!digits(s))
            return fail(s, "bad number");
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        if (!digits(s))
            return fail(s, "bad number");
    }
    buffer_append(s->out, s->in.ptr + start, s->at - start);
    return true;
}

static bool scan_literal(struct scan *s, const char *word)
{
    size_t len = strlen(word);
    if (s->in.len - s->at < len || memcmp(s->in.ptr + s->at, word, len) != 0)
        return fail(s, "not a value");
    buffer_append(s->out, word, len);
    s->at += len;
    return true;
}

/* Members that matter */

static bool canonical_is(struct slice canonical, const char *text)
{
    return canonical.len == strlen(text) + 2 && memcmp(canonical.ptr + 1, text, canonical.len - 2) == 0;
}

/** What was known of a place is void when the same member comes again: the last one counts, as JSON.parse has
 * it. */
static void forget(struct scan *s, enum scan_place place)
{
    static const enum scan_text of_invocation[] = {SCAN_TYPE, SCAN_METHOD, SCAN_URL};
    static const struct scan_range nothing = {0};
    switch (place) {
    case PLACE_PAYLOAD:
    case PLACE_PAYLOAD_ACTION:
        if (s->invocation_in_root)
            return;
        /* fall through */
    case PLACE_INVOCATION:
        for (size_t i = 0; i < sizeof of_invocation / sizeof *of_invocation; i++)
            s->found[of_invocation[i]] = nothing;
        s->invocation = s->agent = s->synchronized = false;
        return;
    case PLACE_CONTEXT:
        s->found[SCAN_RUN_ID] = nothing;
        return;
    case PLACE_HEADERS:
        s->found[SCAN_SIGNATURE] = s->found[SCAN_TIMESTAMP] = nothing;
        return;
    default:
        return;
    }
}

static enum scan_place place_of(const struct scan *s, enum scan_place parent, struct slice key)
{
    switch (parent) {
    case PLACE_ROOT:
        if (canonical_is(key, "headers"))
            return PLACE_HEADERS;
        if (canonical_is(key, "context"))
            return PLACE_CONTEXT;
        if (canonical_is(key, IN_ROOT))
            return s->invocation_in_root ? PLACE_INVOCATION : PLACE_OTHER_TOPICS;
        return canonical_is(key, "payload") ? PLACE_PAYLOAD : PLACE_NONE;
    case PLACE_PAYLOAD:
        return canonical_is(key, "action") ? PLACE_PAYLOAD_ACTION : PLACE_NONE;
    case PLACE_PAYLOAD_ACTION:
        if (!canonical_is(key, "invocationMethod"))
            return PLACE_NONE;
        return s->invocation_in_root ? PLACE_OTHER_TOPICS : PLACE_INVOCATION;
    default:
        return PLACE_NONE;
    }
}

/** Which text the member is, or SCAN_TEXTS. */
static enum scan_text text_of(enum scan_place parent, struct slice key)
{
    if (parent == PLACE_ROOT && canonical_is(key, "action"))
        return SCAN_ACTION;
    if (parent == PLACE_CONTEXT && canonical_is(key, "runId"))
        return SCAN_RUN_ID;
    if (parent == PLACE_HEADERS && canonical_is(key, "X-Port-Signature"))
        return SCAN_SIGNATURE;
    if (parent == PLACE_HEADERS && canonical_is(key, "X-Port-Timestamp"))
        return SCAN_TIMESTAMP;
    if (parent != PLACE_INVOCATION)
        return SCAN_TEXTS;
    if (canonical_is(key, "type"))
        return SCAN_TYPE;
    if (canonical_is(key, "method"))
        return SCAN_METHOD;
    return canonical_is(key, "url") ? SCAN_URL : SCAN_TEXTS;
}

static void note_value(struct scan *s, enum scan_text text, struct slice value)
{
    if (text == SCAN_SIGNATURE)
        s->signature_member = true;
    if (text == SCAN_TIMESTAMP)
        s->timestamp_member = true;
    bool is_text = value.len > 0 && *value.ptr == '"';
    /* Port writes the timestamp as a text or as a number, and signs the digits as written. */
    bool is_number = text == SCAN_TIMESTAMP && value.len > 0 && memchr("-0123456789", *value.ptr, 11);
    s->found[text].found = is_text || is_number;
    s->found[text].wrong = !s->found[text].found && value.len > 0 && *value.ptr != 'n';
    if (!s->found[text].found)
        return;
    s->found[text].start = s->texts->len;
    if (is_text)
        json_unescape((struct slice){value.ptr + 1, value.len - 2}, s->texts); /* its escapes are ours */
    else
        buffer_append_slice(s->texts, value);
    s->found[text].end = s->texts->len;
}

/* Structure */

static bool scan_value(struct walk *walk, enum scan_place place);

/** Types that a place cannot have. null is the same as absent. */
static void check_type(struct scan *s, enum scan_place place, struct slice value)
{
    static const char *const names[] = {[PLACE_PAYLOAD] = "payload is not an object",
                                        [PLACE_PAYLOAD_ACTION] = "payload.action is not an object",
                                        [PLACE_INVOCATION] = "the invocation method is not an object",
                                        [PLACE_CONTEXT] = NULL};
    bool leads = place == PLACE_INVOCATION || (place < PLACE_INVOCATION && !s->invocation_in_root);
    if (place != PLACE_NONE && place < PLACE_CONTEXT && leads && *value.ptr != '{' && *value.ptr != 'n')
        s->wrong_type = names[place];
}

static void note_member(struct scan *s, enum scan_place parent, enum scan_text text, struct slice key,
                        struct slice value)
{
    if (text != SCAN_TEXTS)
        note_value(s, text, value);
    if (parent != PLACE_INVOCATION)
        return;
    if (canonical_is(key, "agent"))
        s->agent = json_is_truthy(value);
    else if (canonical_is(key, "synchronized"))
        s->synchronized = json_is_truthy(value);
}

/** Members that decide what happens to the event come once. Readers differ in which of two counts, so an
 * event with two could be one thing here and another at its receiver. */
static void check_once(struct scan *s, enum scan_place parent, enum scan_place place, enum scan_text text,
                       struct slice key)
{
    static const char *const places[] = {[PLACE_PAYLOAD] = "payload",
                                         [PLACE_PAYLOAD_ACTION] = "payload.action",
                                         [PLACE_INVOCATION] = "the invocation method",
                                         [PLACE_CONTEXT] = "context",
                                         [PLACE_HEADERS] = "headers"};
    enum { URL = PLACE_OTHER_TOPICS + 1, AGENT, RUN_ID };
    unsigned which = place;
    const char *name = place < PLACE_OTHER_TOPICS ? places[place] : NULL;
    if (text == SCAN_URL) {
        which = URL;
        name = "url";
    } else if (text == SCAN_RUN_ID) {
        which = RUN_ID;
        name = "context.runId";
    } else if (parent == PLACE_INVOCATION && canonical_is(key, "agent")) {
        which = AGENT;
        name = "agent";
    }
    if (name && (s->seen & 1U << which) != 0) {
        bool run = which == RUN_ID || which == PLACE_CONTEXT;
        s->duplicate = name;
        s->duplicate_run = run ? name : s->duplicate_run;
    }
    s->seen |= 1U << which;
}

static bool scan_member(struct walk *walk, enum scan_place parent, bool *first)
{
    struct scan *s = walk->scan;
    size_t mark = s->out->len; /* before the comma: where a member that is cut ends up */
    if (!*first)
        buffer_append_char(s->out, ',');
    size_t key_at = s->out->len;
    if (peek(s) != '"')
        return fail(s, "member name expected");
    if (!scan_string(s))
        return false;
    skip_blanks(s);
    if (peek(s) != ':')
        return fail(s, "':' expected");
    s->at++;
    size_t key_end = s->out->len;
    buffer_append_char(s->out, ':');
    skip_blanks(s);
    if (s->out->failed)
        return false;
    struct slice key = {s->out->ptr + key_at, key_end - key_at};
    enum scan_place place = PLACE_NONE;
    enum scan_text text = SCAN_TEXTS;
    bool matters = parent != PLACE_NONE;
    if (matters) {
        place = place_of(s, parent, key);
        text = text_of(parent, key);
        check_once(s, parent, place, text, key);
        forget(s, place);
        if (place == PLACE_INVOCATION)
            s->invocation = peek(s) == '{';
        s->other_topics |= place == PLACE_OTHER_TOPICS;
    }
    size_t value_at = s->out->len;
    if (!scan_value(walk, place))
        return false;
    if (s->out->failed)
        return false;
    if (matters) {
        key.ptr = s->out->ptr + key_at; /* the buffer may have moved */
        struct slice value = {s->out->ptr + value_at, s->out->len - value_at};
        check_type(s, place, value);
        note_member(s, parent, text, key, value);
    }
    if (text == SCAN_SIGNATURE || text == SCAN_TIMESTAMP) {
        s->out->len = mark;
        return true;
    }
    if (place == PLACE_HEADERS) {
        s->headers_twice |= s->headers_found;
        s->headers_found = true;
        s->headers_start = mark;
        s->headers_end = s->out->len;
    }
    *first = false;
    return true;
}

static bool scan_object(struct walk *walk, enum scan_place place)
{
    struct scan *s = walk->scan;
    bool first = true;
    s->at++;
    buffer_append_char(s->out, '{');
    skip_blanks(s);
    if (peek(s) == '}') {
        s->at++;
        buffer_append_char(s->out, '}');
        return true;
    }
    for (;;) {
        skip_blanks(s);
        if (!scan_member(walk, place, &first))
            return false;
        skip_blanks(s);
        char c = peek(s);
        if (c != ',' && c != '}')
            return fail(s, "',' or '}' expected");
        s->at++;
        if (c == '}')
            break;
    }
    buffer_append_char(s->out, '}');
    return true;
}

static bool scan_array(struct walk *walk)
{
    struct scan *s = walk->scan;
    s->at++;
    buffer_append_char(s->out, '[');
    skip_blanks(s);
    if (peek(s) == ']') {
        s->at++;
        buffer_append_char(s->out, ']');
        return true;
    }
    for (;;) {
        skip_blanks(s);
        if (!scan_value(walk, PLACE_NONE))
            return false;
        skip_blanks(s);
        char c = peek(s);
        if (c != ',' && c != ']')
            return fail(s, "',' or ']' expected");
        s->at++;
        buffer_append_char(s->out, c);
        if (c == ']')
            return true;
    }
}

static bool scan_value(struct walk *walk, enum scan_place place)
{
    struct scan *s = walk->scan;
    char c = peek(s);
    if (c == '{' || c == '[') {
        if (++s->depth > walk->max_depth)
            return fail(s, "nesting too deep");
        bool ok = c == '{' ? scan_object(walk, place) : scan_array(walk);
        s->depth--;
        return ok;
    }
    if (c == '"')
        return scan_string(s);
    if (c == 't')
        return scan_literal(s, "true");
    if (c == 'f')
        return scan_literal(s, "false");
    if (c == 'n')
        return scan_literal(s, "null");
    if (s->at >= s->in.len)
        return fail(s, "unexpected end");
    return scan_number(s);
}

int scan_record(struct scan *s, unsigned max_depth, struct error *err)
{
    struct walk walk = {s, max_depth};
    skip_blanks(s);
    if (s->at >= s->in.len)
        return error_set(err, PA_ERR_INVALID, s->in.ptr ? "empty record" : "empty record (tombstone)");
    bool object = peek(s) == '{';
    if (scan_value(&walk, s->any_value ? PLACE_NONE : PLACE_ROOT)) {
        skip_blanks(s);
        if (s->at < s->in.len)
            fail(s, "something after the end");
    }
    if (s->out->failed || s->texts->failed)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    if (s->problem)
        return error_set(err, PA_ERR_INVALID, "not JSON: %s at byte %zu", s->problem, s->at);
    if (!object && !s->any_value)
        return error_set(err, PA_ERR_INVALID, "not a JSON object");
    return 0;
}

void scan_cut_headers(struct scan *scan)
{
    char *bytes = scan->out->ptr;
    size_t from = scan->headers_start, to = scan->headers_end;
    /* The range has the comma before the member; the first one has none, so the one behind it goes. */
    if (bytes[from] != ',' && bytes[to] == ',')
        to++;
    memmove(bytes + from, bytes + to, scan->out->len - to);
    scan->out->len -= to - from;
}
