/* jq's values as JSON: numbers as ECMAScript writes them, and what cannot be written is told. */
#include "../edge.h"
#include "map/json_text.h"
#include "map/message.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_written(const char *json, const char *expected)
{
    struct buffer out = {0};
    assert_int_equal(json_text_append(&out, jv_parse(json)), 0);
    assert_string_equal(buffer_text(&out), expected);
    buffer_clear(&out);
}

static void numbers_with_an_exponent_are_written_as_ecmascript_does(void **state)
{
    (void)state;
    assert_written("[1e-7,1E-7,0.0000001,1.5e-9]", "[1e-7,1e-7,1e-7,1.5e-9]");
    assert_written("[0.00001,0.000001,-0.000012,1e-5]", "[0.00001,0.000001,-0.000012,0.00001]");
    assert_written("[1e29,1.25e30,-1e21]", "[1e+29,1.25e+30,-1e+21]");
    assert_written("[1e17,1e20,12e19,1.5e2,0e5]",
                   "[100000000000000000,100000000000000000000,120000000000000000000,"
                   "150,0]");
}

static void everything_else_is_as_jq_has_it(void **state)
{
    (void)state;
    assert_written("{\"a\":[1,-2.5,true,null],\"e1\":\"1E-7 \\\" 2e-05\",\"\":{}}",
                   "{\"a\":[1,-2.5,true,null],\"e1\":\"1E-7 \\\" 2e-05\",\"\":{}}");
    assert_written("\"a\\\\\"", "\"a\\\\\"");
    assert_written("\"\\u007f\\u0000é😀\"", "\"\x7f\\u0000é😀\"");
    assert_written("[]", "[]");
    assert_written("1e-7", "1e-7");
}

/** Nothing is written of what is too deep, and what was there stays. */
static void nesting_beyond_the_bound_is_refused(void **state)
{
    (void)state;
    struct buffer out = {0};
    jv deep = jv_null();
    for (int i = 0; i < 600; i++)
        deep = jv_array_append(jv_array(), deep);
    buffer_append_text(&out, "before");
    assert_int_equal(json_text_append(&out, deep), PA_ERR_INVALID);
    assert_string_equal(buffer_text(&out), "before");
    buffer_clear(&out);
}

/** Both ways for JSON that is canonical already. */
static void assert_kept(const char *json)
{
    struct buffer out = {0};
    jv value = json_text_parse(edge_of(json), NULL);
    assert_true(jv_is_valid(value));
    assert_int_equal(json_text_append(&out, value), 0);
    assert_string_equal(buffer_text(&out), json);
    buffer_clear(&out);
}

static void canonical_json_survives_both_ways(void **state)
{
    (void)state;
    assert_kept("{\"a\":[1,-2.5,true,false,null,{}],\"\":[],\"é😀\":{\"b\":\"\"}}");
    assert_kept("\"\\b\\t\\n\\f\\r\\\"\\\\/\\u0000\\u000b\\u001f\x7f\"");
    assert_kept("[0,7,-7,999999999999999,-999999999999999,9007199254740991,1e+300,0.1]");
    assert_kept("\"a\\\\\"");
}

static void what_is_no_json_is_invalid(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         "[[0,",    "[1",         "[1,", "[,]",      "{\"a\"}",
                                      "{\"a\":}", "{1:2}",   "tru",        "1 2", "[]]",      "-",
                                      "\"a",      "\"\\x\"", "{\"a\":1,}", "nan", "\"\\u00\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        jv value = json_text_parse(edge_of(bad[i]), NULL);
        if (jv_is_valid(value))
            fail_msg("%s was read", bad[i]);
        jv_free(value);
    }
}

static void nesting_is_read_as_deep_as_events_may_be(void **state)
{
    (void)state;
    char json[1026];
    for (size_t depth = 512; depth <= 513; depth++) {
        memset(json, '[', depth);
        memset(json + depth, ']', depth);
        jv value = json_text_parse((struct slice){json, 2 * depth}, NULL);
        assert_int_equal(jv_is_valid(value), depth == 512);
        jv_free(value);
    }
}

static void half_a_surrogate_pair_is_a_replacement_character(void **state)
{
    (void)state;
    struct buffer out = {0};
    static const char json[] = "[\"a\\ud83d\",\"\\uDC00b\",\"\\\\ud83d\",\"\\u0000\"]";
    assert_int_equal(json_text_append(&out, json_text_parse(SLICE_LITERAL(json), NULL)), 0);
    assert_string_equal(buffer_text(&out), "[\"a\xef\xbf\xbd\",\"\xef\xbf\xbd"
                                           "b\",\"\\\\ud83d\",\"\\u0000\"]");
    buffer_clear(&out);
    static const char *const bad[] = {"", "{", "\"\\", "\"\\ud8\"", "\"\\u"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        jv value = json_text_parse(edge_of(bad[i]), NULL);
        assert_false(jv_is_valid(value));
        jv_free(value);
    }
}

static void assert_message(void append(struct buffer *, struct slice), const char *text, const char *expected)
{
    struct buffer out = {0};
    append(&out, edge_of(text));
    assert_string_equal(buffer_text(&out), expected);
    buffer_clear(&out);
}

static void messages_fit_on_one_line(void **state)
{
    (void)state;
    char longer[600], expected[600];
    memset(longer, 'x', sizeof longer);
    longer[599] = '\0';
    snprintf(expected, sizeof expected, "%.400s…", longer);
    assert_message(message_append_line, "a\nb\r\tc\x1b[1m\xff é", "a b  c [1m  é");
    assert_message(message_append_line, longer, expected);
}

static void values_are_left_out_of_messages(void **state)
{
    (void)state;
    assert_message(message_append_without_values, "Cannot iterate over null (null)",
                   "Cannot iterate over null (null)");
    assert_message(message_append_without_values, "string (\"pass)wo...) and number (1) cannot be added",
                   "string (…) and number (1) cannot be added");
    assert_message(message_append_without_values,
                   "string (\"a\\\")b\") and object ({\"a\":1}) cannot be added",
                   "string (…) and object (…) cannot be added");
    assert_message(message_append_without_values, "array ([1,2]) has no keys", "array (…) has no keys");
    assert_message(message_append_without_values,
                   "Invalid numeric literal at EOF at line 1, column 3 (while parsing 'pass) 'word')",
                   "Invalid numeric literal at EOF at line 1, column 3 (while parsing …)");
    assert_message(message_append_without_values, "odd (\"", "odd (…");
    assert_message(message_append_without_values, "odd (", "odd (");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_with_an_exponent_are_written_as_ecmascript_does),
        cmocka_unit_test(everything_else_is_as_jq_has_it),
        cmocka_unit_test(nesting_beyond_the_bound_is_refused),
        cmocka_unit_test(canonical_json_survives_both_ways),
        cmocka_unit_test(what_is_no_json_is_invalid),
        cmocka_unit_test(nesting_is_read_as_deep_as_events_may_be),
        cmocka_unit_test(half_a_surrogate_pair_is_a_replacement_character),
        cmocka_unit_test(messages_fit_on_one_line),
        cmocka_unit_test(values_are_left_out_of_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
