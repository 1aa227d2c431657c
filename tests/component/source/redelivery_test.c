/* Records that a person wants once more, on librdkafka's mock cluster, with a sink that is this test. */
#include "../kafka/mock_cluster.h"
#include "base/clock.h"
#include "base/error.h"
#include "source/kafka/internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DEADLINE_MS = 60000, RECORDS = 20 };
static const char RUNS[] = "org.runs", CHANGES[] = "org.change.log";

static struct mock_cluster cluster;

/** A record that was asked for. */
struct asked {
    struct world *world;
    bool ended;
    enum redelivery_end end;
};

struct world {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct kafka_consumer *consumer;
    bool full, drops, closed;
    size_t taken, ended;
    /** The last one of the second life, with its ticket. */
    char id[REDELIVERY_ID_SIZE], first[REDELIVERY_ID_SIZE], value[32];
    int32_t partition;
    int64_t offset;
    const void *assignment;
    struct ticket *again;
};

static void open_cluster(void)
{
    assert_true(mock_cluster_open(&cluster, (const char *[]){RUNS, CHANGES}, 2));
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, mock_cluster_conf(&cluster), NULL, 0);
    for (int i = 0; i < RECORDS; i++) {
        char value[16];
        snprintf(value, sizeof value, "event %d", i);
        assert_int_equal(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(RUNS), RD_KAFKA_V_PARTITION(0),
                                           RD_KAFKA_V_VALUE(value, strlen(value)),
                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
                         0);
    }
    assert_int_equal(rd_kafka_flush(producer, DEADLINE_MS), 0);
    rd_kafka_destroy(producer);
}

/* The sink */

static bool has_room(void *ctx, size_t bytes)
{
    (void)bytes;
    return !((struct world *)ctx)->full;
}

static void take(void *ctx, const struct record *record, struct ticket *ticket)
{
    struct world *world = ctx;
    if (!record->redelivery_of) {
        world->taken++;
        source_ticket_done(ticket);
        return;
    }
    assert_string_equal(record->topic, RUNS);
    assert_int_equal(record->kind, EVENT_RUN);
    assert_false(record->trusted);
    assert_false(source_ticket_can_read_again(ticket));
    snprintf(world->id, sizeof world->id, "%.*s", (int)record->id.len, record->id.ptr);
    snprintf(world->first, sizeof world->first, "%s", record->redelivery_of);
    snprintf(world->value, sizeof world->value, "%.*s", (int)record->value.len, record->value.ptr);
    world->partition = record->partition;
    world->offset = record->offset;
    world->assignment = record->assignment;
    if (world->drops)
        source_ticket_drop(ticket);
    else
        world->again = ticket;
}

static void withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    (void)ctx;
    (void)assignment;
    (void)cancel_started;
}

/* Life */

static void too_late(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing came for %d s", DEADLINE_MS / 1000);
}

static int world_open(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct error err = {0};
    assert_non_null(world);
    open_cluster();
    uv_loop_init(&world->loop);
    uv_timer_init(&world->loop, &world->deadline);
    uv_timer_start(&world->deadline, too_late, DEADLINE_MS, 0);
    const struct kafka_consumer_options options = {
        .loop = &world->loop,
        .clock = clock_system(),
        .sink = {world, has_room, take, withdraw, NULL},
        .bootstrap_servers = mock_cluster_address(&cluster),
        .security_protocol = "plaintext",
        .sasl_mechanism = "",
        .username = "",
        .group_id = "redelivery",
        .assignment_strategy = "range,roundrobin",
        .auto_offset_reset = "earliest",
        .session_timeout_ms = 6000,
        .drain_timeout_ms = 1000,
        .prefetch_bytes = 1 << 20,
        .record_max_bytes = 1 << 20,
        .runs_topic = RUNS,
        .change_log_topic = CHANGES,
        .redeliveries = world,
    };
    world->consumer = kafka_consumer_new(&options, &err);
    assert_non_null(world->consumer);
    *state = world;
    return 0;
}

static void closed(void *ctx)
{
    ((struct world *)ctx)->closed = true;
}

