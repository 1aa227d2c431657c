/* What is taken from a partition: tickets, what is gone, and a log that begins anew, with a librdkafka that
 * says what a test says. */
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

/** What the log is, and what was called. */
static struct {
    int64_t low, high, timestamp;
    bool unknown, astray, reads, headers, no_traceparent;
    size_t commits, advances, resumes, looks, destroyed;
    /** Wanted to be read again. */
    struct wanted *wanted;
} fake;

/* What partition.c calls */

rd_kafka_resp_err_t rd_kafka_get_watermark_offsets(rd_kafka_t *rk, const char *topic, int32_t partition,
                                                   int64_t *low, int64_t *high)
{
    (void)rk;
    assert_string_equal(topic, "runs");
    assert_int_equal(partition, 3);
    *low = fake.low;
    *high = fake.high;
    return fake.unknown ? RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION : RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_queue_t *rd_kafka_queue_get_partition(rd_kafka_t *rk, const char *topic, int32_t partition)
{
    (void)rk;
    (void)topic;
    (void)partition;
    return NULL;
}

struct rd_kafka_topic_s {
    const char *name;
};

const char *rd_kafka_topic_name(const rd_kafka_topic_t *topic)
{
    return topic->name;
}

void rd_kafka_message_destroy(rd_kafka_message_t *message)
{
    (void)message;
    fake.destroyed++;
}

int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *message, rd_kafka_timestamp_type_t *type)
{
    (void)message;
    *type = fake.timestamp < 0 ? RD_KAFKA_TIMESTAMP_NOT_AVAILABLE : RD_KAFKA_TIMESTAMP_CREATE_TIME;
    return fake.timestamp < 0 ? 77 : fake.timestamp;
}

rd_kafka_resp_err_t rd_kafka_message_headers(const rd_kafka_message_t *message, rd_kafka_headers_t **headers)
{
    (void)message;
    *headers = (rd_kafka_headers_t *)(void *)&fake;
    return fake.headers ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR__NOENT;
}

rd_kafka_resp_err_t rd_kafka_header_get_last(const rd_kafka_headers_t *headers, const char *name,
                                             const void **value, size_t *size)
{
    assert_ptr_equal(headers, &fake);
    if (fake.no_traceparent && strcmp(name, "traceparent") == 0)
        return RD_KAFKA_RESP_ERR__NOENT;
    *value = name;
    *size = strlen(name);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void commit_soon(struct kafka_consumer *consumer)
{
    (void)consumer;
    fake.commits++;
}

void rebalance_advance(struct kafka_consumer *consumer)
{
    (void)consumer;
    fake.advances++;
}

void kafka_consumer_resume(struct kafka_consumer *consumer)
{
    (void)consumer;
    fake.resumes++;
}

void watch_soon(struct kafka_consumer *consumer)
{
    (void)consumer;
    fake.looks++;
}

void poison_reset(struct partition *partition)
{
    (void)partition;
}

void poison_forget(struct partition *partition)
{
    (void)partition;
}

bool poison_is_astray(struct partition *partition, int64_t offset)
{
    (void)partition;
    (void)offset;
    return fake.astray;
}

enum source_reading again_want(struct kafka_ticket *ticket, void *reader)
{
    struct wanted *wanted = malloc(sizeof *wanted);
    *wanted = (struct wanted){.offset = ticket->entry.offset, .ticket = ticket, .reader = reader};
    ticket->wanted = wanted;
    return READING_COMES;
}

struct wanted *again_unlink(struct kafka_ticket *ticket)
{
    struct wanted *wanted = ticket->wanted;
    ticket->wanted = NULL;
    return wanted;
}

/* The sink */

static struct {
    struct ticket *tickets[16];
    size_t taken;
    struct record last;
    char id[64];
    /** What was told to be gone, in order. */
    char gone[64];
} sink;

static void take(void *ctx, const struct record *record, struct ticket *ticket)
{
    (void)ctx;
    sink.tickets[sink.taken++] = ticket;
    sink.last = *record;
    snprintf(sink.id, sizeof sink.id, "%.*s", (int)record->id.len, record->id.ptr);
}

static void take_again(void *ctx, const struct record *record, void *reader)
{
    (void)ctx;
    assert_ptr_equal(reader, &sink);
    size_t len = strlen(sink.gone);
    snprintf(sink.gone + len, sizeof sink.gone - len, "%lld%s ", (long long)record->offset,
             record->gone ? "" : " is there");
}

static struct kafka_consumer consumer;
static struct partition *partition;
static struct rd_kafka_topic_s runs = {"runs"};

/** Its position is 100, in a log from 50 to 200. */
static int begin(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    memset(&sink, 0, sizeof sink);
    fake.low = 50;
    fake.high = 200;
    consumer = (struct kafka_consumer){.options = {.runs_topic = "runs",
                                                   .change_log_topic = "changes",
                                                   .sink = {.take = take, .take_again = take_again}}};
    partition = partition_new(&consumer, "runs", 3);
    offsets_init(&partition->offsets, 100);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sink.taken; i++)
        if (sink.tickets[i])
            source_ticket_done(sink.tickets[i]);
    partition_free(partition);
    assert_null(consumer.partitions);
    while (consumer.free_tickets) {
        struct kafka_ticket *ticket = consumer.free_tickets;
        consumer.free_tickets = ticket->next;
        free(ticket);
    }
    return 0;
}

