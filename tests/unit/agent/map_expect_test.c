/* `map --expect`: what differs is told with its path, and what is not named is not compared. And hints at
 * usual mistakes. */
#include "agent/map/expect.h"
#include "agent/map/hints.h"
#include "base/near.h"
#include "map/mapping.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void compare(const char *expected, const char *actual, const char *differences)
{
    struct buffer out = {0};
    bool same = map_expect(slice_of(expected), slice_of(actual), &out);
    if (same != (*differences == '\0') || strcmp(buffer_text(&out), differences) != 0)
        fail_msg("%s and %s: '%s', not '%s'", expected, actual, buffer_text(&out), differences);
    buffer_clear(&out);
}

static void what_is_named_is_compared(void **state)
{
    (void)state;
    compare("{\"a\":1}", "{\"b\":2,\"a\":1}", "");
    compare("{\"a\":{\"b\":[1,{}]}}", "{\"a\":{\"b\":[1,{\"c\":2}]}}", "");
    compare("{\"a\":1,\"b\":{\"c\":\"x\"}}", "{\"a\":2,\"b\":{}}",
            "a: expected 1, got 2\nb.c: expected \"x\", got nothing\n");
    compare("[1,2]", "[1]", "the whole: expected [1,2], got [1]\n");
    compare("{\"l\":[1,3]}", "{\"l\":[1,2]}", "l[1]: expected 3, got 2\n");
    compare("null", "{}", "the whole: expected null, got {}\n");
}

static void a_text_is_read_as_json_where_an_object_is_expected(void **state)
{
    (void)state;
    compare("{\"body\":{\"a\":\"\\u00fc\"}}", "{\"body\":\"{\\\"a\\\": \\\"\\u00fc\\\",\\\"b\\\":1}\"}",
            "body.a: expected \"\\u00fc\", got \"\xc3\xbc\"\n"); /* both are to be canonical */
    compare("{\"body\":{\"a\":1}}", "{\"body\":\"{\\\"a\\\":1,\\\"b\\\":1}\"}", "");
    compare("{\"body\":[]}", "{\"body\":\"[ ]\"}", "");
    compare("{\"body\":{}}", "{\"body\":\"text\"}", "body: expected {}, got \"text\"\n");
}

static void several_events_have_a_list(void **state)
{
    (void)state;
    const struct slice list = SLICE_LITERAL("[{\"a\":1},2]"), one = SLICE_LITERAL("{}");
    assert_true(slice_equal_text(map_expectation(list, 1), "2"));
    assert_true(slice_is_null(map_expectation(list, 2)));
    assert_true(slice_equal_text(map_expectation(one, 7), "{}"));
}

static void hints(const char *problem, const char *hint)
{
    struct buffer out = {0};
    map_hint_texts(slice_of(problem), &out);
    assert_string_equal(buffer_text(&out), hint);
    buffer_clear(&out);
}

static void a_text_without_quotes_of_its_own_is_named(void **state)
{
    (void)state;
    hints("mapping 1, method: jq: POST/0 is not defined at <top-level>\n",
          "mapping 1, method: hint: each is a jq program, in which a text has quotes of its own: write "
          "\"\\\"POST\\\"\"\n");
    hints("mapping 1, url: jq: syntax error, unexpected ':', line 1: https://svc/x\nmapping 2: no object\n",
          "mapping 1, url: hint: each is a jq program, in which a text has quotes of its own: write "
          "\"\\\"the text\\\"\"\n");
    hints("mapping 1, url: jq: syntax error, unexpected '}'\n", "");
    hints("mapping 1, headers.A: jq: application/0 is not defined at <top-level>, line 1: application/json; "
          "json/0 is not defined at <top-level>, line 1: application/json (line 1, column 1)\n",
          "mapping 1, headers.A: hint: each is a jq program, in which a text has quotes of its own: write "
          "\"\\\"application/json\\\"\"\n");
    hints("mapping 1, url: jq: foo/0 is not defined at <top-level>, line 1: foo + .a (line 1, column 1)\n",
          "mapping 1, url: hint: each is a jq program, in which a text has quotes of its own: write "
          "\"\\\"foo\\\"\"\n");
}

