/* The Kafka consumer on librdkafka's mock cluster, with a sink that is this test. */
#include "consumer_world.h"

/** They close while they still ask where to start, so that a revocation overtakes the assignment. And a
 * client that has left answers no more questions, for whose answers librdkafka waits without a bound. It
 * leaves in a thread of its own, so whether one comes too late is a matter of luck: many try. */
static void members_leave_as_soon_as_they_were_assigned(void **state)
{
    (void)state;
    struct world worlds[MEMBERS];
    size_t left = MEMBERS;
    for (size_t i = 0; i < MEMBERS; i++) {
        char group[32];
        snprintf(group, sizeof group, "leaving-%zu", i);
        world_open(&worlds[i], group, i % 2 == 0 ? "range,roundrobin" : "cooperative-sticky");
    }
    while (left > 0) {
        uv_run(&loop, UV_RUN_ONCE);
        left = 0;
        for (size_t i = 0; i < MEMBERS; i++) {
            left += !worlds[i].closed;
            if (worlds[i].closing || !is_assigned(&worlds[i]))
                continue;
            worlds[i].closing = true;
            kafka_consumer_close(worlds[i].consumer, closed, &worlds[i]);
        }
    }
}

static void what_is_done_is_committed_and_the_rest_comes_again(void **state)
{
    (void)state;
    struct world world;
    produce("0");
    produce("1");
    produce("2");
    world_open(&world, "again", "range,roundrobin");
    world.refuse = 1; /* it asks once, and then it waits to be told */
    while (world.refuse > 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(world.count, 0);
    kafka_consumer_resume(world.consumer);
    wait_for_records(&world, 3);
    assert_int_equal(world.offsets[0], 0);
    give_back(&world, 2, true);
    give_back(&world, 0, true);
    world_close(&world);

    produce("3");
    world_open(&world, "again", "range,roundrobin");
    wait_for_records(&world, 2);
    assert_int_equal(world.offsets[0], 1);
    assert_int_equal(world.offsets[1], 3);
    world_close(&world);
}

static void turn_begins(uv_prepare_t *prepare)
{
    ((struct world *)prepare->data)->bytes_in_turn = 0;
}

/** Idle handles, from which records are taken, run before the loop polls, and prepare handles in between. */
static void a_turn_of_the_loop_takes_a_bounded_number_of_bytes(void **state)
{
    (void)state;
    enum { LARGE = 200 * 1024, MANY = 15 };
    static char value[LARGE + 1];
    struct world world;
    uv_prepare_t prepare;
    memset(value, 'x', LARGE);
    for (size_t i = 0; i < MANY; i++)
        produce_to(CHANGES, value);
    world_open(&world, "turns", "range,roundrobin");
    uv_prepare_init(&loop, &prepare);
    prepare.data = &world;
    uv_prepare_start(&prepare, turn_begins);
    while (world.changes < MANY)
        uv_run(&loop, UV_RUN_ONCE);
    assert_true(world.most_in_turn >= LARGE);
    assert_true(world.most_in_turn < (1 << 20) + LARGE);
    uv_close((uv_handle_t *)&prepare, NULL);
    world_close(&world);
}

static void see_partition(void *ctx, const struct source_partition *partition)
{
    if (strcmp(partition->topic, RUNS) == 0)
        *(struct source_partition *)ctx = *partition;
}

static void each_partition_tells_where_it_stands(void **state)
{
    (void)state;
    struct world world;
    struct source_partition seen = {0};
    produce("a");
    produce("b");
    int64_t all = (int64_t)produced;
    world_open(&world, "seen", "range,roundrobin");
    assert_string_equal(kafka_consumer_view(world.consumer).state, "not connected to the brokers");
    wait_for_records(&world, produced);
    give_back(&world, 0, true);
    while (seen.committed != 1) {
        uv_run(&loop, UV_RUN_ONCE);
        kafka_consumer_each_partition(world.consumer, see_partition, &seen);
    }
    assert_int_equal(seen.number, 0);
    assert_int_equal(seen.position, all);
    assert_int_equal(seen.end, all);
    assert_int_equal(seen.undone, all - 1);
    assert_int_equal(seen.oldest, 1);
    assert_string_equal(kafka_consumer_view(world.consumer).state, "consuming");
    assert_true(kafka_consumer_view(world.consumer).connected);
    world_close(&world);
}

/** librdkafka joins anew without a revocation when its topics change while it waits for our answer to an
 * assignment. What was taken is withdrawn and comes again, and late tickets disturb nothing. */
static void what_is_assigned_anew_without_a_revocation_comes_again(void **state)
{
    (void)state;
    struct world world;
    produce("first");
    produce("second");
    size_t all = produced;
    world_open(&world, "anew", "range,roundrobin");
    wait_for_records(&world, all);
    give_back(&world, 0, true);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(2);
    rd_kafka_topic_partition_list_add(list, RUNS, 0);
    rd_kafka_topic_partition_list_add(list, CHANGES, 0);
    rebalance_assigned(world.consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    for (size_t i = 0; i < all; i++)
        assert_null(world.tickets[i]);

    wait_for_records(&world, 2 * all);
    for (size_t i = 0; i < all; i++) {
        assert_int_equal(world.offsets[all + i], (int64_t)i);
        give_back(&world, all + i, true);
    }
    world_close(&world);

    produce("third");
    world_open(&world, "anew", "range,roundrobin");
    wait_for_records(&world, 1);
    assert_int_equal(world.offsets[0], (int64_t)all);
    world_close(&world);
}

static void wait_for_commits(const struct world *world, uint64_t count)
{
    struct kafka_consumer_counters counters = {0};
    while (counters.commits < count) {
        uv_run(&loop, UV_RUN_ONCE);
        kafka_consumer_counters(world->consumer, &counters);
    }
}

/** All at once: a group of the mock cluster waits some seconds for members. */
static void wait_until_begun(const struct world *worlds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        while (!worlds[i].consumer->partitions || !worlds[i].consumer->partitions->begun)
            uv_run(&loop, UV_RUN_ONCE);
}

static void the_first_start_is_committed_with_facts_before_anything_is_taken(void **state)
{
    (void)state;
    static const char *const starts[] = {"earliest", "latest"};
    struct world worlds[2];
    produce("old");
    for (size_t i = 0; i < 2; i++)
        world_open_at(&worlds[i], starts[i], starts[i], "range,roundrobin");
    wait_until_begun(worlds, 2);
    for (size_t i = 0; i < 2; i++) {
        struct facts facts;
        assert_int_equal(committed(starts[i], RUNS, &facts), i == 0 ? 0 : (int64_t)produced);
        /* The mock cluster answers no DescribeTopics: tests/e2e/test_positions.py tries the topic's id. */
        assert_true(facts.first.known);
        committed(starts[i], CHANGES, &facts);
        assert_true(facts.first.known && facts.first.count == 0 && !facts.first.incomplete);
        world_close(&worlds[i]);
    }
}

/** The change log has no offset. A note beside the runs' says whether it was there when the group began. */
static void what_a_note_says_decides_where_another_partition_begins(void **state)
{
    (void)state;
    enum { CASES = 4 };
    struct facts began = {.first = {.known = true}}, stood = began, missing = began;
    first_start_add(&stood.first, true, 0, 1);
    missing.first.incomplete = true;
    const struct {
        const char *group;
        const struct facts *facts;
        size_t expected; /* of three records, the last of which comes after the start */
    } cases[CASES] = {
        {"taken-over", NULL, 1}, {"appeared", &began, 3}, {"stood", &stood, 2}, {"missing", &missing, 1}};
    struct world worlds[CASES];
    produce_to(CHANGES, "one");
    produce_to(CHANGES, "two");
    for (size_t i = 0; i < CASES; i++) {
        commit(cases[i].group, RUNS, (int64_t)produced, cases[i].facts);
        world_open_at(&worlds[i], "latest", cases[i].group, "range,roundrobin");
    }
    wait_until_begun(worlds, CASES);
    produce_to(CHANGES, "three");
    for (size_t i = 0; i < CASES; i++) {
        struct facts facts;
        while (worlds[i].changes < cases[i].expected)
            uv_run(&loop, UV_RUN_ONCE);
        world_close(&worlds[i]);
        assert_int_equal(worlds[i].changes, cases[i].expected);
        assert_int_equal(committed(cases[i].group, CHANGES, &facts), 3);
        assert_true(facts.first.known && facts.first.count == 0 && !facts.first.incomplete);
    }
}

/** A broker whose offset.metadata.max.bytes is small. */
static void commits_go_on_without_facts_where_the_broker_refuses_them(void **state)
{
    (void)state;
    enum { OFFSET_COMMIT = 8 };
    struct world world;
    struct facts facts;
    rd_kafka_resp_err_t refused = RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE;
    rd_kafka_mock_push_request_errors(cluster.cluster, OFFSET_COMMIT, 2, refused, refused);
    world_open_at(&world, "latest", "refused", "range,roundrobin");
    wait_for_commits(&world, 2);
    produce("after");
    wait_for_records(&world, 1);
    give_back(&world, 0, true);
    world_close(&world);
    assert_int_equal(committed("refused", RUNS, &facts), (int64_t)produced);
    assert_false(facts.first.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(members_leave_as_soon_as_they_were_assigned, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(what_is_done_is_committed_and_the_rest_comes_again, open_loop,
                                        close_loop),
        cmocka_unit_test_setup_teardown(each_partition_tells_where_it_stands, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(what_is_assigned_anew_without_a_revocation_comes_again, open_loop,
                                        close_loop),
        cmocka_unit_test_setup_teardown(the_first_start_is_committed_with_facts_before_anything_is_taken,
                                        open_loop, close_loop),
        cmocka_unit_test_setup_teardown(what_a_note_says_decides_where_another_partition_begins, open_loop,
                                        close_loop),
        cmocka_unit_test_setup_teardown(commits_go_on_without_facts_where_the_broker_refuses_them, open_loop,
                                        close_loop),
        /* the others want few records in the change log */
        cmocka_unit_test_setup_teardown(a_turn_of_the_loop_takes_a_bounded_number_of_bytes, open_loop,
                                        close_loop),
    };
    return cmocka_run_group_tests(tests, open_cluster, close_cluster);
}
