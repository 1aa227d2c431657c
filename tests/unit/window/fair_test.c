/* Shares of the memory for records: who is beyond one, and whose turn it is to come back. */
#include "window_world.h"
#include <stdio.h>

enum { BYTES = 16000, SHARE = BYTES / 16, RECORD = 100 };

static struct world *fair_world(void)
{
    return world_with((struct window_options){.bytes = BYTES});
}

/** A slot that waits there, and holds a record. */
static struct slot *hold(struct world *world, const char *name)
{
    struct slot *slot = slot_to(world, name);
    window_hold(world->window, slot, RECORD);
    window_push(world->window, slot, false);
    return slot;
}

/** One that waits nowhere yet. */
static struct slot *only_hold(struct world *world, const char *name)
{
    struct slot *slot = slot_to(world, name);
    window_hold(world->window, slot, RECORD);
    return slot;
}

static bool beyond(const struct world *world, const struct slot *slot)
{
    return window_is_beyond_share(world->window, slot, false);
}

/** Keeps a reference in the slot's place. */
static struct slot *keep_so(struct world *world, struct slot *slot, bool tried)
{
    struct slot *kept = &world->slots[world->count++];
    window_take_place(world->window, slot, kept, true);
    window_keep(world->window, kept, tried);
    return kept;
}

static void keep(struct world *world, struct slot *slot)
{
    keep_so(world, slot, false);
}

static void one_that_does_not_answer_has_a_sixteenth(void **state)
{
    (void)state;
    struct world *world = fair_world();
    for (size_t i = 0; i < SHARE / RECORD; i++)
        assert_false(beyond(world, hold(world, "dead")));
    assert_true(beyond(world, hold(world, "dead")));
    assert_false(beyond(world, hold(world, "other")));
    world_free(world);
}

static void all_that_do_not_answer_have_half_together(void **state)
{
    (void)state;
    struct world *world = fair_world();
    struct slot *last = NULL;
    for (size_t i = 0; i <= BYTES / 2 / RECORD; i++) {
        char name[16];
        assert_false(last && beyond(world, last));
        snprintf(name, sizeof name, "dead-%zu", i);
        silent(world, name);
        last = only_hold(world, name);
    }
    assert_true(beyond(world, last));
    window_hold(world->window, last, 0);
    assert_false(beyond(world, last));
    world_free(world);
}

static void one_that_answers_has_what_it_can_until_its_queue_stands_still(void **state)
{
    (void)state;
    struct world *world = fair_world();
    struct destination *good = proven(world, "good");
    struct slot *slot = NULL;
    for (size_t i = 0; i < 2 * SHARE / RECORD; i++)
        slot = hold(world, "good");
    assert_true(good->answers);
    assert_false(beyond(world, slot));
    pass_ms(world, 1001);
    assert_true(beyond(world, slot));
    world_free(world);
}

static void the_first_record_for_one_that_is_not_known_goes(void **state)
{
    (void)state;
    struct world *world = fair_world();
    for (size_t i = 0; i <= BYTES / 2 / RECORD; i++)
        hold(world, "dead");
    struct slot *first = hold(world, "unknown");
    assert_false(beyond(world, first));
    assert_true(window_is_beyond_share(world->window, first, true)); /* unless there is no space at all */
    assert_true(beyond(world, hold(world, "unknown")));
    world_free(world);
}

static void one_record_is_never_beyond_a_share(void **state)
{
    (void)state;
    struct world *world = fair_world();
    struct slot *slot = hold(world, "dead");
    window_hold(world->window, slot, 2 * (size_t)BYTES);
    assert_false(beyond(world, slot));
    struct slot *second = hold(world, "dead");
    assert_true(beyond(world, second));
    world_free(world);
}

static void shares_are_smaller_while_there_is_no_room(void **state)
{
    (void)state;
    struct world *world = fair_world();
    struct slot *slot = NULL;
    for (size_t i = 0; i < SHARE / RECORD; i++)
        slot = hold(world, "dead");
    assert_false(window_is_beyond_share(world->window, slot, false));
    assert_true(window_is_beyond_share(world->window, slot, true));
    world_free(world);
}

