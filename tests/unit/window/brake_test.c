/* A person's brake, and what stands of destinations. */
#include "window_world.h"

#include "window/brake.h"
#include <stdio.h>
#include <string.h>

static void nothing_starts_at_a_paused_destination_until_it_is_resumed(void **state)
{
    (void)state;
    struct world *world = world_new();
    const struct destination *a = queue_slots(world, "http://a", 3), *b = queue_slots(world, "http://b", 1);
    assert_true(window_pause(world->window, "http://a", true));
    assert_ptr_equal(window_next(world->window)->destination, b);
    assert_null(window_next(world->window));
    queue_slots(world, "http://a", 1);
    assert_null(window_next(world->window));
    unsigned asked = world->ready;
    assert_true(window_pause(world->window, "http://a", false));
    assert_int_equal(world->ready, asked + 1);
    assert_ptr_equal(window_next(world->window)->destination, a);
    world_free(world);
}

static void a_destination_can_be_paused_before_it_is_known(void **state)
{
    (void)state;
    struct world *world = world_new();
    assert_true(window_pause(world->window, "http://a", true));
    assert_true(window_pause(world->window, "http://a", true)); /* twice is once */
    assert_string_equal(window_paused(world->window, 0), "http://a");
    assert_null(window_paused(world->window, 1));
    queue_slots(world, "http://a", 1);
    assert_null(window_next(world->window));
    assert_true(window_pause(world->window, "http://a", false));
    assert_non_null(window_next(world->window));
    world_free(world);
}

static void all_of_it_can_be_paused_and_one_resume_ends_everything(void **state)
{
    (void)state;
    struct world *world = world_new();
    queue_slots(world, "http://a", 1);
    queue_slots(world, "http://b", 1);
    assert_true(window_pause(world->window, "http://a", true));
    assert_true(window_pause(world->window, NULL, true));
    assert_true(window_is_paused(world->window));
    assert_null(window_next(world->window));
    assert_true(window_pause(world->window, NULL, false));
    assert_false(window_is_paused(world->window));
    assert_null(window_paused(world->window, 0));
    assert_int_equal(start_all(world), 2);
    world_free(world);
}

static void only_so_many_are_paused_by_name(void **state)
{
    (void)state;
    struct world *world = world_new();
    char name[32];
    for (unsigned i = 0; i < WINDOW_PAUSED_MAX; i++) {
        snprintf(name, sizeof name, "http://%u", i);
        assert_true(window_pause(world->window, name, true));
    }
    assert_false(window_pause(world->window, "http://one-more", true));
    assert_true(window_pause(world->window, "http://0", false));
    assert_true(window_pause(world->window, "http://one-more", true));
    assert_true(window_pause(world->window, "http://never-paused", false));
    world_free(world);
}

struct seen {
    struct destination_view views[4];
    size_t count;
};

static void see(void *ctx, const struct destination_view *view)
{
    struct seen *seen = ctx;
    seen->views[seen->count++] = *view;
}

static void what_stands_of_each_destination_is_told_in_order(void **state)
{
    (void)state;
    struct world *world = world_with((struct window_options){.slots = 2, .breaker_failures = 1});
    struct seen seen = {0};
    queue_slots(world, "http://b", 1);
    struct destination *a = queue_slots(world, "http://a", 3);
    assert_int_equal(start_all(world), 2);
    struct slot *slot = end_attempt(world, a, SLOT_REFUSED, 0);
    window_note_cause(slot, SLICE_LITERAL("connection refused"), NULL);
    window_each_destination(world->window, see, &seen);
    assert_int_equal(seen.count, 2);
    const struct destination_view *broken = &seen.views[0], *good = &seen.views[1];
    assert_string_equal(broken->name, "http://a");
    assert_true(broken->broken);
    assert_int_equal(broken->broken_since_ms, world->now_ms);
    assert_int_equal(broken->failures_in_row, 1);
    assert_int_equal(broken->waiting, 2);
    assert_int_equal(broken->in_flight, 0);
    assert_string_equal(broken->cause, "connection refused");
    assert_string_equal(good->name, "http://b");
    assert_false(good->broken);
    assert_int_equal(good->in_flight, 1);
    assert_string_equal(good->cause, "");
    world_free(world);
}

static void a_cause_is_cut_to_fit(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct destination *a = queue_slots(world, "http://a", 1);
    char cause[500];
    memset(cause, 'x', sizeof cause);
    window_note_cause(&world->slots[0], (struct slice){cause, sizeof cause}, NULL);
    assert_int_equal(strlen(a->cause), sizeof a->cause - 1);
    window_note_cause(&world->slots[0], (struct slice){NULL, 0}, NULL);
    assert_string_equal(a->cause, "");
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_starts_at_a_paused_destination_until_it_is_resumed),
        cmocka_unit_test(a_destination_can_be_paused_before_it_is_known),
        cmocka_unit_test(all_of_it_can_be_paused_and_one_resume_ends_everything),
        cmocka_unit_test(only_so_many_are_paused_by_name),
        cmocka_unit_test(what_stands_of_each_destination_is_told_in_order),
        cmocka_unit_test(a_cause_is_cut_to_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
