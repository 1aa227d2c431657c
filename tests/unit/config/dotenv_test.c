/* .env files, read as python-dotenv reads them: one line of a file, or a few, a case. */
#include "../edge.h"
#include "config/dotenv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/** Reads `text`: A must be `value` (NULL: without one) and the warnings these. */
static void check(const char *text, const char *value, const char *warnings)
{
    char home[] = "HOME=/root", odd[] = "ODD", also[] = "B=from outside",
         *environment[] = {odd, home, also, NULL};
    struct dotenv dotenv;
    struct buffer told = {0};
    assert_int_equal(dotenv_parse(edge_of(text), environment, &dotenv, &told), 0);
    const char *found = dotenv_get(&dotenv, "A");
    if (value ? !found || strcmp(found, value) != 0 : found != NULL)
        fail_msg("%s: %s", text, found ? found : "(none)");
    if (strcmp(buffer_text(&told), warnings) != 0)
        fail_msg("%s: %s", text, buffer_text(&told));
    buffer_clear(&told);
    dotenv_clear(&dotenv);
}

static void lines_are_names_and_values(void **state)
{
    (void)state;
    check("A=b", "b", "");
    check("A=b\n", "b", "");
    check("A=b\r\n", "b", "");
    check("A=b\rB=c", "b", "");
    check("\n\r\n# A=no\n \t\v\fA \t= \t b \t\n", "b", "");
    check("A=b\nA=c", "c", "");
    check("'A'=b", "b", "");
    check("\xef\xbb\xbf"
          "A=b",
          "b", "");
    check("AB=c", NULL, "");
    check("", NULL, "");
}

static void a_bare_name_takes_an_earlier_value_back(void **state)
{
    (void)state;
    check("A=b\nA", NULL, "");
    check("A=b\nA\n", NULL, "");
    check("A=b\nA\r", NULL, "");
    check("A=b\nA # why", NULL, "");
}

static void export_is_passed_over(void **state)
{
    (void)state;
    check("export A=b", "b", "");
    check("export\tA=b", "b", "");
    check("exportA=b", NULL, "");
    check("export=b\nA=${export}", "b", "");
}

static void comments_follow_a_blank(void **state)
{
    (void)state;
    check("A=b # c", "b", "");
    check("A=b\t# c", "b", "");
    check("A=b#c", "b#c", "");
    check("A=#b", "#b", "");
    check("A= # b", "", "");
    check("A=", "", "");
    check("A='b' # c", "b", "");
    check("A='b'#c", "b", "");
}

static void quotes_keep_what_is_in_them(void **state)
{
    (void)state;
    check("A=' b # c '", " b # c ", "");
    check("A=\" b\nc \"\n", " b\nc ", "");
    check("A='it\\'s \\\\ \\n \\\"'", "it's \\ \\n \\\"", "");
    check("A=\"\\a\\b\\f\\n\\r\\t\\v\\\"\\'\\\\\\x\"", "\a\b\f\n\r\t\v\"'\\\\x", "");
    check("A='b'\r\nB=c", "b", "");
}

static void a_line_that_cannot_be_read_costs_itself_alone(void **state)
{
    (void)state;
    check("=b\nA=c", "c", ".env line 1 is left out: no NAME=value\n");
    check("''=b\nA=c", "c", ".env line 1 is left out: no NAME=value\n");
    check("'A=b", NULL, ".env line 1 is left out: no NAME=value\n");
    check("A b\n", NULL, ".env line 1 is left out: no '=' after the name\n");
    check("B='c\nA=b", "b", ".env line 1 is left out: a quote that does not end\n");
    check("A=\"b\\\"\n", NULL, ".env line 1 is left out: a quote that does not end\n");
    check("B=c\nA='b'c\n", NULL, ".env line 2 is left out: something after the closing quote\n");
}

static void lines_are_counted_through_quotes(void **state)
{
    (void)state;
    check("B='c\n\\\nd'\n'N\nN'=1\nA\r\nA b", NULL, ".env line 7 is left out: no '=' after the name\n");
}

static void references_stand_for_what_is_known(void **state)
{
    (void)state;
    check("A=${HOME}", "/root", "");
    check("A=x${HOME}y", "x/rooty", "");
    check("B=c\nA=${B}", "c", "");
    check("B=c\nB=d\nA=${B}", "d", "");
    check("A=${B}", "from outside", "");
    check("A=${HOM}", "", "");
    check("A=${ODD}", "", "");
    check("A=${NONE:-else}", "else", "");
    check("A=${NONE:-}", "", "");
    check("A=${HOME:-else}", "/root", "");
    check("A='${HOME}'", "/root", "");
    check("A=${NONE:x}", "${NONE:x}", "");
    check("A=${HOME", "${HOME", "");
    check("A=$HOME", "$HOME", "");
    check("B\nA=${B:-else}", "else", "");
}

static void without_an_environment_the_file_alone_counts(void **state)
{
    (void)state;
    struct dotenv dotenv;
    struct buffer told = {0};
    assert_int_equal(dotenv_parse(slice_of("A=${HOME}"), NULL, &dotenv, &told), 0);
    assert_string_equal(dotenv_get(&dotenv, "A"), "");
    assert_null(dotenv_get(&dotenv, "HOME"));
    dotenv_clear(&dotenv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_names_and_values),
        cmocka_unit_test(a_bare_name_takes_an_earlier_value_back),
        cmocka_unit_test(export_is_passed_over),
        cmocka_unit_test(comments_follow_a_blank),
        cmocka_unit_test(quotes_keep_what_is_in_them),
        cmocka_unit_test(a_line_that_cannot_be_read_costs_itself_alone),
        cmocka_unit_test(lines_are_counted_through_quotes),
        cmocka_unit_test(references_stand_for_what_is_known),
        cmocka_unit_test(without_an_environment_the_file_alone_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
