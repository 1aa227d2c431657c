/* What goes on being wrong with deliveries is said once a minute until it ends. */
#include "observe/conditions.h"
#include "world.h"

enum { MINUTE_MS = 60000 };

static struct conditions *conditions;

static struct world *standing_world(struct deliver_options options)
{
    struct world *world = world_open();
    conditions = conditions_new(&world->port->clock);
    assert_non_null(conditions);
    options.max_in_flight = 4;
    options.max_bytes = 1 << 20;
    options.conditions = conditions;
    world_deliver(world, options);
    return world;
}

static void standing_free(struct world *world)
{
    world_free(world);
    conditions_free(conditions);
}

static void tick_after(struct world *world, int64_t ms)
{
    world->port->turned_ms += ms;
    deliver_tick(world->deliver);
    conditions_tick(conditions);
}

static void deliver_one(struct world *world, struct event_text text)
{
    give(world, text);
    run_until(world->port, &world->done, (size_t)world->offset);
}

static void an_open_circuit_is_said_with_its_cause_and_what_waits(void **state)
{
    (void)state;
    struct world *world = standing_world((struct deliver_options){.breaker_failures = 2});
    struct caught caught = logs_catch();
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/500"});
    deliver_one(world, (struct event_text){.run_id = "r_2", .path = "/500"});
    give(world, (struct event_text){.run_id = "r_3", .path = "/ok"});
    give(world, (struct event_text){.run_id = "r_4", .path = "/ok"});
    run_for(world->port, 20);
    tick_after(world, 1000);
    const struct condition *condition = conditions_next(conditions, NULL);
    assert_non_null(condition);
    assert_int_equal(condition->kind, CONDITION_CIRCUIT_OPEN);
    assert_int_equal(condition->value, 2);
    assert_string_equal(condition->sentence, "2 failures in a row; the last: the endpoint answered 500");
    assert_string_equal(condition->hint, "the endpoint itself failed: look at its log");
    run_until(world->port, &world->done, 4);
    assert_null(conditions_next(conditions, NULL));
    char *lines = logs_end(&caught);
    const char *closed = strstr(lines, "\"msg\":\"circuit closed: ");
    assert_non_null(closed);
    assert_non_null(strstr(closed, "\"waiting\":1,")); /* behind the one that was answered */
    assert_int_equal(occurrences(lines, "\"level\":\"WARNING\",\"msg\":\"circuit open: "), 1);
    assert_int_equal(occurrences(lines, "\"hint\":\"the endpoint itself failed: look at its log\""), 1);
    assert_int_equal(occurrences(lines, "\"level\":\"INFO\",\"msg\":\"circuit closed: "), 1);
    free(lines);
    standing_free(world);
}

static void signatures_that_are_all_refused_are_said_and_one_is_not(void **state)
{
    (void)state;
    struct world *world = standing_world((struct deliver_options){0});
    struct caught caught = logs_catch();
    for (int i = 0; i < 4; i++)
        deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/ok", .forged = true});
    tick_after(world, MINUTE_MS);
    assert_null(conditions_next(conditions, NULL));
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/ok", .forged = true});
    const struct condition *condition = conditions_next(conditions, NULL);
    assert_non_null(condition);
    assert_int_equal(condition->kind, CONDITION_SIGNATURES_REFUSED);
    assert_non_null(strstr(condition->sentence, "5 events in a row; is PORT_CLIENT_SECRET this"));
    deliver_one(world, (struct event_text){.path = "/ok", .change_log = true}); /* nobody signs these */
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/ok", .forged = true});
    tick_after(world, MINUTE_MS);
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/ok"});
    assert_null(conditions_next(conditions, NULL));
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "every event is refused: no signature is valid\",\"in_a_row\":5"), 1);
    assert_int_equal(occurrences(lines, "every event is refused: no signature is valid\",\"in_a_row\":6"), 1);
    assert_int_equal(occurrences(lines, "\"msg\":\"signatures are valid again\""), 1);
    free(lines);
    standing_free(world);
}

static void mappings_that_want_nothing_for_ten_minutes_are_said(void **state)
{
    (void)state;
    static const char file[] = "[{\"enabled\":\".payload.properties.mine // false\"},"
                               "{\"enabled\":\".context.runId == \\\"r_mine\\\"\"}]";
    struct map_process_options options = {.file = slice_of(file), .cpu_ms = 1000};
    struct mapper_options mapper = {0};
    struct buffer problems = {0}, warnings = {0};
    if (map_process_start(&options, &mapper.process, &problems, &warnings) != 0)
        fail_msg("%s", buffer_text(&problems));
    buffer_clear(&warnings);
    struct world *world = world_open();
    mapper.loop = &world->port->loop;
    struct mapper *asked = mapper_new(&mapper);
    conditions = conditions_new(&world->port->clock);
    world_deliver(world, (struct deliver_options){.max_in_flight = 4,
                                                  .max_bytes = 1 << 20,
                                                  .conditions = conditions,
                                                  .mapper = asked,
                                                  .mapping_file = true});
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/ok"});
    tick_after(world, 9 * MINUTE_MS);
    assert_null(conditions_next(conditions, NULL));
    deliver_one(world, (struct event_text){.run_id = "r_2", .path = "/ok"});
    tick_after(world, MINUTE_MS);
    const struct condition *condition = conditions_next(conditions, NULL);
    assert_non_null(condition);
    assert_int_equal(condition->kind, CONDITION_NOTHING_WANTED);
    assert_int_equal(condition->value, 2);
    deliver_one(world, (struct event_text){.run_id = "r_mine", .path = "/ok"});
    assert_null(conditions_next(conditions, NULL));
    tick_after(world, 20 * MINUTE_MS);
    assert_null(conditions_next(conditions, NULL));
    mapper_close(asked, NULL, NULL);
    standing_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_circuit_is_said_with_its_cause_and_what_waits),
        cmocka_unit_test(signatures_that_are_all_refused_are_said_and_one_is_not),
        cmocka_unit_test(mappings_that_want_nothing_for_ten_minutes_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
