/* When another attempt begins, and when there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "window/backoff.h"

enum { STARTED_MS = 5000 };

static int64_t now_ms;
static double drawn;

static int64_t now(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static double draw(void *ctx)
{
    (void)ctx;
    return drawn;
}

static const struct clock turned = {.monotonic_ms = now, .wall_ms = now, .random = draw};

/** After so many attempts, `elapsed_ms` after the first began. */
static int64_t wait_after(const struct backoff *backoff, unsigned attempts, int64_t elapsed_ms,
                          int64_t asked_ms)
{
    now_ms = STARTED_MS + elapsed_ms;
    return backoff_wait_ms(backoff, &turned, attempts, STARTED_MS, asked_ms);
}

static void there_are_as_many_attempts_as_asked_for(void **state)
{
    (void)state;
    const struct backoff three = {3, 60000, 100, 1000};
    drawn = 0.5;
    assert_true(wait_after(&three, 1, 0, 0) >= 0);
    assert_true(wait_after(&three, 2, 0, 0) >= 0);
    assert_int_equal(wait_after(&three, 3, 0, 0), -1);
    assert_int_equal(wait_after(&three, 4, 0, 0), -1);
    const struct backoff one = {1, 60000, 100, 1000}, none = {0, 60000, 100, 1000};
    assert_int_equal(wait_after(&one, 1, 0, 0), -1);
    assert_int_equal(wait_after(&none, 1, 0, 0), -1);
}

static void none_begins_when_the_time_is_over(void **state)
{
    (void)state;
    const struct backoff backoff = {10, 60000, 100, 1000};
    drawn = 0.5;
    assert_true(wait_after(&backoff, 1, 59000, 0) > 0);
    assert_int_equal(wait_after(&backoff, 1, 59999, 0), 1);
    assert_int_equal(wait_after(&backoff, 1, 60000, 0), -1);
    assert_int_equal(wait_after(&backoff, 1, 60001, 5), -1);
}

static void the_bound_doubles_up_to_the_cap_and_a_part_of_it_is_waited(void **state)
{
    (void)state;
    const struct backoff backoff = {100, 600000, 100, 1000};
    static const int64_t bounds[] = {100, 200, 400, 800, 1000, 1000};
    for (unsigned i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        drawn = 0.5;
        assert_int_equal(wait_after(&backoff, i + 1, 0, 0), bounds[i] / 2);
        drawn = 0;
        assert_int_equal(wait_after(&backoff, i + 1, 0, 0), 1);
        drawn = 0.999999;
        assert_in_range(wait_after(&backoff, i + 1, 0, 0), bounds[i] - 1, bounds[i]);
    }
}

static void what_the_endpoint_asks_for_counts_where_it_is_longer(void **state)
{
    (void)state;
    const struct backoff backoff = {10, 60000, 100, 1000};
    drawn = 0.5;
    assert_int_equal(wait_after(&backoff, 1, 0, 49), 50);
    assert_int_equal(wait_after(&backoff, 1, 0, 51), 51);
    assert_int_equal(wait_after(&backoff, 1, 0, 59999), 59999);
}

static void a_wait_beyond_the_end_ends_there(void **state)
{
    (void)state;
    const struct backoff backoff = {10, 60000, 100, 1000};
    drawn = 0.5;
    assert_int_equal(wait_after(&backoff, 1, 0, 60000), 60000);
    assert_int_equal(wait_after(&backoff, 1, 0, 3600000), 60000);
    assert_int_equal(wait_after(&backoff, 1, 40000, 30000), 20000);
    assert_int_equal(wait_after(&backoff, 1, 59990, 0), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_as_many_attempts_as_asked_for),
        cmocka_unit_test(none_begins_when_the_time_is_over),
        cmocka_unit_test(the_bound_doubles_up_to_the_cap_and_a_part_of_it_is_waited),
        cmocka_unit_test(what_the_endpoint_asks_for_counts_where_it_is_longer),
        cmocka_unit_test(a_wait_beyond_the_end_ends_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
