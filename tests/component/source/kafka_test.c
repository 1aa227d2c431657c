/* The Kafka consumer on librdkafka's mock cluster, with a sink that is this test. */
#include "../kafka/mock_cluster.h"
#include "base/clock.h"
#include "base/slice.h"
#include "source/kafka/internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { DEADLINE_MS = 30000, TAKEN_MAX = 16, MEMBERS = 24 };
static const char RUNS[] = "org.runs", CHANGES[] = "org.change.log";

static struct mock_cluster cluster;
static size_t produced;

struct world {
    struct kafka_consumer *consumer;
    struct ticket *tickets[TAKEN_MAX];
    int64_t offsets[TAKEN_MAX];
    size_t count;
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

static void produce(char *value)
{
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, mock_cluster_conf(&cluster), NULL, 0);
    assert_int_equal(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(RUNS), RD_KAFKA_V_PARTITION(0),
                                       RD_KAFKA_V_VALUE(value, strlen(value)),
                                       RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
                     0);
    assert_int_equal(rd_kafka_flush(producer, DEADLINE_MS), 0);
    rd_kafka_destroy(producer);
    produced++;
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

static void world_open(struct world *world, const char *group, const char *strategy)
{
    *world = (struct world){0};
    struct kafka_consumer_options options = {
        .loop = &loop,
        .clock = clock_system(),
        .sink = {world, has_room, take, withdraw},
        .bootstrap_servers = mock_cluster_address(&cluster),
        .security_protocol = "plaintext",
        .sasl_mechanism = "",
        .username = "",
        .group_id = group,
        .assignment_strategy = strategy,
        .auto_offset_reset = "earliest",
        .session_timeout_ms = 6000,
        .drain_timeout_ms = 1000,
        .prefetch_bytes = 1 << 20,
        .record_max_bytes = 1 << 20,
        .runs_topic = RUNS,
        .change_log_topic = CHANGES,
    };
    struct error err = {0};
    world->consumer = kafka_consumer_new(&options, &err);
    assert_non_null(world->consumer);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(members_leave_as_soon_as_they_were_assigned, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(what_is_done_is_committed_and_the_rest_comes_again, open_loop,
                                        close_loop),
        cmocka_unit_test_setup_teardown(what_is_assigned_anew_without_a_revocation_comes_again, open_loop,
                                        close_loop),
    };
    return cmocka_run_group_tests(tests, open_cluster, close_cluster);
}
