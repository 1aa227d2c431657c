/* Order, the window, fairness, withdrawal, and who gets a ticket back when. */
#include "world.h"

static void a_record_is_done_when_its_result_is_accepted(void **state)
{
    (void)state;
    struct world *world = world_new(4, 1 << 20);
    give(world, (struct event_text){.run_id = "r_1", .path = "/ok", .synchronized = true});
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->port->count, 3); /* a token, the response, the status */
    assert_request(world->port, 1, "PATCH /v1/actions/runs/r_1/response {\"response\":{\"ok\":true}}");
    assert_request(world->port, 2, "PATCH /v1/actions/runs/r_1 {\"status\":\"SUCCESS\"}");
    assert_holds_nothing(world);
    world_free(world);
}

static void an_answer_whose_body_cannot_be_decoded_is_an_answer_without_one(void **state)
{
    (void)state;
    struct world *world = world_new(4, 1 << 20);
    give(world, (struct event_text){.run_id = "r_1", .path = "/unreadable", .synchronized = true});
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 1);
    assert_int_equal(world->port->count, 2); /* a token, the status */
    assert_request(world->port, 1, "PATCH /v1/actions/runs/r_1 {\"status\":\"SUCCESS\"}");
    world_free(world);
}

static void a_run_with_an_odd_id_is_delivered_and_a_warning_says_that_nothing_is_reported(void **state)
{
    (void)state;
    static const struct {
        const char *run_id;
        size_t warnings;
    } cases[] = {{"r_1/../r_2", 1}, {"r_\u00e4", 1}, {"..", 1}, {"r_1 2", 1}, {"", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = world_new(4, 1 << 20);
        struct caught caught = logs_catch();
        give(world, (struct event_text){.run_id = cases[i].run_id, .path = "/ok", .synchronized = true});
        run_until(world->port, &world->done, 1);
        assert_int_equal(world->arrived, 1);
        assert_int_equal(world->port->count, 0);
        char *logged = logs_end(&caught);
        size_t warnings = occurrences(logged, "a run's id does not fit Port's API");
        if (warnings != cases[i].warnings)
            fail_msg("%s: %s", cases[i].run_id, logged);
        free(logged);
        world_free(world);
    }
}

static void what_an_endpoint_echoes_of_our_secrets_is_masked(void **state)
{
    (void)state;
    struct world *world = world_with(
        (struct deliver_options){.max_in_flight = 4, .max_bytes = 1 << 20, .detailed_logging = true});
    struct caught caught = logs_catch();
    struct buffer told = {0};
    give(world, (struct event_text){.run_id = "r_1", .path = "/echo", .user_info = "u:passw%2Frd@"});
    run_until(world->port, &world->done, 1);
    char *logged = logs_end(&caught);
    buffer_append_text(&told, logged);
    for (size_t i = 1; i < world->port->count; i++)
        buffer_append_text(&told, world->port->seen[i].body);
    assert_true(strncmp(world->signature, "v1,", 3) == 0 && strlen(world->signature) == SIGNATURE_SIZE - 1);
    assert_string_equal(world->authorization, "Basic dTpwYXNzdy9yZA==");
    const char *all = buffer_text(&told);
    assert_non_null(strstr(logged, "you sent"));
    assert_int_equal(occurrences(all, "you sent"), 2); /* the log line, the run's summary */
    assert_int_equal(occurrences(all, "v1,***"), 2);
    assert_int_equal(occurrences(all, "Basic ***"), 2);
    assert_null(strstr(all, world->signature + 3));
    assert_null(strstr(all, "dTpwYXNzdy9yZA"));
    assert_null(strstr(all, "world's secret"));
    free(logged);
    buffer_clear(&told);
    world_free(world);
}

static void records_of_one_key_go_one_after_another(void **state)
{
    (void)state;
    struct world *world = world_new(8, 1 << 20);
    give(world, (struct event_text){.run_id = "r_1", .path = "/hold/1", .key = "k"});
    give(world, (struct event_text){.run_id = "r_2", .path = "/2", .key = "k"});
    give(world, (struct event_text){.run_id = "r_3", .path = "/3"});
    give(world, (struct event_text){.run_id = "r_4", .path = "/4", .key = "other"});
    run_until(world->port, &world->done, 2);
    assert_int_equal(world->given[1].done, 0);
    let_go(world, 0);
    run_until(world->port, &world->done, 4);
    assert_string_equal(world->paths[3], "/2");
    assert_holds_nothing(world);
    world_free(world);
}

static void no_more_than_the_window_is_in_flight(void **state)
{
    (void)state;
    struct world *world = world_new(2, 1 << 20);
    for (int i = 0; i < 6; i++)
        give(world, (struct event_text){.run_id = "r_1", .path = "/hold"});
    run_until(world->port, &world->held_count, 2);
    struct counters counters;
    deliver_counters(world->deliver, &counters);
    assert_int_equal(counters.in_flight, 2);
    assert_int_equal(counters.queued, 4);
    for (size_t i = 0; i < 6; i++) {
        run_until(world->port, &world->held_count, i + 1);
        let_go(world, i);
    }
    run_until(world->port, &world->done, 6);
    world_free(world);
}

static void there_is_room_again_when_something_is_done(void **state)
{
    (void)state;
    struct world *world = world_new(2, 6000);
    give(world, (struct event_text){.run_id = "r_1", .path = "/hold"});
    run_until(world->port, &world->held_count, 1);
    assert_false(world->sink.has_room(world->sink.ctx, 5000));
    assert_int_equal(world->rooms, 0);
    let_go(world, 0);
    run_until(world->port, &world->rooms, 1);
    assert_true(world->sink.has_room(world->sink.ctx, 1000000)); /* one that is larger goes alone */
    world_free(world);
}

static void a_revocation_drops_what_has_not_started(void **state)
{
    (void)state;
    struct world *world = world_new(1, 1 << 20);
    int one, other;
    give(world, (struct event_text){.run_id = "r_1", .path = "/hold", .assignment = &one});
    give(world, (struct event_text){.run_id = "r_2", .path = "/2", .assignment = &one});
    give(world, (struct event_text){.run_id = "r_3", .path = "/3", .assignment = &other});
    run_until(world->port, &world->held_count, 1);
    world->sink.withdraw(world->sink.ctx, &one, false);
    assert_int_equal(world->given[1].dropped, 1);
    assert_int_equal(world->dropped, 1);
    let_go(world, 0);
    run_until(world->port, &world->done, 2);
    world_free(world);
}

static void a_revocation_cancels_what_is_left_without_a_report(void **state)
{
    (void)state;
    struct world *world = world_new(4, 1 << 20);
    give(world, (struct event_text){.run_id = "r_1", .path = "/hold", .key = "k", .synchronized = true});
    give(world, (struct event_text){.run_id = "r_2", .path = "/2", .key = "k", .synchronized = true});
    run_until(world->port, &world->held_count, 1);
    world->sink.withdraw(world->sink.ctx, world, true);
    assert_int_equal(world->dropped, 2);
    assert_int_equal(world->arrived, 1);
    assert_int_equal(world->port->count, 0);
    assert_holds_nothing(world);
    let_go(world, 0);
    world_free(world);
}

static void the_lane_of_what_is_withdrawn_is_free_for_what_comes_then(void **state)
{
    (void)state;
    int revoked = 0;
    struct world *world = world_new(4, 1 << 20);
    give(world, (struct event_text){.run_id = "r_1", .path = "/hold", .key = "k", .assignment = &revoked});
    give(world, (struct event_text){.run_id = "r_2", .path = "/ok", .key = "k", .assignment = &revoked});
    run_until(world->port, &world->held_count, 1);
    world->sink.withdraw(world->sink.ctx, &revoked, true);
    assert_int_equal(world->dropped, 2);
    give(world, (struct event_text){.run_id = "r_3", .path = "/ok", .key = "k"});
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 2);
    http_server_abort(world->held[0]);
    assert_holds_nothing(world);
    world_free(world);
}

