/* The numbers of share.h at their edges: a destination as it stands, and whether it may have one more. */
#include "window/share.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { WINDOW = 64, NOW_MS = 1000000 };

static int64_t now(void *ctx)
{
    (void)ctx;
    return NOW_MS;
}

static const struct clock turned = {.monotonic_ms = now, .wall_ms = now};

static struct load load_with(unsigned in_flight, unsigned active)
{
    return (struct load){.clock = &turned, .slots = WINDOW, .in_flight = in_flight, .active = active};
}

/** One that answered this moment, within `latency_ms`. */
static struct destination answering(unsigned in_flight, double latency_ms)
{
    return (struct destination){.answers = true,
                                .active = true,
                                .in_flight = in_flight,
                                .limit = WINDOW,
                                .latency_ms = latency_ms,
                                .quiet_since_ms = NOW_MS};
}

/** How many it may have in flight, where `others` are in flight beside it. */
static unsigned most(struct load load, struct destination destination, unsigned others)
{
    destination.in_flight = 0;
    for (;;) {
        load.in_flight = others + destination.in_flight;
        if (load.in_flight >= load.slots || !share_allows(&load, &destination))
            return destination.in_flight;
        destination.in_flight++;
    }
}

static void a_bound_of_its_own_counts_whatever_else_holds(void **state)
{
    (void)state;
    struct load load = load_with(0, 1);
    assert_int_equal(most(load, answering(0, 1), 0), WINDOW);
    load.per_destination = 1;
    assert_int_equal(most(load, answering(0, 1), 0), 1);
    load.per_destination = 5;
    assert_int_equal(most(load, answering(0, 1), 0), 5);
}

static void an_open_breaker_lets_nothing_through(void **state)
{
    (void)state;
    struct destination destination = answering(0, 1);
    destination.breaker = (struct breaker){.state = BREAKER_OPEN};
    assert_int_equal(most(load_with(0, 1), destination, 0), 0);
}

static void alone_all_but_a_sixteenth_once_it_has_fallen_silent(void **state)
{
    (void)state;
    struct destination destination = answering(0, 1);
    destination.quiet_since_ms = NOW_MS - 1000;
    assert_int_equal(most(load_with(0, 1), destination, 0), WINDOW);
    destination.quiet_since_ms = NOW_MS - 1001;
    assert_int_equal(most(load_with(0, 1), destination, 0), WINDOW - WINDOW / 16);
    destination.latency_ms = 501; /* it is used to that */
    assert_int_equal(most(load_with(0, 1), destination, 0), WINDOW);
    destination.latency_ms = 500;
    assert_int_equal(most(load_with(0, 1), destination, 0), WINDOW - WINDOW / 16);
}

static void what_does_not_answer_is_part_of_what_is_left_down_to_a_quarter(void **state)
{
    (void)state;
    static const unsigned left[] = {4, 3, 2, 1, 1, 1};
    struct destination destination = answering(0, 1);
    destination.quiet_since_ms = NOW_MS - 5000;
    for (unsigned unproven = 0; unproven < sizeof left / sizeof *left; unproven++) {
        struct load load = load_with(0, 1);
        load.unproven_in_flight = unproven;
        assert_int_equal(most(load, destination, 0), WINDOW - left[unproven]);
    }
}

static void in_company_its_latency_decides_above_its_fair_share(void **state)
{
    (void)state;
    enum { FAIR = WINDOW / 2, REST = WINDOW - FAIR - WINDOW / 16 };
    struct load load = load_with(0, 2);
    assert_int_equal(most(load, answering(0, 1), 0), FAIR + REST);
    assert_int_equal(most(load, answering(0, 1000), 0), FAIR + REST);
    assert_int_equal(most(load, answering(0, 2000), 0), FAIR + REST / 2);
    assert_int_equal(most(load, answering(0, 14000), 0), FAIR + REST / 14);
    /* Silence that is longer than its latency counts as its latency. */
    struct destination destination = answering(0, 1);
    destination.quiet_since_ms = NOW_MS - 2000;
    assert_int_equal(most(load, destination, 0), FAIR + REST / 2);
    destination.latency_ms = 4000;
    assert_int_equal(most(load, destination, 0), FAIR + REST / 4);
}

