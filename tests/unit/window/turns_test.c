/* Turns, what is heard of destinations, and what the window forgets. */
#include "window_world.h"

#include "window/share.h"
#include <stdio.h>

/* Turns */

static void destinations_take_turns_one_slot_each(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct destination *a = proven(world, "http://a"), *b = proven(world, "http://b");
    world->now_ms += 60000;
    queue_slots(world, "http://a", 4);
    queue_slots(world, "http://b", 2);
    const struct destination *expected[] = {a, b, a, b, a, a};
    for (size_t i = 0; i < 6; i++)
        assert_ptr_equal(window_next(world->window)->destination, expected[i]);
    assert_null(window_next(world->window));
    world_free(world);
}

static void the_window_is_full_when_all_slots_are_under_way(void **state)
{
    (void)state;
    struct world *world = world_with((struct window_options){.slots = 2});
    struct destination *a = queue_slots(world, "http://a", 3);
    assert_false(window_is_full(world->window));
    assert_non_null(window_next(world->window));
    assert_non_null(world->started[world->under_way++] = window_next(world->window));
    assert_true(window_is_full(world->window));
    assert_null(window_next(world->window));
    answer(world, a);
    assert_false(window_is_full(world->window));
    assert_non_null(window_next(world->window));
    world_free(world);
}

static void one_destination_has_no_more_than_its_bound(void **state)
{
    (void)state;
    struct world *world = world_with((struct window_options){.slots_per_destination = 3});
    proven(world, "http://a");
    world->now_ms += 60000;
    struct destination *a = queue_slots(world, "http://a", 10);
    assert_int_equal(start_all(world), 3);
    queue_slots(world, "http://b", 1);
    assert_int_equal(start_all(world), 1);
    answer(world, a);
    assert_int_equal(start_all(world), 1);
    world_free(world);
}

static void what_was_withdrawn_has_no_turn(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct slot *first = slot_to(world, "http://a"), *second = slot_to(world, "http://a");
    struct slot *alone = slot_to(world, "http://b");
    window_push(world->window, first, false);
    window_push(world->window, second, false);
    window_push(world->window, alone, false);
    window_withdraw(world->window, first);
    window_withdraw(world->window, alone);
    window_forget(world->window, alone);
    assert_null(alone->destination);
    window_forget(world->window, alone); /* it goes nowhere already: nothing happens */
    assert_ptr_equal(window_next(world->window), second);
    assert_null(window_next(world->window));
    assert_null(window_next(world->window));
    world_free(world);
}

/* What is heard */

static void an_answer_lets_one_have_more_and_silence_halves_that(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct destination *a = queue_slots(world, "http://a", 8);
    unsigned first = a->limit;
    assert_int_equal(first, 4);
    start_all(world);
    end_attempt(world, a, SLOT_ANSWERED, 80);
    assert_int_equal(a->limit, first + 1);
    assert_true(a->answers);
    assert_true(a->latency_ms == 80);
    end_attempt(world, a, SLOT_FAILED, 160);
    assert_int_equal(a->limit, first + 2);
    assert_true(a->latency_ms == 90);
    end_attempt(world, a, SLOT_REFUSED, 0);
    assert_false(a->answers);
    assert_false(a->silent);
    assert_int_equal(a->limit, first + 2);
    end_attempt(world, a, SLOT_SILENT, 0);
    assert_true(a->silent);
    assert_int_equal(a->limit, (first + 2) / 2);
    world_free(world);
}

static void the_limit_ends_at_the_window_and_at_one(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct destination *a = proven(world, "http://a");
    assert_int_equal(a->limit, WINDOW);
    for (int i = 0; i < 8; i++) {
        queue_slots(world, "http://a", 1);
        assert_int_equal(start_all(world), 1);
        time_out(world, a);
    }
    assert_int_equal(a->limit, 1);
    world_free(world);
}