static int world_close(void **state)
{
    struct world *world = *state;
    kafka_consumer_close(world->consumer, closed, world);
    while (!world->closed)
        uv_run(&world->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&world->deadline, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    free(world);
    mock_cluster_close(&cluster);
    return 0;
}

static void redelivery_over(void *ctx, enum redelivery_end end)
{
    struct asked *asked = ctx;
    assert_false(asked->ended);
    asked->ended = true;
    asked->end = end;
    asked->world->ended++;
}

static int ask(struct world *world, struct asked *asked, int32_t partition, int64_t offset)
{
    *asked = (struct asked){.world = world};
    const struct redelivery_request request = {
        .partition = partition, .offset = offset, .id = "another", .ended = redelivery_over, .ctx = asked};
    int failed = kafka_consumer_redeliver(world->consumer, &request);
    assert_false(asked->ended);
    return failed;
}

static void wait_for_end(struct world *world, const struct asked *asked)
{
    while (!asked->ended)
        uv_run(&world->loop, UV_RUN_ONCE);
}

static void wait_for_record(struct world *world)
{
    while (!world->again)
        uv_run(&world->loop, UV_RUN_ONCE);
}

static void settle(struct world *world, bool done)
{
    struct ticket *ticket = world->again;
    world->again = NULL;
    done ? source_ticket_done(ticket) : source_ticket_drop(ticket);
}

/* Tests */

/** Before anything is assigned too: the mock cluster's group waits some seconds for members. */
static void a_record_comes_once_more_as_one_of_its_own(void **state)
{
    struct world *world = *state;
    struct asked asked;
    for (int done = 1; done >= 0; done--) {
        assert_int_equal(ask(world, &asked, 0, 7), 0);
        wait_for_record(world);
        assert_string_equal(world->id, "another");
        assert_string_equal(world->first, "org.runs-0-7");
        assert_string_equal(world->value, "event 7");
        assert_int_equal(world->partition, 0);
        assert_int_equal(world->offset, 7);
        assert_ptr_equal(world->assignment, world);
        assert_false(asked.ended);
        settle(world, done);
        assert_true(asked.ended);
        assert_int_equal(asked.end, done ? REDELIVERY_DONE : REDELIVERY_LEFT);
    }
}

static void what_does_not_fit_or_is_not_there_is_told(void **state)
{
    struct world *world = *state;
    struct asked asked;
    world->full = true;
    assert_int_equal(ask(world, &asked, 0, 3), 0);
    wait_for_end(world, &asked);
    assert_int_equal(asked.end, REDELIVERY_NO_ROOM);
    world->full = false;
    world->drops = true; /* at once: it is not for a stop that it does so */
    assert_int_equal(ask(world, &asked, 0, 3), 0);
    wait_for_end(world, &asked);
    assert_int_equal(asked.end, REDELIVERY_NO_ROOM);
    world->drops = false;
    assert_int_equal(ask(world, &asked, 0, RECORDS + 5), 0);
    wait_for_end(world, &asked);
    assert_int_equal(asked.end, REDELIVERY_GONE);
    assert_null(world->again);
}

static void what_no_broker_sends_is_given_up(void **state)
{
    struct world *world = *state;
    struct asked asked;
    assert_int_equal(ask(world, &asked, 77, 0), 0); /* there is no such partition */
    for (int second = 0; second < 29; second++)
        redeliveries_tick(world->consumer);
    assert_false(asked.ended);
    redeliveries_tick(world->consumer);
    assert_true(asked.ended);
    assert_int_equal(asked.end, REDELIVERY_UNREAD);
}

static void nothing_moves_by_that_and_nothing_is_read_once_taking_has_stopped(void **state)
{
    struct world *world = *state;
    struct kafka_consumer_counters counters;
    struct asked asked, late;
    do {
        uv_run(&world->loop, UV_RUN_ONCE);
        kafka_consumer_counters(world->consumer, &counters);
    } while (world->taken < RECORDS || counters.commits == 0);
    assert_int_equal(world->taken, RECORDS);
    uint64_t commits = counters.commits;
    assert_int_equal(ask(world, &asked, 0, 2), 0);
    wait_for_record(world);
    settle(world, true);
    kafka_consumer_counters(world->consumer, &counters);
    assert_int_equal(counters.commits, commits);
    assert_int_equal(counters.undone, 0);
    assert_int_equal(ask(world, &asked, 0, 4), 0);
    kafka_consumer_stop_taking(world->consumer);
    assert_true(asked.ended);
    assert_int_equal(asked.end, REDELIVERY_LEFT);
    assert_int_equal(ask(world, &late, 0, 4), PA_ERR_UNAVAILABLE);
    assert_null(world->again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_comes_once_more_as_one_of_its_own),
        cmocka_unit_test(what_does_not_fit_or_is_not_there_is_told),
        cmocka_unit_test(what_no_broker_sends_is_given_up),
        cmocka_unit_test(nothing_moves_by_that_and_nothing_is_read_once_taking_has_stopped),
    };
    return cmocka_run_group_tests(tests, world_open, world_close);
}
