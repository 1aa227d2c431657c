/* The Kafka consumer on librdkafka's mock cluster, with a sink that is this test. */
#include "../kafka/mock_cluster.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "observe/conditions.h"
#include "source/kafka/internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../logs.h"

enum { DEADLINE_MS = 60000, TAKEN_MAX = 16, MEMBERS = 24 };
static const char RUNS[] = "org.runs", CHANGES[] = "org.change.log";

static struct mock_cluster cluster;
static size_t produced;

struct world {
    size_t changes; /* records of the change log are counted, and done at once */
    struct kafka_consumer *consumer;
    struct ticket *tickets[TAKEN_MAX];
    int64_t offsets[TAKEN_MAX];
    size_t count;
    size_t bytes_in_turn, most_in_turn; /* of the change log's records */
    bool closing, closed;
};

static int open_cluster(void **state)
{
    (void)state;
    return mock_cluster_open(&cluster, (const char *[]){RUNS, CHANGES}, 2) ? 0 : -1;
}

static int close_cluster(void **state)
{
    (void)state;
    mock_cluster_close(&cluster);
    return 0;
}

static void produce_to(const char *topic, char *value)
{
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, mock_cluster_conf(&cluster), NULL, 0);
    assert_int_equal(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
                                       RD_KAFKA_V_VALUE(value, strlen(value)),
                                       RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
                     0);
    assert_int_equal(rd_kafka_flush(producer, DEADLINE_MS), 0);
    rd_kafka_destroy(producer);
}

static void produce(char *value)
{
    produce_to(RUNS, value);
    produced++;
}

/** The group's committed offset, with what is beside it. */
static int64_t committed(const char *group, const char *topic, struct facts *facts)
{
    rd_kafka_conf_t *conf = mock_cluster_conf(&cluster);
    rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
    rd_kafka_t *reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0);
    assert_int_equal(rd_kafka_committed(reader, list, DEADLINE_MS), 0);
    int64_t offset = list->elems[0].offset;
    facts_read((struct slice){list->elems[0].metadata, list->elems[0].metadata_size}, facts);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(reader);
    return offset;
}

/** As somebody else does, with `facts` beside it (NULL: nothing). */
static void commit(const char *group, const char *topic, int64_t offset, const struct facts *facts)
{
    rd_kafka_conf_t *conf = mock_cluster_conf(&cluster);
    rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
    rd_kafka_t *writer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *element = rd_kafka_topic_partition_list_add(list, topic, 0);
    struct buffer note = {0};
    element->offset = offset;
    if (facts)
        facts_append(facts, &note, OFFSETS_NOTE_MAX);
    if (note.len > 0)
        element->metadata = buffer_take(&note, &element->metadata_size);
    assert_int_equal(rd_kafka_commit(writer, list, 0), 0);
    buffer_clear(&note);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(writer);
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
    if (strcmp(record->topic, CHANGES) == 0) {
        world->changes++;
        world->bytes_in_turn += record->value.len;
        if (world->bytes_in_turn > world->most_in_turn)
            world->most_in_turn = world->bytes_in_turn;
        source_ticket_done(ticket);
        return;
    }
    assert_string_equal(record->topic, RUNS);
    world->offsets[world->count] = record->offset;
    world->tickets[world->count++] = ticket;
}

static void give_back(struct world *world, size_t n, bool done)
{
    struct ticket *ticket = world->tickets[n];
    world->tickets[n] = NULL;
    if (ticket)
        done ? source_ticket_done(ticket) : source_ticket_drop(ticket);
}

static void withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    struct world *world = ctx;
    (void)assignment;
    (void)cancel_started;
    for (size_t i = 0; i < world->count; i++)
        give_back(world, i, false);
}

/* Life */

static uv_loop_t loop;
static uv_timer_t deadline;

static void too_late(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing came for %d s", DEADLINE_MS / 1000);
}

static int open_loop(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    uv_timer_init(&loop, &deadline);
    return uv_timer_start(&deadline, too_late, DEADLINE_MS, 0);
}

static int close_loop(void **state)
{
    (void)state;
    uv_close((uv_handle_t *)&deadline, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static int64_t ask_topics_ms;
static struct conditions *conditions;

static void world_open_at(struct world *world, const char *start, const char *group, const char *strategy)
{
    *world = (struct world){0};
    struct kafka_consumer_options options = {
        .loop = &loop,
        .clock = clock_system(),
        .sink = {world, has_room, take, withdraw, NULL},
        .bootstrap_servers = mock_cluster_address(&cluster),
        .security_protocol = "plaintext",
        .sasl_mechanism = "",
        .username = "",
        .group_id = group,
        .assignment_strategy = strategy,
        .auto_offset_reset = start,
        .session_timeout_ms = 6000,
        .drain_timeout_ms = 1000,
        .prefetch_bytes = 1 << 20,
        .record_max_bytes = 1 << 20,
        .runs_topic = RUNS,
        .change_log_topic = CHANGES,
        .ask_topics_ms = ask_topics_ms,
        .conditions = conditions,
    };
    struct error err = {0};
    world->consumer = kafka_consumer_new(&options, &err);
    assert_non_null(world->consumer);
}

static void world_open(struct world *world, const char *group, const char *strategy)
{
    world_open_at(world, "earliest", group, strategy);
}

static bool is_assigned(const struct world *world)
{
    struct kafka_consumer_counters counters;
    kafka_consumer_counters(world->consumer, &counters);
    return counters.assigned == 2;
}

static void wait_for_records(struct world *world, size_t count)
{
    while (world->count < count)
        uv_run(&loop, UV_RUN_ONCE);
}

static void closed(void *ctx)
{
    struct world *world = ctx;
    world->consumer = NULL;
    world->closed = true;
}

static void world_close(struct world *world)
{
    kafka_consumer_close(world->consumer, closed, world);
    while (!world->closed)
        uv_run(&loop, UV_RUN_ONCE);
}

/* Tests */

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
    wait_for_records(&world, 3);
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

/* What lasts */

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
        cmocka_unit_test_setup_teardown(brokers_that_are_away_stand_until_one_answers, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(a_member_to_whom_nothing_is_assigned_says_so, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(a_topic_that_is_missing_stands_until_it_is_there, open_loop,
                                        close_loop),
        cmocka_unit_test_setup_teardown(commits_go_on_without_facts_where_the_broker_refuses_them, open_loop,
                                        close_loop),
        /* the others want few records in the change log */
        cmocka_unit_test_setup_teardown(a_turn_of_the_loop_takes_a_bounded_number_of_bytes, open_loop,
                                        close_loop),
    };
    return cmocka_run_group_tests(tests, open_cluster, close_cluster);
}
