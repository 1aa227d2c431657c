/* Runs that were claimed from Port: trusted, and nobody's but ours. */
#include "world.h"

static void a_polled_run_needs_no_signature(void **state)
{
    (void)state;
    struct world *world = world_new(4, 1 << 20);
    give(world, (struct event_text){
                    .run_id = "r_1", .path = "/ok", .synchronized = true, .forged = true, .polled = true});
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 1);
    assert_string_equal(world->keys[0], "r_1");
    assert_request(world->port, 2, "PATCH /v1/actions/runs/r_1 {\"status\":\"SUCCESS\"}");
    assert_holds_nothing(world);
    world_free(world);
}

static void a_broken_one_is_reported_failed(void **state)
{
    (void)state;
    struct world *world = world_new(4, 1 << 20);
    give(world, (struct event_text){
                    .run_id = "r_1", .path = "/ok", .polled = true, .broken = "its \"payload\" is missing"});
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 0);
    assert_request(world->port, 1,
                   "PATCH /v1/actions/runs/r_1 {\"status\":\"FAILURE\",\"summary\":"
                   "\"No webhook was sent: its \\\"payload\\\" is missing\"}");
    assert_holds_nothing(world);
    world_free(world);
}

static void a_drain_finishes_what_nobody_gets_again(void **state)
{
    (void)state;
    struct world *world = world_new(1, 1 << 20);
    give(world, (struct event_text){.run_id = "r_sent", .path = "/hold"});
    run_until(world->port, &world->arrived, 1);
    give(world, (struct event_text){.run_id = "r_queued", .path = "/ok"});
    give(world, (struct event_text){.run_id = "r_polled", .path = "/ok", .polled = true});
    deliver_stop_starting(world->deliver);
    assert_int_equal(world->dropped, 1);
    give(world, (struct event_text){.run_id = "r_late", .path = "/ok"});
    give(world, (struct event_text){.run_id = "r_polled_late", .path = "/ok", .polled = true});
    assert_int_equal(world->dropped, 2);
    assert_false(deliver_idle(world->deliver));
    let_go(world, 0);
    run_until(world->port, &world->done, 3);
    assert_int_equal(world->arrived, 3);
    assert_holds_nothing(world);
    world_free(world);
}

static void a_drain_tries_again_what_nobody_gets_again(void **state)
{
    (void)state;
    struct world *world = world_with((struct deliver_options){
        .max_in_flight = 4,
        .max_bytes = 1 << 20,
        .retry = {.max_attempts = 3, .max_elapsed_ms = 60000, .initial_backoff_ms = 50, .max_backoff_ms = 50},
    });
    world->failures = 1;
    give(world, (struct event_text){.run_id = "r_1", .path = "/flaky", .polled = true});
    run_until(world->port, &world->arrived, 1);
    deliver_stop_starting(world->deliver);
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 2);
    assert_holds_nothing(world);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_polled_run_needs_no_signature),
        cmocka_unit_test(a_broken_one_is_reported_failed),
        cmocka_unit_test(a_drain_finishes_what_nobody_gets_again),
        cmocka_unit_test(a_drain_tries_again_what_nobody_gets_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
