/* What is remembered of how long a destination's answers took. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "window/recent.h"

static void without_answers_there_is_nothing_to_say(void **state)
{
    (void)state;
    struct recent recent = {0};
    assert_int_equal(recent_percentile(&recent, 1000, 50), -1);
}

static void percentiles_are_right_within_a_quarter(void **state)
{
    (void)state;
    struct recent recent = {0};
    for (int64_t ms = 1; ms <= 1000; ms++)
        recent_note(&recent, 5, ms);
    for (unsigned percent = 1; percent <= 100; percent++) {
        int64_t exact = 10 * (int64_t)percent, told = recent_percentile(&recent, 5, percent);
        if (told < exact * 3 / 4 || told > exact * 5 / 4)
            fail_msg("%u %%: %lld ms instead of %lld", percent, (long long)told, (long long)exact);
    }
}

static void what_takes_long_counts_in_the_last_bucket(void **state)
{
    (void)state;
    struct recent recent = {0};
    recent_note(&recent, 5, INT64_MAX);
    recent_note(&recent, 5, -1);
    assert_int_equal(recent_percentile(&recent, 5, 1), 0);
    assert_true(recent_percentile(&recent, 5, 100) >= 500000);
}

static void what_is_older_than_two_periods_is_forgotten(void **state)
{
    (void)state;
    struct recent recent = {0};
    int64_t now_ms = 1000000;
    recent_note(&recent, now_ms, 7);
    now_ms += RECENT_PERIOD_MS;
    assert_int_equal(recent_percentile(&recent, now_ms, 99), 7);
    recent_note(&recent, now_ms, 1);
    assert_int_equal(recent_percentile(&recent, now_ms, 99), 7);
    now_ms += RECENT_PERIOD_MS;
    assert_int_equal(recent_percentile(&recent, now_ms, 99), 1);
    now_ms += (int64_t)2 * RECENT_PERIOD_MS;
    assert_int_equal(recent_percentile(&recent, now_ms, 99), -1);
}

static void many_answers_do_not_overflow(void **state)
{
    (void)state;
    struct recent recent = {0};
    for (int i = 0; i < 200000; i++)
        recent_note(&recent, 5, i % 50 ? 3 : 100);
    assert_int_equal(recent_percentile(&recent, 5, 50), 3);
    assert_true(recent_percentile(&recent, 5, 99) >= 96);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_answers_there_is_nothing_to_say),
        cmocka_unit_test(percentiles_are_right_within_a_quarter),
        cmocka_unit_test(what_takes_long_counts_in_the_last_bucket),
        cmocka_unit_test(what_is_older_than_two_periods_is_forgotten),
        cmocka_unit_test(many_answers_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