static void what_is_kept_comes_back_in_turns_up_to_half_a_share(void **state)
{
    (void)state;
    struct world *world = fair_world();
    for (size_t i = 0; i < 6; i++)
        keep(world, hold(world, i < 4 ? "a" : "b"));
    const char *const expected[] = {"a", "b", "a", "b"};
    for (size_t i = 0; i < 4; i++) {
        struct slot *slot = window_recall(world->window);
        assert_non_null(slot);
        assert_string_equal(slot->destination->name, expected[i]);
        window_hold(world->window, slot, SHARE / 4);
    }
    assert_null(window_recall(world->window)); /* a has half of its share again */
    world_free(world);
}

/** Else it would be kept again at once, and read again, and so on. */
static void what_would_be_beyond_its_share_does_not_come_back(void **state)
{
    (void)state;
    struct world *world = fair_world();
    struct slot *small = hold(world, "a"), *large = slot_to(world, "a");
    window_hold(world->window, large, SHARE);
    assert_true(beyond(world, large));
    struct slot *kept = keep_so(world, large, false);
    keep(world, hold(world, "b"));
    struct slot *other = window_recall(world->window); /* it holds up nobody else */
    assert_non_null(other);
    assert_string_equal(other->destination->name, "b");
    assert_null(window_recall(world->window));
    window_hold(world->window, small, 0);
    assert_ptr_equal(window_recall(world->window), kept);
    world_free(world);
}

/** Of a record as large as two shares: the reference that waits for its turn. */
static struct slot *keep_large(struct world *world, const char *name)
{
    struct slot *large = slot_to(world, name);
    window_hold(world->window, large, 2 * (size_t)SHARE);
    return keep_so(world, large, false);
}

/** Smaller ones would come before it for ever. */
static void what_comes_later_goes_behind_a_large_one_that_is_kept(void **state)
{
    (void)state;
    for (int slow = 0; slow < 2; slow++) {
        struct world *world = fair_world();
        if (slow)
            proven(world, "d");
        struct slot *small = hold(world, "d");
        pass_ms(world, 1001);
        assert_false(beyond(world, small));
        struct slot *kept = keep_large(world, "d"), *later = only_hold(world, "d");
        assert_true(beyond(world, later));
        assert_false(beyond(world, only_hold(world, "other")));
        keep(world, later);
        assert_null(window_recall(world->window));
        window_hold(world->window, small, 0);
        assert_ptr_equal(window_recall(world->window), kept);
        world_free(world);
    }
}

/** Others that do not answer hold three eighths, and so they would for ever. */
static void a_large_one_that_is_kept_comes_beside_what_others_hold(void **state)
{
    (void)state;
    struct world *world = fair_world();
    for (size_t i = 0; i < BYTES / 8 * 3 / RECORD; i++) {
        char name[16];
        snprintf(name, sizeof name, "dead-%zu", i % 12);
        only_hold(world, name);
    }
    struct slot *large = slot_to(world, "large"), *back = &world->slots[world->count++];
    silent(world, "large");
    window_hold(world->window, large, 3 * (size_t)SHARE);
    assert_true(beyond(world, large));
    struct slot *kept = keep_so(world, large, false);
    assert_ptr_equal(window_recall(world->window), kept);
    window_take_place(world->window, kept, back, false);
    window_hold(world->window, back, 3 * (size_t)SHARE);
    assert_false(beyond(world, back));
    assert_false(window_is_beyond_share(world->window, back, true)); /* or it would go out at once */
    keep(world, hold(world, "another"));
    assert_null(window_recall(world->window)); /* one such record at a time */
    world_free(world);
}