static void what_was_cancelled_or_our_own_failure_says_nothing(void **state)
{
    (void)state;
    static const enum slot_end ends[] = {SLOT_CANCELLED, SLOT_OURS};
    for (size_t i = 0; i < 2; i++) {
        struct world *world = world_with((struct window_options){.breaker_failures = 1});
        struct destination *a = proven(world, "http://a");
        world->now_ms += 60000;
        queue_slots(world, "http://a", 1);
        assert_int_equal(start_all(world), 1);
        struct destination before = *a;
        end_attempt(world, a, ends[i], 5);
        assert_int_equal(a->in_flight, 0);
        assert_true(a->answers);
        assert_int_equal(a->limit, before.limit);
        assert_true(a->latency_ms == before.latency_ms);
        assert_int_equal(a->breaker.failures, 0);
        assert_int_equal(a->breaker.state, BREAKER_CLOSED);
        world_free(world);
    }
}

/** Attempts at those that do not answer are counted, whatever each learns of them. */
static void the_unproven_are_counted_through_every_change(void **state)
{
    (void)state;
    static const enum slot_end ends[] = {SLOT_ANSWERED, SLOT_REFUSED,   SLOT_FAILED,
                                         SLOT_SILENT,   SLOT_CANCELLED, SLOT_OURS};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        for (size_t j = 0; j < sizeof ends / sizeof *ends; j++) {
            struct world *world = world_new();
            struct destination *a = queue_slots(world, "http://a", 4);
            assert_int_equal(start_all(world), 4);
            end_attempt(world, a, ends[i], 1);
            end_attempt(world, a, ends[j], 1);
            end_attempt(world, a, SLOT_CANCELLED, 0);
            end_attempt(world, a, SLOT_REFUSED, 0);
            /* None is under way: others that do not answer may have as many as ever. */
            for (unsigned k = 0; k < WINDOW; k++) {
                char name[16];
                snprintf(name, sizeof name, "http://n%u", k);
                queue_slots(world, name, 1);
            }
            assert_int_equal(start_all(world), WINDOW - WINDOW / 4);
            world_free(world);
        }
}

/* The breaker */

enum { FAILURES = 3 };

/** Its breaker has just opened, and `waiting` slots wait. */
static struct destination *failing(struct world *world, size_t waiting)
{
    struct destination *a = queue_slots(world, "http://a", FAILURES);
    while (a->in_flight > 0 || a->ready.first) {
        start_all(world);
        end_attempt(world, a, SLOT_REFUSED, 0);
    }
    assert_int_equal(window_breakers_open(world->window), 1);
    queue_slots(world, "http://a", waiting);
    assert_int_equal(start_all(world), 0);
    return a;
}

static struct world *world_with_breakers(void)
{
    return world_with((struct window_options){.breaker_failures = FAILURES});
}

static void a_probe_that_is_answered_lets_all_through(void **state)
{
    (void)state;
    struct world *world = world_with_breakers();
    struct destination *a = failing(world, 3);
    unsigned told = world->ready;
    pass_ms(world, 374);
    assert_int_equal(world->ready, told);
    pass_ms(world, 1);
    assert_int_equal(world->ready, told + 1);
    assert_int_equal(start_all(world), 1);
    end_attempt(world, a, SLOT_ANSWERED, 1);
    assert_int_equal(window_breakers_open(world->window), 0);
    assert_int_equal(start_all(world), 2);
    world_free(world);
}

static void a_probe_that_fails_waits_for_longer(void **state)
{
    (void)state;
    struct world *world = world_with_breakers();
    struct destination *a = failing(world, 3);
    pass_ms(world, 375);
    assert_int_equal(start_all(world), 1);
    end_attempt(world, a, SLOT_FAILED, 1);
    assert_int_equal(window_breakers_open(world->window), 1);
    pass_ms(world, 749);
    assert_int_equal(start_all(world), 0);
    pass_ms(world, 1);
    assert_int_equal(start_all(world), 1);
    world_free(world);
}

/** Whatever ends it without a word of the destination. */
static void a_probe_that_says_nothing_is_had_again(void **state)
{
    (void)state;
    static const enum slot_end ends[] = {SLOT_CANCELLED, SLOT_OURS};
    for (size_t i = 0; i < 2; i++) {
        struct world *world = world_with_breakers();
        struct destination *a = failing(world, 3);
        pass_ms(world, 375);
        assert_int_equal(start_all(world), 1);
        end_attempt(world, a, ends[i], 0);
        assert_int_equal(start_all(world), 1);
        world_free(world);
    }
}

static void without_a_threshold_no_breaker_opens(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct destination *a = queue_slots(world, "http://a", 100);
    for (int i = 0; i < 100; i++) {
        assert_true(start_all(world) > 0 || a->in_flight > 0);
        end_attempt(world, a, SLOT_REFUSED, 0);
    }
    assert_int_equal(window_breakers_open(world->window), 0);
    world_free(world);
}

