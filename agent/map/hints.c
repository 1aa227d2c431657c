/* See hints.h. */
#include "hints.h"
#include "base/near.h"
#include "json/members.h"
#include <stdlib.h>
#include <string.h>

/* Texts without quotes */

static bool is_word_char(char c)
{
    return char_is_letter(c) || char_is_digit(c) || c == '_';
}

/** The word before `end`. */
static struct slice word_before(const char *line, const char *end)
{
    const char *start = end;
    while (start > line && is_word_char(start[-1]))
        start--;
    return (struct slice){start, (size_t)(end - start)};
}

/** The whole of an expression that begins with that word and has nothing of a program about it, such as
 * application/json; otherwise the word. */
static struct slice text_meant(const char *line, struct slice word)
{
    static const char before[] = ", line 1: ";
    const char *text = NULL;
    for (const char *next = line; (next = strstr(next, before)); next = text)
        text = next + strlen(before);
    if (!text)
        return word;
    const char *end = strstr(text, " (line ");
    size_t len = end ? (size_t)(end - text) : strlen(text);
    bool plain =
        len > word.len && memcmp(text, word.ptr, word.len) == 0 && strcspn(text, " \"'$()[]{}|\\") >= len;
    return plain ? (struct slice){text, len} : word;
}

static void hint_text(const char *line, struct buffer *out)
{
    const char *undefined = strstr(line, "/0 is not defined");
    const char *jq = strstr(line, ": jq: ");
    if (!jq || (!undefined && !strstr(line, "syntax error")))
        return;
    struct slice word = undefined ? text_meant(line, word_before(line, undefined)) : (struct slice){NULL, 0};
    if (!undefined && !strstr(line, "://") && !strstr(line, "unexpected IDENT"))
        return;
    buffer_append(out, line, (size_t)(jq - line));
    buffer_append_text(out, ": hint: each is a jq program, in which a text has quotes of its own");
    if (word.len > 0)
        buffer_appendf(out, ": write \"\\\"%.*s\\\"\"", (int)word.len, word.ptr);
    else
        buffer_append_text(out, ": write \"\\\"the text\\\"\"");
    buffer_append_char(out, '\n');
}

void map_hint_texts(struct slice problems, struct buffer *out)
{
    char *text = slice_to_text(problems), *rest = NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest))
        hint_text(line, out);
    free(text);
}

/* Members that are not there */

/** The name after the dot at `at`; its length, 0: there is none. */
static size_t member_name(struct slice expression, size_t at)
{
    size_t len = 0;
    if (at >= expression.len || expression.ptr[at] != '.')
        return 0;
    while (at + 1 + len < expression.len && is_word_char(expression.ptr[at + 1 + len]))
        len++;
    return len > 0 && char_is_digit(expression.ptr[at + 1]) ? 0 : len;
}

/** The name of `object`'s that is near to `name`; the null slice: none is. */
static struct slice near_member(struct slice object, const char *name)
{
    struct members walk = members_of(object);
    struct slice member, value, found = {NULL, 0};
    unsigned best = near_allowed(name) + 1;
    while (members_next(&walk, &member, &value)) {
        char *text = member.len <= NEAR_MAX_LEN ? slice_to_text(member) : NULL;
        unsigned slips = text ? near_distance(name, text) : best;
        if (slips < best) {
            best = slips;
            found = member;
        }
        free(text);
    }
    return found;
}

/** What an expression sees: "the event", or "a report", and that as JSON. */
struct sight {
    const char *whose;
    struct slice seen;
};

static void hint_member(struct explanation *explanation, const char *whose, const char *where,
                        struct slice path, struct slice parent, struct slice object, struct slice name)
{
    char *word = name.len <= NEAR_MAX_LEN ? slice_to_text(name) : NULL;
    struct slice near = word ? near_member(object, word) : (struct slice){NULL, 0};
    size_t before = explanation->notes.len;
    if (!slice_is_null(near))
        buffer_appendf(&explanation->notes, "%s: %s no %.*s; did you mean %.*s.%.*s?\n", where, whose,
                       (int)path.len, path.ptr, (int)parent.len, parent.ptr, (int)near.len, near.ptr);
    /* An expression may ask for the same member twice. */
    const char *notes = buffer_text(&explanation->notes);
    if (!explanation->notes.failed && explanation->notes.len > before &&
        strstr(notes, notes + before) < notes + before)
        explanation->notes.len = before;
    free(word);
}

