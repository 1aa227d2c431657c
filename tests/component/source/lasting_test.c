/* What goes on being wrong with Kafka, as the consumer tells of it: on librdkafka's mock cluster. */
#include "consumer_world.h"

static void lasting_open(struct world *world, const char *group)
{
    conditions = conditions_new(clock_system());
    assert_non_null(conditions);
    ask_topics_ms = 100;
    world_open(world, group, "range,roundrobin");
}

static void lasting_close(struct world *world)
{
    world_close(world);
    conditions_free(conditions);
    conditions = NULL;
    ask_topics_ms = 0;
}

/** Waits until it stands. */
static const struct condition *wait_for_condition(enum condition_kind kind)
{
    const struct condition *condition = NULL;
    while (!condition || condition->kind != kind) {
        uv_run(&loop, UV_RUN_ONCE);
        while ((condition = conditions_next(conditions, condition)) && condition->kind != kind)
            ;
    }
    return condition;
}

static void wait_until_nothing_stands(void)
{
    while (conditions_next(conditions, NULL))
        uv_run(&loop, UV_RUN_ONCE);
}

static void a_topic_that_is_missing_stands_until_it_is_there(void **state)
{
    (void)state;
    struct world world;
    struct caught caught = logs_catch();
    rd_kafka_mock_topic_set_error(cluster.cluster, CHANGES, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    lasting_open(&world, "missing");
    const struct condition *condition = wait_for_condition(CONDITION_TOPIC_MISSING);
    assert_string_equal(condition->subject, CHANGES);
    assert_non_null(
        strstr(condition->sentence, "Unknown topic or partition; waiting until the topic exists"));
    rd_kafka_mock_topic_set_error(cluster.cluster, CHANGES, RD_KAFKA_RESP_ERR_NO_ERROR);
    wait_until_nothing_stands();
    while (!is_assigned(&world) || world.consumer->standing.lasts)
        uv_run(&loop, UV_RUN_ONCE);
    lasting_close(&world);
    char *logged = logs_end(&caught);
    assert_int_equal(occurrences(logged, "connected to the Kafka brokers"), 1);
    assert_int_equal(occurrences(logged, "\"msg\":\"a topic cannot be consumed from\""), 1);
    assert_int_equal(occurrences(logged, "\"level\":\"INFO\",\"msg\":\"the topic can be consumed from\""), 1);
    assert_null(strstr(logged, "\"messaging.destination.name\":\"org.runs\",\"reason\""));
    free(logged);
}

static void brokers_that_are_away_stand_until_one_answers(void **state)
{
    (void)state;
    struct world world;
    struct caught caught = logs_catch();
    lasting_open(&world, "away");
    while (!is_assigned(&world))
        uv_run(&loop, UV_RUN_ONCE);
    rd_kafka_mock_broker_set_down(cluster.cluster, 1);
    wait_for_condition(CONDITION_BROKERS_AWAY);
    rd_kafka_mock_broker_set_up(cluster.cluster, 1);
    wait_until_nothing_stands();
    lasting_close(&world);
    char *logged = logs_end(&caught);
    assert_int_equal(occurrences(logged, "\"level\":\"WARNING\",\"msg\":\"no Kafka broker answers\""), 1);
    assert_int_equal(occurrences(logged, "\"msg\":\"the Kafka brokers answer again\""), 1);
    free(logged);
}

/** Each topic has one partition, and "range" gives both to one member. */
static void a_member_to_whom_nothing_is_assigned_says_so(void **state)
{
    (void)state;
    struct world first, second;
    struct caught caught = logs_catch();
    lasting_open(&first, "crowded");
    while (!is_assigned(&first))
        uv_run(&loop, UV_RUN_ONCE);
    world_open(&second, "crowded", "range,roundrobin");
    wait_for_condition(CONDITION_NOTHING_ASSIGNED);
    world_close(is_assigned(&first) ? &first : &second);
    wait_until_nothing_stands();
    lasting_close(first.closed ? &second : &first);
    char *logged = logs_end(&caught);
    assert_int_equal(occurrences(logged, "\"level\":\"WARNING\",\"msg\":\"no partition is assigned"), 1);
    assert_int_equal(occurrences(logged, "\"msg\":\"partitions are assigned again\""), 1);
    free(logged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(brokers_that_are_away_stand_until_one_answers, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(a_member_to_whom_nothing_is_assigned_says_so, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(a_topic_that_is_missing_stands_until_it_is_there, open_loop,
                                        close_loop),
    };
    return cmocka_run_group_tests(tests, open_cluster, close_cluster);
}