/* What waits for Port is withdrawn like the rest: a completion after the revocation would touch a partition
 * that is gone. */
static void a_revocation_withdraws_what_waits_for_port(void **state)
{
    (void)state;
    struct world *world = world_new(4, 1 << 20);
    world->port->script = port_away;
    give(world, (struct event_text){.run_id = "r_1", .path = "/ok", .synchronized = true});
    give(world, (struct event_text){.run_id = "wfnr_1", .path = "/ok", .forged = true});
    run_until(world->port, &world->port->count, 4);
    assert_int_equal(world->arrived, 1);
    world->sink.withdraw(world->sink.ctx, world, true);
    assert_int_equal(world->given[0].dropped, 1);
    assert_int_equal(world->given[1].dropped, 1);
    world->port->script = NULL;
    run_for(world->port, 100);
    assert_int_equal(world->done, 0);
    assert_holds_nothing(world);
    world_free(world);
}

static void a_forged_node_run_is_reported_failed_and_no_other(void **state)
{
    (void)state;
    struct world *world = world_new(4, 1 << 20);
    give(world, (struct event_text){.run_id = "r_1", .path = "/ok", .forged = true});
    assert_int_equal(world->given[0].done, 1);
    give(world, (struct event_text){.run_id = "wfnr_1", .path = "/ok", .forged = true});
    run_until(world->port, &world->done, 2);
    assert_int_equal(world->arrived, 0);
    assert_int_equal(world->port->count, 2);
    assert_request(world->port, 1,
                   "PATCH /v1/workflows/nodes/runs/wfnr_1 {\"status\":\"COMPLETED\",\"result\":\"FAILED\"}");
    assert_holds_nothing(world);
    world_free(world);
}