static void take_at(int64_t offset)
{
    rd_kafka_message_t message = {
        .rkt = &runs, .partition = 3, .offset = offset, .key = (void *)(uintptr_t) "key", .key_len = 3};
    assert_true(partition_take(partition, &message));
}

static void give_back(size_t n, bool done)
{
    struct ticket *ticket = sink.tickets[n];
    sink.tickets[n] = NULL;
    done ? source_ticket_done(ticket) : source_ticket_drop(ticket);
}

static void a_record_is_handed_over_with_what_is_known_of_it(void **state)
{
    (void)state;
    fake.timestamp = 5;
    fake.headers = true;
    take_at(100);
    assert_string_equal(sink.id, "runs-3-100");
    assert_int_equal(sink.last.timestamp_ms, 5);
    assert_true(slice_equal_text(sink.last.key, "key"));
    assert_true(slice_is_null(sink.last.value));
    assert_true(slice_equal_text(sink.last.traceparent, "traceparent"));
    assert_true(slice_equal_text(sink.last.tracestate, "tracestate"));
    assert_ptr_equal(sink.last.assignment, partition);
    fake.timestamp = -1;
    fake.no_traceparent = true;
    take_at(101);
    assert_int_equal(sink.last.timestamp_ms, -1);
    assert_true(slice_is_null(sink.last.traceparent));
    fake.headers = false;
    take_at(102);
    assert_true(slice_is_null(sink.last.tracestate));
    assert_int_equal(partition->live, 3);
}

static void a_ticket_that_is_done_moves_what_may_be_committed(void **state)
{
    (void)state;
    take_at(100);
    take_at(101);
    give_back(1, true);
    assert_int_equal(offsets_committable(&partition->offsets), 100);
    assert_true(partition->changed);
    assert_int_equal(fake.commits, 1);
    assert_int_equal(partition->live, 1);
    partition->changed = false;
    give_back(0, false); /* dropped: it is not done, and nothing beyond it is */
    assert_int_equal(offsets_committable(&partition->offsets), 100);
    assert_false(partition->changed);
    assert_int_equal(fake.commits, 1);
    assert_int_equal(partition->live, 0);
    take_at(102); /* with the memory of the first */
    assert_null(consumer.free_tickets);
    assert_int_equal(fake.advances + fake.resumes, 0);
}

