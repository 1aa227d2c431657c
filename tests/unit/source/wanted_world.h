/* A second client that reads records once more, with a librdkafka that sends what a test says. */
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

enum { MESSAGES = 128 };
static const rd_kafka_resp_err_t UNREADABLE = RD_KAFKA_RESP_ERR__BAD_MSG;

struct rd_kafka_topic_s {
    char name[16];
};

/** What the second client was asked to do and sends, and what the sink was told. */
static struct {
    /** Calls, each with a blank behind it: start, seek, pause, resume, stop, and what they are about. */
    char calls[1024];
    /** Offsets that came, "-" in front of those that are gone. */
    char told[256];
    rd_kafka_message_t messages[MESSAGES];
    size_t count, sent, destroyed, events, topics, clients, queues;
    int woken_fd;
    bool no_client, no_topic, no_start;
    char group[16], eof[16];
} fake;

static void note_call(const char *what, const char *topic, int32_t number, int64_t offset)
{
    size_t len = strlen(fake.calls);
    snprintf(fake.calls + len, sizeof fake.calls - len, "%s %s-%d %lld;", what, topic, (int)number,
             (long long)offset);
}

/* What again.c calls */

const rd_kafka_conf_t *rd_kafka_conf(rd_kafka_t *rk)
{
    (void)rk;
    static rd_kafka_conf_t *conf;
    if (!conf) {
        conf = rd_kafka_conf_new();
        rd_kafka_conf_set(conf, "group.id", "group", NULL, 0);
    }
    return conf;
}

rd_kafka_t *rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *error, size_t size)
{
    (void)error;
    (void)size;
    assert_int_equal(type, RD_KAFKA_CONSUMER);
    if (fake.no_client)
        return NULL;
    size_t group = sizeof fake.group, eof = sizeof fake.eof;
    if (rd_kafka_conf_get(conf, "group.id", fake.group, &group) != RD_KAFKA_CONF_OK)
        *fake.group = '\0';
    rd_kafka_conf_get(conf, "enable.partition.eof", fake.eof, &eof);
    rd_kafka_conf_destroy(conf);
    fake.clients++;
    return (rd_kafka_t *)(void *)&fake.clients;
}

void rd_kafka_destroy(rd_kafka_t *rk)
{
    assert_ptr_equal(rk, &fake.clients);
    fake.clients--;
}

rd_kafka_queue_t *rd_kafka_queue_new(rd_kafka_t *rk)
{
    assert_ptr_equal(rk, &fake.clients);
    fake.queues++;
    return (rd_kafka_queue_t *)(void *)&fake.queues;
}

rd_kafka_queue_t *rd_kafka_queue_get_main(rd_kafka_t *rk)
{
    return rd_kafka_queue_new(rk);
}

void rd_kafka_queue_destroy(rd_kafka_queue_t *queue)
{
    assert_ptr_equal(queue, &fake.queues);
    fake.queues--;
}

void rd_kafka_queue_io_event_enable(rd_kafka_queue_t *queue, int fd, const void *payload, size_t size)
{
    (void)payload;
    assert_ptr_equal(queue, &fake.queues);
    assert_int_equal(size, fd < 0 ? 0 : 8);
    fake.woken_fd = fd;
}

rd_kafka_event_t *rd_kafka_queue_poll(rd_kafka_queue_t *queue, int timeout_ms)
{
    assert_ptr_equal(queue, &fake.queues);
    assert_int_equal(timeout_ms, 0);
    return fake.events > 0 ? (rd_kafka_event_t *)(void *)&fake.events : NULL;
}

void rd_kafka_event_destroy(rd_kafka_event_t *event)
{
    assert_ptr_equal(event, &fake.events);
    fake.events--;
}

rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *rk, const char *name, rd_kafka_topic_conf_t *conf)
{
    (void)rk;
    assert_null(conf);
    rd_kafka_topic_t *topic = fake.no_topic ? NULL : calloc(1, sizeof *topic);
    if (topic) {
        snprintf(topic->name, sizeof topic->name, "%s", name);
        fake.topics++;
    }
    return topic;
}

const char *rd_kafka_topic_name(const rd_kafka_topic_t *topic)
{
    return topic->name;
}

void rd_kafka_topic_destroy(rd_kafka_topic_t *topic)
{
    free(topic);
    fake.topics--;
}

