/* What the walk over a record watches: it cuts the signature members, and notes a few others. */
#include "event/scan.h"
#include "json/canonical.h"
#include "json/string.h"
#include <string.h>

#define IN_ROOT "changelogDestination"

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
        s->found[SCAN_TRACEPARENT] = s->found[SCAN_TRACESTATE] = nothing;
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

static enum scan_text header_of(struct slice key)
{
    const struct slice name = {key.ptr + 1, key.len - 2};
    if (canonical_is(key, "X-Port-Signature"))
        return SCAN_SIGNATURE;
    if (canonical_is(key, "X-Port-Timestamp"))
        return SCAN_TIMESTAMP;
    if (slice_equal_text_ignore_case(name, "traceparent"))
        return SCAN_TRACEPARENT;
    return slice_equal_text_ignore_case(name, "tracestate") ? SCAN_TRACESTATE : SCAN_TEXTS;
}

/** Which text the member is, or SCAN_TEXTS. */
static enum scan_text scan_text_of(enum scan_place parent, struct slice key)
{
    if (parent == PLACE_ROOT && canonical_is(key, "action"))
        return SCAN_ACTION;
    if (parent == PLACE_CONTEXT && canonical_is(key, "runId"))
        return SCAN_RUN_ID;
    if (parent == PLACE_HEADERS)
        return header_of(key);
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
    bool is_text = *value.ptr == '"';
    /* Port writes the timestamp as a text or as a number, and signs the digits as written. */
    bool is_number = text == SCAN_TIMESTAMP && memchr("-0123456789", *value.ptr, 11);
    s->found[text].found = is_text || is_number;
    s->found[text].wrong = !s->found[text].found && *value.ptr != 'n';
    if (!s->found[text].found)
        return;
    s->found[text].start = s->texts->len;
    if (is_text)
        /* Its escapes are ours, so they can be read. */
        PA_IGNORE(json_unescape((struct slice){value.ptr + 1, value.len - 2}, s->texts));
    else
        buffer_append_slice(s->texts, value);
    s->found[text].end = s->texts->len;
}

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

static void member_begins(void *ctx, unsigned parent, struct slice name, char first,
                          struct json_member *member)
{
    struct scan *s = ctx;
    enum scan_place place = place_of(s, parent, name);
    member->place = place;
    member->note = scan_text_of(parent, name);
    check_once(s, parent, place, member->note, name);
    forget(s, place);
    if (place == PLACE_INVOCATION)
        s->invocation = first == '{';
    s->other_topics |= place == PLACE_OTHER_TOPICS;
}

static bool member_ends(void *ctx, unsigned parent, const struct json_member *member, struct slice name,
                        struct slice value, struct json_part part)
{
    struct scan *s = ctx;
    check_type(s, member->place, value);
    if (member->place == PLACE_CONTEXT)
        s->context_wrong = *value.ptr != '{' && *value.ptr != 'n';
    note_member(s, parent, member->note, name, value);
    if (member->note == SCAN_SIGNATURE || member->note == SCAN_TIMESTAMP)
        return false;
    if (member->place == PLACE_HEADERS) {
        if (s->cuts_headers)
            return false;
        s->headers_twice |= s->headers_found;
        s->headers_found = true;
        s->headers_start = part.begin;
        s->headers_end = part.end;
    }
    return true;
}

int scan_record(struct scan *s, struct error *err)
{
    static const struct json_watch watch = {member_begins, member_ends};
    struct json_walk walk = {.in = s->in, .out = s->out, .watch = &watch, .ctx = s};
    if (!s->in.ptr)
        return error_set(err, PA_ERR_INVALID, "empty record (tombstone)");
    int failed = json_walk(&walk, PLACE_ROOT, err);
    if (failed)
        return failed;
    if (s->texts->failed)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    return *s->out->ptr == '{' ? 0 : error_set(err, PA_ERR_INVALID, "not a JSON object");
}

void scan_cut_headers(struct scan *scan)
{
    char *bytes = scan->out->ptr;
    size_t from = scan->headers_start, to = scan->headers_end;
    /* The range has the comma before the member; the first one has none, so the one behind it goes: the
     * invocation method's. */
    if (bytes[from] != ',')
        to++;
    memmove(bytes + from, bytes + to, scan->out->len - to);
    scan->out->len -= to - from;
}
