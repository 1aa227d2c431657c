/* Expressions that stop, ask for what there is not, or are no programs: none may spoil the next evaluation.
 */
#include "map/expression.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

/** libjq 1.6 leaks the message of halt_error. */
static void count_leaks(bool on)
{
#ifdef __SANITIZE_ADDRESS__
    if (on)
        __lsan_enable();
    else
        __lsan_disable();
#else
    (void)on;
#endif
}

/** "VALUE" or "null: PROBLEM". */
static void evaluate(struct expression *expression, const char *input, struct buffer *out)
{
    struct buffer problem = {0};
    jv text = jv_dump_string(expression_first(expression, jv_parse(input), &problem), 0);
    buffer_append_text(out, jv_string_value(text));
    if (problem.len > 0)
        buffer_appendf(out, ": %s", buffer_text(&problem));
    buffer_clear(&problem);
    jv_free(text);
}

static void assert_evaluates(const char *text, const char *input, const char *expected)
{
    struct expressions *expressions = expressions_new();
    struct buffer problem = {0}, got = {0};
    struct expression *expression = expression_compile(expressions, slice_of(text), &problem);
    if (!expression)
        fail_msg("%s: %s", text, buffer_text(&problem));
    /* Three times: what the first leaves behind, the second would meet, and its end the third. */
    for (int i = 0; i < 3; i++) {
        got.len = 0;
        evaluate(expression, input, &got);
        if (strncmp(buffer_text(&got), expected, strlen(expected)) != 0)
            fail_msg("%s, time %d: '%s' instead of '%s'", text, i + 1, got.ptr, expected);
    }
    buffer_clear(&got);
    buffer_clear(&problem);
    expressions_free(expressions);
}

static void the_environment_is_what_it_says_wherever_it_is_asked(void **state)
{
    (void)state;
    setenv("SEEN", "yes", 1);
    assert_evaluates("env.SEEN", "{}", "\"yes\"");
    assert_evaluates("# env\n[env.SEEN, $ENV.SEEN, .env]", "{\"env\":1}", "[\"yes\",\"yes\",1]");
    assert_evaluates("def env: {SEEN: \"mine\"}; env.SEEN", "{}", "\"mine\"");
    assert_evaluates("env == $ENV", "{}", "true");
    assert_evaluates("env.SEEN | error", "{}", "null: yes");
}

static void programs_that_halt_can_be_run_again(void **state)
{
    (void)state;
    static const char *const texts[] = {"if .stop then halt else .n end",
                                        "if .stop then \"bye\" | halt_error else .n end",
                                        "if .stop then {a: [1]} | halt_error(3) else .n end"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct expressions *expressions = expressions_new();
        struct buffer problem = {0}, got = {0};
        struct expression *expression = expression_compile(expressions, slice_of(texts[i]), &problem);
        count_leaks(false);
        evaluate(expression, "{\"stop\":true}", &got);
        evaluate(expression, "{\"stop\":true}", &got);
        evaluate(expression, "{\"n\":7}", &got);
        evaluate(expression, "{\"stop\":true}", &got);
        evaluate(expression, "{\"n\":8}", &got);
        count_leaks(true);
        assert_string_equal(buffer_text(&got), "null: no outputnull: no output7null: no output8");
        buffer_clear(&got);
        buffer_clear(&problem);
        expressions_free(expressions);
    }
}

static void there_is_one_input_and_no_file(void **state)
{
    (void)state;
    assert_evaluates("input", "1", "null: ");
    assert_evaluates("[inputs]", "1", "[]");
    assert_evaluates("first(inputs, 5)", "1", "5");
    assert_evaluates("input_filename", "1", "null");
    assert_evaluates("input_line_number", "1", "null: ");
    assert_evaluates("debug", "{\"a\":1}", "{\"a\":1}");
    assert_evaluates("debug | .a", "{\"a\":1}", "1");
    assert_evaluates("try input catch 3", "1", "3");
    assert_evaluates("$__loc__", "1", "{\"file\":\"<top-level>\",\"line\":1}");
}

