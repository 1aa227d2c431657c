/* What fails: tried again or not, held back by a breaker, remembered, too old. */
#include "world.h"

static struct deliver_options patient(void)
{
    return (struct deliver_options){
        .max_in_flight = 32,
        .max_bytes = 1 << 20,
        .retry = {.max_attempts = 5, .max_elapsed_ms = 60000, .initial_backoff_ms = 2, .max_backoff_ms = 10},
    };
}

static struct deliver_options patient_with(const char *retry_on)
{
    struct deliver_options options = patient();
    struct slice wrong;
    assert_true(retry_on_parse(slice_of(retry_on), &options.retry_on, &wrong));
    return options;
}

static struct counters counters_of(const struct world *world)
{
    struct counters counters;
    deliver_counters(world->deliver, &counters);
    return counters;
}

static void what_the_endpoint_did_not_process_is_tried_again(void **state)
{
    (void)state;
    struct world *world = world_with(patient());
    world->failures = 3;
    give(world, (struct event_text){.run_id = "r_1", .path = "/flaky", .synchronized = true});
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(atoi(world->attempts[i]), i + 1);
        assert_string_equal(world->keys[i], "org.runs-0-0");
    }
    assert_int_equal(counters_of(world).retries, 3);
    assert_request(world->port, 2, "PATCH /v1/actions/runs/r_1 {\"status\":\"SUCCESS\"}");
    world_free(world);
}

static void what_it_may_have_processed_is_not(void **state)
{
    (void)state;
    struct world *world = world_with(patient());
    give(world, (struct event_text){.run_id = "r_1", .path = "/500"});
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 1);
    assert_request(world->port, 1,
                   "PATCH /v1/actions/runs/r_1 {\"status\":\"FAILURE\",\"summary\":\"Webhook failed: the "
                   "endpoint answered 500\"}");
    world_free(world);
}

static void attempts_end_and_the_run_is_told_how_many_there_were(void **state)
{
    (void)state;
    struct world *world = world_with(patient_with("5xx"));
    give(world, (struct event_text){.run_id = "r_1", .path = "/500"});
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 5);
    assert_request(world->port, 1,
                   "PATCH /v1/actions/runs/r_1 {\"status\":\"FAILURE\",\"summary\":\"Webhook failed: the "
                   "endpoint answered 500 (after 5 attempts)\"}");
    world_free(world);
}

static void none_means_none(void **state)
{
    (void)state;
    struct world *world = world_with(patient_with("none"));
    world->failures = 1;
    give(world, (struct event_text){.run_id = "r_1", .path = "/flaky"});
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 1);
    world_free(world);
}

static void a_refused_connection_is_tried_again_until_its_time_is_over(void **state)
{
    (void)state;
    struct deliver_options options = patient();
    options.retry.max_attempts = 1000;
    options.retry.max_elapsed_ms = 500;
    struct world *world = world_with(options);
    http_server_close(world->other, NULL, NULL);
    give(world, (struct event_text){.run_id = "r_1", .path = "/", .to_other = true});
    run_until(world->port, &world->done, 1);
    assert_true(counters_of(world).retries > 0);
    assert_int_equal(counters_of(world).failed, 1);
    world->other = http_server_new(&world->port->loop, 0, endpoint_handle, world, NULL);
    world_free(world);
}

static void a_waiting_retry_holds_back_its_own_key_alone(void **state)
{
    (void)state;
    struct deliver_options options = patient();
    options.retry.initial_backoff_ms = options.retry.max_backoff_ms = 60000;
    struct world *world = world_with(options);
    world->failures = 1;
    give(world, (struct event_text){.run_id = "r_1", .path = "/flaky", .key = "a"});
    run_until(world->port, &world->arrived, 1);
    give(world, (struct event_text){.run_id = "r_2", .path = "/2", .key = "a"});
    give(world, (struct event_text){.run_id = "r_3", .path = "/3", .key = "b"});
    give(world, (struct event_text){.run_id = "r_4", .path = "/4"});
    run_until(world->port, &world->done, 2);
    assert_int_equal(world->given[0].done + world->given[1].done, 0);
    assert_int_equal(counters_of(world).waiting_for_retry, 1);
    assert_int_equal(counters_of(world).in_flight, 0);
    world->sink.withdraw(world->sink.ctx, world, false); /* what waits has not started again */
    assert_int_equal(world->dropped, 2);
    assert_holds_nothing(world);
    world_free(world);
}

