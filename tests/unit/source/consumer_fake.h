/* A consumer whose librdkafka, partitions and errors are the test's: what comes from the two queues, and what
 * is made of it. Nothing here waits: time is the test's too. */
#pragma once
#include "../still.h"
#include "source/kafka/internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kafka/connection.h"
#include "tests/component/logs.h"
#include <unistd.h>

/** What comes from the queue of events. */
struct rd_kafka_op_s {
    rd_kafka_event_type_t type;
    rd_kafka_resp_err_t code;
    bool fatal;
    const char *text, *facility;
    int level;
    void *opaque;
};

enum { MESSAGES = 200, EVENTS = 16, PARTITIONS = 3 };
static const char RUNS[] = "org.runs", CHANGES[] = "org.change.log";
static const rd_kafka_resp_err_t UNREADABLE = RD_KAFKA_RESP_ERR__BAD_MSG;

static struct {
    /** What was called, a word or two each with a semicolon behind. */
    char calls[8192];
    rd_kafka_message_t messages[MESSAGES];
    size_t message_count, sent, destroyed;
    struct rd_kafka_op_s events[EVENTS];
    size_t event_count, told;
    struct partition partitions[PARTITIONS];
    /** By number: no more may be taken out of order; the next record is a lie; it is not where it should be.
     */
    bool note_full[PARTITIONS], suspect[PARTITIONS], astray[PARTITIONS];
    size_t room;
    /** There is none for a ticket. */
    bool no_memory;
    bool left, close_fails, no_client;
    /** The loop is woken by the queue of records, by that of events. */
    bool wakes[2];
    rd_kafka_resp_err_t subscription;
    size_t closed, redeliveries_left;
} fake;

static uv_loop_t loop;
static struct kafka_consumer *consumer;

static inline void call(const char *format, ...)
{
    size_t len = strlen(fake.calls);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fake.calls + len, sizeof fake.calls - len, format, arguments);
    va_end(arguments);
}

static inline void assert_calls(const char *expected)
{
    assert_string_equal(fake.calls, expected);
    *fake.calls = '\0';
}

/* librdkafka */

static char client, events, records;

rd_kafka_t *kafka_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct error *err)
{
    (void)conf;
    assert_int_equal(type, RD_KAFKA_CONSUMER);
    if (fake.no_client)
        error_set(err, PA_ERR_INVALID, "no client");
    return fake.no_client ? NULL : (rd_kafka_t *)(void *)&client;
}

rd_kafka_conf_t *kafka_conf_new(const struct kafka_consumer_options *options, struct error *err)
{
    (void)options;
    (void)err;
    return NULL;
}

bool kafka_protocol_is_consumer(const struct kafka_consumer_options *options)
{
    (void)options;
    return false;
}