/** Follows the members that stand at `at` of the expression, through what it sees. */
static void follow_path(struct explanation *explanation, const struct sight *sight, const char *where,
                        struct slice expression, size_t at)
{
    struct slice value = sight->seen;
    size_t start = at, len;
    while ((len = member_name(expression, at)) > 0) {
        char *name = slice_to_text((struct slice){expression.ptr + at + 1, len});
        bool object = value.len > 0 && *value.ptr == '{';
        struct slice inner = name && object ? members_find(value, name) : (struct slice){NULL, 0};
        free(name);
        if (object && slice_is_null(inner))
            hint_member(explanation, sight->whose, where,
                        (struct slice){expression.ptr + start, at + 1 + len - start},
                        (struct slice){expression.ptr + start, at - start}, value,
                        (struct slice){expression.ptr + at + 1, len});
        if (slice_is_null(inner))
            return;
        value = inner;
        at += 1 + len;
    }
}

/** Follows each path of the expression that begins at the event: up to the first | or argument of a
 * function, behind which a dot is something else. Texts are passed over, except for their \(...). */
static void follow_paths(struct explanation *explanation, const struct sight *sight, const char *where,
                         struct slice expression)
{
    enum { LEVELS = 8 };
    unsigned open[LEVELS] = {0}, level = 0;
    bool text = false;
    char before = ' ';
    for (size_t at = 0; at < expression.len && level < LEVELS; before = expression.ptr[at++]) {
        char c = expression.ptr[at];
        if (text && c == '\\' && ++at < expression.len && expression.ptr[at] == '(') {
            if (++level < LEVELS)
                open[level] = 0;
            text = false;
        } else if (c == '"') {
            text = !text;
        } else if (text) {
            continue;
        } else if (c == '|' || (c == '(' && is_word_char(before))) {
            return;
        } else if (c == '(') {
            open[level]++;
        } else if (c == ')' && open[level] > 0) {
            open[level]--;
        } else if (c == ')' && level > 0) {
            level--;
            text = true;
        } else if (c == '.' && !is_word_char(before) && !strchr(")]}\".?", before)) {
            follow_path(explanation, sight, where, expression, at);
        }
    }
}

/** A report sees more than the event: the event is its `body`. */
static void look_at_report(struct explanation *explanation, const struct sight *sight, const char *where,
                           struct slice expression)
{
    static const char *const own[] = {"body", "request", "response"};
    expression = slice_trim(expression);
    size_t len = member_name(expression, 0);
    char *name = len > 0 ? slice_to_text((struct slice){expression.ptr + 1, len}) : NULL;
    bool known = !name;
    for (size_t i = 0; i < sizeof own / sizeof *own && !known; i++)
        known = strcmp(name, own[i]) == 0;
    if (!known && !slice_is_null(members_find(buffer_slice(&explanation->event.payload), name)))
        buffer_appendf(&explanation->notes,
                       "%s: a report sees body (the event), request and response: write .body.%s\n", where,
                       name);
    else
        follow_paths(explanation, sight, where, expression);
    free(name);
}

/** Of an answer only the names are known here that each one has (docs/contract.md, the report context). */
static void write_report_sight(const struct explanation *explanation, struct buffer *out)
{
    buffer_append_text(out, "{\"body\":");
    buffer_append_slice(out, buffer_slice(&explanation->event.payload));
    buffer_append_text(
        out, ",\"request\":{\"method\":\"\",\"url\":\"\",\"body\":null,\"headers\":null,\"query\":null},"
             "\"response\":{\"statusCode\":0,\"headers\":null,\"text\":\"\",\"json\":null}}");
}

/* Headers */

static void look_at_headers(struct explanation *explanation)
{
    static const char *const own[] = {"X-Port-Timestamp", "X-Port-Signature", "X-Port-Attempt"};
    const struct mapped_request *request = &explanation->mapped;
    for (size_t i = 0; i < request->header_count; i++)
        for (size_t j = 0; j < sizeof own / sizeof *own; j++)
            if (slice_equal_text_ignore_case(request->headers[i].name, own[j]))
                buffer_appendf(&explanation->notes,
                               "mapping %zu, headers.%s: this header is the agent's own, and the mapping's "
                               "value is not sent\n",
                               request->mapping, own[j]);
}

void map_hint_members(struct explanation *explanation)
{
    struct buffer report = {0};
    write_report_sight(explanation, &report);
    const struct sight event_seen = {"the event has", buffer_slice(&explanation->event.payload)},
                       report_seen = {"a report sees", buffer_slice(&report)};
    for (size_t i = 0; i < explanation->expression_count && !report.failed; i++) {
        const struct explained_expression *one = &explanation->expressions[i];
        if (strstr(one->where, ", report"))
            look_at_report(explanation, &report_seen, one->where, buffer_slice(&one->expression));
        else
            follow_paths(explanation, &event_seen, one->where, buffer_slice(&one->expression));
    }
    buffer_clear(&report);
    look_at_headers(explanation);
}