/** A destination that was silent once, and will answer, say. */
static void what_comes_later_does_not_take_the_place_of_what_is_kept(void **state)
{
    (void)state;
    struct world *world = fair_world();
    for (size_t i = 0; i <= BYTES / 2 / RECORD; i++) {
        char name[16];
        snprintf(name, sizeof name, "dead-%zu", i % 12);
        only_hold(world, name);
    }
    silent(world, "another");
    struct slot *first = only_hold(world, "another");
    assert_true(beyond(world, first));
    keep(world, first);
    for (size_t i = 0; i < BYTES / 4 / RECORD; i++) {
        assert_null(window_recall(world->window)); /* not before an eighth is free */
        window_hold(world->window, &world->slots[i], 0);
        assert_true(beyond(world, only_hold(world, "dead-0")));
        window_hold(world->window, &world->slots[world->count - 1], 0);
        if (i >= BYTES / 8 / RECORD)
            break;
    }
    struct slot *kept = window_recall(world->window);
    assert_non_null(kept);
    window_hold(world->window, kept, RECORD);
    struct slot *back = &world->slots[world->count++];
    window_take_place(world->window, kept, back, false);
    window_hold(world->window, back, RECORD);
    assert_false(beyond(world, back));
    world_free(world);
}

static void those_that_answer_come_back_first(void **state)
{
    (void)state;
    struct world *world = fair_world();
    keep(world, hold(world, "good"));
    keep(world, hold(world, "dead"));
    struct slot *slot = slot_to(world, "good");
    struct destination *good = slot->destination;
    window_push(world->window, slot, false);
    start_all(world);
    answer(world, good); /* its place in the round moves along */
    slot = window_recall(world->window);
    assert_ptr_equal(slot->destination, good);
    assert_string_equal(window_recall(world->window)->destination->name, "dead");
    world_free(world);
}

/** While something is kept for one that does not answer, what comes anew has half a share. */
static void what_was_read_again_has_its_whole_share(void **state)
{
    (void)state;
    struct world *world = fair_world();
    silent(world, "dead");
    keep(world, hold(world, "other"));
    struct slot *anew = only_hold(world, "dead"), *kept = keep_so(world, hold(world, "dead"), false);
    struct slot *back = &world->slots[world->count++];
    window_withdraw(world->window, kept);
    window_take_place(world->window, kept, back, false);
    window_hold(world->window, back, SHARE / 2);
    assert_true(beyond(world, anew));
    assert_false(beyond(world, back));
    window_hold(world->window, back, SHARE);
    assert_true(beyond(world, back));
    world_free(world);
}