/** Whoever can write to the topic can have node runs reported failed: at most ten a second. */
static void forged_node_runs_are_reported_at_a_pace_and_told_in_groups(void **state)
{
    (void)state;
    enum { FORGED = 60, A_SECOND = 10 };
    struct world *world = world_new(4, 1 << 20);
    struct caught caught = logs_catch();
    int64_t began_ms = clock_monotonic_ms(&world->port->clock);
    for (int i = 0; i < FORGED; i++)
        give(world, (struct event_text){.run_id = "wfnr_1", .path = "/ok", .forged = true});
    give(world, (struct event_text){.run_id = "r_1", .path = "/ok"});
    run_until(world->port, &world->arrived, 1); /* nobody waits for them */
    size_t told = world->done;
    int64_t passed_ms = clock_monotonic_ms(&world->port->clock) - began_ms;
    assert_in_range(told, 0, (size_t)passed_ms * A_SECOND / 1000 + 2);
    world->port->turned_ms += 60000;
    run_until(world->port, &world->done, FORGED + 1); /* but all are told */
    world_free(world);
    char *logged = logs_end(&caught);
    assert_int_equal(occurrences(logged, "event refused: signature wrong"), 50);
    assert_int_equal(occurrences(logged, "events refused: more of them within a minute"), 1);
    assert_non_null(strstr(logged, "\"count\":10"));
    free(logged);
}

static void a_silent_destination_leaves_the_window_to_others(void **state)
{
    (void)state;
    struct world *world = world_new(32, 1 << 20);
    for (int i = 0; i < 40; i++)
        give(world, (struct event_text){.run_id = "r_1", .path = "/hold"});
    run_until(world->port, &world->held_count, 4);
    run_for(world->port, 20);
    assert_int_equal(world->held_count, 4);
    deliver_stop_starting(world->deliver);
    assert_int_equal(world->dropped, 36);
    for (size_t i = 0; i < 4; i++)
        let_go(world, i);
    run_until(world->port, &world->done, 4);
    world_free(world);
}

static struct counters counters_of(const struct world *world)
{
    struct counters counters;
    deliver_counters(world->deliver, &counters);
    return counters;
}

/** Results that Port does not take hold their answers: what was taken already waits, instead of adding to
 * them. */
