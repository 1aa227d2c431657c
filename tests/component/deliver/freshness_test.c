/* Events that were signed long ago, or in the future. */
#include "world.h"

enum { TOLERANCE_MS = 60000 };

/** So many seconds before now, as an event has it. */
static const char *ago(const struct world *world, int64_t seconds)
{
    static char texts[8][24];
    static size_t next;
    char *text = texts[next++ % 8];
    snprintf(text, sizeof texts[0], "%lld", (long long)(clock_wall_ms(&world->port->clock) / 1000 - seconds));
    return text;
}

static struct world *world_of(int64_t tolerance_ms, struct conditions **conditions)
{
    struct world *world = world_open();
    if (conditions)
        *conditions = conditions_new(&world->port->clock);
    world_deliver(world, (struct deliver_options){.max_in_flight = 4,
                                                  .max_bytes = 1 << 20,
                                                  .replay_tolerance_ms = tolerance_ms,
                                                  .conditions = conditions ? *conditions : NULL});
    return world;
}

static struct counters counted(const struct world *world)
{
    struct counters counters;
    deliver_counters(world->deliver, &counters);
    return counters;
}

static void deliver_one(struct world *world, struct event_text text)
{
    give(world, text);
    run_until(world->port, &world->done, (size_t)world->offset);
}

static void an_old_signature_fails_its_run(void **state)
{
    (void)state;
    struct world *world = world_of(TOLERANCE_MS, NULL);
    deliver_one(world, (struct event_text){.run_id = "r_new", .path = "/1", .timestamp = ago(world, 0)});
    deliver_one(world, (struct event_text){.run_id = "r_less", .path = "/2", .timestamp = ago(world, 50)});
    assert_int_equal(world->arrived, 2);
    struct caught caught = logs_catch();
    deliver_one(world, (struct event_text){.run_id = "r_old", .path = "/3", .timestamp = ago(world, 100)});
    char *text = logs_end(&caught);
    assert_int_equal(world->arrived, 2);
    assert_int_equal(counted(world).stale, 1);
    assert_int_equal(counted(world).failed, 1);
    assert_non_null(strstr(text, "\"error.type\":\"signature_expired\""));
    assert_non_null(strstr(text, "\"port.run_id\":\"r_old\""));
    bool reported = false;
    for (size_t i = 0; i < world->port->count; i++)
        reported |= strstr(world->port->seen[i].body, "\"FAILURE\"") &&
                    strstr(world->port->seen[i].body, "No webhook was sent: its signature is 1") &&
                    strstr(world->port->seen[i].target, "/v1/actions/runs/r_old");
    assert_true(reported);
    free(text);
    assert_holds_nothing(world);
    world_free(world);
}

static void what_a_person_wants_once_more_is_not_judged(void **state)
{
    (void)state;
    struct world *world = world_of(TOLERANCE_MS, NULL);
    deliver_one(world, (struct event_text){.run_id = "r_new", .path = "/1", .timestamp = ago(world, 0)});
    uint64_t age_s = counted(world).signature_age_s;
    deliver_one(world, (struct event_text){.run_id = "r_old",
                                           .path = "/2",
                                           .timestamp = ago(world, 1000),
                                           .redelivery_of = "org.runs-0-0"});
    assert_int_equal(world->arrived, 2);
    assert_int_equal(counted(world).stale, 0);
    assert_int_equal(counted(world).signature_age_s, age_s);
    assert_holds_nothing(world);
    world_free(world);
}

static void without_a_tolerance_any_age_is_delivered(void **state)
{
    (void)state;
    struct world *world = world_of(0, NULL);
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/1"});
    deliver_one(world, (struct event_text){.run_id = "r_2", .path = "/2", .timestamp = "0"});
    assert_int_equal(world->arrived, 2);
    assert_int_equal(counted(world).stale, 0);
    world_free(world);
}

