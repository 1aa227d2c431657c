/* JSON written member by member. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json/writer.h"

static void objects_lists_and_values_are_separated_and_escaped(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct json_writer writer = {.out = &out};
    json_write_open(&writer, NULL, '{');
    json_write_text(&writer, "a", SLICE_LITERAL("x\"\n\xff"));
    json_write_text(&writer, "absent", (struct slice){NULL, 0});
    json_write_open(&writer, "list", '[');
    json_write_int(&writer, NULL, INT64_MIN);
    json_write_open(&writer, NULL, '{');
    json_write_close(&writer, '}');
    json_write_bool(&writer, NULL, true);
    json_write_close(&writer, ']');
    json_write_seconds(&writer, "s", 1234);
    json_write_seconds(&writer, "before", -5);
    json_write_bool(&writer, "no", false);
    json_write_close(&writer, '}');
    assert_string_equal(buffer_text(&out),
                        "{\"a\":\"x\\\"\\n\xEF\xBF\xBD\",\"list\":[-9223372036854775808,{},true],"
                        "\"s\":1.234,\"before\":-0.005,\"no\":false}");
    buffer_clear(&out);
}

static void seconds_have_three_places(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *expected;
    } cases[] = {{0, "0.000"},
                 {1, "0.001"},
                 {-1, "-0.001"},
                 {999, "0.999"},
                 {1000, "1.000"},
                 {1001, "1.001"},
                 {-999, "-0.999"},
                 {-1000, "-1.000"},
                 {61050, "61.050"},
                 {-61050, "-61.050"},
                 {INT64_MAX, "9223372036854775.807"},
                 {-INT64_MAX, "-9223372036854775.807"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer out = {0};
        struct json_writer writer = {.out = &out};
        json_write_seconds(&writer, NULL, cases[i].ms);
        assert_string_equal(buffer_text(&out), cases[i].expected);
        buffer_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_lists_and_values_are_separated_and_escaped),
        cmocka_unit_test(seconds_have_three_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
