/* A consumer for the tests of rebalances, whose librdkafka, partitions and commits do what a test says. */
#pragma once
#include "source/kafka/internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/component/logs.h"

/** What was called, in order, a word or two each with a semicolon behind. */
static char calls[2048];
static struct {
    /** The answers of what is called. */
    bool commit_begins, no_partition, no_lookup, lost, restored, assign_fails;
    struct lookup lookup;
    size_t said, given_up, ended, overtaken;
} fake;

static inline void call(const char *format, ...)
{
    size_t len = strlen(calls);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(calls + len, sizeof calls - len, format, arguments);
    va_end(arguments);
}

static inline void assert_calls(const char *expected)
{
    assert_string_equal(calls, expected);
    *calls = '\0';
}

/* What rebalance.c calls */

static inline void call_list(const char *what, const rd_kafka_topic_partition_list_t *list)
{
    call("%s", what);
    for (int i = 0; list && i < list->cnt; i++)
        if (list->elems[i].offset == RD_KAFKA_OFFSET_INVALID)
            call(" %s-%d", list->elems[i].topic, (int)list->elems[i].partition);
        else
            call(" %s-%d@%lld", list->elems[i].topic, (int)list->elems[i].partition,
                 (long long)list->elems[i].offset);
    call(";");
}

rd_kafka_resp_err_t rd_kafka_assign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
    (void)rk;
    call_list(list ? "assign" : "unassign", list);
    return fake.assign_fails ? RD_KAFKA_RESP_ERR__STATE : RD_KAFKA_RESP_ERR_NO_ERROR;
}

static inline rd_kafka_error_t *incremental_answer(void)
{
    return fake.assign_fails ? rd_kafka_error_new(RD_KAFKA_RESP_ERR__STATE, "no") : NULL;
}

rd_kafka_error_t *rd_kafka_incremental_assign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
    (void)rk;
    call_list("more", list);
    return incremental_answer();
}

rd_kafka_error_t *rd_kafka_incremental_unassign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
    (void)rk;
    call_list("less", list);
    return incremental_answer();
}

int rd_kafka_assignment_lost(rd_kafka_t *rk)
{
    (void)rk;
    return fake.lost;
}

struct rd_kafka_op_s {
    rd_kafka_resp_err_t code;
    rd_kafka_topic_partition_list_t *list;
};

rd_kafka_resp_err_t rd_kafka_event_error(rd_kafka_event_t *event)
{
    return event->code;
}

const char *rd_kafka_event_error_string(rd_kafka_event_t *event)
{
    return rd_kafka_err2name(event->code);
}

rd_kafka_topic_partition_list_t *rd_kafka_event_topic_partition_list(rd_kafka_event_t *event)
{
    return event->list;
}

void kafka_error_say(struct kafka_consumer *consumer, rd_kafka_resp_err_t code, const char *reason)
{
    (void)consumer;
    assert_true(code != RD_KAFKA_RESP_ERR_NO_ERROR && reason);
    fake.said++;
}

void standing_assigned(struct kafka_consumer *consumer)
{
    (void)consumer;
}

void consumer_give_up(struct kafka_consumer *consumer)
{
    (void)consumer;
    fake.given_up++;
}

bool commit_now(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *only)
{
    call_list(only ? "commit" : "commit all", NULL);
    if (!only)
        return false;
    for (struct partition *partition = consumer->partitions; partition; partition = partition->next)
        partition->changed = false;
    consumer->commit_under_way = fake.commit_begins;
    return fake.commit_begins;
}

bool lookup_new(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
    call_list("look up", list);
    if (!fake.no_lookup)
        consumer->lookup = &fake.lookup;
    return !fake.no_lookup;
}

void lookup_end(struct lookup *lookup)
{
    rd_kafka_topic_partition_list_destroy(lookup->list);
    lookup->consumer->lookup = NULL;
    fake.ended++;
}

void lookup_overtake(struct lookup *lookup)
{
    lookup->consumer->lookup = NULL;
    fake.overtaken++;
}

struct partition *partition_find(struct kafka_consumer *consumer, const char *topic, int32_t number)
{
    struct partition *partition = consumer->partitions;
    while (partition && (partition->number != number || strcmp(partition->topic, topic) != 0))
        partition = partition->next;
    return partition;
}

struct partition *partition_new(struct kafka_consumer *consumer, const char *topic, int32_t number)
{
    struct partition *partition = fake.no_partition ? NULL : calloc(1, sizeof *partition);
    if (!partition)
        return NULL;
    *partition = (struct partition){
        .next = consumer->partitions, .consumer = consumer, .topic = strdup(topic), .number = number};
    return consumer->partitions = partition;
}