static void who_drains_or_waits_for_space_hears_of_each_ticket(void **state)
{
    (void)state;
    rd_kafka_message_t parked = {.rkt = &runs, .partition = 3, .offset = 103};
    for (int64_t offset = 100; offset < 103; offset++)
        take_at(offset);
    consumer.rebalance = REBALANCE_DRAINING;
    give_back(0, true);
    assert_int_equal(fake.advances, 1);
    consumer.rebalance = REBALANCE_IDLE;
    partition->parked = &parked;
    give_back(1, true);
    assert_int_equal(fake.resumes, 1);
    partition->offsets.run_bytes = 100000; /* as if its note was full */
    parked.offset = 1000000;
    take_at(104);
    give_back(2, true);
    assert_int_equal(fake.resumes, 1);
    partition->parked = NULL;
    partition->offsets.run_bytes = 0;
}

static void what_was_done_before_is_not_taken(void **state)
{
    (void)state;
    struct offsets before;
    struct offset_entry entries[4];
    struct buffer note = {0};
    offsets_init(&before, 100);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(offsets_take(&before, &entries[i], 100 + (int64_t)i), OFFSETS_TAKEN);
    offsets_done(&before, &entries[1]);
    offsets_done(&before, &entries[3]);
    offsets_note(&before, &note);
    assert_true(offsets_restore(&partition->offsets, buffer_slice(&note)));
    take_at(100);
    take_at(101);
    assert_int_equal(sink.taken, 1);
    assert_int_equal(consumer.restored_skips, 1);
    assert_int_equal(partition->live, 1);
    assert_true(partition->changed);
    assert_non_null(consumer.free_tickets);
    take_at(102);
    give_back(0, true);
    give_back(1, true);
    take_at(103);
    assert_int_equal(consumer.restored_skips, 2);
    assert_non_null(consumer.free_tickets);
    assert_non_null(consumer.free_tickets->next); /* the two tickets that there were */
    assert_null(consumer.free_tickets->next->next);
    offsets_clear(&before);
    buffer_clear(&note);
}

/** Takes the record; how many lines tell that some are gone: those from `from` to `to`. */
static size_t told_gone(int64_t offset, int64_t from, int64_t to)
{
    struct caught caught = logs_catch();
    char expected[80];
    take_at(offset);
    char *logged = logs_end(&caught);
    size_t count = occurrences(logged, "\"gone\":");
    snprintf(expected, sizeof expected, "\"from\":%lld,\"to\":%lld,\"gone\":%lld}", (long long)from,
             (long long)to, (long long)(to - from));
    assert_int_equal(occurrences(logged, expected), count);
    free(logged);
    return count;
}

