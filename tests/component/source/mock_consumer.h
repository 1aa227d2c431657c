/* A Kafka consumer on librdkafka's mock cluster, for tests that are its sink: the cluster, a loop that ends
 * the program when nothing comes, the consumer's options, and what is in the cluster. */
#pragma once
#include "../kafka/mock_cluster.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "observe/conditions.h"
#include "source/kafka/internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../logs.h"

enum { DEADLINE_MS = 120000 };
static const char RUNS[] = "org.runs", CHANGES[] = "org.change.log";

static struct mock_cluster cluster;
static uv_loop_t loop;
static uv_timer_t deadline;

/* The cluster, with the two topics */

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

static inline rd_kafka_t *producer_open(rd_kafka_conf_t *conf)
{
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    assert_non_null(producer);
    return producer;
}

static inline void producer_put(rd_kafka_t *producer, const char *topic, void *value, size_t len)
{
    assert_int_equal(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
                                       RD_KAFKA_V_VALUE(value, len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                       RD_KAFKA_V_END),
                     0);
}

/** Once the cluster has all of it. */
static inline void producer_close(rd_kafka_t *producer)
{
    assert_int_equal(rd_kafka_flush(producer, DEADLINE_MS), 0);
    rd_kafka_destroy(producer);
}

/** The group's committed offset, with what is beside it (NULL: whatever that is). */
static inline int64_t committed(const char *group, const char *topic, struct facts *facts)
{
    rd_kafka_conf_t *conf = mock_cluster_conf(&cluster);
    rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
    rd_kafka_t *reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0);
    assert_int_equal(rd_kafka_committed(reader, list, DEADLINE_MS), 0);
    int64_t offset = list->elems[0].offset;
    if (facts)
        facts_read((struct slice){list->elems[0].metadata, list->elems[0].metadata_size}, facts);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(reader);
    return offset;
}

/* The loop */

static inline void too_late(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("the test was not done after %d s", DEADLINE_MS / 1000);
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

/* The consumer */

/** Of the two topics; a test changes what is different in it. */
static inline struct kafka_consumer_options consumer_options(const char *group, struct source_sink sink)
{
    return (struct kafka_consumer_options){
        .loop = &loop,
        .clock = clock_system(),
        .sink = sink,
        .bootstrap_servers = mock_cluster_address(&cluster),
        .security_protocol = "plaintext",
        .sasl_mechanism = "",
        .username = "",
        .group_id = group,
        .assignment_strategy = "range,roundrobin",
        .auto_offset_reset = "earliest",
        .session_timeout_ms = 6000,
        .drain_timeout_ms = 1000,
        .prefetch_bytes = 1 << 20,
        .record_max_bytes = 1 << 20,
        .runs_topic = RUNS,
        .change_log_topic = CHANGES,
    };
}

static inline struct kafka_consumer *consumer_open(const struct kafka_consumer_options *options)
{
    struct error err = {0};
    struct kafka_consumer *consumer = kafka_consumer_new(options, &err);
    assert_non_null(consumer);
    return consumer;
}

static inline struct kafka_consumer_counters counted(const struct kafka_consumer *consumer)
{
    struct kafka_consumer_counters counters;
    kafka_consumer_counters(consumer, &counters);
    return counters;
}

static inline void consumer_is_closed(void *ctx)
{
    *(bool *)ctx = true;
}

/** Waits for its end. */
static inline void consumer_close(struct kafka_consumer *consumer)
{
    bool closed = false;
    kafka_consumer_close(consumer, consumer_is_closed, &closed);
    while (!closed)
        uv_run(&loop, UV_RUN_ONCE);
}
