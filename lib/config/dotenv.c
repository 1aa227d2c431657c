/* A reader that goes over the text once, entry by entry. An entry that cannot be read costs its own line
 * alone. */
#include "config/dotenv.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

struct reader {
    struct slice in;
    size_t at;
    unsigned line;
};

static char peek(const struct reader *r)
{
    return r->at < r->in.len ? r->in.ptr[r->at] : '\0';
}

static bool at_end(const struct reader *r)
{
    return r->at >= r->in.len;
}

static void skip_spaces(struct reader *r)
{
    while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\v' || peek(r) == '\f')
        r->at++;
}

/** To the start of the next line; a line ends in LF, CR or both. */
static void skip_line(struct reader *r)
{
    while (!at_end(r) && peek(r) != '\n' && peek(r) != '\r')
        r->at++;
    if (peek(r) == '\r')
        r->at++;
    if (peek(r) == '\n')
        r->at++;
    r->line++;
}

static bool is_name_char(char c)
{
    return c != '\0' && !strchr("=# \t\r\n\v\f", c);
}

static void append_escape(struct buffer *value, char quote, char c)
{
    static const char letters[] = "abfnrtv", meanings[] = "\a\b\f\n\r\t\v";
    const char *letter = strchr(letters, c);
    if (c == '\\' || c == '\'' || (c == '"' && quote == '"')) {
        buffer_append_char(value, c);
    } else if (quote == '"' && c && letter) {
        buffer_append_char(value, meanings[letter - letters]);
    } else {
        buffer_append_char(value, '\\');
        buffer_append_char(value, c);
    }
}

/** False: the quote does not end; then only its own line is given up. */
static bool read_quoted(struct reader *r, struct buffer *value)
{
    const struct reader before = *r;
    char quote = peek(r);
    for (r->at++; !at_end(r); r->at++) {
        char c = peek(r);
        if (c == quote) {
            r->at++;
            return true;
        }
        if (c == '\n')
            r->line++;
        if (c == '\\' && r->at + 1 < r->in.len) {
            r->at++;
            append_escape(value, quote, peek(r));
            r->line += peek(r) == '\n';
        } else {
            buffer_append_char(value, c);
        }
    }
    *r = before;
    return false;
}

/** An unquoted value ends at the line's end or before a comment that follows a blank. */
static void read_plain(struct reader *r, struct buffer *value)
{
    size_t start = r->at;
    while (!at_end(r) && peek(r) != '\n' && peek(r) != '\r') {
        if (peek(r) == '#' && r->at > start && (r->in.ptr[r->at - 1] == ' ' || r->in.ptr[r->at - 1] == '\t'))
            break;
        r->at++;
    }
    buffer_append_slice(value, slice_trim((struct slice){r->in.ptr + start, r->at - start}));
}

/* ${NAME} and ${NAME:-default} stand for what is known so far: the file's own lines, then the environment. */

static const char *known(const struct dotenv *dotenv, char *const *environment, struct slice name)
{
    for (size_t i = dotenv->count; i > 0; i--)
        if (slice_equal_text(name, dotenv->entries[i - 1].name))
            return dotenv->entries[i - 1].value;
    for (; environment && *environment; environment++) {
        const char *value = strchr(*environment, '=');
        if (value && slice_equal(name, (struct slice){*environment, (size_t)(value - *environment)}))
            return value + 1;
    }
    return NULL;
}

/** Length of a reference at the start of `text`, with its parts; 0: there is none. */
static size_t reference(struct slice text, struct slice *name, struct slice *fallback)
{
    if (!slice_starts_with(text, "${"))
        return 0;
    const char *start = text.ptr + 2, *end = memchr(start, '}', text.len - 2);
    if (!end)
        return 0;
    const char *colon = memchr(start, ':', (size_t)(end - start));
    if (colon && colon[1] != '-')
        return 0;
    *name = (struct slice){start, (size_t)((colon ? colon : end) - start)};
    *fallback = colon ? (struct slice){colon + 2, (size_t)(end - colon - 2)} : (struct slice){"", 0};
    return (size_t)(end + 1 - text.ptr);
}

static void interpolate(const struct dotenv *dotenv, char *const *environment, struct buffer *value)
{
    struct buffer out = {0};
    struct slice rest = buffer_slice(value), name, fallback;
    while (rest.len > 0) {
        size_t used = reference(rest, &name, &fallback);
        if (used > 0) {
            const char *meaning = known(dotenv, environment, name);
            buffer_append_slice(&out, meaning ? slice_of(meaning) : fallback);
        } else {
            buffer_append_char(&out, *rest.ptr);
            used = 1;
        }
        rest = (struct slice){rest.ptr + used, rest.len - used};
    }
    buffer_clear(value);
    *value = out;
}

