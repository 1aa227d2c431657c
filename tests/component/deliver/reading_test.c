/* Records that take long to read: read elsewhere, in order, and given back whatever happens meanwhile. */
#include "deliver/reading.h"
#include "world.h"

static size_t give_large(struct world *world, struct event_text text)
{
    text.padding = READING_BYTES;
    return give(world, text);
}

static bool has_room(const struct world *world)
{
    return world->sink.has_room(world->sink.ctx, 100);
}

static void a_large_record_is_read_elsewhere_and_nothing_overtakes_it(void **state)
{
    (void)state;
    struct world *world = world_large(4);
    struct counters counters;
    assert_true(has_room(world));
    give_large(world, (struct event_text){.run_id = "r_1", .path = "/500", .synchronized = true});
    deliver_counters(world->deliver, &counters);
    assert_int_equal(counters.queued + counters.in_flight, 0); /* it has not been looked at */
    assert_true(counters.bytes_held > READING_BYTES);
    assert_false(has_room(world));
    assert_false(deliver_idle(world->deliver));
    while (world->rooms == 0)
        uv_run(&world->port->loop, UV_RUN_ONCE);
    assert_true(has_room(world));
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 1);
    assert_string_equal(world->paths[0], "/500");
    assert_holds_nothing(world);
    world_free(world);
}

static void a_record_of_the_bound_is_read_at_once(void **state)
{
    (void)state;
    struct world *world = world_large(4);
    struct counters counters;
    give(world, (struct event_text){.run_id = "r_1", .path = "/500", .padding = READING_BYTES / 2});
    deliver_counters(world->deliver, &counters);
    assert_int_equal(counters.queued + counters.in_flight, 1);
    run_until(world->port, &world->done, 1);
    world_free(world);
}

static void a_large_record_that_nobody_signed_is_refused(void **state)
{
    (void)state;
    struct world *world = world_large(4);
    struct counters counters;
    give_large(world, (struct event_text){.run_id = "r_1", .path = "/ok", .forged = true});
    run_until(world->port, &world->done, 1);
    deliver_counters(world->deliver, &counters);
    assert_int_equal(counters.bad_signatures, 1);
    assert_int_equal(world->arrived, 0);
    assert_holds_nothing(world);
    world_free(world);
}

static void what_is_withdrawn_while_it_is_read_is_given_back(void **state)
{
    (void)state;
    struct world *world = world_large(4);
    int mine = 0, others = 0;
    size_t gone = give_large(world, (struct event_text){.run_id = "r_1", .path = "/ok", .assignment = &mine});
    give_large(world, (struct event_text){.run_id = "r_2", .path = "/500", .assignment = &others});
    world->sink.withdraw(world->sink.ctx, &mine, false);
    assert_int_equal(world->given[gone].dropped, 1);
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 1);
    while (!deliver_idle(world->deliver))
        uv_run(&world->port->loop, UV_RUN_ONCE);
    assert_holds_nothing(world);
    world_free(world);
}

static void a_stop_drops_what_comes_again_and_reads_on_what_does_not(void **state)
{
    (void)state;
    struct world *world = world_large(4);
    size_t again = give_large(world, (struct event_text){.run_id = "r_1", .path = "/ok"});
    give_large(world, (struct event_text){.run_id = "r_2", .path = "/500", .polled = true});
    deliver_stop_starting(world->deliver);
    assert_int_equal(world->given[again].dropped, 1);
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 1);
    world_free(world);
}

static void what_is_given_up_while_it_is_read_is_reported(void **state)
{
    (void)state;
    struct world *world = world_large(4);
    give_large(world, (struct event_text){.run_id = "r_2", .path = "/ok", .polled = true});
    assert_int_equal(deliver_give_up(world->deliver), 1);
    assert_int_equal(deliver_give_up(world->deliver), 0);
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 0);
    assert_non_null(strstr(world->port->seen[1].body, "the agent was stopped first"));
    world_free(world);
}

static void the_deliveries_may_go_away_while_one_is_read(void **state)
{
    (void)state;
    struct world *world = world_large(4);
    size_t place = give_large(world, (struct event_text){.run_id = "r_1", .path = "/ok"});
    world_free_under(world, place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_record_is_read_elsewhere_and_nothing_overtakes_it),
        cmocka_unit_test(a_record_of_the_bound_is_read_at_once),
        cmocka_unit_test(a_large_record_that_nobody_signed_is_refused),
        cmocka_unit_test(what_is_withdrawn_while_it_is_read_is_given_back),
        cmocka_unit_test(a_stop_drops_what_comes_again_and_reads_on_what_does_not),
        cmocka_unit_test(what_is_given_up_while_it_is_read_is_reported),
        cmocka_unit_test(the_deliveries_may_go_away_while_one_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
