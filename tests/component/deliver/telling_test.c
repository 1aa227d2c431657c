/* What is told of deliveries: every line of an event of a run names the run, at every level. */
#include "observe/runs.h"
#include "world.h"

/** One after another, so that the lines are in the order of the records. */
static void deliver_one(struct world *world, struct event_text text)
{
    give(world, text);
    run_until(world->port, &world->done, (size_t)world->offset);
}

static char *lines_of_all_kinds(struct world *world)
{
    struct caught caught = logs_catch();
    world->failures = 1;
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/ok", .synchronized = true});
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/flaky"});
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/500"});
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/unreadable", .synchronized = true});
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/ok", .forged = true});
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/ok", .age_ms = 3600000});
    deliver_one(world, (struct event_text){
                           .run_id = "r_1", .path = "/ok", .offset_plus_one = 1, .synchronized = true});
    return logs_end(&caught);
}

/** Deliveries that may be tried twice, grow too old and come again. */
static struct world *telling_world(void)
{
    return world_with((struct deliver_options){
        .max_in_flight = 4,
        .max_bytes = 1 << 20,
        .dedup_window = 16,
        .event_max_age_ms = 60000,
        .retry = {.max_attempts = 2, .max_elapsed_ms = 60000, .initial_backoff_ms = 1, .max_backoff_ms = 1}});
}

static void every_line_of_an_event_names_its_run(void **state)
{
    (void)state;
    struct world *world = telling_world();
    char *text = lines_of_all_kinds(world);
    static const char *const messages[] = {
        "request",       "webhook delivered",        "webhook will be tried again", "webhook failed",
        "response body", "event refused: signature", "record was delivered already"};
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        char start[64];
        snprintf(start, sizeof start, "\"msg\":\"%s", messages[i]);
        assert_non_null(strstr(text, start));
    }
    size_t lines = 0;
    for (char *line = text, *rest = NULL; (line = strtok_r(line, "\n", &rest)); line = NULL) {
        bool named = !strstr(line, "\"messaging.kafka.offset\"") || strstr(line, "\"port.run_id\":\"r_1\"");
        if (!named)
            print_error("%s\n", line);
        assert_true(named);
        lines++;
    }
    assert_true(lines >= 12);
    free(text);
    world_free(world);
}

static void an_observer_is_told_of_everything_that_is_counted(void **state)
{
    (void)state;
    struct world *world = telling_world();
    free(lines_of_all_kinds(world));
    struct counters counters;
    deliver_counters(world->deliver, &counters);
    assert_int_equal(counters.taken, 7);
    assert_int_equal(counters.delivered, 3);
    assert_int_equal(counters.failed, 2); /* an answer of 500, and the old one */
    assert_int_equal(counters.retries, 1);
    assert_int_equal(counters.expired, 1);
    assert_int_equal(counters.deduplicated, 1);
    assert_int_equal(counters.bad_signatures, 1);
    assert_int_equal(counters.bad_records + counters.skipped + counters.dropped, 0);
    assert_int_equal(counters.dead_letters_written, COUNTER_NONE);
    world_free(world);
}

/** How the run's line says that Port took the result; the caller frees the lines. */
static void assert_result(const char *lines, const char *run_id, const char *result)
{
    char run[64], port[64];
    snprintf(run, sizeof run, "\"port.run_id\":\"%s\"", run_id);
    snprintf(port, sizeof port, "\"port.result\":\"%s\"", result);
    const char *at = strstr(lines, "\"msg\":\"webhook ");
    while (at && !(strstr(at, run) && strstr(at, run) < strchr(at, '\n') && strstr(at, "\"port.result\"") &&
                   strstr(at, "\"port.result\"") < strchr(at, '\n')))
        at = strstr(at + 1, "\"msg\":\"webhook ");
    assert_non_null(at);
    const char *found = strstr(at, port);
    if (!found || found > strchr(at, '\n'))
        fail_msg("%s is not in %.*s", port, (int)strcspn(at, "\n"), at);
}

static struct reply gone_or_fine(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    return (struct reply){.status = strstr(request->target, "r_gone") ? 404 : 200};
}

static void the_end_has_one_line_with_ports_word_on_the_result(void **state)
{
    (void)state;
    struct world *world = telling_world();
    struct caught caught = logs_catch();
    world->port->script = gone_or_fine;
    deliver_one(world, (struct event_text){.run_id = "r_sync", .path = "/ok", .synchronized = true});
    deliver_one(world, (struct event_text){.run_id = "r_async", .path = "/ok"});
    deliver_one(world, (struct event_text){.run_id = "r_gone", .path = "/500"});
    deliver_one(world, (struct event_text){.path = "/ok", .change_log = true});
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "\"port.result\":"), 4);
    assert_result(lines, "r_sync", "accepted");
    assert_result(lines, "r_async", "none");
    assert_result(lines, "r_gone", "refused");
    free(lines);
    world_free(world);
}