static void a_breaker_delays_and_drops_nothing(void **state)
{
    (void)state;
    struct deliver_options options = patient_with("5xx");
    options.breaker_failures = 4;
    options.max_in_flight_per_destination = 1;
    options.retry.max_attempts = 100;
    struct world *world = world_with(options);
    world->failures = 6;
    for (int i = 0; i < 8; i++)
        give(world, (struct event_text){.run_id = "r_1", .path = "/flaky"});
    give(world, (struct event_text){.run_id = "r_2", .path = "/other", .to_other = true});
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->given[8].done, 1);
    run_for(world->port, 100);
    assert_int_equal(world->arrived, 5); /* four that failed, and the other destination's */
    assert_int_equal(counters_of(world).circuits_open, 1);
    run_until(world->port, &world->done, 9); /* two probes fail, the third is answered */
    assert_int_equal(world->arrived, 15);
    assert_int_equal(counters_of(world).circuits_open, 0);
    assert_int_equal(counters_of(world).delivered, 9);
    world_free(world);
}

static void an_open_breaker_sends_probes_alone_for_half_a_minute(void **state)
{
    (void)state;
    struct deliver_options options = patient_with("5xx");
    options.breaker_failures = 4;
    options.retry.max_attempts = 100;
    struct world *world = world_with(options);
    world->failures = 1000;
    for (int i = 0; i < 8; i++)
        give(world, (struct event_text){.run_id = "r_1", .path = "/flaky"});
    while (counters_of(world).circuits_open == 0 || counters_of(world).in_flight > 0)
        run_for(world->port, 2);
    size_t before = world->arrived;
    world->port->turned_ms += 15000;
    run_until(world->port, &world->arrived, before + 1);
    run_for(world->port, 50);
    assert_int_equal(world->arrived, before + 1);
    world->port->turned_ms += 16000;
    run_until(world->port, &world->arrived, before + 8);
    world_free(world);
}

static void a_record_that_comes_back_is_reported_and_not_delivered_again(void **state)
{
    (void)state;
    struct deliver_options options = patient();
    options.dedup_window = 2;
    struct world *world = world_with(options);
    world->port->script = port_away;
    give(world, (struct event_text){.run_id = "r_1", .path = "/1", .synchronized = true});
    run_until(world->port, &world->port->count, 3);
    assert_int_equal(world->arrived, 1);
    world->sink.withdraw(world->sink.ctx, world, true);
    assert_int_equal(world->given[0].dropped, 1);
    world->port->script = NULL;
    run_for(world->port, 50);
    size_t before = world->port->count;
    give(world,
         (struct event_text){.run_id = "r_1", .path = "/1", .synchronized = true, .offset_plus_one = 1});
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 1);
    assert_true(world->port->count > before);
    assert_request(world->port, world->port->count - 1,
                   "PATCH /v1/actions/runs/r_1 {\"status\":\"SUCCESS\"}");
    /* Its result is accepted now: nothing is owed when it comes once more. */
    before = world->port->count;
    give(world,
         (struct event_text){.run_id = "r_1", .path = "/1", .synchronized = true, .offset_plus_one = 1});
    run_until(world->port, &world->done, 2);
    assert_int_equal(world->port->count, before);
    assert_int_equal(counters_of(world).deduplicated, 2);
    /* Another record with its offset: the topic was made again. */
    give(world, (struct event_text){.run_id = "r_9", .path = "/9", .offset_plus_one = 1});
    run_until(world->port, &world->done, 3);
    assert_int_equal(world->arrived, 2);
    world_free(world);
}

/** Nobody may ever come back for what is kept: it takes a part of the room only. */
static void a_report_too_long_to_be_kept_is_made_anew(void **state)
{
    (void)state;
    struct deliver_options options = patient();
    options.dedup_window = 2;
    options.total_response_bytes = 3 * LONG;
    struct world *world = world_with(options);
    world->port->script = port_away;
    give(world, (struct event_text){.run_id = "r_1", .path = "/long", .synchronized = true});
    run_until(world->port, &world->port->count, 3);
    world->sink.withdraw(world->sink.ctx, world, true);
    assert_int_equal(deliver_answer_bytes(world->deliver), 0);
    world->port->script = NULL;
    give(world,
         (struct event_text){.run_id = "r_1", .path = "/long", .synchronized = true, .offset_plus_one = 1});
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 2);
    assert_int_equal(counters_of(world).deduplicated, 0);
    world_free(world);
}