static void in_company_a_part_of_the_window_is_left_and_the_fair_share_is_not_touched(void **state)
{
    (void)state;
    struct load load = load_with(0, 4);
    unsigned fair = WINDOW / 4;
    assert_int_equal(most(load, answering(0, 1), 30), WINDOW - WINDOW / 16 - 30);
    assert_int_equal(most(load, answering(0, 1), WINDOW - fair), fair);
    struct destination limited = answering(0, 1);
    limited.limit = 3;
    assert_int_equal(most(load, limited, 0), 3);
    limited.limit = 0; /* the first is always let through */
    assert_int_equal(most(load, limited, 0), 1);
}

static void company_lasts_ten_seconds(void **state)
{
    (void)state;
    struct load load = load_with(0, 1);
    load.company_ms = NOW_MS - 9999;
    assert_int_equal(most(load, answering(0, 1), 0), WINDOW - WINDOW / 16);
    load.company_ms = NOW_MS - 10000;
    assert_int_equal(most(load, answering(0, 1), 0), WINDOW);
    load.company_ms = 0; /* there was none */
    assert_int_equal(most(load, answering(0, 1), 0), WINDOW);
}

static void a_window_of_few_slots_is_shared_too(void **state)
{
    (void)state;
    struct load load = load_with(0, 1);
    load.slots = 1;
    assert_int_equal(share_first_limit(&load), 1);
    assert_int_equal(most(load, answering(0, 1), 0), 1);
    load.slots = 4;
    assert_int_equal(share_first_limit(&load), 4);
    load.slots = 80;
    assert_int_equal(share_first_limit(&load), 5);
    load.slots = 2; /* in company each has one */
    load.active = 2;
    assert_int_equal(most(load, answering(0, 1), 0), 1);
}

/** How many one that does not answer may have, where so many do not answer, all of them together. */
static unsigned most_unproven(struct load load, struct destination destination, unsigned others)
{
    for (destination.in_flight = 0;; destination.in_flight++) {
        load.unproven_in_flight = others + destination.in_flight;
        if (!share_allows(&load, &destination))
            return destination.in_flight;
    }
}

static void those_that_do_not_answer_have_one_and_few_together(void **state)
{
    (void)state;
    const struct destination fresh = {.limit = WINDOW}, quiet = {.limit = WINDOW, .silent = true};
    struct load load = load_with(0, 1);
    assert_int_equal(most_unproven(load, fresh, 0), 4);
    assert_int_equal(most_unproven(load, (struct destination){.limit = 2}, 0), 2);
    assert_int_equal(most_unproven(load, fresh, 3), 1);
    assert_int_equal(most_unproven(load, fresh, 47), 1);
    assert_int_equal(most_unproven(load, fresh, 48), 0);
    assert_int_equal(most_unproven(load, quiet, 47), 1);
    load.in_flight = WINDOW - WINDOW / 4 - 1; /* slots are not scarce yet */
    assert_int_equal(most_unproven(load, quiet, 10), 1);
    load.in_flight++;
    assert_int_equal(most_unproven(load, quiet, 10), 0);
    assert_int_equal(most_unproven(load, quiet, 3), 1);
    assert_int_equal(most_unproven(load, fresh, 10), 1);
}

static void memory_that_is_short_for_long_gives_them_half_of_the_window(void **state)
{
    (void)state;
    const struct destination quiet = {.limit = 1, .silent = true};
    struct load load = load_with(0, 1);
    load.pressed_ms = NOW_MS - 9999;
    assert_int_equal(most_unproven(load, quiet, 0), 1);
    load.pressed_ms = NOW_MS - 10000;
    assert_int_equal(most_unproven(load, quiet, 0), WINDOW / 2);
    load.in_flight = WINDOW - WINDOW / 4; /* unless slots are scarce */
    assert_int_equal(most_unproven(load, quiet, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bound_of_its_own_counts_whatever_else_holds),
        cmocka_unit_test(an_open_breaker_lets_nothing_through),
        cmocka_unit_test(alone_all_but_a_sixteenth_once_it_has_fallen_silent),
        cmocka_unit_test(what_does_not_answer_is_part_of_what_is_left_down_to_a_quarter),
        cmocka_unit_test(in_company_its_latency_decides_above_its_fair_share),
        cmocka_unit_test(in_company_a_part_of_the_window_is_left_and_the_fair_share_is_not_touched),
        cmocka_unit_test(company_lasts_ten_seconds),
        cmocka_unit_test(a_window_of_few_slots_is_shared_too),
        cmocka_unit_test(those_that_do_not_answer_have_one_and_few_together),
        cmocka_unit_test(memory_that_is_short_for_long_gives_them_half_of_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
