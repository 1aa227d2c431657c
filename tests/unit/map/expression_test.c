/* Expressions that stop, ask for what there is not, or are no programs: none may spoil the next evaluation.
 */
#include "../edge.h"
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
    struct expression *expression = expression_compile(expressions, edge_of(text), &problem);
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
        struct expression *expression = expression_compile(expressions, edge_of(texts[i]), &problem);
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

static void what_only_jq_1_5_accepted_works(void **state)
{
    (void)state;
    assert_evaluates("[leaf_paths]", "{\"a\":1,\"b\":[null,2]}", "[[\"a\"],[\"b\",1]]");
    assert_evaluates("def leaf_paths: 7; leaf_paths", "1", "7");
    assert_evaluates("[recurse_down]", "[1,[2]]", "[[1,[2]],1,[2],2]");
    assert_evaluates("[.[] | scalars_or_empty]", "[1,[],{},[2],{\"a\":1},null,\"\"]", "[1,[],{},null,\"\"]");
    assert_evaluates("[.. | scalars_or_empty?] | length", "[1,[]]", "2");
    assert_evaluates("try _input catch 3", "1", "3");
    assert_evaluates("[recurse(.a)]", "{\"a\":{\"b\":1}}", "[{\"a\":{\"b\":1}},{\"b\":1}]");
    assert_evaluates("[recurse(if . < 3 then . + 1 else null end)]", "0", "[0,1,2,3]");
    assert_evaluates("[limit(0; 1, 2)], [limit(-1; 1, 2)]", "1", "[]");
    assert_evaluates("[limit(2; 1, 2, error)]", "1", "[1,2]");
    assert_evaluates("1 as $ x | $ x + $\tx", "0", "2");
    assert_evaluates("1 as $ #c\n x | $x", "0", "1");
    assert_evaluates("# c \\\n.a", "{\"a\":1}", "1");
    assert_evaluates("# c\r\n.a\r\n| .\r", "{\"a\":1}", "1");
    assert_evaluates("", "1", "1");
    assert_evaluates(" \n", "1", "1");
    assert_evaluates("# env", "1", "1");
    assert_evaluates("def f: 1;", "2", "2");
}

static void a_question_mark_before_an_alternative_is_no_operator_of_its_own(void **state)
{
    (void)state;
    assert_evaluates(".x?//\"d\"", "{\"x\":null}", "\"d\"");
    assert_evaluates(".x?//\"d\"", "[]", "\"d\"");
    assert_evaluates(".x?//.y?//.z? ?//3", "5", "3");
    assert_evaluates(".x?//=3", "{\"x\":null}", "{\"x\":3}");
    assert_evaluates("[.[]|.a?//0]", "[1,{\"a\":2}]", "[0,2]");
    assert_evaluates("\"\\(.x?//\"a?//b\") ?// #\"", "{}", "\"a?//b ?// #\"");
    assert_evaluates("{as: (.x?//1)}", "{}", "{\"as\":1}");
    assert_evaluates(".as?//2", "{}", "2");
    assert_evaluates(". as $x | .y?//3", "{}", "3");
    assert_evaluates(". as [$a] ?// $b | [$a, $b]", "[1]", "[1,null]");
    assert_evaluates(". as [$a] ?// $b | [$a, $b]", "2", "[null,2]");
    assert_evaluates(". as {a: $x} # one\n ?// [$x]?//$x | $x, (.q?//7)", "[6]", "6");
    assert_evaluates("[.[] as [$a] ?// {$a} | $a?//9]", "[[1],{\"a\":2},[]]", "[1,2,9]");
}

static void a_program_left_in_the_middle_of_its_paths_can_be_run_again(void **state)
{
    (void)state;
    assert_evaluates("first(paths)", "[1,[2]]", "[0]");
    assert_evaluates("paths", "{\"a\":{\"b\":1}}", "[\"a\"]");
    assert_evaluates("leaf_paths", "{\"a\":{\"b\":1}}", "[\"a\",\"b\"]");
    assert_evaluates("limit(2; paths(type == \"number\"))", "[1,2,3]", "[0]");
    assert_evaluates("getpath(paths)", "[[1,2]]", "[1,2]");
    assert_evaluates("path(first(.[]?))", "[1,2]", "[0]");
    assert_evaluates("path(.[] | select(., 3))", "[1,5,3]", "[0]");
    assert_evaluates("foreach paths as $p (0; . + 1)", "[1,2]", "1");
    assert_evaluates("tostream", "[[[1,2]],3]", "[[0,0,0],1]");
    assert_evaluates("isempty(paths)", "[1]", "false");
    assert_evaluates("def f: 1; paths, f # ends", "[1]", "[0]");
    assert_evaluates("paths", "1", "null: no output");
    assert_evaluates("(paths | error), 1", "[1]", "null: [0]");
    assert_evaluates("[paths] | .[]?", "[1,2]", "[0]");
}

static void what_is_too_deep_to_be_written_is_an_error(void **state)
{
    (void)state;
    static const char deep[] = "reduce range(300) as $i (null; [.])",
                      fits[] = "reduce range(250) as $i (1; [.])";
    static const char *const forms[] = {"tojson",         "tostring",        "@json",
                                        "@text",          "\"\\(.)\"",       "@base64",
                                        "@uri \"\\(.)\"", "tojson | length", "{a: .} | @html"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct buffer text = {0};
        buffer_appendf(&text, "%s | %s", deep, forms[i]);
        assert_evaluates(buffer_text(&text), "1", "null: it is nested too deeply");
        text.len = 0;
        buffer_appendf(&text, "%s | %s | type != null", fits, forms[i]);
        assert_evaluates(buffer_text(&text), "1", "true");
        buffer_clear(&text);
    }
    assert_evaluates("tostring", "\"[<skipped: too deep>]\"", "\"[<skipped: too deep>]\"");
    assert_evaluates("@json", "\"a\"", "\"\\\"a\\\"\"");
    assert_evaluates("@csv, @sh", "[1,\"a\"]", "\"1,\\\"a\\\"\"");
    assert_evaluates("[.[] | tostring]", "[1,\"a\",null,[1]]", "[\"1\",\"a\",\"null\",\"[1]\"]");
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
    assert_does_not_compile(SLICE_LITERAL("leaf_paths | env.A | nothere"),
                            "line 1: leaf_paths | env.A | nothere (line 1, column 22)");
    assert_does_not_compile(SLICE_LITERAL(".x?//1 | .y?//2 | nothere"), "(line 1, column 19)");
    assert_does_not_compile(SLICE_LITERAL("\"\\(1)\" | nothere"),
                            "line 1: \"\\(1)\" | nothere (line 1, column 10)");
    assert_does_not_compile(SLICE_LITERAL("# paths\n[paths] | nothere"), "(line 2, column 11)");
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
        cmocka_unit_test(what_only_jq_1_5_accepted_works),
        cmocka_unit_test(a_question_mark_before_an_alternative_is_no_operator_of_its_own),
        cmocka_unit_test(a_program_left_in_the_middle_of_its_paths_can_be_run_again),
        cmocka_unit_test(what_is_too_deep_to_be_written_is_an_error),
        cmocka_unit_test(what_is_no_program_is_refused),
        cmocka_unit_test(messages_say_where),
        cmocka_unit_test(words_that_begin_like_modules_are_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
