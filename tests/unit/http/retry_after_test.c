/* Retry-After as servers write it, and as they should not. */
#include "../edge.h"
#include "http/retry_after.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_S = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT, RFC 9110's own example */
#define NOW_MS ((int64_t)NOW_S * 1000 + 250)

struct retry_after_case {
    const char *value;
    int64_t expected_ms;
};

static void check(const struct retry_after_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t wait_ms = retry_after_ms(edge_of(cases[i].value), NOW_MS);
        if (wait_ms != cases[i].expected_ms)
            fail_msg("'%s': %lld ms, expected %lld", cases[i].value ? cases[i].value : "(none)",
                     (long long)wait_ms, (long long)cases[i].expected_ms);
    }
}

static void seconds_are_read_whole_and_capped(void **state)
{
    (void)state;
    const struct retry_after_case cases[] = {
        {"0", 0},
        {"1", 1000},
        {" 120\t", 120000},
        {"007", 7000},
        {"86399", 86399000},
        {"86400", RETRY_AFTER_MAX_MS},
        {"86401", RETRY_AFTER_MAX_MS},
        {"9223372036854775808", RETRY_AFTER_MAX_MS},
        {"99999999999999999999999999999999999999999999999999999999999999999999", RETRY_AFTER_MAX_MS},
    };
    check(cases, sizeof cases / sizeof *cases);
}

static void all_three_forms_of_an_http_date_are_read(void **state)
{
    (void)state;
    const struct retry_after_case cases[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sun, 06 Nov 1994 08:49:38 GMT", 750},
        {"Sun, 06 Nov 1994 08:50:37 GMT", 59750},
        {"Sunday, 06-Nov-94 08:50:37 GMT", 59750},
        {"Sun Nov  6 08:50:37 1994", 59750},
        {"Fri, 04 Nov 1994 08:49:37 GMT", 0},
        {"Tue, 08 Nov 1994 08:49:37 GMT", RETRY_AFTER_MAX_MS},
        {"Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_MAX_MS},
    };
    check(cases, sizeof cases / sizeof *cases);
}

static void anything_else_is_no_answer(void **state)
{
    (void)state;
    const struct retry_after_case cases[] = {
        {NULL, -1},     {"", -1},
        {"  ", -1},     {"-5", -1},
        {"+5", -1},     {"1.5", -1},
        {"5 s", -1},    {"soon", -1},
        {"0x10", -1},   {"1e3", -1},
        {"10:30", -1},  {"1 May 2030", -1},
        {"Sunday", -1}, {"Sun, 99 Foo 1994 08:49:37 GMT", -1},
    };
    check(cases, sizeof cases / sizeof *cases);
    char nul[] = "1\0002";
    assert_int_equal(retry_after_ms((struct slice){nul, 3}, NOW_MS), -1);
    char date[] = "Sun, 06 Nov 1994 08:50:37 GMT\0x";
    assert_int_equal(retry_after_ms((struct slice){date, sizeof date - 1}, NOW_MS), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seconds_are_read_whole_and_capped),
        cmocka_unit_test(all_three_forms_of_an_http_date_are_read),
        cmocka_unit_test(anything_else_is_no_answer),
    };
    return cmocka_run_group_tests_name("retry_after", tests, NULL, NULL);
}
