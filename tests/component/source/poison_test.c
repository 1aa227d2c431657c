/* The Kafka consumer and batches that cannot be read, on librdkafka's mock cluster, with a sink that is this
 * test. */
#include "mock_consumer.h"
#include "raw_batches.h"

enum { TAKEN_MAX = 32 };

static char runs[16], changes[16], group[16];
static struct conditions *conditions;

struct world {
    struct kafka_consumer *consumer;
    struct ticket *tickets[TAKEN_MAX];
    int64_t offsets[TAKEN_MAX];
    size_t count;
};

static const char *broker(void)
{
    return mock_cluster_address(&cluster);
}

static int open_topics(void **state)
{
    static int number;
    (void)state;
    number++;
    snprintf(runs, sizeof runs, "runs-%d", number);
    snprintf(changes, sizeof changes, "changes-%d", number);
    snprintf(group, sizeof group, "group-%d", number);
    conditions = conditions_new(clock_system());
    assert_non_null(conditions);
    return open_loop(state) || rd_kafka_mock_topic_create(cluster.cluster, runs, 1, 1) ||
           rd_kafka_mock_topic_create(cluster.cluster, changes, 1, 1);
}

static int close_topics(void **state)
{
    int failed = close_loop(state);
    conditions_free(conditions);
    return failed;
}

/* The sink */

static bool has_room(void *ctx, size_t bytes)
{
    (void)bytes;
    return ((struct world *)ctx)->count < TAKEN_MAX;
}

static void take(void *ctx, const struct record *record, struct ticket *ticket)
{
    struct world *world = ctx;
    world->offsets[world->count] = record->offset;
    world->tickets[world->count++] = ticket;
}

static void done(struct world *world, size_t n)
{
    struct ticket *ticket = world->tickets[n];
    world->tickets[n] = NULL;
    if (ticket)
        source_ticket_done(ticket);
}

static void withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    struct world *world = ctx;
    (void)assignment;
    (void)cancel_started;
    for (size_t i = 0; i < world->count; i++) {
        if (world->tickets[i])
            source_ticket_drop(world->tickets[i]);
        world->tickets[i] = NULL;
    }
}

/* Life */

static void world_open(struct world *world, int64_t silence_ms)
{
    *world = (struct world){0};
    struct kafka_consumer_options options =
        consumer_options(group, (struct source_sink){world, has_room, take, withdraw, NULL});
    options.conditions = conditions;
    options.runs_topic = runs;
    options.change_log_topic = changes;
    options.silence_ms = silence_ms;
    world->consumer = consumer_open(&options);
}

static void wait_for_records(struct world *world, size_t count)
{
    while (world->count < count)
        uv_run(&loop, UV_RUN_ONCE);
}

/* Tests */

static void what_cannot_be_read_is_passed_and_nothing_else_is(void **state)
{
    static const int64_t readable[] = {0, 4, 7, 8, 10};
    enum { READABLE = sizeof readable / sizeof *readable };
    (void)state;
    struct world world;
    struct caught caught = logs_catch();
    write_good(broker(), runs, 1);
    write_undecodable(broker(), runs, 3);
    write_good(broker(), runs, 1);
    write_lying(broker(), runs, 2);
    write_good(broker(), runs, 2);
    write_elsewhere(broker(), runs);
    write_good(broker(), runs, 1);
    write_undecodable(broker(), runs, 2);
    world_open(&world, 1000);
    wait_for_records(&world, READABLE);
    while (counted(world.consumer).batches_passed < 4)
        uv_run(&loop, UV_RUN_ONCE);
    while (conditions_next(conditions, NULL)) /* it is read from again */
        uv_run(&loop, UV_RUN_ONCE);
    for (size_t i = 0; i < READABLE; i++) {
        assert_int_equal(world.offsets[i], readable[i]);
        if (i > 0)
            done(&world, i);
    }
    consumer_close(world.consumer);
    assert_int_equal(committed(group, runs, NULL), 0);

    /* What was done behind them is not done again, and what was not is. */
    world_open(&world, 1000);
    wait_for_records(&world, 1);
    assert_int_equal(world.offsets[0], 0);
    while (counted(world.consumer).restored_skips < READABLE - 1 ||
           counted(world.consumer).batches_passed < 4)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(world.count, 1);
    done(&world, 0);
    consumer_close(world.consumer);
    assert_int_equal(committed(group, runs, NULL), 13);

    char *logged = logs_end(&caught);
    assert_non_null(strstr(logged, "\"from\":1,\"to\":3,\"batches\":1,\"error.type\":\"_NOT_IMPLEMENTED\""));
    assert_non_null(strstr(logged, "\"from\":5,\"to\":6,\"batches\":1,\"error.type\":\"_BAD_MSG\""));
    assert_non_null(strstr(logged, "\"from\":9,\"to\":9,\"batches\":1,\"error.type\":\"_BAD_MSG\""));
    assert_non_null(strstr(logged, "\"from\":11,\"to\":12,\"batches\":1"));
    /* One that follows soon is the same condition still. */
    size_t begun = occurrences(logged, "\"a partition cannot be read\"");
    assert_in_range(begun, 2, 8);
    assert_int_equal(occurrences(logged, "the partition is read from again"), begun);
    free(logged);
}

/** The offsets that have come, a bit each. */
static unsigned seen(const struct world *world)
{
    unsigned bits = 0;
    for (size_t i = 0; i < world->count; i++)
        bits |= 1U << world->offsets[i];
    return bits;
}

