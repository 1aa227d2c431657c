/* Compiles with libjq, whose messages are caught, and evaluates for the first output. Must never let an
 * expression read a file, or its debug output reach a log. */
#include "map/expression.h"
#include "map/column.h"
#include "map/compatible.h"
#include "map/message.h"
#include "map/process.h"
#include <jq.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct expression {
    char *text;
    /** NULL: it halted, and is compiled again when it is next needed. */
    jq_state *program;
    /** The program gives a list of its first output, or of none. */
    bool in_list;
};

struct expressions {
    /** tsearch(3), by text. */
    void *tree;
};

static int compare_keys(const void *a, const void *b)
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

struct compiling {
    /** Which users need not see: they come before the text that messages quote. */
    struct slice definitions;
    struct buffer *messages;
};

static void compile_error(void *ctx, jv message)
{
    const struct compiling *compiling = ctx;
    struct slice own = compiling->definitions;
    const char *text = jv_get_kind(message) == JV_KIND_STRING ? jv_string_value(message) : "unknown error";
    const char *quoted = own.len > 0 ? memmem(text, strlen(text), own.ptr, own.len) : NULL;
    struct buffer shown = {0};
    buffer_append(&shown, text, quoted ? (size_t)(quoted - text) : strlen(text));
    if (quoted)
        buffer_append_text(&shown, quoted + own.len);
    append_message(compiling->messages, buffer_text(&shown));
    buffer_clear(&shown);
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

/** An expression sees the event and the environment, and no files: `import`, `include` and `module` may only
 * begin a program. */
static bool uses_modules(struct slice text)
{
    static const char *const words[] = {"import", "include", "module"};
    struct slice rest = slice_trim(text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t len = strlen(words[i]);
        if (slice_starts_with(rest, words[i]) && (rest.len == len || strchr(" \t\r\n#\"{", rest.ptr[len])))
            return true;
    }
    return false;
}

/** libjq would end its process as a failed assertion does, which is told otherwise. */
static void memory_exhausted(void *ctx)
{
    (void)ctx;
    _exit(MAP_PROCESS_NO_MEMORY);
}

/** NULL: jq's messages are in `messages`. `text` begins with `definitions`, which may be null. */
static jq_state *compile_program(const char *text, struct slice definitions, struct buffer *messages)
{
    struct compiling compiling = {definitions, messages};
    jq_state *program = jq_init();
    if (!program) {
        buffer_append_text(messages, "out of memory");
        return NULL;
    }
    jq_set_nomem_handler(program, memory_exhausted, NULL);
    jq_set_error_cb(program, compile_error, &compiling);
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

/** The same for `text` as compatible_text has it, between `before` and `after`, with the definitions that it
 * needs. */
static jq_state *compile_with_definitions(const char *before, struct slice text, const char *after,
                                          struct buffer *messages)
{
    struct buffer whole = {0};
    compatible_definitions(text, &whole);
    size_t definitions = whole.len;
    buffer_append_text(&whole, before);
    buffer_append_slice(&whole, text);
    buffer_append_text(&whole, after);
    jq_state *program = NULL;
    if (whole.failed)
        buffer_append_text(messages, "out of memory");
    else
        program = compile_program(buffer_text(&whole), (struct slice){whole.ptr, definitions}, messages);
    buffer_clear(&whole);
    return program;
}

/** A program of nothing but blanks, comments and definitions gives its input: jq 1.7 wants that written. */
static jq_state *compile_whole(struct slice text, struct buffer *messages)
{
    size_t before = messages->len;
    jq_state *program = compile_with_definitions("", text, "", messages);
    if (program || !strstr(buffer_text(messages), "program not given"))
        return program;
    messages->len = before;
    return compile_with_definitions("", text, "\n.", messages);
}

/** Appends the line and column of the first of jq's messages, where that can be told. */
static void append_column(struct slice text, struct buffer *problem)
{
    static const char line_is[] = ", line ";
    struct buffer spread = {0}, compatible = {0}, messages = {0};
    column_spread(&spread, text);
    compatible_text(buffer_slice(&spread), &compatible);
    jq_state *program = compile_whole(buffer_slice(&compatible), &messages);
    const char *line = program ? NULL : strstr(buffer_text(&messages), line_is);
    if (line) {
        bool at_end =
            strstr(messages.ptr, "unexpected $end") || strstr(messages.ptr, "unexpected end of file");
        size_t number = strtoul(line + strlen(line_is), NULL, 10);
        buffer_append_text(problem, " (");
        column_append(problem, text, at_end ? text.len : column_of_line(text, number));
        buffer_append_char(problem, ')');
    }
    if (program)
        jq_teardown(&program);
    buffer_clear(&spread);
    buffer_clear(&compatible);
    buffer_clear(&messages);
}

/** Compiles `text`, of compatible_text, to run as `expression`. False: jq's messages are in `messages`. */
static bool compile_to_run(struct expression *expression, struct slice text, struct buffer *messages)
{
    struct buffer ignored = {0};
    expression->in_list = false;
    expression->program = compile_whole(text, messages);
    if (!expression->program || !compatible_asks_for_paths(text))
        return expression->program != NULL;
    jq_state *list =
        compile_with_definitions("[label $__first | (", text, "\n) | ., break $__first]", &ignored);
    if (list) {
        jq_teardown(&expression->program);
        expression->program = list;
        expression->in_list = true;
    }
    buffer_clear(&ignored);
    return true;
}

/** Compiles the expression's own text. False: why not is in `messages`, with the place. */
static bool compile_expression(struct expression *expression, struct buffer *messages)
{
    struct buffer text = {0};
    bool compiled = false;
    compatible_text(slice_of(expression->text), &text);
    if (text.failed) {
        buffer_append_text(messages, "out of memory");
    } else if (uses_modules(buffer_slice(&text))) {
        buffer_append_text(messages, "modules (import, include, module) cannot be used here");
    } else {
        compiled = compile_to_run(expression, buffer_slice(&text), messages);
        if (!compiled)
            append_column(slice_of(expression->text), messages);
    }
    buffer_clear(&text);
    return compiled;
}

struct expression *expression_compile(struct expressions *expressions, struct slice text,
                                      struct buffer *problem)
{
    if (memchr(text.ptr, '\0', text.len)) {
        buffer_append_text(problem, "the expression holds a NUL character");
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
    struct expression **found = tfind(expression, &expressions->tree, compare_keys);
    if (found) {
        expression_free(expression);
        return *found;
    }
    if (!compile_expression(expression, problem) || !tsearch(expression, &expressions->tree, compare_keys)) {
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

/** The only element of a list, or what jq_next has for no output; what is no list stays. */
static jv out_of_list(jv list)
{
    if (jv_get_kind(list) != JV_KIND_ARRAY)
        return list;
    if (jv_array_length(jv_copy(list)) > 0)
        return jv_array_get(list, 0);
    jv_free(list);
    return jv_invalid();
}

/** The program's first output; invalid as jq_next has it. */
static jv run(struct expression *expression, jv input)
{
    jq_start(expression->program, input, 0);
    jv result = jq_next(expression->program);
    if (expression->in_list)
        result = out_of_list(result);
    if (jq_halted(expression->program))
        jq_teardown(&expression->program); /* libjq would free the message of halt_error once a start */
    else
        jq_start(expression->program, jv_null(), 0); /* lets go of the event, which more outputs would need */
    return result;
}

jv expression_first(struct expression *expression, jv input, struct buffer *problem)
{
    if (!expression->program && !compile_expression(expression, problem)) {
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
