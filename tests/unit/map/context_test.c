/* What a report's expressions see. */
#include "map/context.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_context(const struct report_context *context, const char *text, const char *expected)
{
    struct buffer out = {0};
    report_context_write(context, slice_of(text), &out);
    assert_string_equal(buffer_text(&out), expected);
    buffer_clear(&out);
}

static void everything_that_was_sent_and_answered_is_there(void **state)
{
    (void)state;
    const struct report_context context = {
        .event = SLICE_LITERAL("{\"a\":1}"),
        .method = SLICE_LITERAL("PUT"),
        .url = SLICE_LITERAL("http://x/?q=\"1\""),
        .body = SLICE_LITERAL("[1.0]"),
        .headers_json = SLICE_LITERAL("{\"X-A\":true}"),
        .query_json = SLICE_LITERAL("{\"q\":1}"),
        .status = 201,
        .response_headers_json = SLICE_LITERAL("{\"Location\":\"/7\"}"),
    };
    assert_context(
        &context, "{ \"id\": 12345678901234567890 }",
        "{\"body\":{\"a\":1},\"request\":{\"method\":\"PUT\",\"url\":\"http://x/?q=\\\"1\\\"\","
        "\"body\":[1.0],\"headers\":{\"X-A\":true},\"query\":{\"q\":1}},"
        "\"response\":{\"statusCode\":201,\"headers\":{\"Location\":\"/7\"},"
        "\"text\":\"{ \\\"id\\\": 12345678901234567890 }\",\"json\":{\"id\":12345678901234567890}}}");
}

static void an_answer_that_is_no_json_is_text_alone(void **state)
{
    (void)state;
    const struct report_context context = {.event = SLICE_LITERAL("{}"),
                                           .method = SLICE_LITERAL("GET"),
                                           .url = SLICE_LITERAL("http://x"),
                                           .status = 500};
    assert_context(&context, "bad\n",
                   "{\"body\":{},\"request\":{\"method\":\"GET\",\"url\":\"http://x\",\"body\":null,"
                   "\"headers\":{},\"query\":{}},\"response\":{\"statusCode\":500,\"headers\":{},"
                   "\"text\":\"bad\\n\",\"json\":null}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_was_sent_and_answered_is_there),
        cmocka_unit_test(an_answer_that_is_no_json_is_text_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
