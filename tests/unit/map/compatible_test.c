/* Expressions as libjq is to read them, and where a message of jq belongs. */
#include "../edge.h"
#include "map/column.h"
#include "map/compatible.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_text(const char *expression, const char *expected)
{
    struct buffer out = {0};
    compatible_text(edge_of(expression), &out);
    if (strcmp(buffer_text(&out), expected) != 0)
        fail_msg("'%s' becomes '%s', not '%s'", expression, buffer_text(&out), expected);
    buffer_clear(&out);
}

static void what_is_read_alike_stays(void **state)
{
    (void)state;
    static const char *const same[] = {"",
                                       ".",
                                       ".a.b[0]?",
                                       ".a ? // 1",
                                       "\t.a\n | \t.b",
                                       "\"#\\\"# \\\\\" | .",
                                       "\"a\\(1 + (2 | \"x)\") )b\"",
                                       "\"\\(\"?//\")\"",
                                       "a::b2(1)",
                                       ".as?",
                                       "@json \"x\"",
                                       ". as [$a] ?// $a | $a",
                                       ". as {a: $b} ?// [$b] ?// $b | $b",
                                       "{\"a\":[1,2]}",
                                       "$__loc__",
                                       "\"open",
                                       "\"open\\",
                                       "(((",
                                       ")"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_text(same[i], same[i]);
}

static void comments_and_carriage_returns_are_blanks(void **state)
{
    (void)state;
    assert_text(".a # why\n| .b", ".a  \n| .b");
    assert_text("# only", " ");
    assert_text(".a\r\n|\r.b", ".a \n| .b");
    assert_text("\"\r#\"", "\"\r#\"");
    assert_text("\t# x\\\n.", "\t \n.");
    assert_text("( # )\n1)", "(  \n1)");
}

static void an_operator_of_later_versions_is_two_of_jq_1_5(void **state)
{
    (void)state;
    assert_text(".x?//1", ".x? //1");
    assert_text(".x?// .y?//2", ".x? // .y? //2");
    assert_text("(. as $a | .b?//1)", "(. as $a | .b? //1)");
    assert_text(". as [$a] | $a?//1", ". as [$a] | $a? //1");
    assert_text("\"\\(.a?//1)\"", "\"\\(.a? //1)\"");
    assert_text(".as [1]?//1", ".as [1]? //1");
    assert_text(". as (1)?//1", ". as (1)? //1");
    assert_text("ass [1]?//1", "ass [1]? //1");
    assert_text(".a?/1", ".a?/1");
    assert_text(".a?", ".a?");
    assert_text(".a?/", ".a?/");
}

static void a_variables_parts_are_joined(void **state)
{
    (void)state;
    assert_text("$ a", " $a");
    assert_text("$\t# c\n__x1", "\t \n$__x1");
    assert_text("$m::a", "$m::a");
    assert_text("$", "$");
    assert_text("$1", "$1");
}

static void assert_defines(const char *text, const char *name, bool defined)
{
    struct buffer out = {0};
    compatible_definitions(edge_of(text), &out);
    if ((strstr(buffer_text(&out), name) != NULL) != defined)
        fail_msg("'%s' with '%s'", text, buffer_text(&out));
    if (strchr(buffer_text(&out), '\n'))
        fail_msg("'%s' has more than a line", buffer_text(&out));
    buffer_clear(&out);
}

static void what_is_needed_is_defined_and_nothing_else(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"env.A", "def env: "},
                                           {"leaf_paths", "def leaf_paths: "},
                                           {"recurse_down", "def recurse_down: "},
                                           {"scalars_or_empty", "def scalars_or_empty: "},
                                           {"_input", "def _input: "},
                                           {"recurse(.a)", "def recurse(f): "},
                                           {"limit(1; .)", "def limit($n; f): "},
                                           {"tojson", "def tojson: "},
                                           {"tostring", "def tostring: "},
                                           {"@json", "def format(f): "},
                                           {"\"\\(1)\"", "def format(f): "},
                                           {"format(\"json\")", "def format(f): "}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_defines(cases[i][0], cases[i][1], true);
        assert_defines(".a | map(.b)", cases[i][1], false);
        assert_defines("", cases[i][1], false);
    }
}

static void assert_spread(const char *expression, const char *expected)
{
    struct buffer out = {0};
    column_spread(&out, edge_of(expression));
    if (strcmp(buffer_text(&out), expected) != 0)
        fail_msg("'%s' is spread '%s'", expression, buffer_text(&out));
    buffer_clear(&out);
}

static void lines_are_broken_where_jq_allows_it(void **state)
{
    (void)state;
    assert_spread("", "");
    assert_spread(".a", ".a");
    assert_spread(".a  | \t.b", ".a\n|\n\n.b");
    assert_spread("a|=b|c", "a|=b|\nc");
    assert_spread("f(1;2)", "f(\n1;\n2\n)");
    assert_spread("[1,{a:2}]", "[\n1,\n{\na:2\n}\n]");
    assert_spread("\"a , \\\"b \\(1 + (2) | \" )\" ) c\" d", "\"a , \\\"b \\(1 + (2) | \" )\" ) c\"\nd");
    assert_spread("1 # a , b\n2", "1\n# a , b\n2");
    assert_spread("\"open , ", "\"open , ");
    assert_spread("\"open \\", "\"open \\");
    assert_spread("|", "|\n");
}

/** Every line of the spread form begins where the expression has it. */
static void a_line_leads_back_to_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        size_t line, at;
    } cases[] = {{".a | .b", 1, 0}, {".a | .b", 2, 3}, {".a | .b", 4, 5},   {".a | .b", 9, 7},
                 {"f(1;2)", 2, 2},  {"f(1;2)", 3, 4},  {"f(1;2)", 4, 5},    {"  x", 1, 0},
                 {"  x", 2, 2},     {"x", 2, 1},       {"\"a b\" c", 2, 6}, {"[1,{a:2}]", 3, 3},
                 {"", 1, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t at = column_of_line(edge_of(cases[i].expression), cases[i].line);
        if (at != cases[i].at)
            fail_msg("'%s', line %zu: %zu", cases[i].expression, cases[i].line, at);
    }
}

static void assert_column(const char *text, size_t at, const char *expected)
{
    struct buffer out = {0};
    column_append(&out, edge_of(text), at);
    assert_string_equal(buffer_text(&out), expected);
    buffer_clear(&out);
}

static void columns_count_characters(void **state)
{
    (void)state;
    assert_column("abc", 0, "line 1, column 1");
    assert_column("abc", 2, "line 1, column 3");
    assert_column("a\xc3\xa9z", 3, "line 1, column 3");
    assert_column("a\nbc", 2, "line 2, column 1");
    assert_column("a\n\nbc", 4, "line 3, column 2");
    assert_column("ab", 9, "line 1, column 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_alike_stays),
        cmocka_unit_test(comments_and_carriage_returns_are_blanks),
        cmocka_unit_test(an_operator_of_later_versions_is_two_of_jq_1_5),
        cmocka_unit_test(a_variables_parts_are_joined),
        cmocka_unit_test(what_is_needed_is_defined_and_nothing_else),
        cmocka_unit_test(lines_are_broken_where_jq_allows_it),
        cmocka_unit_test(a_line_leads_back_to_its_place),
        cmocka_unit_test(columns_count_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
