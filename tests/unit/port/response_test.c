/* What a run's response is made of an endpoint's answer. */
#include "../edge.h"
#include "port/response.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_response(const char *body, const char *action, const char *data)
{
    struct buffer out = {0}, expected = {0};
    port_action_response(edge_of(body), &out);
    assert_string_equal(buffer_text(&out), action);
    out.len = 0;
    port_node_response(201, edge_of(body), &out);
    buffer_appendf(&expected, "{\"status\":201,\"data\":%s}", data);
    assert_string_equal(buffer_text(&out), buffer_text(&expected));
    buffer_clear(&out);
    buffer_clear(&expected);
}

static void what_is_false_for_python_is_no_response(void **state)
{
    (void)state;
    static const char *const empty[] = {"",        "{}",      "[]",   "\"\"",  "0",      "0.0",
                                        "-0",      "-0.0e-7", "0e5",  "0E0",   "0.00",   "1e-400",
                                        "-2E-999", "false",   "null", " { } ", "\n[\n]", " 0 "};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        assert_response(empty[i], "", "{}");
}

static void anything_else_is_a_response(void **state)
{
    (void)state;
    static const char *const json[] = {"[[]]", "{\"a\":0}", "\"0\"",  "\" \"", "1",
                                       "-0.1", "1e-300",    "0.0001", "true",  "[null]"};
    for (size_t i = 0; i < sizeof json / sizeof *json; i++)
        assert_response(json[i], json[i], json[i]);
    assert_response("done", "\"done\"", "\"done\"");
    assert_response("  ", "\"  \"", "\"  \"");
    assert_response("00", "\"00\"", "\"00\"");
    assert_response("-", "\"-\"", "\"-\"");
    assert_response("{", "\"{\"", "\"{\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_false_for_python_is_no_response),
        cmocka_unit_test(anything_else_is_a_response),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
