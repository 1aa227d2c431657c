/* What is told of deliveries: every line of an event of a run names the run, at every level. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_of_an_event_names_its_run),
        cmocka_unit_test(an_observer_is_told_of_everything_that_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