void partition_free(struct partition *partition)
{
    struct partition **at = &partition->consumer->partitions;
    while (*at != partition)
        at = &(*at)->next;
    *at = partition->next;
    call("free %s-%d;", partition->topic, (int)partition->number);
    free(partition->topic);
    free(partition);
}

bool partition_set_start(struct partition *partition, const struct partition_start *start, struct slice note)
{
    (void)note;
    partition->changed = start->reason != START_COMMITTED;
    return fake.restored;
}

void partition_begin(struct partition *partition)
{
    partition->begun = true;
}

static inline void withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    (void)ctx;
    const struct partition *partition = assignment;
    assert_true(partition->revoked);
    call("%s %s-%d;", cancel_started ? "cancel" : "withdraw", partition->topic, (int)partition->number);
    rebalance_advance(partition->consumer); /* as a ticket does that comes back meanwhile */
}

/* The consumer */

static inline int64_t now(void *ctx)
{
    (void)ctx;
    return 5000;
}

static const struct clock test_clock = {.monotonic_ms = now, .wall_ms = now};
static uv_loop_t loop;
static struct kafka_consumer consumer;

static inline int begin(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    memset(&consumer, 0, sizeof consumer);
    *calls = '\0';
    consumer.options.clock = &test_clock;
    consumer.options.auto_offset_reset = "latest";
    consumer.options.drain_timeout_ms = 7000;
    consumer.options.sink.withdraw = withdraw;
    fake.lookup.consumer = &consumer;
    if (uv_loop_init(&loop) != 0)
        return -1;
    uv_timer_init(&loop, &consumer.step_timer);
    consumer.step_timer.data = &consumer;
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    while (consumer.partitions)
        partition_free(consumer.partitions);
    if (consumer.changing)
        rd_kafka_topic_partition_list_destroy(consumer.changing);
    uv_close((uv_handle_t *)&consumer.step_timer, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

/** Of "runs": the numbers of `digits`. */
static inline rd_kafka_topic_partition_list_t *partitions(const char *digits)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
    for (; *digits; digits++)
        rd_kafka_topic_partition_list_add(list, "runs", *digits - '0');
    return list;
}

static inline void event(rd_kafka_resp_err_t code, const char *digits)
{
    struct rd_kafka_op_s event = {code, partitions(digits)};
    rebalance_event(&consumer, &event);
    rd_kafka_topic_partition_list_destroy(event.list);
}

static inline void assigned(const char *digits)
{
    event(RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, digits);
}

static inline void revoked(const char *digits)
{
    event(RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS, digits);
}

/** All of them begin at 40, for that reason. */
static inline void looked_up(const char *digits, enum start_reason reason)
{
    static struct partition_start starts[4];
    struct lookup *lookup = &fake.lookup;
    lookup->list = partitions(digits);
    lookup->starts = starts;
    for (int i = 0; i < lookup->list->cnt; i++) {
        starts[i] =
            (struct partition_start){.reason = reason, .offset = 40, .committed = 30, .low = 33, .high = 100};
        lookup->list->elems[i].metadata = strdup("note");
        lookup->list->elems[i].metadata_size = 4;
    }
    rebalance_looked_up(&consumer, lookup);
}

/** They are assigned, and have begun. */
static inline void hold(const char *digits)
{
    assigned(digits);
    looked_up(digits, START_COMMITTED);
    assert_int_equal(consumer.rebalance, REBALANCE_IDLE);
    *calls = '\0';
}

static inline struct partition *held_one(int32_t number)
{
    struct partition *partition = partition_find(&consumer, "runs", number);
    assert_non_null(partition);
    return partition;
}

/** In how many milliseconds the next step is due by itself; -1: it is not. */
static inline int64_t due_in(void)
{
    uv_update_time(&loop);
    bool active = uv_is_active((uv_handle_t *)&consumer.step_timer);
    return active ? ((int64_t)uv_timer_get_due_in(&consumer.step_timer) + 250) / 500 * 500 : -1;
}

static inline void time_is_up(void)
{
    assert_true(due_in() >= 0);
    uv_timer_stop(&consumer.step_timer);
    consumer.step_timer.timer_cb(&consumer.step_timer);
}

static inline void answered(void)
{
    consumer.commit_under_way = false;
    rebalance_advance(&consumer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
