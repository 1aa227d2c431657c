/* Is there room: the bounds of memory at their edges, and who hears when there is room again. What reports
 * and the HTTP client hold is what the test says. */
#include "deliver/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { BOUND = 80000 };

static size_t held_of_reports, held_of_bodies;
static bool pressed;

/* What memory.c asks */

size_t reports_bytes(const struct reports *reports)
{
    (void)reports;
    return held_of_reports;
}

size_t http_client_body_bytes(const struct http_client *client)
{
    (void)client;
    return held_of_bodies;
}

void window_press(struct window *window, bool press)
{
    (void)window;
    pressed = press;
}

/* The world */

struct world {
    uv_loop_t loop;
    struct deliver_options options;
    struct memory memory;
    unsigned woken, room;
};

static void again(void *ctx, bool room)
{
    struct world *world = ctx;
    world->woken++;
    world->room += room;
}

static int open_world(void **state)
{
    static struct world world;
    world =
        (struct world){.options = {.loop = &world.loop, .max_bytes = BOUND, .total_response_bytes = 1000}};
    held_of_reports = held_of_bodies = 0;
    pressed = false;
    uv_loop_init(&world.loop);
    assert_true(memory_open(&world.memory, &world.options, NULL, again, &world));
    *state = &world;
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;
    memory_close(&world->memory);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    return uv_loop_close(&world->loop);
}

static void turn(struct world *world)
{
    uv_run(&world->loop, UV_RUN_NOWAIT);
}

static void the_first_record_has_room_whatever_its_size(void **state)
{
    struct world *world = *state;
    struct charge charge = {0, 0};
    assert_true(memory_has_room(&world->memory, 10 * BOUND));
    memory_charge(&world->memory, &charge, (struct charge){1, 0});
    assert_false(memory_has_room(&world->memory, 10 * BOUND));
}

static void a_record_has_room_up_to_the_bound(void **state)
{
    struct world *world = *state;
    struct charge charge = {0, 0};
    memory_charge(&world->memory, &charge, (struct charge){1000, 0});
    held_of_reports = 500;
    assert_true(memory_has_room(&world->memory, BOUND - 1500 - MEMORY_OVERHEAD));
    assert_false(memory_has_room(&world->memory, BOUND - 1500 - MEMORY_OVERHEAD + 1));
}

static void half_of_the_bound_presses_the_window(void **state)
{
    struct world *world = *state;
    struct charge charge = {0, 0}, other = {0, 0};
    memory_charge(&world->memory, &charge, (struct charge){BOUND / 2, 0});
    assert_false(pressed);
    memory_charge(&world->memory, &other, (struct charge){1, 0});
    assert_true(pressed);
    memory_charge(&world->memory, &charge, (struct charge){100, 0});
    assert_false(pressed);
    assert_int_equal(world->memory.bytes_held, 101);
    turn(world);
    assert_int_equal(world->woken, 0); /* nobody asked */
}

static void who_was_refused_hears_once_an_eighth_is_free(void **state)
{
    struct world *world = *state;
    struct charge charge = {0, 0};
    memory_charge(&world->memory, &charge, (struct charge){BOUND, 0});
    assert_false(memory_has_room(&world->memory, 1));
    memory_charge(&world->memory, &charge, (struct charge){BOUND - BOUND / 8 + 1, 0});
    turn(world);
    assert_int_equal(world->woken, 0);
    memory_charge(&world->memory, &charge, (struct charge){BOUND - BOUND / 8, 0});
    assert_int_equal(world->woken, 0); /* never inside a call */
    turn(world);
    assert_int_equal(world->woken, 1);
    assert_int_equal(world->room, 1);
    memory_charge(&world->memory, &charge, (struct charge){0, 0});
    turn(world);
    assert_int_equal(world->woken, 1);
}

static void who_was_refused_hears_when_reports_alone_hold_something(void **state)
{
    struct world *world = *state;
    struct charge charge = {0, 0};
    memory_charge(&world->memory, &charge, (struct charge){BOUND, 0});
    held_of_reports = BOUND;
    assert_false(memory_has_room(&world->memory, 1));
    memory_charge(&world->memory, &charge, (struct charge){1, 0});
    turn(world);
    assert_int_equal(world->woken, 0);
    memory_charge(&world->memory, &charge, (struct charge){0, 0});
    turn(world);
    assert_int_equal(world->room, 1);
}

static void answers_have_a_bound_of_their_own(void **state)
{
    struct world *world = *state;
    struct charge charge = {0, 0}, other = {0, 0};
    memory_charge(&world->memory, &charge, (struct charge){700, 600});
    memory_charge(&world->memory, &other, (struct charge){200, 100});
    assert_int_equal(memory_answer_bytes(&world->memory), 700);
    held_of_reports = 200;
    assert_int_equal(memory_answer_bytes(&world->memory), 900);
    held_of_bodies = 100;
    assert_true(memory_answers_fit(&world->memory)); /* nothing is under way */
    world->memory.under_way = 1;
    assert_false(memory_answers_fit(&world->memory));
    held_of_bodies = 99;
    assert_true(memory_answers_fit(&world->memory));
    world->options.total_response_bytes = 0; /* there is no bound */
    held_of_bodies = 5000;
    assert_true(memory_answers_fit(&world->memory));
}

static void what_waits_for_answers_to_go_hears_of_it(void **state)
{
    struct world *world = *state;
    struct charge charge = {0, 0};
    memory_charge(&world->memory, &charge, (struct charge){1000, 1000});
    world->memory.under_way = 1;
    assert_false(memory_answers_fit(&world->memory));
    memory_charge(&world->memory, &charge, (struct charge){1000, 1000});
    turn(world);
    assert_int_equal(world->woken, 0);
    memory_charge(&world->memory, &charge, (struct charge){1000, 999});
    turn(world);
    assert_int_equal(world->woken, 1);
    assert_int_equal(world->room, 0); /* not for a record */
}

static void results_for_those_that_may_not_come_back_have_a_quarter(void **state)
{
    struct world *world = *state;
    assert_int_equal(memory_kept_max(&world->memory), 250);
    world->options.total_response_bytes = 0;
    assert_true(memory_kept_max(&world->memory) == SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_record_has_room_whatever_its_size, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_record_has_room_up_to_the_bound, open_world, close_world),
        cmocka_unit_test_setup_teardown(half_of_the_bound_presses_the_window, open_world, close_world),
        cmocka_unit_test_setup_teardown(who_was_refused_hears_once_an_eighth_is_free, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(who_was_refused_hears_when_reports_alone_hold_something, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(answers_have_a_bound_of_their_own, open_world, close_world),
        cmocka_unit_test_setup_teardown(what_waits_for_answers_to_go_hears_of_it, open_world, close_world),
        cmocka_unit_test_setup_teardown(results_for_those_that_may_not_come_back_have_a_quarter, open_world,
                                        close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
