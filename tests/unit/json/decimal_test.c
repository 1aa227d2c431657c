/* Numbers in decimal notation, read from any notation of JSON and written in ECMAScript's. */
#include "../edge.h"
#include "json/decimal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_written(const char *number, const char *expected)
{
    struct buffer out = {0};
    struct decimal decimal;
    decimal_read(edge_of(number), &decimal);
    decimal_append(&out, &decimal);
    assert_string_equal(buffer_text(&out), expected);
    decimal_clear(&decimal);
    buffer_clear(&out);
}

static void numbers_are_written_as_ecmascript_does(void **state)
{
    (void)state;
    assert_written("0", "0");
    assert_written("-0", "0");
    assert_written("-0.00e5", "0");
    assert_written("7", "7");
    assert_written("-12.50", "-12.5");
    assert_written("100", "100");
    assert_written("1.0", "1");
    assert_written("0.1", "0.1");
    assert_written("0.000001", "0.000001");
    assert_written("0.0000001", "1e-7");
    assert_written("12e-8", "1.2e-7");
    assert_written("1E20", "100000000000000000000");
    assert_written("123456789012345678901", "123456789012345678901");
    assert_written("1e21", "1e+21");
    assert_written("-12.5e+21", "-1.25e+22");
    assert_written("1.5e1", "15");
    assert_written("1.25e1", "12.5");
}

static void equal_numbers_are_equal_in_any_notation(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {{"1", "1.0", true}, {"10", "1e1", true},     {"0.001", "1E-3", true}, {"0", "-0", true},
                 {"-1", "1", false}, {"1", "10", false},      {"1.1", "1.2", false},   {"1", "0", false},
                 {"0", "1", false},  {"-1.5", "-15e-1", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct decimal a, b;
        decimal_read(edge_of(cases[i].a), &a);
        decimal_read(edge_of(cases[i].b), &b);
        if (decimal_equal(&a, &b) != cases[i].equal)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
        decimal_clear(&a);
        decimal_clear(&b);
    }
}

static void an_exponent_of_too_many_digits_is_beyond_the_bound(void **state)
{
    (void)state;
    struct decimal decimal;
    decimal_read(SLICE_LITERAL("1e1234567"), &decimal);
    assert_int_equal(decimal.point, 1234568);
    decimal_clear(&decimal);
    decimal_read(SLICE_LITERAL("1e12345678"), &decimal);
    assert_int_equal(decimal.point, DECIMAL_POINT_MAX + 1);
    decimal_clear(&decimal);
}

static void out_of_memory_is_handed_on(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct decimal decimal;
    decimal_read(SLICE_LITERAL("12"), &decimal);
    decimal.digits.failed = true;
    decimal_append(&out, &decimal);
    assert_true(out.failed);
    decimal_clear(&decimal);
    buffer_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_as_ecmascript_does),
        cmocka_unit_test(equal_numbers_are_equal_in_any_notation),
        cmocka_unit_test(an_exponent_of_too_many_digits_is_beyond_the_bound),
        cmocka_unit_test(out_of_memory_is_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
