/* Copies an expression token by token, changing what jq 1.5 read differently, and lists the definitions that
 * later versions lack. It does not judge the expression: libjq does. */
#include "map/compatible.h"
#include <string.h>

/* The text */

enum { DEPTH_MAX = 1000 /* jq itself refuses expressions far less deep than this machine's stack */ };

/** What a `?//` is depends on what is before it: a pattern is expected behind `as`, and may be followed by
 * another one. */
enum expecting { NOTHING, PATTERN, ALTERNATIVE };

struct copying {
    struct slice rest;
    struct buffer *out;
    unsigned depth;
};

static void copy_group(struct copying *copying, char close);

static char copying_peek(const struct copying *copying, size_t at)
{
    return at < copying->rest.len ? copying->rest.ptr[at] : '\0';
}

static void skip(struct copying *copying, size_t len)
{
    copying->rest.ptr += len;
    copying->rest.len -= len;
}

static void copy(struct copying *copying, size_t len)
{
    buffer_append(copying->out, copying->rest.ptr, len);
    skip(copying, len);
}

static bool begins_name(char c)
{
    return char_is_letter(c) || c == '_';
}

/** The length of the name at `at`, with its modules. */
static size_t name_length(const struct copying *copying, size_t at)
{
    size_t end = at;
    for (;;) {
        if (begins_name(copying_peek(copying, end)) ||
            (end > at && char_is_digit(copying_peek(copying, end))))
            end++;
        else if (end > at && copying_peek(copying, end) == ':' && copying_peek(copying, end + 1) == ':')
            end += 2;
        else
            return end - at;
    }
}

/** A string literal, at whose quote it begins, with the expressions in it. */
static void copy_string(struct copying *copying)
{
    copy(copying, 1);
    while (copying->rest.len > 0) {
        char c = copying_peek(copying, 0);
        if (c == '\\' && copying_peek(copying, 1) == '(') {
            copy(copying, 2);
            copy_group(copying, ')');
        } else {
            copy(copying, c == '\\' && copying->rest.len > 1 ? 2 : 1);
            if (c == '"')
                return;
        }
    }
}

/** Blanks as they are, except carriage returns, which are none for jq; a comment is one blank. */
static void copy_blanks(struct copying *copying)
{
    while (char_is_blank(copying_peek(copying, 0)) || copying_peek(copying, 0) == '#') {
        const char *end = memchr(copying->rest.ptr, '\n', copying->rest.len);
        if (copying_peek(copying, 0) == '\n' || copying_peek(copying, 0) == ' ' ||
            copying_peek(copying, 0) == '\t') {
            copy(copying, 1);
            continue;
        }
        buffer_append_char(copying->out, ' ');
        if (copying_peek(copying, 0) == '\r')
            skip(copying, 1);
        else
            skip(copying, end ? (size_t)(end - copying->rest.ptr) : copying->rest.len);
    }
}

/** `$name`, whose parts may be apart: the blanks go before it. */
static void copy_variable(struct copying *copying)
{
    skip(copying, 1);
    copy_blanks(copying);
    buffer_append_char(copying->out, '$');
    copy(copying, name_length(copying, 0));
}

static char closing(char open)
{
    return open == '(' ? ')' : open == '[' ? ']' : '}';
}

static enum expecting copy_question_mark(struct copying *copying, enum expecting expecting)
{
    bool alternative = copying_peek(copying, 1) == '/' && copying_peek(copying, 2) == '/';
    if (!alternative) {
        copy(copying, 1);
        return NOTHING;
    }
    if (expecting == ALTERNATIVE) {
        copy(copying, 3);
        return PATTERN;
    }
    buffer_append_text(copying->out, "? //");
    skip(copying, 3);
    return NOTHING;
}

