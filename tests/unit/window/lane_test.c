/* Order: who is let through, whoever leaves from wherever. */
#include "window_world.h"

static const struct slice LANE = SLICE_LITERAL("lane");

/** So many slots in the lane. */
static struct slot *enter(struct world *world, size_t count)
{
    struct slot *first = &world->slots[world->count];
    for (size_t i = 0; i < count; i++) {
        assert_false(window_is_in_lane(&first[i]));
        assert_true(window_enter_lane(world->window, &first[i], LANE));
        assert_true(window_is_in_lane(&first[i]));
    }
    world->count += count;
    return first;
}

static void one_at_a_time_in_the_order_of_their_coming(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct slot *slots = enter(world, 3);
    assert_true(window_is_first(&slots[0]));
    assert_false(window_is_first(&slots[1]));
    assert_ptr_equal(window_leave_lane(world->window, &slots[0]), &slots[1]);
    assert_false(window_is_in_lane(&slots[0]));
    assert_true(window_is_first(&slots[1]));
    assert_false(window_is_first(&slots[2]));
    assert_ptr_equal(window_leave_lane(world->window, &slots[1]), &slots[2]);
    assert_null(window_leave_lane(world->window, &slots[2]));
    world_free(world);
}

static void one_without_a_lane_is_first_and_leaves_nothing(void **state)
{
    (void)state;
    struct world *world = world_new();
    assert_true(window_is_first(&world->slots[0]));
    assert_null(window_leave_lane(world->window, &world->slots[0]));
    assert_null(window_next_in_lane(&world->slots[0]));
    world_free(world);
}

static void lanes_of_other_names_are_others(void **state)
{
    (void)state;
    static const struct slice names[] = {SLICE_LITERAL("a"), SLICE_LITERAL("b"), SLICE_LITERAL("aa"),
                                         SLICE_LITERAL("a\0"), SLICE_LITERAL("a\0b")};
    enum { NAMES = sizeof names / sizeof *names };
    struct world *world = world_new();
    for (size_t i = 0; i < NAMES; i++) {
        assert_true(window_enter_lane(world->window, &world->slots[i], names[i]));
        assert_true(window_is_first(&world->slots[i]));
    }
    for (size_t i = 0; i < NAMES; i++) {
        assert_true(window_enter_lane(world->window, &world->slots[NAMES + i], names[i]));
        assert_false(window_is_first(&world->slots[NAMES + i]));
    }
    for (size_t i = 0; i < NAMES; i++)
        assert_ptr_equal(window_leave_lane(world->window, &world->slots[i]), &world->slots[NAMES + i]);
    world_free(world);
}

static void a_lane_that_is_empty_begins_anew(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct slot *first = enter(world, 1);
    assert_null(window_leave_lane(world->window, first));
    struct slot *again = enter(world, 2);
    assert_true(window_is_first(&again[0]));
    assert_ptr_equal(window_leave_lane(world->window, &again[0]), &again[1]);
    world_free(world);
}

/** Its mapping has failed, say, before it was its turn. */
static void one_that_leaves_from_the_middle_is_never_next(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct slot *slots = enter(world, 4);
    assert_null(window_leave_lane(world->window, &slots[1]));
    assert_null(slots[1].queue);
    assert_null(window_leave_lane(world->window, &slots[3]));
    assert_ptr_equal(window_leave_lane(world->window, &slots[0]), &slots[2]);
    assert_null(window_leave_lane(world->window, &slots[2]));
    world_free(world);
}

static void one_that_was_withdrawn_from_the_lane_is_never_next(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct slot *slots = enter(world, 3);
    window_withdraw(world->window, &slots[1]);
    window_withdraw(world->window, &slots[1]); /* it waits nowhere: nothing happens */
    assert_null(window_leave_lane(world->window, &slots[1]));
    assert_ptr_equal(window_leave_lane(world->window, &slots[0]), &slots[2]);
    world_free(world);
}

static void what_is_left_in_lanes_ends_with_the_window(void **state)
{
    (void)state;
    struct world *world = world_new();
    enter(world, 2);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_at_a_time_in_the_order_of_their_coming),
        cmocka_unit_test(one_without_a_lane_is_first_and_leaves_nothing),
        cmocka_unit_test(lanes_of_other_names_are_others),
        cmocka_unit_test(a_lane_that_is_empty_begins_anew),
        cmocka_unit_test(one_that_leaves_from_the_middle_is_never_next),
        cmocka_unit_test(one_that_was_withdrawn_from_the_lane_is_never_next),
        cmocka_unit_test(what_is_left_in_lanes_ends_with_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
