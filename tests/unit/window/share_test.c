/* How much of the window a destination may use: slots that nobody fills, and answers that nobody gave. */
#include "window_world.h"

static void one_that_answers_and_is_alone_has_the_whole_window(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct destination *destination = proven(world, "http://a"); /* busy and idle, again and again */
    queue_slots(world, "http://a", MANY);
    assert_int_equal(start_all(world), WINDOW);
    while (destination->in_flight > 0 || destination->ready.first) {
        answer(world, destination);
        start_all(world);
    }
    world->now_ms += 60000;
    queue_slots(world, "http://a", MANY);
    assert_int_equal(start_all(world), WINDOW);
    world_free(world);
}

static void one_answer_opens_the_window_to_one_that_is_alone(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct destination *destination = queue_slots(world, "http://a", MANY);
    size_t first = start_all(world);
    assert_in_range(first, 1, WINDOW / 2);
    answer(world, destination);
    assert_int_equal(start_all(world), WINDOW - first + 1);
    world_free(world);
}

static void one_that_falls_silent_alone_leaves_a_part_to_who_may_come(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct destination *destination = proven(world, "http://a");
    world->now_ms += 60000;
    queue_slots(world, "http://a", WINDOW / 2);
    assert_int_equal(start_all(world), WINDOW / 2);
    world->now_ms += 5000;
    queue_slots(world, "http://a", WINDOW);
    assert_in_range(start_all(world), WINDOW / 4, WINDOW / 2 - 1);
    assert_int_equal(destination->in_flight, world->under_way);
    queue_slots(world, "http://b", 1);
    assert_int_equal(start_all(world), 1);
    world_free(world);
}

/** Whatever the number of those that are above their share: slots are left for the others. */
static void in_company_all_of_them_leave_a_part_of_the_window(void **state)
{
    (void)state;
    struct world *world = world_new();
    proven(world, "http://a");
    proven(world, "http://b");
    queue_slots(world, "http://c", 1);
    assert_int_equal(start_all(world), 1);
    queue_slots(world, "http://a", MANY);
    queue_slots(world, "http://b", MANY);
    assert_in_range(start_all(world), WINDOW / 2, WINDOW - 2);
    queue_slots(world, "http://d", 1);
    assert_int_equal(start_all(world), 1);
    world_free(world);
}

static void those_that_were_silent_share_a_small_part_while_slots_are_scarce(void **state)
{
    (void)state;
    static const char *const names[] = {"http://s1", "http://s2", "http://s3", "http://s4",
                                        "http://s5", "http://s6", "http://s7", "http://s8"};
    enum { SILENT = sizeof names / sizeof *names };
    struct destination *destinations[SILENT];
    struct world *world = world_new();
    for (size_t i = 0; i < SILENT; i++)
        destinations[i] = silent(world, names[i]);
    struct destination *good = proven(world, "http://good");
    world->now_ms += 60000;
    queue_slots(world, "http://good", MANY);
    assert_in_range(start_all(world), WINDOW - 2, WINDOW);
    for (size_t i = 0; i < 6; i++)
        answer(world, good);
    for (size_t i = 0; i < SILENT; i++)
        queue_slots(world, names[i], 1);
    start_all(world);
    size_t held = 0;
    for (size_t i = 0; i < SILENT; i++)
        held += destinations[i]->in_flight;
    assert_int_equal(held, 4); /* the least part */
    /* While slots are free each has one. */
    while (good->in_flight > 0 || good->ready.first) {
        answer(world, good);
        start_all(world);
    }
    for (size_t i = 0; i < SILENT; i++)
        assert_int_equal(destinations[i]->in_flight, 1);
    world_free(world);
}

static void slots_that_nobody_needs_empty_the_memory_that_silence_fills(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct destination *destination = silent(world, "http://s");
    for (int i = 0; i < 3; i++) { /* its limit is down to one */
        queue_slots(world, "http://s", 1);
        start_all(world);
        time_out(world, destination);
    }
    queue_slots(world, "http://s", MANY);
    assert_int_equal(start_all(world), 1);
    window_press(world->window, true);
    assert_int_equal(start_all(world), 0);
    world->now_ms += 10000;
    assert_int_equal(start_all(world), WINDOW / 2 - 1);
    world_free(world);
}

static size_t attempts_after_interval(struct world *world, struct destination *destination)
{
    size_t attempts = 0;
    pass_ms(world, 3000);
    for (size_t started; (started = start_all(world)) > 0; attempts += started)
        while (destination->in_flight > 0)
            end_attempt(world, destination, SLOT_REFUSED, 0);
    return attempts;
}

static void whatever_waited_long_enough_has_its_attempt(void **state)
{
    (void)state;
    enum { WAITING = 40, FAILURES = 3 };
    struct world *world = world_with((struct window_options){.breaker_failures = FAILURES});
    struct destination *destination = queue_slots(world, "http://r", FAILURES);
    for (int i = 0; i < FAILURES; i++) {
        start_all(world);
        end_attempt(world, destination, SLOT_REFUSED, 0);
    }
    assert_int_equal(destination->breaker.state, BREAKER_OPEN);
    queue_slots(world, "http://r", WAITING);
    assert_int_equal(start_all(world), 0);
    world->now_ms += 20000;
    assert_int_equal(attempts_after_interval(world, destination), 1);
    world->now_ms += 10000;
    assert_int_equal(attempts_after_interval(world, destination), WAITING - 1);
    assert_int_equal(destination->breaker.state, BREAKER_OPEN);
    world_free(world);
}

/** Behind those that came since, it would wait for them to have waited long enough. */
static void one_that_was_tried_before_is_next(void **state)
{
    (void)state;
    struct world *world = world_new();
    queue_slots(world, "http://r", 3);
    struct slot *first = window_next(world->window);
    assert_ptr_equal(first, &world->slots[0]);
    window_ended(world->window, first, SLOT_ANSWERED, 1);
    window_push(world->window, first, true);
    assert_ptr_equal(window_next(world->window), first);
    assert_ptr_equal(window_next(world->window), &world->slots[1]);
    assert_ptr_equal(window_next(world->window), &world->slots[2]);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_answers_and_is_alone_has_the_whole_window),
        cmocka_unit_test(one_answer_opens_the_window_to_one_that_is_alone),
        cmocka_unit_test(one_that_falls_silent_alone_leaves_a_part_to_who_may_come),
        cmocka_unit_test(in_company_all_of_them_leave_a_part_of_the_window),
        cmocka_unit_test(those_that_were_silent_share_a_small_part_while_slots_are_scarce),
        cmocka_unit_test(slots_that_nobody_needs_empty_the_memory_that_silence_fills),
        cmocka_unit_test(whatever_waited_long_enough_has_its_attempt),
        cmocka_unit_test(one_that_was_tried_before_is_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
