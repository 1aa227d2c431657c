/* Finds by their text the variables that expressions ask for. It is a reader of words, not a parser of jq:
 * what it does not understand it leaves alone. */
#include "environment.h"
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 128 };

/* A variable that is asked for: env.NAME, $ENV.NAME, env["NAME"], env | .NAME and the like. */

enum variable_state { VARIABLE_SET, VARIABLE_EMPTY, VARIABLE_NOT_SET, VARIABLE_HIDDEN, VARIABLE_UNKNOWN };

struct variable {
    /** Empty: it is worked out. */
    char name[NAME_MAX_BYTES];
    enum variable_state state;
    /** Env[…], and not with a name alone in it. */
    bool computed;
};

static bool is_name_char(char c)
{
    return char_is_letter(c) || char_is_digit(c) || c == '_';
}

static struct slice after(struct slice text, size_t len)
{
    return (struct slice){text.ptr + len, text.len - len};
}

static struct slice skip_expression_blanks(struct slice text)
{
    while (text.len > 0 && strchr(" \t\r\n", *text.ptr) && *text.ptr)
        text = after(text, 1);
    return text;
}

/** Whether a word that stands at `at` is one of its own: no member, no variable, and none of a module's
 * (`lib::env`); behind a single colon stands a member's value (`{a:env.NAME}`). */
static bool begins_word(struct slice text, size_t at)
{
    if (at == 0)
        return true;
    char before = text.ptr[at - 1];
    bool module = before == ':' && at > 1 && text.ptr[at - 2] == ':';
    return !is_name_char(before) && !strchr(".$@", before) && !module;
}

/** Where "env" or "$ENV" ends that begins at `at`; 0: there is none. */
static size_t environment_end(struct slice text, size_t at)
{
    static const char *const words[] = {"env", "$ENV"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t end = at + strlen(words[i]);
        if (begins_word(text, at) && slice_starts_with(after(text, at), words[i]) &&
            (end == text.len || !is_name_char(text.ptr[end])))
            return end;
    }
    return 0;
}

/** The name at the beginning of `text`, behind `env`; null: no name stands there. */
static struct slice name_of(struct slice text)
{
    const struct slice none = {NULL, 0};
    text = skip_expression_blanks(text);
    if (slice_starts_with(text, "|"))
        text = skip_expression_blanks(after(text, 1));
    bool dot = slice_starts_with(text, ".");
    if (dot)
        text = after(text, 1);
    bool bracket = slice_starts_with(text, "[");
    if (bracket)
        text = skip_expression_blanks(after(text, 1));
    bool quoted = slice_starts_with(text, "\"") && (dot || bracket);
    if (quoted)
        text = after(text, 1);
    size_t len = 0;
    while (len < text.len && is_name_char(text.ptr[len]))
        len++;
    bool ends = !quoted || slice_starts_with(after(text, len), "\"");
    if (bracket) /* env["A" + .b]: the text is only a part of the name */
        ends = quoted && ends && slice_starts_with(skip_expression_blanks(after(text, len + 1)), "]");
    return len > 0 && ends && (quoted || (dot && !bracket)) ? (struct slice){text.ptr, len} : none;
}

static enum variable_state state_of(const char *name)
{
    static const char *const hidden[] = {"PORT_CLIENT_SECRET", "PORT_CLIENT_SECRET_FILE",
                                         "KAFKA_CONSUMER_PASSWORD", "KAFKA_CONSUMER_PASSWORD_FILE"};
    const char *value = getenv(name);
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (strcmp(name, hidden[i]) == 0)
            return VARIABLE_HIDDEN;
    return !value ? VARIABLE_NOT_SET : *value ? VARIABLE_SET : VARIABLE_EMPTY;
}

/** Takes the next one of `text`. False: there is none. */
static bool next_variable(struct slice *text, struct variable *out)
{
    *out = (struct variable){.state = VARIABLE_UNKNOWN};
    for (size_t at = 0; at < text->len; at++) {
        size_t end = environment_end(*text, at);
        if (end == 0)
            continue;
        *text = after(*text, end);
        struct slice name = name_of(*text);
        if (name.len > 0 && name.len < sizeof out->name) {
            memcpy(out->name, name.ptr, name.len);
            out->state = state_of(out->name);
        }
        out->computed = !*out->name && slice_starts_with(skip_expression_blanks(*text), "[");
        return true;
    }
    return false;
}

bool map_environment_gives_nothing(struct slice expression, struct buffer *which)
{
    static const char *const words[] = {[VARIABLE_EMPTY] = "set, but empty",
                                        [VARIABLE_NOT_SET] = "not set",
                                        [VARIABLE_HIDDEN] = "not shown to mappings"};
    struct buffer text = {0};
    struct variable variable;
    bool nothing = true, any = false;
    while (nothing && next_variable(&expression, &variable)) {
        nothing = variable.state != VARIABLE_SET && variable.state != VARIABLE_UNKNOWN;
        if (nothing)
            buffer_appendf(&text, "%s%s (env.%s)", any ? ", " : "", words[variable.state], variable.name);
        any = true;
    }
    if (nothing && any && which) {
        buffer_append_slice(which, buffer_slice(&text));
        which->failed |= text.failed;
    }
    buffer_clear(&text);
    return nothing && any;
}

/** A header's value that consists of a scheme and nothing behind it, or of nothing at all. */
static bool is_scheme_alone(struct slice value)
{
    struct slice text = slice_trim(value);
    bool blank_behind = text.len < value.len, letters = true;
    for (size_t i = 0; i < text.len; i++)
        letters &= is_name_char(text.ptr[i]) || text.ptr[i] == '-';
    return text.len == 0 || (blank_behind && letters) || slice_equal_text(text, "null") ||
           (text.len > 5 && slice_equal_text(after(text, text.len - 5), " null"));
}

bool map_environment_left_empty(const struct explanation *explanation, struct slice name, struct slice value,
                                struct buffer *which)
{
    static const char member[] = ", headers.", whole[] = ", headers";
    for (size_t i = 0; i < explanation->expression_count; i++) {
        const struct explained_expression *one = &explanation->expressions[i];
        const char *field = one->where ? strstr(one->where, whole) : NULL;
        bool own = field && strncmp(field, member, strlen(member)) == 0 &&
                   slice_equal_text_ignore_case(name, field + strlen(member));
        bool all = field && strcmp(field, whole) == 0 && is_scheme_alone(value);
        if (own || all)
            return map_environment_gives_nothing(buffer_slice(&one->expression), which);
    }
    return false;
}

void map_environment_note(struct explanation *explanation)
{
    static const char *const words[] = {[VARIABLE_EMPTY] = "is set, but empty",
                                        [VARIABLE_NOT_SET] = "is not set",
                                        [VARIABLE_HIDDEN] = "is not shown to mappings"};
    for (size_t i = 0; i < explanation->expression_count; i++) {
        struct slice rest = buffer_slice(&explanation->expressions[i].expression);
        struct variable variable;
        while (next_variable(&rest, &variable))
            if (variable.state != VARIABLE_SET && variable.state != VARIABLE_UNKNOWN)
                buffer_appendf(&explanation->notes, "%s: env.%s %s\n", explanation->expressions[i].where,
                               variable.name, words[variable.state]);
            else if (variable.computed &&
                     slice_equal_text(buffer_slice(&explanation->expressions[i].result), "null"))
                buffer_appendf(&explanation->notes, "%s: the variable whose name it works out is not set\n",
                               explanation->expressions[i].where);
    }
}