static void no_webhook_starts_while_too_much_is_held_of_answers(void **state)
{
    (void)state;
    enum { BOUND = 5 * LONG, WINDOW = 4, GIVEN = 20 };
    struct world *world = world_with((struct deliver_options){
        .max_in_flight = WINDOW, .max_bytes = 1 << 20, .total_response_bytes = BOUND});
    world->port->script = port_away;
    for (int i = 0; i < GIVEN; i++)
        give(world, (struct event_text){.run_id = "r_1", .path = "/long", .synchronized = true});
    /* Each holds its answer: it is held back once that is too much. */
    while (deliver_answer_bytes(world->deliver) < BOUND || counters_of(world).in_flight > 0)
        run_for(world->port, 1);
    assert_int_equal(counters_of(world).queued + counters_of(world).waiting_for_port, GIVEN);
    assert_in_range(world->arrived, 5, 5 + WINDOW - 1);
    /* While an answer is written as JSON it is there in both forms. */
    assert_true(deliver_answer_bytes(world->deliver) < BOUND + 2 * WINDOW * (LONG + 4096));
    while (deliver_answer_bytes(world->deliver) >= BOUND + WINDOW * (LONG + 4096))
        run_for(world->port, 1);
    world->port->script = NULL;
    run_until(world->port, &world->done, GIVEN);
    assert_int_equal(world->arrived, GIVEN);
    assert_holds_nothing(world);
    assert_int_equal(deliver_answer_bytes(world->deliver), 0);
    world_free(world);
}

static void what_is_longer_than_all_the_room_goes_alone(void **state)
{
    (void)state;
    struct world *world = world_with(
        (struct deliver_options){.max_in_flight = 4, .max_bytes = 1 << 20, .total_response_bytes = 1});
    for (int i = 0; i < 5; i++)
        give(world, (struct event_text){.run_id = "r_1", .path = "/long", .synchronized = true});
    run_until(world->port, &world->done, 5);
    assert_holds_nothing(world);
    world_free(world);
}

static void what_is_delivered_again_names_the_first(void **state)
{
    (void)state;
    struct world *world = world_new(4, 1 << 20);
    give(world, (struct event_text){.run_id = "r_1", .path = "/ok"});
    run_until(world->port, &world->done, 1);
    assert_string_equal(world->redelivery_of, "");
    give(world, (struct event_text){.run_id = "r_2", .path = "/ok", .redelivery_of = "org.runs-0-0"});
    run_until(world->port, &world->done, 2);
    assert_string_equal(world->redelivery_of, "org.runs-0-0");
    assert_string_equal(world->keys[1], "org.runs-0-1");
    give(world, (struct event_text){.run_id = "r_3", .path = "/ok", .polled = true, .redelivery_of = "r_1"});
    run_until(world->port, &world->done, 3);
    assert_string_equal(world->redelivery_of, "r_1");
    assert_string_equal(world->keys[2], "r_3");
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_done_when_its_result_is_accepted),
        cmocka_unit_test(an_answer_whose_body_cannot_be_decoded_is_an_answer_without_one),
        cmocka_unit_test(no_webhook_starts_while_too_much_is_held_of_answers),
        cmocka_unit_test(what_is_longer_than_all_the_room_goes_alone),
        cmocka_unit_test(a_run_with_an_odd_id_is_delivered_and_a_warning_says_that_nothing_is_reported),
        cmocka_unit_test(what_an_endpoint_echoes_of_our_secrets_is_masked),
        cmocka_unit_test(records_of_one_key_go_one_after_another),
        cmocka_unit_test(no_more_than_the_window_is_in_flight),
        cmocka_unit_test(there_is_room_again_when_something_is_done),
        cmocka_unit_test(a_revocation_drops_what_has_not_started),
        cmocka_unit_test(a_revocation_cancels_what_is_left_without_a_report),
        cmocka_unit_test(the_lane_of_what_is_withdrawn_is_free_for_what_comes_then),
        cmocka_unit_test(a_revocation_withdraws_what_waits_for_port),
        cmocka_unit_test(a_forged_node_run_is_reported_failed_and_no_other),
        cmocka_unit_test(forged_node_runs_are_reported_at_a_pace_and_told_in_groups),
        cmocka_unit_test(a_silent_destination_leaves_the_window_to_others),
        cmocka_unit_test(what_is_delivered_again_names_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