static void notes(const char *file, const char *says)
{
    struct mappings *mappings;
    struct buffer problems = {0}, warnings = {0};
    struct explanation explanation;
    struct explained_response answer = {.given = true, .status = 200};
    buffer_append_text(&answer.headers_json, "{}");
    assert_int_equal(mappings_load(slice_of(file), &mappings, &problems, &warnings), 0);
    const struct explain_options options = {
        .mappings = mappings, .secret = SLICE_LITERAL("secret"), .response = &answer};
    explanation_make(&options,
                     SLICE_LITERAL("{\"context\":{\"runId\":\"r_1\"},\"payload\":{\"properties\":{\"region\":"
                                   "\"eu\"},\"action\":{\"invocationMethod\":{\"agent\":true,\"url\":"
                                   "\"http://a/\"}}}}"),
                     &explanation);
    if (strcmp(buffer_text(&explanation.notes), says) != 0)
        fail_msg("'%s', not '%s'", buffer_text(&explanation.notes), says);
    explanation_clear(&explanation);
    mappings_free(mappings);
    buffer_clear(&answer.headers_json);
    buffer_clear(&problems);
    buffer_clear(&warnings);
}

static void members_that_are_not_there_and_headers_that_are_not_sent(void **state)
{
    (void)state;
    notes("[{\"body\":{\"r\":\".payload.properties.regoin | ascii_downcase?\"}}]",
          "mapping 1, body.r: the event has no .payload.properties.regoin; did you mean "
          ".payload.properties.region?\n");
    static const char *const asking[] = {
        "\\\"/\\\" + .payload.properties.regoin", "\\\"/\\\\(.payload.properties.regoin)/\\\"",
        "if (.payload.properties.regoin == 1) then 2 else .payload.properties.regoin end",
        "\\\"a \\\\(\\\".x\\\" + (.action // 1)) .contxt\\\" + .payload.properties.regoin"};
    for (size_t i = 0; i < sizeof asking / sizeof *asking; i++) {
        char file[256];
        snprintf(file, sizeof file, "[{\"body\":{\"r\":\"%s\"}}]", asking[i]);
        notes(file, "mapping 1, body.r: the event has no .payload.properties.regoin; did you mean "
                    ".payload.properties.region?\n");
    }
    /* There the dot is no event, or nobody asks the event. */
    notes(
        "[{\"body\":{\"a\":\".payload | .contxt\",\"b\":\"[1] | map(.contxt?)\",\"c\":\"\\\".contxt\\\"\"}}]",
        "");
    notes("[{\"body\":{\"a\":\".payload.properties.region\",\"b\":\".quite.another\",\"c\":\".\"}}]", "");
    notes(
        "[{\"headers\":{\"x-port-signature\":\"\\\"mine\\\"\",\"X-Mine\":\"\\\"1\\\"\"}}]",
        "mapping 1, headers.X-Port-Signature: this header is the agent's own, and the mapping's value is not "
        "sent\n");
    notes("[{\"report\":{\"summary\":\".payload.properties.region\",\"link\":\".body.context.runId\"}}]",
          "mapping 1, report.summary: a report sees body (the event), request and response: write "
          ".body.payload\n");
}

static void the_nearest_word_is_found(void **state)
{
    (void)state;
    static const char *const words[] = {"run", "check", "verify", "events", NULL};
    assert_string_equal(near_word("chekc", words), "check");
    assert_string_equal(near_word("event", words), "events");
    assert_string_equal(near_word("rum", words), "run");
    assert_null(near_word("deploy", words));
    assert_null(near_word("", words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_named_is_compared),
        cmocka_unit_test(a_text_is_read_as_json_where_an_object_is_expected),
        cmocka_unit_test(several_events_have_a_list),
        cmocka_unit_test(a_text_without_quotes_of_its_own_is_named),
        cmocka_unit_test(members_that_are_not_there_and_headers_that_are_not_sent),
        cmocka_unit_test(the_nearest_word_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
