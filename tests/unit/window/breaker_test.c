/* A breaker's states, one word after another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "window/breaker.h"

enum { THRESHOLD = 3 };

static double drawn;

static double draw(void *ctx)
{
    (void)ctx;
    return drawn;
}

static const struct clock turned = {.random = draw};

static int64_t fail_once(struct breaker *breaker)
{
    return breaker_failed(breaker, THRESHOLD, &turned);
}

/** Open for the first time. */
static struct breaker tripped(void)
{
    struct breaker breaker = {0};
    drawn = 0;
    for (int i = 1; i < THRESHOLD; i++)
        assert_int_equal(fail_once(&breaker), 0);
    assert_int_equal(fail_once(&breaker), 250);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    return breaker;
}

static void it_opens_after_so_many_failures_in_a_row(void **state)
{
    (void)state;
    struct breaker breaker = {0};
    assert_true(breaker_lets(&breaker));
    assert_int_equal(fail_once(&breaker), 0);
    assert_int_equal(fail_once(&breaker), 0);
    breaker_close(&breaker); /* an answer */
    assert_int_equal(fail_once(&breaker), 0);
    assert_int_equal(fail_once(&breaker), 0);
    assert_true(breaker_lets(&breaker));
    assert_true(fail_once(&breaker) > 0);
    assert_int_equal(breaker.failures, THRESHOLD);
    assert_false(breaker_lets(&breaker));
}

static void half_of_the_interval_is_at_random(void **state)
{
    (void)state;
    static const double draws[] = {0, 0.5, 0.996};
    static const int64_t waits[] = {250, 375, 499};
    for (int i = 0; i < 3; i++) {
        struct breaker breaker = {.failures = THRESHOLD - 1};
        drawn = draws[i];
        assert_int_equal(fail_once(&breaker), waits[i]);
    }
}

static void what_ends_while_it_is_open_changes_nothing(void **state)
{
    (void)state;
    struct breaker breaker = tripped();
    assert_int_equal(fail_once(&breaker), 0);
    breaker_cancelled(&breaker);
    breaker_started(&breaker);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker.permits, 0);
}

static void half_open_it_lets_one_through_and_opens_again_for_longer(void **state)
{
    (void)state;
    static const int64_t waits[] = {500, 1000, 1500, 1500};
    struct breaker breaker = tripped();
    for (int i = 0; i < 4; i++) {
        breaker_half_open(&breaker, 0);
        assert_true(breaker_lets(&breaker));
        breaker_started(&breaker);
        assert_false(breaker_lets(&breaker));
        assert_int_equal(fail_once(&breaker), waits[i]);
        assert_int_equal(breaker.state, BREAKER_OPEN);
    }
}

static void half_open_all_that_may_start_have_their_attempt_first(void **state)
{
    (void)state;
    struct breaker breaker = tripped();
    breaker_half_open(&breaker, 2);
    breaker_started(&breaker);
    assert_int_equal(fail_once(&breaker), 0);
    assert_true(breaker_lets(&breaker));
    breaker_started(&breaker);
    assert_true(fail_once(&breaker) > 0);
}

static void an_answer_closes_it_and_forgets(void **state)
{
    (void)state;
    struct breaker breaker = tripped();
    breaker_half_open(&breaker, 1);
    breaker_started(&breaker);
    breaker_close(&breaker);
    assert_true(breaker_lets(&breaker));
    assert_int_equal(breaker.failures, 0);
    struct breaker again = tripped(); /* its interval begins anew */
    assert_int_equal(again.interval_ms, 500);
    breaker_started(&breaker);
    assert_int_equal(breaker.permits, 0);
}

static void a_probe_that_was_cancelled_is_had_again(void **state)
{
    (void)state;
    struct breaker breaker = tripped();
    breaker_half_open(&breaker, 1);
    breaker_started(&breaker);
    breaker_cancelled(&breaker);
    assert_true(breaker_lets(&breaker));
    breaker_cancelled(&breaker); /* there is one: no more */
    assert_int_equal(breaker.permits, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_after_so_many_failures_in_a_row),
        cmocka_unit_test(half_of_the_interval_is_at_random),
        cmocka_unit_test(what_ends_while_it_is_open_changes_nothing),
        cmocka_unit_test(half_open_it_lets_one_through_and_opens_again_for_longer),
        cmocka_unit_test(half_open_all_that_may_start_have_their_attempt_first),
        cmocka_unit_test(an_answer_closes_it_and_forgets),
        cmocka_unit_test(a_probe_that_was_cancelled_is_had_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