static void one_tried_before_waits_its_turn_behind_an_open_breaker(void **state)
{
    (void)state;
    for (int turns = 0; turns < 3; turns++) {
        struct world *world = world_with_breakers();
        struct destination *a = failing(world, 2);
        struct slot *tried = slot_to(world, "http://a");
        bool pressed = turns == 1;
        window_press(world->window, turns > 0);
        window_press(world->window, pressed); /* once it is over, it is as if it had never been */
        window_push(world->window, tried, true);
        assert_ptr_equal(pressed ? a->ready.first : a->ready.last, tried);
        world_free(world);
    }
}

static void what_has_waited_has_its_attempt_sooner_under_pressure(void **state)
{
    (void)state;
    struct world *world = world_with_breakers();
    struct destination *a = failing(world, 4);
    window_press(world->window, true);
    window_press(world->window, true); /* since the first time */
    world->now_ms += 10000;
    queue_slots(world, "http://a", 1);
    schedule_fire(&world->schedule);
    assert_int_equal(a->breaker.permits, 4);
    window_press(world->window, false);
    world_free(world);
}

/* A window that narrows */

static void a_narrowed_window_widens_step_by_step(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct destination *a = proven(world, "http://a");
    world->now_ms += 60000;
    queue_slots(world, "http://a", 5);
    assert_int_equal(start_all(world), 5);
    assert_int_equal(window_narrow(world->window), 5);
    assert_true(window_is_full(world->window));
    queue_slots(world, "http://a", MANY);
    static const unsigned steps[] = {10, 20, WINDOW};
    for (int i = 0; i < 3; i++) {
        pass_ms(world, 4999);
        start_all(world);
        assert_int_equal(world->under_way, i == 0 ? 5 : steps[i - 1]);
        answer(world, a); /* it is not silent */
        start_all(world);
        unsigned told = world->ready;
        pass_ms(world, 1);
        assert_int_equal(world->ready, told + 1);
        start_all(world);
        assert_int_equal(world->under_way, steps[i]);
    }
    unsigned told = world->ready;
    pass_ms(world, 60000);
    assert_int_equal(world->ready, told);
    world_free(world);
}

static void it_narrows_to_one_at_least_and_further_when_it_happens_again(void **state)
{
    (void)state;
    struct world *world = world_new();
    assert_int_equal(window_narrow(world->window), 1);
    pass_ms(world, 5000);
    assert_int_equal(window_narrow(world->window), 1);
    pass_ms(world, 4999);
    queue_slots(world, "http://a", 4);
    assert_int_equal(start_all(world), 1);
    assert_true(window_is_full(world->window));
    pass_ms(world, 1);
    assert_false(window_is_full(world->window));
    world_free(world);
}

static void a_full_window_narrows_to_what_it_has(void **state)
{
    (void)state;
    struct world *world = world_new();
    proven(world, "http://a");
    world->now_ms += 60000;
    queue_slots(world, "http://a", MANY);
    assert_int_equal(start_all(world), WINDOW);
    assert_int_equal(window_narrow(world->window), WINDOW);
    unsigned told = world->ready;
    pass_ms(world, 5000); /* it has widened to what it was */
    assert_int_equal(world->ready, told + 1);
    assert_true(window_is_full(world->window));
    world_free(world);
}

/* What is forgotten */

static void a_destination_that_is_idle_is_known_for_a_while(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct destination *a = queue_slots(world, "http://a", 1);
    start_all(world);
    struct slot *slot = end_attempt(world, a, SLOT_ANSWERED, 70);
    window_forget(world->window, slot);
    struct slot *again = slot_to(world, "http://a");
    assert_ptr_equal(again->destination, a);
    assert_true(a->answers);
    window_forget(world->window, again);
    /* As many as are kept. */
    for (unsigned i = 0; i < DESTINATIONS_REMEMBERED; i++) {
        char name[24];
        snprintf(name, sizeof name, "http://n%u", i);
        struct slot other = {0};
        assert_true(window_address(world->window, &other, name));
        window_forget(world->window, &other);
    }
    assert_false(slot_to(world, "http://a")->destination->answers);
    world_free(world);
}

