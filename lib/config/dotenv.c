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
    while (peek(r) == ' ' || peek(r) == '\t')
        r->at++;
}

static void skip_line(struct reader *r)
{
    while (!at_end(r) && peek(r) != '\n')
        r->at++;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

static void append_escape(struct buffer *value, char quote, char c)
{
    static const char letters[] = "abfnrtv", meanings[] = "\a\b\f\n\r\t\v";
    const char *letter = strchr(letters, c);
    if (c == '\\' || c == quote || (c == '\'' && quote == '"')) {
        buffer_append_char(value, c);
    } else if (quote == '"' && c && letter) {
        buffer_append_char(value, meanings[letter - letters]);
    } else {
        buffer_append_char(value, '\\');
        buffer_append_char(value, c);
    }
}

/** False: the quote does not end. */
static bool read_quoted(struct reader *r, struct buffer *value)
{
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
        } else {
            buffer_append_char(value, c);
        }
    }
    return false;
}

/** An unquoted value ends at the line's end or before a comment that follows a blank. */
static void read_plain(struct reader *r, struct buffer *value)
{
    size_t start = r->at;
    while (!at_end(r) && peek(r) != '\n') {
        bool blank_before = r->at == start || r->in.ptr[r->at - 1] == ' ' || r->in.ptr[r->at - 1] == '\t';
        if (peek(r) == '#' && blank_before)
            break;
        r->at++;
    }
    buffer_append_slice(value, slice_trim((struct slice){r->in.ptr + start, r->at - start}));
}

static int add(struct dotenv *out, struct slice name, struct buffer *value)
{
    struct dotenv_entry *grown = realloc(out->entries, (out->count + 1) * sizeof *grown);
    if (!grown)
        return PA_ERR_MEMORY;
    out->entries = grown;
    grown[out->count] = (struct dotenv_entry){slice_to_text(name), buffer_take(value, NULL)};
    out->count++;
    return grown[out->count - 1].name && grown[out->count - 1].value ? 0 : PA_ERR_MEMORY;
}

static const char *read_entry(struct reader *r, struct dotenv *out)
{
    struct buffer value = {0};
    const char *problem = NULL;
    if (slice_starts_with((struct slice){r->in.ptr + r->at, r->in.len - r->at}, "export ")) {
        r->at += strlen("export ");
        skip_spaces(r);
    }
    size_t start = r->at;
    while (is_name_char(peek(r)))
        r->at++;
    struct slice name = {r->in.ptr + start, r->at - start};
    skip_spaces(r);
    if (name.len == 0)
        return "no NAME=value";
    if (peek(r) != '=')
        return peek(r) == '\n' || at_end(r) ? NULL : "no '=' after the name"; /* a bare name sets nothing */
    r->at++;
    skip_spaces(r);
    if (peek(r) == '"' || peek(r) == '\'') {
        if (!read_quoted(r, &value))
            problem = "a quote that does not end";
        skip_spaces(r);
        if (!problem && !at_end(r) && peek(r) != '\n' && peek(r) != '\r' && peek(r) != '#')
            problem = "something after the closing quote";
    } else {
        read_plain(r, &value);
    }
    if (!problem && add(out, name, &value) != 0)
        problem = "out of memory";
    buffer_clear(&value);
    return problem;
}

int dotenv_parse(struct slice text, struct dotenv *out, struct buffer *problems)
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
            const char *problem = read_entry(&r, out);
            if (problem)
                buffer_appendf(problems, ".env line %u: %s\n", line, problem);
        }
        skip_line(&r);
        r.at++;
        r.line++;
    }
    return problems->failed ? PA_ERR_MEMORY : 0;
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
