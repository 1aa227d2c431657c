#include "map/expression.h"
#include "map/message.h"
#include "map/place.h"
#include <jq.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct expression {
    char *text;
    jq_state *program; /* NULL: it halted, and is compiled again when it is next needed */
};

struct expressions {
    void *tree; /* tsearch(3), by text */
};

static int compare(const void *a, const void *b)
{
    const struct expression *left = a, *right = b;
    return strcmp(left->text, right->text);
}

static void expression_free(void *node)
{
    struct expression *expression = node;
    if (expression->program)
        jq_teardown(&expression->program);
    free(expression->text);
    free(expression);
}

struct expressions *expressions_new(void)
{
    return calloc(1, sizeof(struct expressions));
}

void expressions_free(struct expressions *expressions)
{
    if (!expressions)
        return;
    tdestroy(expressions->tree, expression_free);
    free(expressions);
}

/** Appends a message on one line, without "jq: error: ", what concerns a command line, and libjq's own count
 * of errors. */
static void append_message(struct buffer *problem, const char *message)
{
    static const char lead[] = "jq: error: ", shell[] = " (Unix shell quoting issues?)";
    struct slice rest = slice_of(message);
    const char *hint = strstr(message, shell);
    if (slice_starts_with(rest, "jq: ") && strstr(message, " compile error"))
        return;
    if (slice_starts_with(rest, lead))
        rest = (struct slice){rest.ptr + strlen(lead), rest.len - strlen(lead)};
    if (problem->len > 0)
        buffer_append_text(problem, "; ");
    if (hint)
        message_append_line(problem, (struct slice){rest.ptr, (size_t)(hint - rest.ptr)});
    if (hint && slice_starts_with(slice_of(hint + strlen(shell)), " "))
        buffer_append_char(problem, ' ');
    message_append_line(problem, slice_trim(hint ? slice_of(hint + strlen(shell)) : rest));
}

static void compile_error(void *ctx, jv message)
{
    append_message(ctx, jv_get_kind(message) == JV_KIND_STRING ? jv_string_value(message) : "unknown error");
    jv_free(message);
}

/** There is one input: the event. */
static jv no_more_inputs(jq_state *program, void *ctx)
{
    (void)program;
    (void)ctx;
    return jv_invalid();
}

/** `debug` says nothing: what it is given may be secret. */
static void hear_debug(void *ctx, jv message)
{
    (void)ctx;
    jv_free(message);
}

/** The text behind blanks and comments, where a program's directives would be. */
static struct slice skip_blanks(struct slice text)
{
    size_t at = 0;
    bool comment = false;
    for (; at < text.len; at++) {
        char c = text.ptr[at];
        if (c == '\n')
            comment = false;
        else if (c == '#')
            comment = true;
        else if (!comment && !strchr(" \t\r", c))
            break;
    }
    return (struct slice){text.ptr + at, text.len - at};
}

/** An expression sees the event and the environment, and no files: `import`, `include` and `module` may only
 * begin a program. */
static bool uses_modules(struct slice text)
{
    static const char *const words[] = {"import", "include", "module"};
    struct slice rest = skip_blanks(text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t len = strlen(words[i]);
        if (slice_starts_with(rest, words[i]) && (rest.len == len || strchr(" \t\r\n#\"{", rest.ptr[len])))
            return true;
    }
    return false;
}

/** NULL: jq's messages are in `messages`. */
static jq_state *compile(const char *text, struct buffer *messages)
{
    jq_state *program = jq_init();
    if (!program) {
        buffer_append_text(messages, "out of memory");
        return NULL;
    }
    jq_set_error_cb(program, compile_error, messages);
    jq_set_input_cb(program, no_more_inputs, NULL); /* libjq 1.6 calls these two whether set or not */
    jq_set_debug_cb(program, hear_debug, NULL);
    /* `modulemeta` would search for files */
    jq_set_attr(program, jv_string("JQ_LIBRARY_PATH"), jv_array());
    jq_set_attr(program, jv_string("JQ_ORIGIN"), jv_string("."));
    jq_set_attr(program, jv_string("PROGRAM_ORIGIN"), jv_string("."));
    if (!jq_compile(program, text)) {
        if (messages->len == 0)
            buffer_append_text(messages, "does not compile");
        jq_teardown(&program);
    }
    if (program) /* run-time errors are values; nothing is printed */
        jq_set_error_cb(program, NULL, NULL);
    return program;
}