static void a_result_that_waits_is_told_after_a_while_and_once(void **state)
{
    (void)state;
    struct world *world = telling_world();
    struct caught caught = logs_catch();
    world->port->script = port_away;
    give(world, (struct event_text){.run_id = "r_1", .path = "/ok", .synchronized = true});
    run_until(world->port, &world->port->count, 3);
    deliver_tick(world->deliver); /* it may be a moment */
    world->port->turned_ms += 6000;
    deliver_tick(world->deliver);
    deliver_tick(world->deliver);
    const struct run_memory *runs = observer_run_memory(world->observer);
    assert_string_equal(run_memory_find(runs, SLICE_LITERAL("r_1"))->port_result, "waiting");
    world->port->script = NULL;
    run_until(world->port, &world->done, 1);
    assert_string_equal(run_memory_find(runs, SLICE_LITERAL("r_1"))->port_result, "accepted");
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "\"msg\":\"webhook delivered\""), 1);
    assert_result(lines, "r_1", "waiting");
    assert_non_null(strstr(lines, "\"waited_for\":\"Port 6."));
    free(lines);
    world_free(world);
}

static void a_run_that_waits_for_its_lane_says_so_once_and_for_how_long(void **state)
{
    (void)state;
    struct world *world = telling_world();
    struct caught caught = logs_catch();
    give(world, (struct event_text){.run_id = "r_1", .path = "/hold", .key = "k"});
    give(world, (struct event_text){.run_id = "r_2", .path = "/ok", .key = "k"});
    run_until(world->port, &world->held_count, 1);
    world->port->turned_ms += 7000;
    let_go(world, 0);
    run_until(world->port, &world->done, 2);
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "\"level\":\"INFO\",\"msg\":\"run waits\""), 1);
    assert_non_null(strstr(lines, "\"reason\":\"another with the same key is first\""));
    assert_non_null(strstr(lines, "\"waited_for\":\"lane 7."));
    free(lines);
    world_free(world);
}

static void a_run_reads_whether_its_endpoint_answered(void **state)
{
    (void)state;
    static const char *const logs[] = {"{\"message\":\"Webhook answered 200 in ",
                                       "{\"message\":\"Webhook answered 500 in ",
                                       "{\"message\":\"Webhook failed after "};
    struct world *world = world_open_with(true);
    world_deliver(world, (struct deliver_options){.max_in_flight = 4, .max_bytes = 1 << 20});
    give(world, (struct event_text){.run_id = "r_1", .path = "/hold"});
    run_until(world->port, &world->held_count, 1);
    http_server_abort(world->held[0]);
    run_until(world->port, &world->done, 1);
    deliver_one(world, (struct event_text){.run_id = "r_2", .path = "/ok"});
    deliver_one(world, (struct event_text){.run_id = "r_3", .path = "/500"});
    size_t found = 0;
    for (size_t i = 0; i < world->port->count; i++)
        for (size_t n = 0; n < sizeof logs / sizeof *logs; n++)
            found +=
                strncmp(world->port->seen[i].body, logs[n], strlen(logs[n])) == 0 ? (size_t)1 << 8 * n : 0;
    assert_int_equal(found, 0x010101);
    world_free(world);
}

static void a_run_reads_once_that_its_webhook_is_sent_and_of_each_failed_attempt(void **state)
{
    (void)state;
    struct world *world = world_open_with(true);
    world_deliver(world, (struct deliver_options){.max_in_flight = 4,
                                                  .max_bytes = 1 << 20,
                                                  .retry = {.max_attempts = 3,
                                                            .max_elapsed_ms = 60000,
                                                            .initial_backoff_ms = 1,
                                                            .max_backoff_ms = 1}});
    world->failures = 2;
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/flaky", .synchronized = true});
    size_t sent = 0, failed = 0;
    for (size_t i = 0; i < world->port->count; i++) {
        const char *body = world->port->seen[i].body;
        sent += occurrences(body, "\"Sending POST http://");
        failed += occurrences(body, "\"Attempt ");
    }
    assert_int_equal(sent, 1);
    assert_int_equal(failed, 2);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_of_an_event_names_its_run),
        cmocka_unit_test(the_end_has_one_line_with_ports_word_on_the_result),
        cmocka_unit_test(a_result_that_waits_is_told_after_a_while_and_once),
        cmocka_unit_test(a_run_that_waits_for_its_lane_says_so_once_and_for_how_long),
        cmocka_unit_test(a_run_reads_whether_its_endpoint_answered),
        cmocka_unit_test(a_run_reads_once_that_its_webhook_is_sent_and_of_each_failed_attempt),
        cmocka_unit_test(an_observer_is_told_of_everything_that_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