static void errors_of_every_kind_are_null(void **state)
{
    (void)state;
    assert_evaluates("error(null)", "1", "null: ");
    assert_evaluates("error", "\"oh\"", "null: oh");
    assert_evaluates("error({a: 1})", "1", "null: {\"a\":1}");
    assert_evaluates("error(\"a\\nb\")", "1", "null: a b");
    assert_evaluates("empty", "1", "null: no output");
    assert_evaluates("first(empty)", "1", "null: no output");
    assert_evaluates("label $out | break $out", "1", "null: no output");
    assert_evaluates("label $out | 1, break $out, 2", "1", "1");
    assert_evaluates("getpath([\"a\",\"b\"])", "{\"a\":\"x\"}", "null: Cannot index string with");
    assert_evaluates("getpath([\"a\",\"b\"])", "{}", "null");
    assert_evaluates("[limit(2; repeat(1))]", "1", "[1,1]");
    assert_evaluates("[splits(\", *\")]", "\"a, b,c\"", "[\"a\",\"b\",\"c\"]");
    assert_evaluates("test(\"(\")", "\"a\"", "null: ");
    assert_evaluates("@sh", "[\"it's\",1]", "\"'it'\\\\''s' 1\"");
    assert_evaluates("@sh", "{\"a\":1}", "null: object ");
    assert_evaluates("now | type", "1", "\"number\"");
    assert_evaluates("\"\\u0000\" | length", "1", "1");
    assert_evaluates(". | @json", "\"a\\u0000b\"", "\"\\\"a\\\\u0000b\\\"\"");
    assert_evaluates("\"[\" * 20000 | fromjson", "1", "null: Exceeds depth limit for parsing");
    assert_evaluates("limit(1; .[])", "[{\"a\":1},2]", "{\"a\":1}");
    assert_evaluates("first(range(10; 0; -1))", "1", "10");
}

static void assert_does_not_compile(struct slice text, const char *expected)
{
    struct expressions *expressions = expressions_new();
    struct buffer problem = {0};
    assert_null(expression_compile(expressions, text, &problem));
    if (!strstr(buffer_text(&problem), expected) || strchr(problem.ptr, '\n'))
        fail_msg("%.*s: '%s' instead of '%s'", (int)text.len, text.ptr, problem.ptr, expected);
    buffer_clear(&problem);
    expressions_free(expressions);
}

static void what_is_no_program_is_refused(void **state)
{
    (void)state;
    assert_does_not_compile(SLICE_LITERAL("import \"a\" as a; 1"), "modules");
    assert_does_not_compile(SLICE_LITERAL(" # why\n\tinclude \"/etc/a\" {search:\"/\"}; 1"), "modules");
    assert_does_not_compile(SLICE_LITERAL("import \"secret\" as $s {search: \"/run\"}; $s"), "modules");
    assert_does_not_compile(SLICE_LITERAL("module {a:1}; 1"), "modules");
    assert_does_not_compile(SLICE_LITERAL(".a\0 | env"), "NUL");
    assert_does_not_compile(SLICE_LITERAL("break $out"), "$*label-out is not defined");
    assert_does_not_compile(SLICE_LITERAL("$nothere"), "$nothere is not defined");
    assert_does_not_compile(SLICE_LITERAL(".a +"), "syntax error");
    assert_does_not_compile(SLICE_LITERAL("."
                                          "[\x01"),
                            "syntax error");
}

static void messages_say_where(void **state)
{
    (void)state;
    assert_does_not_compile(SLICE_LITERAL(".a | .b | foo bar"), "line 1, column 15)");
    assert_does_not_compile(SLICE_LITERAL(".payload.x + nothere(1)"),
                            "nothere/1 is not defined at <top-level>, line 1: "
                            ".payload.x + nothere(1) (line 1, column 14)");
    assert_does_not_compile(SLICE_LITERAL(".x |"), ".x | (line 1, column 5)");
    assert_does_not_compile(SLICE_LITERAL("{a:1,,b:2}"), "(line 1, column 6)");
    assert_does_not_compile(SLICE_LITERAL(".\"é\" # (\n| \"a) \\(1 + (2) | \"x\") b\" | oh"),
                            "(line 2, column 29)");
    assert_does_not_compile(SLICE_LITERAL(".a |= (.b)\n | .c |= $x"), "(line 2, column 10)");
}

static void words_that_begin_like_modules_are_names(void **state)
{
    (void)state;
    assert_evaluates(".import", "{\"import\":1}", "1");
    assert_evaluates("def importer: 2; importer", "1", "2");
    assert_evaluates("# import\n.a", "{\"a\":3}", "3");
    assert_evaluates("\"import\"", "1", "\"import\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_is_what_it_says_wherever_it_is_asked),
        cmocka_unit_test(programs_that_halt_can_be_run_again),
        cmocka_unit_test(there_is_one_input_and_no_file),
        cmocka_unit_test(errors_of_every_kind_are_null),
        cmocka_unit_test(what_is_no_program_is_refused),
        cmocka_unit_test(messages_say_where),
        cmocka_unit_test(words_that_begin_like_modules_are_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
