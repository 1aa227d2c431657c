/* What a test of the Kafka consumer stands in: a mock cluster of librdkafka's, a loop with a deadline, and a
 * sink that is the test. */
#pragma once
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
    size_t refuse;                      /* so many times there is no room */
    bool closing, closed;
};

static inline int open_cluster(void **state)
{
    (void)state;
    return mock_cluster_open(&cluster, (const char *[]){RUNS, CHANGES}, 2) ? 0 : -1;
}

static inline int close_cluster(void **state)
{
    (void)state;
    mock_cluster_close(&cluster);
    return 0;
}

static inline void produce_to(const char *topic, char *value)
{
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, mock_cluster_conf(&cluster), NULL, 0);
    assert_int_equal(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
                                       RD_KAFKA_V_VALUE(value, strlen(value)),
                                       RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
                     0);
    assert_int_equal(rd_kafka_flush(producer, DEADLINE_MS), 0);
    rd_kafka_destroy(producer);
}

static inline void produce(char *value)
{
    produce_to(RUNS, value);
    produced++;
}

/** The group's committed offset, with what is beside it. */
static inline int64_t committed(const char *group, const char *topic, struct facts *facts)
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
static inline void commit(const char *group, const char *topic, int64_t offset, const struct facts *facts)
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

static inline bool has_room(void *ctx, size_t bytes)
{
    struct world *world = ctx;
    (void)bytes;
    if (world->refuse == 0)
        return world->count < TAKEN_MAX;
    world->refuse--;
    return false;
}

static inline void take(void *ctx, const struct record *record, struct ticket *ticket)
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

static inline void give_back(struct world *world, size_t n, bool done)
{
    struct ticket *ticket = world->tickets[n];
    world->tickets[n] = NULL;
    if (ticket)
        done ? source_ticket_done(ticket) : source_ticket_drop(ticket);
}

static inline void withdraw(void *ctx, const void *assignment, bool cancel_started)
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

static inline void too_late(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing came for %d s", DEADLINE_MS / 1000);
}

static inline int open_loop(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    uv_timer_init(&loop, &deadline);
    return uv_timer_start(&deadline, too_late, DEADLINE_MS, 0);
}

static inline int close_loop(void **state)
{
    (void)state;
    uv_close((uv_handle_t *)&deadline, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static int64_t ask_topics_ms;
static struct conditions *conditions;

static inline void world_open_at(struct world *world, const char *start, const char *group,
                                 const char *strategy)
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

static inline void world_open(struct world *world, const char *group, const char *strategy)
{
    world_open_at(world, "earliest", group, strategy);
}

static inline bool is_assigned(const struct world *world)
{
    struct kafka_consumer_counters counters;
    kafka_consumer_counters(world->consumer, &counters);
    return counters.assigned == 2;
}

static inline void wait_for_records(struct world *world, size_t count)
{
    while (world->count < count)
        uv_run(&loop, UV_RUN_ONCE);
}

static inline void closed(void *ctx)
{
    struct world *world = ctx;
    world->consumer = NULL;
    world->closed = true;
}

static inline void world_close(struct world *world)
{
    kafka_consumer_close(world->consumer, closed, world);
    while (!world->closed)
        uv_run(&loop, UV_RUN_ONCE);
}