/** Copies one token; what is expected behind it. */
static enum expecting copy_token(struct copying *copying, enum expecting expecting)
{
    char c = copying_peek(copying, 0);
    size_t name = name_length(copying, 0);
    if (c == '"') {
        copy_string(copying);
    } else if (c == '(' || c == '[' || c == '{') {
        copy(copying, 1);
        copy_group(copying, closing(c));
        return expecting == PATTERN && c != '(' ? ALTERNATIVE : NOTHING;
    } else if (c == '?') {
        return copy_question_mark(copying, expecting);
    } else if (c == '$') {
        copy_variable(copying);
        return expecting == PATTERN ? ALTERNATIVE : NOTHING;
    } else if (c == '.' || c == '@') { /* of a field's name or a format's no letter is a keyword */
        copy(copying, 1 + name_length(copying, 1));
    } else if (name > 0) {
        bool as = name == 2 && strncmp(copying->rest.ptr, "as", 2) == 0;
        copy(copying, name);
        return as ? PATTERN : NOTHING;
    } else {
        copy(copying, 1);
    }
    return NOTHING;
}

/** Copies to the bracket `close`, and it too; NUL: to the end. */
static void copy_group(struct copying *copying, char close)
{
    enum expecting expecting = NOTHING;
    if (++copying->depth > DEPTH_MAX)
        copy(copying, copying->rest.len);
    copy_blanks(copying);
    while (copying->rest.len > 0 && copying_peek(copying, 0) != close) {
        expecting = copy_token(copying, expecting);
        copy_blanks(copying);
    }
    if (copying->rest.len > 0)
        copy(copying, 1);
    copying->depth--;
}

void compatible_text(struct slice expression, struct buffer *out)
{
    struct copying copying = {.rest = expression, .out = out};
    copy_group(&copying, '\0');
}

/* Definitions */

#define TOO_DEEP "error(\"it is nested too deeply to be written as JSON: jq writes no more than 256 levels\")"
/* What is deeper than 256 levels jq leaves out, with one of these notes in its place, as if that were JSON.
 */
#define CHECKED                                                  \
    "if length > 256 and (contains(\"<skipped: too deep>\") or " \
    "contains(\"<stripped: exceeds max depth>\")) then " TOO_DEEP " else . end"

struct definition {
    /** Which a text that needs it holds. */
    const char *word;
    const char *text;
};

static const struct definition definitions[] = {
    /* `env` makes the environment anew each time it is used (14 µs for 35 variables), `$ENV` once. */
    {"env", "def env: $ENV; "},
    {"leaf_paths", "def leaf_paths: paths(scalars); "},
    {"recurse_down", "def recurse_down: recurse; "},
    {"scalars_or_empty", "def scalars_or_empty: select((type | . != \"array\" and . != \"object\") or "
                         "length == 0); "},
    {"_input", "def _input: input; "},
    /* Later versions go on with null, which never ends where null gives null: recurse(.parent). */
    {"recurse", "def recurse(f): def r: ., (f | select(. != null) | r); r; "},
    /* jq 1.6 gives one value for limit(0; …). */
    {"limit", "def limit($n; f): if $n > 0 then label $out | foreach f as $x (0; . + 1; $x, if . >= $n then "
              "break $out else empty end) elif $n == 0 then empty else f end; "},
    {"tojson", "def _tojson: tojson; def tojson: _tojson | " CHECKED "; "},
    {"tostring",
     "def _tostring: tostring; def tostring: if type == \"string\" then . else _tostring | " CHECKED
     " end; "},
    /* what @json, @base64 and the others, and expressions in texts, are made with */
    {"@", NULL},
    {"\\(", NULL},
    {"format", NULL},
};

static const char format[] =
    "def _format(f): format(f); def format(f): if type == \"array\" or type == \"object\" then (tojson "
    "| " CHECKED " | empty), _format(f) else _format(f) end; ";

static bool holds(struct slice text, const char *word)
{
    return text.len > 0 && memmem(text.ptr, text.len, word, strlen(word));
}

void compatible_definitions(struct slice text, struct buffer *out)
{
    bool formats = false;
    for (size_t i = 0; i < sizeof definitions / sizeof *definitions; i++) {
        if (!holds(text, definitions[i].word))
            continue;
        if (definitions[i].text)
            buffer_append_text(out, definitions[i].text);
        else
            formats = true;
    }
    if (formats)
        buffer_append_text(out, format);
}

bool compatible_asks_for_paths(struct slice text)
{
    return holds(text, "path") || holds(text, "stream");
}