/** It is in use when another would take its place. */
static void a_destination_in_use_is_never_forgotten(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct slot *slot = slot_to(world, "http://a");
    struct destination *a = slot->destination;
    window_forget(world->window, slot);
    slot = slot_to(world, "http://a");
    for (unsigned i = 0; i < DESTINATIONS_REMEMBERED; i++) {
        char name[24];
        snprintf(name, sizeof name, "http://n%u", i);
        struct slot other = {0};
        assert_true(window_address(world->window, &other, name));
        window_forget(world->window, &other);
    }
    assert_ptr_equal(slot->destination, a);
    assert_string_equal(a->name, "http://a");
    world_free(world);
}

static void a_forgotten_destinations_breaker_is_closed(void **state)
{
    (void)state;
    struct world *world = world_with_breakers();
    failing(world, 0);
    for (size_t i = 0; i < world->count; i++)
        window_forget(world->window, &world->slots[i]);
    assert_int_equal(window_breakers_open(world->window), 1);
    for (unsigned i = 0; i < DESTINATIONS_REMEMBERED; i++) {
        char name[24];
        snprintf(name, sizeof name, "http://n%u", i);
        struct slot other = {0};
        assert_true(window_address(world->window, &other, name));
        window_forget(world->window, &other);
    }
    assert_int_equal(window_breakers_open(world->window), 0);
    pass_ms(world, 60000); /* its interval fires no more */
    world_free(world);
}

/** What is asked of a slot for a person to look at, whether it is known where it goes or not. */
static void a_slot_tells_where_it_goes_what_holds_it_and_why_it_failed(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct slot nowhere = {0}, *slot = slot_to(world, "http://a");
    assert_null(window_destination_of(&nowhere));
    assert_string_equal(window_destination_of(slot), "http://a");
    assert_string_equal(window_cause(&nowhere), "");
    assert_string_equal(window_cause(slot), "");
    window_note_cause(slot, slice_of("no answer"), NULL);
    assert_string_equal(window_cause(slot), "no answer");
    assert_false(window_is_broken(&nowhere));
    assert_false(window_is_held(world->window, &nowhere));
    assert_false(window_is_held(world->window, slot));
    assert_true(window_pause(world->window, "http://a", true));
    assert_false(window_is_held(world->window, &nowhere));
    assert_true(window_is_held(world->window, slot));
    assert_true(window_pause(world->window, NULL, true));
    assert_true(window_is_held(world->window, &nowhere));
    world_free(world);
}

static void no_window_ends_like_any_other(void **state)
{
    (void)state;
    window_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(destinations_take_turns_one_slot_each),
        cmocka_unit_test(the_window_is_full_when_all_slots_are_under_way),
        cmocka_unit_test(one_destination_has_no_more_than_its_bound),
        cmocka_unit_test(what_was_withdrawn_has_no_turn),
        cmocka_unit_test(an_answer_lets_one_have_more_and_silence_halves_that),
        cmocka_unit_test(the_limit_ends_at_the_window_and_at_one),
        cmocka_unit_test(what_was_cancelled_or_our_own_failure_says_nothing),
        cmocka_unit_test(the_unproven_are_counted_through_every_change),
        cmocka_unit_test(a_probe_that_is_answered_lets_all_through),
        cmocka_unit_test(a_probe_that_fails_waits_for_longer),
        cmocka_unit_test(a_probe_that_says_nothing_is_had_again),
        cmocka_unit_test(without_a_threshold_no_breaker_opens),
        cmocka_unit_test(one_tried_before_waits_its_turn_behind_an_open_breaker),
        cmocka_unit_test(what_has_waited_has_its_attempt_sooner_under_pressure),
        cmocka_unit_test(a_narrowed_window_widens_step_by_step),
        cmocka_unit_test(it_narrows_to_one_at_least_and_further_when_it_happens_again),
        cmocka_unit_test(a_full_window_narrows_to_what_it_has),
        cmocka_unit_test(a_destination_that_is_idle_is_known_for_a_while),
        cmocka_unit_test(a_destination_in_use_is_never_forgotten),
        cmocka_unit_test(a_forgotten_destinations_breaker_is_closed),
        cmocka_unit_test(a_slot_tells_where_it_goes_what_holds_it_and_why_it_failed),
        cmocka_unit_test(no_window_ends_like_any_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