/** Nobody but Port's API vouches for the first; nobody at all for the time of the others. */
static void what_has_no_signature_is_judged_by_its_own_timestamp_if_at_all(void **state)
{
    (void)state;
    struct world *world = world_of(TOLERANCE_MS, NULL);
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/1", .polled = true});
    deliver_one(world, (struct event_text){.path = "/2", .change_log = true});
    deliver_one(world, (struct event_text){.path = "/3", .change_log = true, .timestamp = "no time"});
    deliver_one(world, (struct event_text){.path = "/4", .change_log = true, .timestamp = ago(world, 10)});
    assert_int_equal(world->arrived, 4);
    struct caught caught = logs_catch();
    deliver_one(world, (struct event_text){.path = "/5", .change_log = true, .timestamp = ago(world, 90)});
    char *text = logs_end(&caught);
    assert_int_equal(world->arrived, 4);
    assert_int_equal(counted(world).stale, 1);
    assert_non_null(strstr(text, "its timestamp is 9"));
    assert_true(counted(world).signature_age_s == COUNTER_NONE);
    free(text);
    world_free(world);
}

static void one_ahead_of_the_clock_is_delivered_and_told_while_it_lasts(void **state)
{
    (void)state;
    static const char begun[] = "this machine's clock is off, or the clock of whoever signs events";
    struct conditions *conditions;
    struct world *world = world_of(TOLERANCE_MS, &conditions);
    struct caught caught = logs_catch();
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/1", .timestamp = ago(world, -290)});
    assert_null(conditions_next(conditions, NULL));
    deliver_one(world, (struct event_text){.run_id = "r_2", .path = "/2", .timestamp = ago(world, -320)});
    const struct condition *standing = conditions_next(conditions, NULL);
    assert_non_null(standing);
    assert_int_equal(standing->kind, CONDITION_SIGNED_AHEAD);
    assert_in_range(standing->value, 310, 321);
    /* the largest that a timestamp may be, and an unsigned one */
    deliver_one(world, (struct event_text){.run_id = "r_3", .path = "/3", .timestamp = "999999999999999999"});
    deliver_one(world, (struct event_text){.path = "/4", .change_log = true, .timestamp = ago(world, 0)});
    assert_non_null(conditions_next(conditions, NULL));
    assert_int_equal(counted(world).signature_age_s, 0);
    deliver_one(world, (struct event_text){.run_id = "r_5", .path = "/5", .timestamp = ago(world, 0)});
    assert_null(conditions_next(conditions, NULL));
    char *text = logs_end(&caught);
    assert_int_equal(occurrences(text, begun), 1);
    assert_non_null(strstr(text, "events are signed with this machine's time again"));
    assert_int_equal(world->arrived, 5);
    assert_int_equal(counted(world).stale, 0);
    free(text);
    world_free(world);
    conditions_free(conditions);
}

static void the_age_of_the_last_signature_is_counted(void **state)
{
    (void)state;
    struct world *world = world_of(0, NULL);
    assert_true(counted(world).signature_age_s == COUNTER_NONE);
    deliver_one(world, (struct event_text){.run_id = "r_1", .path = "/1", .timestamp = ago(world, 40)});
    assert_in_range(counted(world).signature_age_s, 39, 60);
    deliver_one(world, (struct event_text){
                           .run_id = "r_2", .path = "/1", .timestamp = ago(world, 9), .forged = true});
    assert_in_range(counted(world).signature_age_s, 39, 60);
    deliver_one(world, (struct event_text){.run_id = "r_3", .path = "/1", .timestamp = ago(world, 3000)});
    assert_in_range(counted(world).signature_age_s, 2999, 3060);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_old_signature_fails_its_run),
        cmocka_unit_test(what_a_person_wants_once_more_is_not_judged),
        cmocka_unit_test(without_a_tolerance_any_age_is_delivered),
        cmocka_unit_test(what_has_no_signature_is_judged_by_its_own_timestamp_if_at_all),
        cmocka_unit_test(one_ahead_of_the_clock_is_delivered_and_told_while_it_lasts),
        cmocka_unit_test(the_age_of_the_last_signature_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