/** What compaction left out is behind the log's start. */
static void what_the_logs_start_has_passed_is_told(void **state)
{
    (void)state;
    static const struct {
        int64_t low, high, offset;
        bool unknown, told;
    } cases[] = {{50, 200, 105, false, false},    {100, 200, 105, false, false},
                 {101, 200, 105, false, true},    {105, 200, 105, false, true},
                 {110, 200, 105, false, true},    {101, 200, 100, false, false},
                 {101, 200, 101, false, true},    {101, 200, 105, true, false},
                 {-1001, 200, 105, false, false}, {101, -1001, 105, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        offsets_rewind(&partition->offsets, 100);
        fake.low = cases[i].low;
        fake.high = cases[i].high;
        fake.unknown = cases[i].unknown;
        int64_t to = fake.low < cases[i].offset ? fake.low : cases[i].offset;
        assert_int_equal(told_gone(cases[i].offset, 100, to), cases[i].told);
        give_back(i, true);
    }
    fake.unknown = false;
    fake.low = 7;
    fake.high = 20;
    offsets_rewind(&partition->offsets, 0); /* the first offset is one */
    assert_int_equal(told_gone(9, 0, 7), 1);
    give_back(sink.taken - 1, true);
    offsets_rewind(&partition->offsets, -1);
    assert_int_equal(told_gone(9, 0, 0), 0);
}

static void a_log_that_begins_anew_takes_its_tickets_along(void **state)
{
    (void)state;
    for (int64_t offset = 100; offset < 106; offset++)
        take_at(offset);
    give_back(0, false);
    give_back(3, false);
    assert_int_equal(source_ticket_read_again(sink.tickets[1], &sink), READING_COMES);
    assert_int_equal(source_ticket_read_again(sink.tickets[4], &sink), READING_COMES);
    assert_int_equal(source_ticket_read_again(sink.tickets[5], &sink), READING_COMES);
    partition->topic_id.known = true;
    fake.high = 90;
    struct caught caught = logs_catch();
    take_at(102); /* what is below it stays as it is */
    char *logged = logs_end(&caught);
    assert_int_equal(occurrences(logged, "\"position\":106,\"gone\":16}"), 1);
    free(logged);
    assert_string_equal(sink.gone, "104 105 ");
    assert_int_equal(partition->live, 2); /* 101 and the new 102 */
    assert_int_equal(offsets_next(&partition->offsets), 103);
    assert_int_equal(offsets_committable(&partition->offsets), 100);
    assert_false(partition->topic_id.known);
    assert_int_equal(fake.looks, 1);
    assert_true(partition->changed);
    assert_int_equal(source_ticket_read_again(sink.tickets[2], &sink), READING_GONE);
    size_t commits = fake.commits;
    give_back(2, true); /* of the log before: it counts for nothing */
    assert_int_equal(fake.commits, commits);
    assert_int_equal(partition->live, 2);
    give_back(6, true);
    assert_int_equal(partition->live, 1);
}

static void the_end_is_passed_once_everything_before_it_was_taken(void **state)
{
    (void)state;
    rd_kafka_message_t parked = {.rkt = &runs, .partition = 3, .offset = 100};
    partition->parked = &parked;
    partition_end_reached(partition, 101);
    partition->parked = NULL;
    partition->poison.lied = true;
    partition_end_reached(partition, 101);
    partition->poison.lied = false;
    fake.astray = true;
    partition_end_reached(partition, 101);
    fake.astray = false;
    assert_false(partition->poison.heard || partition->changed);
    partition_end_reached(partition, 100); /* where we are */
    assert_true(partition->poison.heard);
    assert_int_equal(fake.commits, 0);
    partition_end_reached(partition, 105);
    assert_true(partition->changed);
    assert_int_equal(fake.commits, 1);
    assert_int_equal(offsets_committable(&partition->offsets), 105);
    assert_int_equal(fake.looks, 0);
    partition_end_reached(partition, 104); /* a log that is shorter */
    assert_int_equal(fake.looks, 1);
    assert_int_equal(offsets_next(&partition->offsets), 104);
}

static void one_that_is_abandoned_keeps_nothing(void **state)
{
    (void)state;
    take_at(100);
    take_at(101);
    give_back(0, false);
    partition->changed = true;
    partition_abandon(partition);
    assert_true(partition->revoked && partition->abandoned && !partition->changed);
    assert_int_equal(partition->live, 0);
    assert_int_equal(offsets_committable(&partition->offsets), -1);
    assert_int_equal(source_ticket_read_again(sink.tickets[1], &sink), READING_GONE);
}

static void a_record_that_waits_for_the_sink_is_given_up_with_its_partition(void **state)
{
    (void)state;
    static struct rd_kafka_topic_s others = {"others"};
    rd_kafka_message_t parked = {.rkt = &others, .partition = 3};
    consumer.parked = &parked;
    partition_unpark(partition);
    parked = (rd_kafka_message_t){.rkt = &runs, .partition = 4};
    partition_unpark(partition);
    assert_int_equal(fake.destroyed, 0);
    parked.partition = 3;
    partition_unpark(partition);
    assert_int_equal(fake.destroyed, 1);
    assert_null(consumer.parked);
    partition_unpark(partition);
    assert_int_equal(fake.destroyed, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_record_is_handed_over_with_what_is_known_of_it),
        TEST(a_ticket_that_is_done_moves_what_may_be_committed),
        TEST(who_drains_or_waits_for_space_hears_of_each_ticket),
        TEST(what_was_done_before_is_not_taken),
        TEST(what_the_logs_start_has_passed_is_told),
        TEST(a_log_that_begins_anew_takes_its_tickets_along),
        TEST(the_end_is_passed_once_everything_before_it_was_taken),
        TEST(one_that_is_abandoned_keeps_nothing),
        TEST(a_record_that_waits_for_the_sink_is_given_up_with_its_partition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