/** Half a share; a quarter of the memory for one that answers, unless it is slow. */
static void what_is_read_again_fills_no_more_than_its_part(void **state)
{
    (void)state;
    static const struct {
        bool answers, slow;
        size_t part;
    } cases[] = {{false, false, SHARE / 2}, {true, true, SHARE / 2}, {true, false, BYTES / 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = fair_world();
        if (cases[i].answers)
            proven(world, "d");
        keep(world, hold(world, "d"));
        struct slot *held = only_hold(world, "d");
        queue_slots(world, "d", 1);
        pass_ms(world, cases[i].slow ? 1001 : 1000);
        window_hold(world->window, held, cases[i].part);
        assert_null(window_recall(world->window));
        window_hold(world->window, held, cases[i].part - 1);
        assert_non_null(window_recall(world->window));
        world_free(world);
    }
}

static void what_is_taken_out_of_the_middle_does_not_come_back(void **state)
{
    (void)state;
    struct world *world = fair_world();
    keep(world, hold(world, "dead"));
    struct slot *kept = &world->slots[world->count - 1];
    window_withdraw(world->window, kept);
    window_forget(world->window, kept);
    assert_null(window_recall(world->window));
    world_free(world);
}

static void a_kept_slot_has_the_place_of_the_one_before_in_its_lane(void **state)
{
    (void)state;
    static const struct slice LANE = SLICE_LITERAL("lane");
    struct world *world = fair_world();
    struct slot *slots = &world->slots[world->count];
    world->count += 3;
    for (size_t i = 0; i < 3; i++)
        assert_true(window_enter_lane(world->window, &slots[i], LANE));
    struct slot head = {0}, middle = {0};
    window_take_place(world->window, &slots[1], &middle, true);
    window_take_place(world->window, &slots[0], &head, true);
    assert_true(window_is_first(&head));
    assert_false(window_is_in_lane(&slots[0]));
    assert_ptr_equal(window_next_in_lane(&head), &middle);
    assert_ptr_equal(window_next_in_lane(&middle), &slots[2]);
    assert_true(window_lane_is_full(world->window, &slots[2])); /* behind one that is kept */
    assert_ptr_equal(window_leave_lane(world->window, &head), &middle);
    assert_ptr_equal(window_leave_lane(world->window, &middle), &slots[2]);
    assert_null(window_leave_lane(world->window, &slots[2]));
    world_free(world);
}

static void a_lane_has_a_sixteenth(void **state)
{
    (void)state;
    static const struct slice LANE = SLICE_LITERAL("lane");
    struct world *world = fair_world();
    struct slot *slots = &world->slots[world->count];
    for (size_t i = 0; i <= SHARE / RECORD; i++) {
        assert_true(window_enter_lane(world->window, &slots[i], LANE));
        assert_false(window_lane_is_full(world->window, &slots[i]));
        window_hold(world->window, &slots[i], RECORD);
    }
    struct slot *last = &slots[SHARE / RECORD];
    assert_true(window_lane_is_full(world->window, last));
    assert_false(window_lane_is_full(world->window, &slots[0])); /* the first goes on */
    world_free(world);
}

static void without_bounds_nobody_has_a_share(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct slot *slot = NULL;
    for (size_t i = 0; i < 100; i++)
        slot = hold(world, "dead");
    assert_false(beyond(world, slot));
    struct slot *lane = &world->slots[world->count];
    world->count += 2;
    for (size_t i = 0; i < 2; i++) {
        assert_true(window_enter_lane(world->window, &lane[i], SLICE_LITERAL("lane")));
        window_hold(world->window, &lane[i], RECORD);
    }
    assert_false(window_lane_is_full(world->window, &lane[1]));
    assert_false(window_lane_is_full(world->window, slot)); /* it is in none */
    world_free(world);
}

static void what_was_tried_is_kept_in_front_unless_a_breaker_holds_it_back(void **state)
{
    (void)state;
    for (int open = 0; open < 2; open++) {
        struct world *world = fair_world();
        struct slot *first = keep_so(world, hold(world, "dead"), false);
        first->destination->breaker.state = open ? BREAKER_OPEN : BREAKER_CLOSED;
        struct slot *tried = keep_so(world, hold(world, "dead"), true);
        assert_ptr_equal(window_recall(world->window), open ? first : tried);
        assert_ptr_equal(window_recall(world->window), open ? tried : first);
        first->destination->breaker.state = BREAKER_CLOSED;
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_does_not_answer_has_a_sixteenth),
        cmocka_unit_test(all_that_do_not_answer_have_half_together),
        cmocka_unit_test(one_that_answers_has_what_it_can_until_its_queue_stands_still),
        cmocka_unit_test(the_first_record_for_one_that_is_not_known_goes),
        cmocka_unit_test(one_record_is_never_beyond_a_share),
        cmocka_unit_test(shares_are_smaller_while_there_is_no_room),
        cmocka_unit_test(what_is_kept_comes_back_in_turns_up_to_half_a_share),
        cmocka_unit_test(what_would_be_beyond_its_share_does_not_come_back),
        cmocka_unit_test(what_comes_later_goes_behind_a_large_one_that_is_kept),
        cmocka_unit_test(a_large_one_that_is_kept_comes_beside_what_others_hold),
        cmocka_unit_test(what_comes_later_does_not_take_the_place_of_what_is_kept),
        cmocka_unit_test(those_that_answer_come_back_first),
        cmocka_unit_test(what_was_read_again_has_its_whole_share),
        cmocka_unit_test(what_is_read_again_fills_no_more_than_its_part),
        cmocka_unit_test(what_is_taken_out_of_the_middle_does_not_come_back),
        cmocka_unit_test(a_kept_slot_has_the_place_of_the_one_before_in_its_lane),
        cmocka_unit_test(a_lane_has_a_sixteenth),
        cmocka_unit_test(without_bounds_nobody_has_a_share),
        cmocka_unit_test(what_was_tried_is_kept_in_front_unless_a_breaker_holds_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