/** `value` NULL: a bare name, which takes an earlier value back. */
static int add(struct dotenv *out, struct slice name, struct buffer *value)
{
    struct dotenv_entry *grown = realloc(out->entries, (out->count + 1) * sizeof *grown);
    if (!grown)
        return PA_ERR_MEMORY;
    out->entries = grown;
    struct dotenv_entry *entry = &grown[out->count];
    *entry = (struct dotenv_entry){slice_to_text(name), value ? buffer_take(value, NULL) : NULL};
    if (!entry->name || (value && !entry->value)) {
        free(entry->name);
        free(entry->value);
        return PA_ERR_MEMORY;
    }
    out->count++;
    return 0;
}

/** A name, which may stand in single quotes; empty when there is none. */
static struct slice read_name(struct reader *r)
{
    size_t start = r->at;
    if (peek(r) != '\'') {
        while (is_name_char(peek(r)))
            r->at++;
        return (struct slice){r->in.ptr + start, r->at - start};
    }
    const char *first = r->in.ptr + start + 1, *end = memchr(first, '\'', r->in.len - start - 1);
    if (!end || end == first)
        return (struct slice){first, 0};
    for (const char *c = first; c < end; c++)
        r->line += *c == '\n';
    r->at = (size_t)(end + 1 - r->in.ptr);
    return (struct slice){first, (size_t)(end - first)};
}

static void skip_export(struct reader *r)
{
    static const char word[] = "export";
    struct reader after = *r;
    if (!slice_starts_with((struct slice){r->in.ptr + r->at, r->in.len - r->at}, word))
        return;
    after.at += strlen(word);
    size_t end = after.at;
    skip_spaces(&after);
    if (after.at > end)
        *r = after;
}

static const char *read_entry(struct reader *r, char *const *environment, struct dotenv *out)
{
    struct buffer value = {0};
    const char *problem = NULL;
    skip_export(r);
    struct slice name = read_name(r);
    skip_spaces(r);
    if (name.len == 0)
        return "no NAME=value";
    if (peek(r) != '=') {
        bool bare = peek(r) == '\n' || peek(r) == '\r' || peek(r) == '#' || at_end(r);
        return !bare ? "no '=' after the name" : add(out, name, NULL) != 0 ? "out of memory" : NULL;
    }
    size_t after = ++r->at;
    skip_spaces(r);
    if (peek(r) == '#' && r->at > after) {
        /* NAME= # comment: the value is empty */
    } else if (peek(r) == '"' || peek(r) == '\'') {
        if (!read_quoted(r, &value))
            problem = "a quote that does not end";
        skip_spaces(r);
        if (!problem && !at_end(r) && peek(r) != '\n' && peek(r) != '\r' && peek(r) != '#')
            problem = "something after the closing quote";
    } else {
        read_plain(r, &value);
    }
    if (!problem)
        interpolate(out, environment, &value);
    if (!problem && add(out, name, &value) != 0)
        problem = "out of memory";
    buffer_clear(&value);
    return problem;
}

int dotenv_parse(struct slice text, char *const *environment, struct dotenv *out, struct buffer *warnings)
{
    struct reader r = {.in = text, .line = 1};
    *out = (struct dotenv){0};
    if (slice_starts_with(text, "\xef\xbb\xbf"))
        r.at = 3;
    while (!at_end(&r)) {
        unsigned line = r.line;
        skip_spaces(&r);
        char c = peek(&r);
        if (c != '#' && c != '\n' && c != '\r' && !at_end(&r)) {
            const char *problem = read_entry(&r, environment, out);
            if (problem)
                buffer_appendf(warnings, ".env line %u is left out: %s\n", line, problem);
        }
        skip_line(&r);
    }
    return warnings->failed ? PA_ERR_MEMORY : 0;
}

const char *dotenv_get(const struct dotenv *dotenv, const char *name)
{
    for (size_t i = dotenv->count; i > 0; i--)
        if (strcmp(dotenv->entries[i - 1].name, name) == 0)
            return dotenv->entries[i - 1].value;
    return NULL;
}

void dotenv_clear(struct dotenv *dotenv)
{
    for (size_t i = 0; i < dotenv->count; i++) {
        free(dotenv->entries[i].name);
        if (dotenv->entries[i].value)
            explicit_bzero(dotenv->entries[i].value, strlen(dotenv->entries[i].value));
        free(dotenv->entries[i].value);
    }
    free(dotenv->entries);
    *dotenv = (struct dotenv){0};
}
