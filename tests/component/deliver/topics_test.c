/* Where records come from: any number of topics, or none at all. */
#include "world.h"

enum { TOPICS = 20 };

static void records_come_from_any_number_of_topics(void **state)
{
    (void)state;
    struct world *world = world_with(
        (struct deliver_options){.max_in_flight = 4, .max_bytes = 1 << 20, .dedup_window = RECORDS});
    for (size_t i = 0; i < TOPICS; i++) {
        char topic[16], run_id[16];
        snprintf(topic, sizeof topic, "topic.%zu", i);
        snprintf(run_id, sizeof run_id, "r_%zu", i);
        give(world, (struct event_text){
                        .run_id = run_id, .path = "/ok", .topic = topic, .key = "k", .offset_plus_one = 1});
    }
    run_until(world->port, &world->done, TOPICS);
    assert_int_equal(world->dropped, 0);
    assert_int_equal(world->arrived, TOPICS);
    assert_holds_nothing(world);
    world_free(world);
}

static struct world *remembering_world(void)
{
    return world_with(
        (struct deliver_options){.max_in_flight = 4, .max_bytes = 1 << 20, .dedup_window = RECORDS});
}

static uint64_t deduplicated(const struct world *world)
{
    struct counters counters;
    deliver_counters(world->deliver, &counters);
    return counters.deduplicated;
}

/** A record is known by the id that its source gives it. */
static void a_record_without_a_topic_that_comes_again_is_not_delivered_again(void **state)
{
    (void)state;
    struct world *world = remembering_world();
    for (size_t i = 0; i < 2; i++) {
        give(world, (struct event_text){.run_id = "r_1", .path = "/1", .polled = true});
        run_until(world->port, &world->done, i + 1);
    }
    assert_int_equal(world->arrived, 1);
    assert_int_equal(deduplicated(world), 1);
    give(world, (struct event_text){.run_id = "r_2", .path = "/1", .polled = true});
    run_until(world->port, &world->done, 3);
    assert_int_equal(world->arrived, 2);
    /* another event under an id that was delivered */
    give(world, (struct event_text){.run_id = "r_1", .path = "/2", .polled = true});
    run_until(world->port, &world->done, 4);
    assert_int_equal(world->arrived, 3);
    assert_int_equal(deduplicated(world), 1);
    assert_holds_nothing(world);
    world_free(world);
}

static void the_same_offset_of_another_topic_is_another_record(void **state)
{
    (void)state;
    struct world *world = remembering_world();
    static const char *const topics[] = {"org.runs", "org.other", "org.runs", "org.other"};
    for (size_t i = 0; i < 4; i++) {
        give(world,
             (struct event_text){.run_id = "r_1", .path = "/1", .topic = topics[i], .offset_plus_one = 1});
        run_until(world->port, &world->done, i + 1);
    }
    assert_int_equal(world->arrived, 2);
    assert_int_equal(deduplicated(world), 2);
    assert_holds_nothing(world);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_from_any_number_of_topics),
        cmocka_unit_test(a_record_without_a_topic_that_comes_again_is_not_delivered_again),
        cmocka_unit_test(the_same_offset_of_another_topic_is_another_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