static void no_more_records_are_remembered_than_the_window_holds(void **state)
{
    (void)state;
    struct deliver_options options = patient();
    options.dedup_window = 2;
    struct world *world = world_with(options);
    for (int64_t i = 0; i < 3; i++) {
        give(world, (struct event_text){.run_id = "r_1", .path = "/1"});
        run_until(world->port, &world->done, (size_t)i + 1);
    }
    give(world, (struct event_text){.run_id = "r_1", .path = "/1", .offset_plus_one = 3});
    give(world, (struct event_text){.run_id = "r_1", .path = "/1", .offset_plus_one = 1});
    run_until(world->port, &world->done, 5);
    assert_int_equal(world->arrived, 4);
    assert_int_equal(counters_of(world).deduplicated, 1);
    world_free(world);
}

static void an_event_that_is_too_old_fails_its_run(void **state)
{
    (void)state;
    struct deliver_options options = patient();
    options.event_max_age_ms = 60000;
    struct world *world = world_with(options);
    give(world, (struct event_text){.run_id = "r_1", .path = "/1", .age_ms = 61000, .key = "k"});
    give(world, (struct event_text){.run_id = "r_2", .path = "/2", .age_ms = 30000, .key = "k"});
    give(world, (struct event_text){.run_id = "r_3", .path = "/3"});
    run_until(world->port, &world->done, 3);
    assert_int_equal(world->arrived, 2);
    assert_int_equal(counters_of(world).expired, 1);
    assert_request(
        world->port, 1,
        "PATCH /v1/actions/runs/r_1 {\"status\":\"FAILURE\",\"summary\":\"No webhook was sent: the "
        "event is older than EVENT_MAX_AGE_SECONDS (60 s)\"}");
    world_free(world);
}

/** Ends a test in which deliveries are left. */
static void let_all_go(struct world *world)
{
    world->sink.withdraw(world->sink.ctx, world, true);
    for (size_t i = 0; i < world->held_count; i++)
        let_go(world, i);
    world_free(world);
}

static void a_silent_destination_holds_back_no_other(void **state)
{
    (void)state;
    struct deliver_options options = patient();
    options.max_in_flight = 8;
    struct world *world = world_with(options);
    for (int i = 0; i < 30; i++)
        give(world, (struct event_text){.run_id = "r_1", .path = "/hold"});
    for (int i = 0; i < 30; i++)
        give(world, (struct event_text){.run_id = "r_2", .path = "/2", .to_other = true});
    run_until(world->port, &world->done, 30);
    assert_in_range(world->held_count, 1, 4);
    let_all_go(world);
}

/** One that answered, and had the whole window to itself, leaves part of it to others. */
static void a_destination_in_company_leaves_a_part_of_the_window(void **state)
{
    (void)state;
    struct deliver_options options = patient();
    options.max_in_flight = 16;
    struct world *world = world_with(options);
    for (int i = 0; i < 20; i++)
        give(world, (struct event_text){.run_id = "r_1", .path = "/ok"});
    give(world, (struct event_text){.run_id = "r_2", .path = "/2", .to_other = true});
    run_until(world->port, &world->done, 21);
    for (int i = 0; i < 20; i++)
        give(world, (struct event_text){.run_id = "r_3", .path = "/hold"});
    run_until(world->port, &world->held_count, 15);
    run_for(world->port, 20);
    assert_int_equal(world->held_count, 15);
    give(world, (struct event_text){.run_id = "r_4", .path = "/4", .to_other = true});
    run_until(world->port, &world->done, 22);
    let_all_go(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_endpoint_did_not_process_is_tried_again),
        cmocka_unit_test(what_it_may_have_processed_is_not),
        cmocka_unit_test(attempts_end_and_the_run_is_told_how_many_there_were),
        cmocka_unit_test(none_means_none),
        cmocka_unit_test(a_refused_connection_is_tried_again_until_its_time_is_over),
        cmocka_unit_test(a_waiting_retry_holds_back_its_own_key_alone),
        cmocka_unit_test(a_breaker_delays_and_drops_nothing),
        cmocka_unit_test(an_open_breaker_sends_probes_alone_for_half_a_minute),
        cmocka_unit_test(a_record_that_comes_back_is_reported_and_not_delivered_again),
        cmocka_unit_test(a_report_too_long_to_be_kept_is_made_anew),
        cmocka_unit_test(no_more_records_are_remembered_than_the_window_holds),
        cmocka_unit_test(an_event_that_is_too_old_fails_its_run),
        cmocka_unit_test(a_silent_destination_holds_back_no_other),
        cmocka_unit_test(a_destination_in_company_leaves_a_part_of_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