rd_kafka_resp_err_t rd_kafka_pause_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list)
{
    (void)rk;
    note_call("pause", list->elems[0].topic, list->elems[0].partition, list->cnt);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_resume_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list)
{
    (void)rk;
    note_call("resume", list->elems[0].topic, list->elems[0].partition, list->cnt);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

int rd_kafka_consume_start_queue(rd_kafka_topic_t *topic, int32_t number, int64_t offset,
                                 rd_kafka_queue_t *queue)
{
    assert_ptr_equal(queue, &fake.queues);
    note_call("start", topic->name, number, offset);
    return fake.no_start ? -1 : 0;
}

int rd_kafka_consume_stop(rd_kafka_topic_t *topic, int32_t number)
{
    note_call("stop", topic->name, number, 0);
    return 0;
}

rd_kafka_resp_err_t rd_kafka_seek(rd_kafka_topic_t *topic, int32_t number, int64_t offset, int timeout_ms)
{
    assert_int_equal(timeout_ms, 0);
    note_call("seek", topic->name, number, offset);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_message_t *rd_kafka_consume_queue(rd_kafka_queue_t *queue, int timeout_ms)
{
    assert_ptr_equal(queue, &fake.queues);
    assert_int_equal(timeout_ms, 0);
    return fake.sent < fake.count ? &fake.messages[fake.sent++] : NULL;
}

void rd_kafka_message_destroy(rd_kafka_message_t *message)
{
    assert_ptr_equal(message, &fake.messages[fake.destroyed]);
    fake.destroyed++;
}

bool unreadable_is_error(rd_kafka_resp_err_t code)
{
    return code == UNREADABLE;
}

void partition_tell_again(const struct partition *partition, int64_t offset,
                          const rd_kafka_message_t *message, void *reader)
{
    size_t len = strlen(fake.told);
    assert_non_null(partition);
    assert_ptr_equal(reader, &fake.told);
    assert_true(!message || message->offset == offset);
    snprintf(fake.told + len, sizeof fake.told - len, "%s%lld ", message ? "" : "-", (long long)offset);
}

/* The consumer */

static char runs[] = "runs", changes[] = "changes";
static uv_loop_t loop;
static struct kafka_consumer consumer;
static struct partition run0, run1, change0;
static struct kafka_ticket tickets[16];
static size_t ticket_count;

static int begin(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    memset(&consumer, 0, sizeof consumer);
    memset(tickets, 0, sizeof tickets);
    ticket_count = 0;
    consumer.wake_fd = 7;
    run0 = (struct partition){.consumer = &consumer, .topic = runs};
    run1 = (struct partition){.consumer = &consumer, .topic = runs, .number = 1};
    change0 = (struct partition){.consumer = &consumer, .topic = changes};
    if (uv_loop_init(&loop) != 0)
        return -1;
    uv_idle_init(&loop, &consumer.again.more);
    consumer.again.more.data = &consumer;
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < ticket_count; i++)
        free(again_unlink(&tickets[i]));
    again_close(&consumer.again);
    assert_int_equal(fake.clients + fake.topics + fake.queues, 0);
    uv_close((uv_handle_t *)&consumer.again.more, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static struct kafka_ticket *want(struct partition *partition, int64_t offset)
{
    struct kafka_ticket *ticket = &tickets[ticket_count++];
    ticket->entry.offset = offset;
    ticket->partition = partition;
    assert_int_equal(again_want(ticket, &fake.told), READING_COMES);
    return ticket;
}

static rd_kafka_message_t *message(const struct partition *partition, int64_t offset)
{
    rd_kafka_message_t *message = &fake.messages[fake.count++];
    assert_true(fake.count <= MESSAGES);
    message->offset = offset;
    for (struct reading *reading = consumer.again.readings; partition && reading; reading = reading->next)
        if (reading == partition->reading)
            message->rkt = reading->topic;
    message->partition = partition ? partition->number : 0;
    return message;
}

static void fails(const struct partition *partition, rd_kafka_resp_err_t code, int64_t offset)
{
    message(partition, offset)->err = code;
}

/** Lets everything happen that follows; then exactly that was told and asked for, since the last time. */
static void assert_follows(const char *told, const char *calls)
{
    again_woken(&consumer);
    while (uv_run(&loop, UV_RUN_NOWAIT))
        ;
    assert_int_equal(fake.sent, fake.destroyed);
    assert_string_equal(fake.told, told);
    assert_string_equal(fake.calls, calls);
    *fake.told = *fake.calls = '\0';
}

static void tick(void)
{
    again_tick(&consumer);
}