rd_kafka_resp_err_t rd_kafka_poll_set_consumer(rd_kafka_t *rk)
{
    (void)rk;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_queue_t *rd_kafka_queue_get_consumer(rd_kafka_t *rk)
{
    (void)rk;
    return (rd_kafka_queue_t *)(void *)&events;
}

rd_kafka_queue_t *rd_kafka_queue_new(rd_kafka_t *rk)
{
    (void)rk;
    return (rd_kafka_queue_t *)(void *)&records;
}

rd_kafka_resp_err_t rd_kafka_set_log_queue(rd_kafka_t *rk, rd_kafka_queue_t *queue)
{
    (void)rk;
    assert_ptr_equal(queue, &events);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void rd_kafka_queue_io_event_enable(rd_kafka_queue_t *queue, int fd, const void *payload, size_t size)
{
    (void)payload;
    (void)size;
    fake.wakes[(void *)queue == &events] = fd >= 0;
}

void rd_kafka_queue_destroy(rd_kafka_queue_t *queue)
{
    (void)queue;
}

rd_kafka_resp_err_t rd_kafka_subscribe(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *topics)
{
    (void)rk;
    assert_int_equal(topics->cnt, 2);
    assert_string_equal(topics->elems[0].topic, RUNS);
    assert_string_equal(topics->elems[1].topic, CHANGES);
    return fake.subscription;
}

rd_kafka_event_t *rd_kafka_queue_poll(rd_kafka_queue_t *queue, int timeout_ms)
{
    assert_ptr_equal(queue, &events);
    assert_int_equal(timeout_ms, 0);
    return fake.told < fake.event_count ? &fake.events[fake.told++] : NULL;
}

rd_kafka_event_type_t rd_kafka_event_type(const rd_kafka_event_t *event)
{
    return event->type;
}

rd_kafka_resp_err_t rd_kafka_event_error(rd_kafka_event_t *event)
{
    return event->code;
}

const char *rd_kafka_event_error_string(rd_kafka_event_t *event)
{
    return event->text;
}

int rd_kafka_event_error_is_fatal(rd_kafka_event_t *event)
{
    return event->fatal;
}

void *rd_kafka_event_opaque(rd_kafka_event_t *event)
{
    return event->opaque;
}

int rd_kafka_event_log(rd_kafka_event_t *event, const char **facility, const char **text, int *level)
{
    *facility = event->facility;
    *text = event->text;
    *level = event->level;
    return 0;
}

void rd_kafka_event_destroy(rd_kafka_event_t *event)
{
    (void)event;
}

rd_kafka_resp_err_t rd_kafka_fatal_error(rd_kafka_t *rk, char *reason, size_t size)
{
    (void)rk;
    snprintf(reason, size, "fenced");
    return RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
}

rd_kafka_message_t *rd_kafka_consume_queue(rd_kafka_queue_t *queue, int timeout_ms)
{
    assert_ptr_equal(queue, &records);
    assert_int_equal(timeout_ms, 0);
    return fake.sent < fake.message_count ? &fake.messages[fake.sent++] : NULL;
}

void rd_kafka_message_destroy(rd_kafka_message_t *message)
{
    assert_null(message->_private); /* once */
    message->_private = message;
    fake.destroyed++;
}

const char *rd_kafka_message_errstr(const rd_kafka_message_t *message)
{
    (void)message;
    return "wrong";
}

const char *rd_kafka_topic_name(const rd_kafka_topic_t *topic)
{
    return (const char *)topic;
}

static inline rd_kafka_resp_err_t call_pause(const char *what, const rd_kafka_topic_partition_list_t *list)
{
    assert_int_equal(list->cnt, 1);
    assert_string_equal(list->elems[0].topic, RUNS);
    call("%s %d;", what, (int)list->elems[0].partition);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_pause_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list)
{
    (void)rk;
    return call_pause("pause", list);
}

rd_kafka_resp_err_t rd_kafka_resume_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list)
{
    (void)rk;
    return call_pause("resume", list);
}

rd_kafka_error_t *rd_kafka_sasl_set_credentials(rd_kafka_t *rk, const char *username, const char *password)
{
    call("%s credentials %s %s;", (void *)rk == &client ? "its" : "the second's", username, password);
    return strcmp(password, "bad") == 0 ? rd_kafka_error_new(RD_KAFKA_RESP_ERR__INVALID_ARG, "no") : NULL;
}

rd_kafka_error_t *rd_kafka_consumer_close_queue(rd_kafka_t *rk, rd_kafka_queue_t *queue)
{
    (void)rk;
    assert_ptr_equal(queue, &events);
    call("leave;");
    return fake.close_fails ? rd_kafka_error_new(RD_KAFKA_RESP_ERR__STATE, "no") : NULL;
}

int rd_kafka_consumer_closed(rd_kafka_t *rk)
{
    (void)rk;
    return fake.left;
}

void rd_kafka_destroy_flags(rd_kafka_t *rk, int flags)
{
    assert_ptr_equal(rk, &client);
    assert_int_equal(flags, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

/* The other files */

void kafka_error_say(struct kafka_consumer *of, rd_kafka_resp_err_t code, const char *reason)
{
    (void)of;
    assert_non_null(reason);
    call("say %s;", rd_kafka_err2name(code));
}

void kafka_error_say_fatal(rd_kafka_resp_err_t code, const char *reason)
{
    call("fatal %s %s;", rd_kafka_err2name(code), reason);
}

bool offsets_has_room(const struct offsets *offsets, int64_t offset)
{
    (void)offset;
    for (int i = 0; i < PARTITIONS; i++)
        if (offsets == &fake.partitions[i].offsets)
            return !fake.note_full[i];
    return false;
}

bool unreadable_is_error(rd_kafka_resp_err_t code)
{
    return code == UNREADABLE;
}

struct partition *partition_find(struct kafka_consumer *of, const char *topic, int32_t number)
{
    (void)of;
    return strcmp(topic, RUNS) == 0 && number < PARTITIONS ? &fake.partitions[number] : NULL;
}

bool partition_take(struct partition *partition, const rd_kafka_message_t *message)
{
    if (fake.no_memory)
        return false;
    call("%d-%lld;", (int)partition->number, (long long)message->offset);
    return true;
}

void partition_end_reached(struct partition *partition, int64_t offset)
{
    call("end %d-%lld;", (int)partition->number, (long long)offset);
}

void partition_tell_full(struct partition *partition, bool full)
{
    partition->full_stands = full;
}

void partition_free(struct partition *partition)
{
    call("free %d;", (int)partition->number);
    consumer->partitions = partition->next;
}

void poison_failed(struct partition *partition, int64_t offset, const char *reason)
{
    call("failed %d-%lld %s;", (int)partition->number, (long long)offset, reason);
}

bool poison_suspect(struct partition *partition, int64_t offset)
{
    (void)offset;
    return fake.suspect[partition->number];
}

bool poison_is_astray(struct partition *partition, int64_t offset)
{
    (void)offset;
    return fake.astray[partition->number];
}

void poison_tick(struct kafka_consumer *of)
{
    (void)of;
}

void poison_overtake(struct kafka_consumer *of)
{
    (void)of;
}

void standing_error(struct kafka_consumer *of, rd_kafka_resp_err_t code, const char *reason)
{
    (void)of;
    (void)reason;
    call("error %s;", rd_kafka_err2name(code));
}

void standing_refused(struct kafka_consumer *of, const char *reason)
{
    call("refused %s;", reason);
    of->credentials_failing = true;
}

void standing_connected(struct kafka_consumer *of)
{
    (void)of;
    call("connected;");
}

/** A record or an end shows it: of these it is not noted. */
void standing_works(struct kafka_consumer *of)
{
    of->credentials_failing = false;
}

void standing_assigned(struct kafka_consumer *of)
{
    (void)of;
}

void standing_tick(struct kafka_consumer *of)
{
    (void)of;
}

void again_woken(struct kafka_consumer *of)
{
    (void)of;
}

void again_tick(struct kafka_consumer *of)
{
    (void)of;
}

void again_stop(struct kafka_consumer *of)
{
    (void)of;
}

void again_close(struct again *again)
{
    (void)again;
}

void redeliveries_tick(struct kafka_consumer *of)
{
    (void)of;
}

void redeliveries_leave(struct kafka_consumer *of)
{
    (void)of;
    fake.redeliveries_left++;
}

void watch_start(struct kafka_consumer *of)
{
    (void)of;
}

void watch_tick(struct kafka_consumer *of)
{
    (void)of;
}

void rebalance_event(struct kafka_consumer *of, rd_kafka_event_t *event)
{
    (void)of;
    (void)event;
    call("rebalance;");
}

void rebalance_hurry(struct kafka_consumer *of)
{
    (void)of;
    call("hurry;");
}

void commit_answered(struct kafka_consumer *of, rd_kafka_event_t *event)
{
    (void)of;
    (void)event;
    call("committed;");
}

/* The owner */

static inline bool has_room(void *ctx, size_t bytes)
{
    (void)ctx;
    return bytes <= fake.room;
}

static inline void withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    (void)ctx;
    assert_true(cancel_started);
    call("withdraw %d;", (int)((const struct partition *)assignment)->number);
}

static inline void is_fatal(void *ctx)
{
    (void)ctx;
    call("give up;");
}

static inline void ask_credentials(void *ctx)
{
    (void)ctx;
    call("ask;");
}

static inline void is_closed(void *ctx)
{
    (void)ctx;
    fake.closed++;
}

static inline void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

static inline struct kafka_consumer_options options_of_test(void)
{
    return (struct kafka_consumer_options){.loop = &loop,
                                           .clock = &test_clock,
                                           .sink = {.has_room = has_room, .withdraw = withdraw},
                                           .group_id = "group",
                                           .assignment_strategy = "",
                                           .auto_offset_reset = "earliest",
                                           .runs_topic = RUNS,
                                           .change_log_topic = CHANGES,
                                           .drain_timeout_ms = 10000,
                                           .credentials_refused = ask_credentials,
                                           .fatal = is_fatal};
}

static inline int begin(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    fake.room = SIZE_MAX;
    still_begin(0.5);
    uv_loop_init(&loop);
    struct error err = {0};
    const struct kafka_consumer_options options = options_of_test();
    consumer = kafka_consumer_new(&options, &err);
    assert_non_null(consumer);
    for (int i = 0; i < PARTITIONS; i++) {
        fake.partitions[i].consumer = consumer;
        fake.partitions[i].topic = (char *)(uintptr_t)RUNS;
        fake.partitions[i].number = i;
        fake.partitions[i].begun = true;
        fake.partitions[i].next = i > 0 ? &fake.partitions[i - 1] : NULL;
    }
    consumer->partitions = &fake.partitions[PARTITIONS - 1];
    turn(); /* the first tick is at once */
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    if (fake.closed == 0) {
        fake.left = true;
        kafka_consumer_close(consumer, is_closed, NULL);
        uv_run(&loop, UV_RUN_DEFAULT);
    }
    assert_int_equal(fake.closed, 1);
    assert_int_equal(uv_loop_close(&loop), 0);
    return 0;
}

/** A second is over. */
static inline void tick(void)
{
    still_fire(&loop, &consumer->tick);
}

/** librdkafka says that something has come. */
static inline void wake(void)
{
    const uint64_t one = 1;
    assert_int_equal(write(consumer->wake_fd, &one, sizeof one), sizeof one);
    turn();
    turn();
}

static inline rd_kafka_message_t *message(int32_t number, int64_t offset, size_t len)
{
    assert_true(fake.message_count < MESSAGES);
    rd_kafka_message_t *made = &fake.messages[fake.message_count++];
    *made = (rd_kafka_message_t){
        .rkt = (rd_kafka_topic_t *)(uintptr_t)RUNS, .partition = number, .offset = offset, .len = len};
    return made;
}

static inline void event(struct rd_kafka_op_s what)
{
    assert_true(fake.event_count < EVENTS);
    fake.events[fake.event_count++] = what;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