/** Appends the place in the expression of the first of jq's messages, where that can be told. */
static void append_place(struct slice text, struct buffer *problem)
{
    static const char line_is[] = ", line ";
    struct buffer spread = {0}, messages = {0};
    place_spread(&spread, text);
    jq_state *program = compile(buffer_text(&spread), &messages);
    const char *line = program ? NULL : strstr(buffer_text(&messages), line_is);
    if (line) {
        bool at_end =
            strstr(messages.ptr, "unexpected $end") || strstr(messages.ptr, "unexpected end of file");
        size_t number = strtoul(line + strlen(line_is), NULL, 10);
        buffer_append_text(problem, " (");
        place_append(problem, text, at_end ? text.len : place_of_line(text, number));
        buffer_append_char(problem, ')');
    }
    if (program)
        jq_teardown(&program);
    buffer_clear(&spread);
    buffer_clear(&messages);
}

/** `env` makes the environment anew each time it is used (14 µs for 35 variables), `$ENV` once. The text is
 * compiled as it stands first: jq's messages quote what it was given. */
static jq_state *with_constant_environment(const char *text, jq_state *program)
{
    struct buffer whole = {0}, ignored = {0};
    if (!strstr(text, "env"))
        return program;
    buffer_append_text(&whole, "def env: $ENV; ");
    buffer_append_text(&whole, text);
    jq_state *faster = whole.failed ? NULL : compile(buffer_text(&whole), &ignored);
    if (faster)
        jq_teardown(&program);
    buffer_clear(&whole);
    buffer_clear(&ignored);
    return faster ? faster : program;
}

static jq_state *compile_expression(const char *text, struct buffer *messages)
{
    jq_state *program = compile(text, messages);
    return program ? with_constant_environment(text, program) : NULL;
}

struct expression *expression_compile(struct expressions *expressions, struct slice text,
                                      struct buffer *problem)
{
    if (memchr(text.ptr, '\0', text.len)) {
        buffer_append_text(problem, "the expression holds a NUL character");
        return NULL;
    }
    if (uses_modules(text)) {
        buffer_append_text(problem, "modules (import, include, module) cannot be used here");
        return NULL;
    }
    struct expression *expression = calloc(1, sizeof *expression);
    if (expression)
        expression->text = slice_to_text(text);
    if (!expression || !expression->text) {
        buffer_append_text(problem, "out of memory");
        free(expression);
        return NULL;
    }
    struct expression **found = tfind(expression, &expressions->tree, compare);
    if (found) {
        expression_free(expression);
        return *found;
    }
    expression->program = compile_expression(expression->text, problem);
    if (!expression->program)
        append_place(text, problem);
    if (!expression->program || !tsearch(expression, &expressions->tree, compare)) {
        expression_free(expression);
        return NULL;
    }
    return expression;
}

struct slice expression_text(const struct expression *expression)
{
    return slice_of(expression->text);
}

static void append_error(struct buffer *problem, jv message)
{
    if (jv_get_kind(message) != JV_KIND_STRING)
        message = jv_dump_string(message, 0);
    append_message(problem, jv_string_value(message));
    jv_free(message);
}

/** The program's first output; invalid as jq_next has it. */
static jv run(struct expression *expression, jv input)
{
    jq_start(expression->program, input, 0);
    jv result = jq_next(expression->program);
    if (jq_halted(expression->program))
        jq_teardown(&expression->program); /* libjq would free the message of halt_error once a start */
    else
        jq_start(expression->program, jv_null(), 0); /* lets go of the event, which more outputs would need */
    return result;
}

jv expression_first(struct expression *expression, jv input, struct buffer *problem)
{
    if (!expression->program)
        expression->program = compile_expression(expression->text, problem);
    if (!expression->program) {
        jv_free(input);
        return jv_null();
    }
    jv result = run(expression, input);
    if (jv_is_valid(result))
        return result;
    if (jv_invalid_has_msg(jv_copy(result))) {
        append_error(problem, jv_invalid_get_msg(result));
    } else {
        jv_free(result);
        buffer_append_text(problem, "no output");
    }
    return jv_null();
}
