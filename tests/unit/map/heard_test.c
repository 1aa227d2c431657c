/* What is noted of each expression's result: values from the environment are secrets of the request, and
 * whoever traces the evaluation hears of all of them. */
#include "mappings.h"

static int set_environment(void **state)
{
    (void)state;
    setenv("SIX", "secret", 1);
    setenv("FIVE", "short", 1);
    setenv("BEARER", "Bearer abcdef", 1);
    setenv("BEARER_SHORT", "Bearer abcde", 1);
    setenv("BLANK_LAST", "longer ", 1);
    return 0;
}

static void values_from_the_environment_in_headers_are_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *headers, *fields;
    } cases[] = {
        {"{\"X\":\"env.SIX\"}", "s secret\nn X\nv secret\n"},
        {"{\"X\":\"$ENV.SIX\"}", "s secret\nn X\nv secret\n"},
        {"{\"X\":\"env.FIVE\"}", "n X\nv short\n"},
        {"{\"X\":\"env.BEARER\"}", "s Bearer abcdef\ns abcdef\nn X\nv Bearer abcdef\n"},
        {"{\"X\":\"env.BEARER_SHORT\"}", "s Bearer abcde\nn X\nv Bearer abcde\n"},
        {"{\"X\":\"env.BLANK_LAST\"}", "s longer \nn X\nv longer \n"},
        {"\"{X: env.SIX, Y: .own}\"", "s secret\ns member\nn X\nv secret\nn Y\nv member\n"},
        {"{\"X\":\".own\"}", "n X\nv member\n"},
        {"{\"X\":\"\\\"environment\\\"\"}", "n X\nv environment\n"},
        {"{\"X\":\"env | length > 0\"}", "n X\nv true\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char file[128], expected[128];
        snprintf(file, sizeof file, "[{\"headers\":%s}]", cases[i].headers);
        snprintf(expected, sizeof expected, "i 1\n%s", cases[i].fields);
        assert_request(file, "{\"own\":\"member\"}", expected);
    }
    /* elsewhere they are not: the URL and the body have rules of their own */
    assert_request("[{\"method\":\"\\\"PUT\\\"\",\"body\":\"env.SIX\"}]", "{}", "i 1\nm PUT\nb \"secret\"\n");
}

static void values_from_the_environment_in_bodies_are_secrets_where_their_name_says_so(void **state)
{
    (void)state;
    static const struct {
        const char *body, *fields;
    } cases[] = {
        {"{\"token\":\"env.SIX\"}", "s secret\nb {\"token\":\"secret\"}\n"},
        {"{\"a\":[{\"Api-Key\":\"env.SIX\"}]}", "s secret\nb {\"a\":[{\"Api-Key\":\"secret\"}]}\n"},
        {"{\"token\":\".own\"}", "b {\"token\":\"member\"}\n"},
        {"{\"token\":\"env.FIVE\"}", "b {\"token\":\"short\"}\n"},
        {"{\"token\":{\"of\":\"env.SIX\"}}", "b {\"token\":{\"of\":\"secret\"}}\n"},
        {"{\"cluster\":\"env.SIX\"}", "b {\"cluster\":\"secret\"}\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char file[128], expected[128];
        snprintf(file, sizeof file, "[{\"body\":%s}]", cases[i].body);
        snprintf(expected, sizeof expected, "i 1\n%s", cases[i].fields);
        assert_request(file, "{\"own\":\"member\"}", expected);
    }
}

static void hear(void *ctx, const char *where, struct slice expression, struct slice result,
                 struct slice problem)
{
    buffer_appendf(ctx, "%s|%.*s|%.*s|%.*s\n", where, (int)expression.len, expression.ptr, (int)result.len,
                   result.ptr, (int)problem.len, problem.ptr ? problem.ptr : "");
}

static void whoever_traces_hears_of_every_result_and_problem(void **state)
{
    (void)state;
    struct buffer heard = {0}, fields = {0};
    const struct mapping_trace trace = {hear, &heard};
    struct mappings *mappings =
        load("[{\"enabled\":\".no\"},{\"enabled\":\".yes\",\"method\":\"\\\"PUT\\\"\","
             "\"body\":{\"a\":\".n\",\"b\":\".n.x\",\"c\":[1]}}]");
    mappings_request(mappings, SLICE_LITERAL("{\"yes\":true,\"n\":1.50}"), SLICE_LITERAL(SECRET), &trace,
                     &fields);
    static const char *const expected[] = {
        "mapping 1, enabled|.no|null|\n",
        "mapping 2, enabled|.yes|true|\n",
        "mapping 2, method|\"PUT\"|\"PUT\"|\n",
        "mapping 2, body.a|.n|1.5|\n",
        "mapping 2, body.b|.n.x|null|Cannot index number",
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        if (!strstr(buffer_text(&heard), expected[i]))
            fail_msg("'%s' is not in %s", expected[i], heard.ptr);
    assert_null(strstr(heard.ptr, "body.c")); /* what is no expression is not evaluated */
    buffer_clear(&heard);
    buffer_clear(&fields);
    mappings_free(mappings);
}

static void a_result_that_is_too_deep_is_shown_as_words(void **state)
{
    (void)state;
    struct buffer heard = {0}, fields = {0};
    const struct mapping_trace trace = {hear, &heard};
    struct mappings *mappings = load("[{\"body\":\"reduce range(600) as $i (null; [.])\"}]");
    mappings_request(mappings, SLICE_LITERAL("{}"), SLICE_LITERAL(SECRET), &trace, &fields);
    assert_non_null(strstr(buffer_text(&heard), "|\"(nested too deeply to be shown)\"|\n"));
    buffer_clear(&heard);
    buffer_clear(&fields);
    mappings_free(mappings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(values_from_the_environment_in_headers_are_secrets, set_environment),
        cmocka_unit_test_setup(values_from_the_environment_in_bodies_are_secrets_where_their_name_says_so,
                               set_environment),
        cmocka_unit_test_setup(whoever_traces_hears_of_every_result_and_problem, set_environment),
        cmocka_unit_test_setup(a_result_that_is_too_deep_is_shown_as_words, set_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