/** Where silence is noticed long before its answers come. */
static void a_slow_broker_loses_nothing(void **state)
{
    (void)state;
    struct world world;
    write_good(broker(), runs, 3);
    world_open(&world, 100);
    wait_for_records(&world, 3);
    rd_kafka_mock_broker_set_rtt(cluster.cluster, 1, 700);
    write_good(broker(), runs, 3);
    wait_for_records(&world, 6);
    rd_kafka_mock_broker_set_down(cluster.cluster, 1);
    int64_t until_ms = clock_monotonic_ms(clock_system()) + 3000;
    while (clock_monotonic_ms(clock_system()) < until_ms)
        uv_run(&loop, UV_RUN_ONCE);
    rd_kafka_mock_broker_set_up(cluster.cluster, 1);
    rd_kafka_mock_broker_set_rtt(cluster.cluster, 1, 0);
    write_good(broker(), runs, 3);
    /* An assignment that was lost meanwhile begins again: what is not done comes twice. */
    while (seen(&world) != (1U << 9) - 1)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(counted(world.consumer).batches_passed, 0);
    consumer_close(world.consumer);
}

/** A partition that goes while the end is looked for, and comes again. */
static void a_search_that_is_overtaken_passes_nothing(void **state)
{
    (void)state;
    struct world world;
    write_good(broker(), runs, 1);
    write_lying(broker(), runs, 100); /* takes its time */
    write_good(broker(), runs, 1);
    world_open(&world, 500);
    while (!world.consumer->poison.running)
        uv_run(&loop, UV_RUN_ONCE);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(2);
    rd_kafka_topic_partition_list_add(list, runs, 0);
    rd_kafka_topic_partition_list_add(list, changes, 0);
    rebalance_assigned(world.consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    assert_int_equal(counted(world.consumer).batches_passed, 0);
    wait_for_records(&world, 3);
    assert_int_equal(world.offsets[0], 0);
    assert_int_equal(world.offsets[1], 0);
    assert_int_equal(world.offsets[2], 101);
    assert_int_equal(counted(world.consumer).batches_passed, 1);
    consumer_close(world.consumer);
}

/** As librdkafka does where a fetch beyond the end was under way while the agent set its position. */
static void go_astray(const struct world *world)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, runs, 0)->offset = 0;
    rd_kafka_error_t *error = rd_kafka_seek_partitions(world->consumer->rk, list, 0);
    assert_null(error);
    rd_kafka_topic_partition_list_destroy(list);
}

/** Two records, of which the second is done, then one that cannot be read; it has been passed. */
static void pass_one(struct world *world)
{
    write_good(broker(), runs, 2);
    world_open(world, 1000);
    wait_for_records(world, 2);
    done(world, 1);
    write_elsewhere(broker(), runs);
    write_good(broker(), runs, 1);
    while (counted(world->consumer).batches_passed < 1)
        uv_run(&loop, UV_RUN_ONCE);
}

static void what_comes_from_the_logs_start_after_a_passing_is_not_done_again(void **state)
{
    (void)state;
    struct world world;
    struct caught caught = logs_catch();
    pass_one(&world);
    go_astray(&world);
    wait_for_records(&world, 3);
    assert_int_equal(world.offsets[2], 3);
    consumer_close(world.consumer);
    char *logged = logs_end(&caught);
    assert_null(strstr(logged, "partition rewound"));
    free(logged);
}

static void a_log_that_begins_anew_after_a_passing_is_believed_in_the_end(void **state)
{
    (void)state;
    struct world world;
    pass_one(&world);
    struct partition *partition = partition_find(world.consumer, runs, 0);
    assert_non_null(partition);
    for (unsigned strays = 3; strays > 0; strays--) {
        assert_int_equal(partition->poison.strays, strays);
        go_astray(&world);
        while (partition->poison.strays == strays)
            uv_run(&loop, UV_RUN_ONCE);
        assert_int_equal(world.count, 2);
    }
    go_astray(&world);
    wait_for_records(&world, 3);
    assert_int_equal(world.offsets[2], 0);
    consumer_close(world.consumer);
}

static void closing_does_not_wait_for_a_search(void **state)
{
    (void)state;
    struct world world;
    write_lying(broker(), runs, 1000);
    world_open(&world, 500);
    while (!world.consumer->poison.running)
        uv_run(&loop, UV_RUN_ONCE);
    int64_t from_ms = clock_monotonic_ms(clock_system());
    consumer_close(world.consumer);
    /* The search alone would take half a minute. */
    assert_in_range(clock_monotonic_ms(clock_system()) - from_ms, 0, 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_passed_and_nothing_else_is, open_topics,
                                        close_topics),
        cmocka_unit_test_setup_teardown(a_slow_broker_loses_nothing, open_topics, close_topics),
        cmocka_unit_test_setup_teardown(a_search_that_is_overtaken_passes_nothing, open_topics, close_topics),
        cmocka_unit_test_setup_teardown(what_comes_from_the_logs_start_after_a_passing_is_not_done_again,
                                        open_topics, close_topics),
        cmocka_unit_test_setup_teardown(a_log_that_begins_anew_after_a_passing_is_believed_in_the_end,
                                        open_topics, close_topics),
        cmocka_unit_test_setup_teardown(closing_does_not_wait_for_a_search, open_topics, close_topics),
    };
    return cmocka_run_group_tests(tests, open_cluster, close_cluster);
}
