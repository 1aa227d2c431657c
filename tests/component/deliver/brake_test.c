/* A person's brake, and what stands of deliveries. */
#include "world.h"

#include "window/window.h"

static struct deliver_options patient(void)
{
    return (struct deliver_options){.max_in_flight = 32,
                                    .max_bytes = 1 << 20,
                                    .retry = {.max_attempts = 5,
                                              .max_elapsed_ms = 60000,
                                              .initial_backoff_ms = 60000,
                                              .max_backoff_ms = 60000}};
}

static size_t cancel(struct world *world, const char *run_id, size_t *answered)
{
    return deliver_cancel_run(world->deliver, slice_of(run_id), answered);
}

static void what_is_paused_waits_and_goes_on_when_it_is_resumed(void **state)
{
    (void)state;
    struct world *world = world_with(patient());
    assert_true(deliver_pause(world->deliver, NULL, true));
    give(world, (struct event_text){.run_id = "r_1", .path = "/1"});
    assert_int_equal(world->arrived, 0);
    struct counters counters;
    deliver_counters(world->deliver, &counters);
    assert_int_equal(counters.queued, 1);
    assert_true(window_is_paused(deliver_window(world->deliver)));
    assert_true(deliver_pause(world->deliver, NULL, false));
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 1);
    world_free(world);
}

static void a_run_that_is_cancelled_before_it_was_sent_fails_and_is_never_sent(void **state)
{
    (void)state;
    struct world *world = world_with(patient());
    size_t answered;
    assert_true(deliver_pause(world->deliver, NULL, true));
    give(world, (struct event_text){.run_id = "r_1", .path = "/1"});
    give(world, (struct event_text){.run_id = "r_2", .path = "/2"});
    assert_int_equal(cancel(world, "r_3", &answered), 0);
    assert_int_equal(cancel(world, "r_1", &answered), 1);
    assert_int_equal(answered, 0);
    assert_true(deliver_pause(world->deliver, NULL, false));
    run_until(world->port, &world->done, 2);
    assert_int_equal(world->arrived, 1);
    assert_string_equal(world->paths[0], "/2");
    assert_request(world->port, 1,
                   "PATCH /v1/actions/runs/r_1 {\"status\":\"FAILURE\",\"summary\":\"No webhook was sent: "
                   "cancelled by the operator\"}");
    world_free(world);
}

static void a_run_that_is_cancelled_under_way_fails_and_the_next_with_its_key_goes(void **state)
{
    (void)state;
    struct world *world = world_with(patient());
    size_t answered;
    give(world, (struct event_text){.run_id = "r_1", .path = "/hold", .key = "k"});
    give(world, (struct event_text){.run_id = "r_2", .path = "/2", .key = "k"});
    run_until(world->port, &world->arrived, 1);
    assert_int_equal(cancel(world, "r_1", &answered), 1);
    run_until(world->port, &world->done, 2);
    assert_string_equal(world->paths[1], "/2");
    assert_request(
        world->port, 1,
        "PATCH /v1/actions/runs/r_1 {\"status\":\"FAILURE\",\"summary\":\"Webhook got no valid answer: "
        "cancelled by the operator before the endpoint had answered\"}");
    let_go(world, 0);
    world_free(world);
}

static void a_run_that_waits_for_its_next_attempt_is_cancelled_and_one_that_waits_for_port_is_not(
    void **state)
{
    (void)state;
    struct deliver_options options = patient();
    struct slice wrong;
    assert_true(retry_on_parse(SLICE_LITERAL("500"), &options.retry_on, &wrong));
    struct world *world = world_with(options);
    size_t answered;
    world->port->script = port_away;
    give(world, (struct event_text){.run_id = "r_1", .path = "/500"});
    give(world, (struct event_text){.run_id = "r_2", .path = "/2", .synchronized = true});
    struct counters counters = {0};
    while (counters.waiting_for_port < 1 || counters.waiting_for_retry < 1) {
        uv_run(&world->port->loop, UV_RUN_ONCE);
        deliver_counters(world->deliver, &counters);
    }
    assert_int_equal(cancel(world, "r_2", &answered), 0);
    assert_int_equal(answered, 1);
    assert_int_equal(cancel(world, "r_1", &answered), 1);
    deliver_counters(world->deliver, &counters);
    assert_int_equal(counters.waiting_for_retry, 0);
    assert_int_equal(counters.failed, 1);
    world_free(world);
}

