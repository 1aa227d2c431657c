/* Lists of name=value, as the OpenTelemetry settings have them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trace/otlp/pairs.h"

static void assert_pairs(const char *text, const char *expected)
{
    struct slice rest = slice_of(text);
    struct buffer name = {0}, value = {0}, out = {0};
    while (pairs_take(&rest, &name, &value)) {
        buffer_append_slice(&out, buffer_slice(&name));
        buffer_append_text(&out, "→");
        buffer_append_slice(&out, buffer_slice(&value));
        buffer_append_char(&out, ';');
    }
    assert_string_equal(buffer_text(&out), expected);
    buffer_clear(&name);
    buffer_clear(&value);
    buffer_clear(&out);
}

static void pairs_are_read_decoded_and_without_white_space(void **state)
{
    (void)state;
    assert_pairs("a=1", "a→1;");
    assert_pairs(" a = 1 ,b=2%20x%2C%3d", "a→1;b→2 x,=;");
    assert_pairs("authorization=Basic%20dTpw==,x=", "authorization→Basic dTpw==;x→;");
    assert_pairs("a=%4,b=%zz,c=%", "a→%4;b→%zz;c→%;");
}

static void what_is_no_pair_is_passed(void **state)
{
    (void)state;
    assert_pairs("", "");
    assert_pairs(NULL, "");
    assert_pairs(",,a,=1, =2,b=3,", "b→3;");
}

static void a_header_has_a_name_that_is_a_token_and_a_value_on_one_line(void **state)
{
    (void)state;
    assert_true(pair_is_header(SLICE_LITERAL("x-api_key.1!"), SLICE_LITERAL("a b\tc")));
    assert_true(pair_is_header(SLICE_LITERAL("x"), SLICE_LITERAL("")));
    assert_true(pair_is_header(SLICE_LITERAL("x"), SLICE_LITERAL("\xc3\xa9")));
    assert_false(pair_is_header(SLICE_LITERAL(""), SLICE_LITERAL("a")));
    assert_false(pair_is_header(SLICE_LITERAL("a b"), SLICE_LITERAL("a")));
    assert_false(pair_is_header(SLICE_LITERAL("a:"), SLICE_LITERAL("a")));
    assert_false(pair_is_header(SLICE_LITERAL("a"), SLICE_LITERAL("a\r\nb: c")));
    assert_false(pair_is_header(SLICE_LITERAL("a"), SLICE_LITERAL("a\0b")));
    assert_false(pair_is_header(SLICE_LITERAL("a"), SLICE_LITERAL("a\x7f")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_read_decoded_and_without_white_space),
        cmocka_unit_test(what_is_no_pair_is_passed),
        cmocka_unit_test(a_header_has_a_name_that_is_a_token_and_a_value_on_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