struct seen_views {
    struct delivery_view views[4];
    size_t count;
};

static void see_delivery(void *ctx, const struct delivery_view *view)
{
    struct seen_views *seen = ctx;
    seen->views[seen->count++] = *view;
}

static void each_delivery_tells_where_it_stands_and_what_it_waits_for(void **state)
{
    (void)state;
    struct world *world = world_with(patient());
    struct seen_views seen = {0};
    give(world, (struct event_text){.run_id = "r_1", .path = "/hold?secret=1", .key = "k"});
    give(world, (struct event_text){.run_id = "r_2", .path = "/2", .key = "k"});
    run_until(world->port, &world->arrived, 1);
    deliver_each(world->deliver, see_delivery, &seen);
    assert_int_equal(seen.count, 2);
    const struct delivery_view *second = &seen.views[0], *first = &seen.views[1];
    assert_true(slice_equal_text(first->run_id, "r_1"));
    assert_string_equal(first->state, "SENDING");
    assert_string_equal(first->waits_for, "the endpoint's answer");
    assert_int_equal(first->attempts, 1);
    assert_int_equal(first->offset, 0);
    assert_int_equal(first->due_in_ms, -1);
    assert_non_null(strstr(first->url, "?secret=***"));
    assert_string_equal(second->state, "QUEUED");
    assert_string_equal(second->waits_for, "the delivery before it with the same key");
    assert_int_equal(second->offset, 1);
    let_go(world, 0);
    run_until(world->port, &world->done, 2);
    world_free(world);
}

static void what_waits_at_a_destination_says_why_it_does_not_go(void **state)
{
    (void)state;
    struct deliver_options options = patient();
    options.breaker_failures = 1;
    struct world *world = world_with(options);
    struct seen_views seen = {0};
    give(world, (struct event_text){.run_id = "r_1", .path = "/500"});
    run_until(world->port, &world->done, 1);
    give(world, (struct event_text){.run_id = "r_2", .path = "/ok"});
    deliver_each(world->deliver, see_delivery, &seen);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.views[0].state, "READY");
    assert_string_equal(seen.views[0].waits_for,
                        "its turn at the destination, which only fails: its circuit is open");
    assert_string_equal(seen.views[0].why, "the endpoint answered 500");
    assert_non_null(strstr(seen.views[0].hint, "check --destination"));
    assert_true(deliver_pause(world->deliver, NULL, true));
    seen.count = 0;
    deliver_each(world->deliver, see_delivery, &seen);
    assert_string_equal(seen.views[0].waits_for,
                        "its turn at the destination, which the operator has paused");
    assert_string_equal(seen.views[0].why, "");
    assert_non_null(strstr(seen.views[0].hint, "port-agent resume"));
    assert_true(deliver_pause(world->deliver, NULL, false));
    run_until(world->port, &world->done, 2);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_paused_waits_and_goes_on_when_it_is_resumed),
        cmocka_unit_test(a_run_that_is_cancelled_before_it_was_sent_fails_and_is_never_sent),
        cmocka_unit_test(a_run_that_is_cancelled_under_way_fails_and_the_next_with_its_key_goes),
        cmocka_unit_test(
            a_run_that_waits_for_its_next_attempt_is_cancelled_and_one_that_waits_for_port_is_not),
        cmocka_unit_test(what_waits_at_a_destination_says_why_it_does_not_go),
        cmocka_unit_test(each_delivery_tells_where_it_stands_and_what_it_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
