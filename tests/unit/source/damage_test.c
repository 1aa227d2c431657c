/* Where what cannot be read begins and ends, in logs that a test makes up; librdkafka is a few functions. */
#include "source/kafka/unreadable.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LOG = 400, LIE = 5000 };

enum content { RECORD, BROKEN, SILENT, LYING };

/** A log, what is asked of it, and how it answers. */
static struct {
    enum content at[LOG];
    /** The first offset of each one's batch. */
    int64_t batch[LOG];
    int64_t end, cursor;
    /** So many looks see broken batches, the others records. */
    size_t broken_looks;
    /** So often nothing comes first. */
    size_t slow;
    size_t looks, overtaken_at, objects;
    int64_t unread;
    bool no_client, no_topic, no_end, no_start, stats_pending, trouble;
    rd_kafka_message_t message;
    char stats[64];
} fake;

static atomic_bool overtaken;

/* What unreadable.c calls */

static void *object(bool refused)
{
    fake.objects += !refused;
    return refused ? NULL : &fake;
}

rd_kafka_t *rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *error, size_t size)
{
    (void)error;
    (void)size;
    assert_int_equal(type, RD_KAFKA_CONSUMER);
    if (!fake.no_client)
        rd_kafka_conf_destroy(conf);
    return object(fake.no_client);
}

void rd_kafka_destroy(rd_kafka_t *rk)
{
    (void)rk;
    fake.objects--;
}

rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *rk, const char *name, rd_kafka_topic_conf_t *conf)
{
    (void)rk;
    (void)conf;
    assert_string_equal(name, "runs");
    return object(fake.no_topic);
}

void rd_kafka_topic_destroy(rd_kafka_topic_t *topic)
{
    (void)topic;
    fake.objects--;
}

rd_kafka_queue_t *rd_kafka_queue_new(rd_kafka_t *rk)
{
    (void)rk;
    return object(false);
}

rd_kafka_queue_t *rd_kafka_queue_get_main(rd_kafka_t *rk)
{
    (void)rk;
    return object(false);
}

void rd_kafka_queue_destroy(rd_kafka_queue_t *queue)
{
    (void)queue;
    fake.objects--;
}

/** One event at a time: what was given up so far, by two brokers. */
rd_kafka_event_t *rd_kafka_queue_poll(rd_kafka_queue_t *queue, int timeout_ms)
{
    (void)queue;
    (void)timeout_ms;
    fake.stats_pending = !fake.stats_pending;
    return fake.stats_pending ? (rd_kafka_event_t *)object(false) : NULL;
}

rd_kafka_event_type_t rd_kafka_event_type(const rd_kafka_event_t *event)
{
    (void)event;
    return RD_KAFKA_EVENT_STATS;
}

const char *rd_kafka_event_stats(rd_kafka_event_t *event)
{
    (void)event;
    if (fake.cursor < fake.end && fake.at[fake.cursor] == SILENT)
        fake.unread++;
    snprintf(fake.stats, sizeof fake.stats, "{\"rxpartial\":%d,\"x\":{\"rxpartial\":%lld}}", 1,
             (long long)fake.unread);
    return fake.stats;
}

void rd_kafka_event_destroy(rd_kafka_event_t *event)
{
    (void)event;
    fake.objects--;
}

int rd_kafka_consume_start_queue(rd_kafka_topic_t *topic, int32_t partition, int64_t offset,
                                 rd_kafka_queue_t *queue)
{
    (void)topic;
    (void)queue;
    assert_int_equal(partition, 3);
    assert_in_range(offset, 0, LOG);
    fake.cursor = offset;
    if (++fake.looks == fake.overtaken_at)
        atomic_store(&overtaken, true);
    return fake.no_start ? -1 : 0;
}

int rd_kafka_consume_stop(rd_kafka_topic_t *topic, int32_t partition)
{
    (void)topic;
    (void)partition;
    return 0;
}

rd_kafka_message_t *rd_kafka_consume_queue(rd_kafka_queue_t *queue, int timeout_ms)
{
    (void)queue;
    (void)timeout_ms;
    if (fake.slow > 0 && fake.slow-- > 0)
        return NULL;
    bool end = fake.cursor >= fake.end;
    enum content content = end || fake.looks > fake.broken_looks ? RECORD : fake.at[fake.cursor];
    fake.message = (rd_kafka_message_t){.offset = end ? fake.end : fake.cursor};
    if (fake.trouble) {
        fake.trouble = false;
        fake.message.err = RD_KAFKA_RESP_ERR__TRANSPORT;
    } else if (end) {
        fake.message.err = RD_KAFKA_RESP_ERR__PARTITION_EOF;
    } else if (content == BROKEN) {
        fake.message.err = RD_KAFKA_RESP_ERR__BAD_COMPRESSION;
        fake.message.offset = fake.batch[fake.cursor];
    } else if (content == LYING) {
        fake.message.offset = LIE;
    }
    return content == SILENT ? NULL : &fake.message;
}

void rd_kafka_message_destroy(rd_kafka_message_t *message)
{
    assert_ptr_equal(message, &fake.message);
}

rd_kafka_resp_err_t rd_kafka_get_watermark_offsets(rd_kafka_t *rk, const char *topic, int32_t partition,
                                                   int64_t *low, int64_t *high)
{
    (void)rk;
    (void)topic;
    (void)partition;
    *low = 0;
    *high = fake.end;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_query_watermark_offsets(rd_kafka_t *rk, const char *topic, int32_t partition,
                                                     int64_t *low, int64_t *high, int timeout_ms)
{
    (void)timeout_ms;
    if (fake.no_end)
        return RD_KAFKA_RESP_ERR__TRANSPORT;
    return rd_kafka_get_watermark_offsets(rk, topic, partition, low, high);
}

/* Logs */

/** Records, up to `end`. */
static void log_of(int64_t end)
{
    memset(&fake, 0, sizeof fake);
    fake.end = end;
    fake.broken_looks = SIZE_MAX;
    atomic_store(&overtaken, false);
}

static void batch(enum content content, int64_t from, int64_t to)
{
    for (int64_t offset = from; offset < to; offset++) {
        fake.at[offset] = content;
        fake.batch[offset] = from;
    }
}

static struct unreadable find(int64_t position)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct unreadable found = unreadable_find(conf, "runs", 3, position, &overtaken);
    assert_int_equal(fake.objects, 0);
    return found;
}

static void assert_found(int64_t position, int64_t from, int64_t to, unsigned batches)
{
    struct unreadable found = find(position);
    assert_int_equal(found.verdict, UNREADABLE_FOUND);
    assert_int_equal(found.from, from);
    assert_int_equal(found.to, to);
    assert_int_equal(found.batches, batches);
}

static void assert_verdict(int64_t position, enum unreadable_verdict verdict)
{
    assert_int_equal(find(position).verdict, verdict);
}

static void a_record_or_the_end_is_nothing_unreadable(void **state)
{
    (void)state;
    log_of(50);
    batch(BROKEN, 20, 30);
    assert_verdict(10, UNREADABLE_NOT);
    assert_verdict(19, UNREADABLE_NOT);
    assert_verdict(50, UNREADABLE_NOTHING_YET);
    fake.trouble = true; /* which passes */
    assert_verdict(10, UNREADABLE_NOT);
    fake.slow = 50; /* and nothing is given up meanwhile */
    assert_verdict(10, UNREADABLE_NOT);
}

/** Of every length, from every place in it, whatever follows. */
static void a_batch_that_is_broken_ends_where_the_next_begins(void **state)
{
    (void)state;
    for (int64_t length = 1; length < 150; length += 1 + length / 9)
        for (int at_end = 0; at_end < 2; at_end++) {
            log_of(at_end ? 10 + length : 300);
            batch(BROKEN, 10, 10 + length);
            assert_found(10, 10, 10 + length, 1);
            assert_found(10 + length / 2, 10 + length / 2, 10 + length, 1);
            assert_int_equal(find(10).code, RD_KAFKA_RESP_ERR__BAD_COMPRESSION);
        }
}

static void batches_in_a_row_are_passed_together(void **state)
{
    (void)state;
    log_of(300);
    batch(BROKEN, 10, 14);
    batch(BROKEN, 14, 15);
    batch(BROKEN, 15, 90);
    assert_found(10, 10, 90, 3);
    batch(SILENT, 90, 95);
    assert_found(10, 10, 95, 4);
    batch(RECORD, 14, 15); /* what can be read in between is not passed */
    assert_found(10, 10, 14, 1);
}

static void what_is_given_up_without_a_word_ends_at_the_next_record(void **state)
{
    (void)state;
    for (int64_t length = 1; length < 150; length += 1 + length / 9)
        for (int at_end = 0; at_end < 2; at_end++) {
            log_of(at_end ? 10 + length : 300);
            batch(SILENT, 10, 10 + length);
            assert_found(10, 10, 10 + length, 1);
            assert_int_equal(find(10).code, RD_KAFKA_RESP_ERR__BAD_MSG);
        }
    log_of(300);
    batch(SILENT, 10, 40);
    batch(RECORD, 30, 31); /* between two batches, with nothing else to tell them apart */
    assert_found(10, 10, 30, 1);
}

static void a_record_beyond_the_logs_end_is_a_lie_of_its_batch(void **state)
{
    (void)state;
    log_of(300);
    batch(LYING, 10, 30);
    assert_found(10, 10, 30, 1);
    assert_found(15, 15, 30, 1);
    assert_int_equal(find(10).code, RD_KAFKA_RESP_ERR__BAD_MSG);
}

static void what_is_broken_less_than_three_times_is_not(void **state)
{
    (void)state;
    for (size_t looks = 0; looks < 3; looks++) {
        log_of(300);
        batch(BROKEN, 10, 20);
        fake.broken_looks = looks;
        assert_verdict(10, UNREADABLE_NOT);
        assert_int_equal(fake.looks, looks + 1);
    }
    log_of(300);
    batch(BROKEN, 10, 20);
    fake.broken_looks = 3;
    assert_found(10, 10, 11, 1); /* it was so three times, and behind it there is a record */
}

/** The least number of looks at broken batches after which so many are passed. */
static size_t looks_for(unsigned batches)
{
    for (size_t looks = 3;; looks++) {
        log_of(300);
        batch(BROKEN, 10, 14);
        batch(BROKEN, 14, 30);
        fake.broken_looks = looks;
        const struct unreadable found = find(10);
        assert_int_equal(found.verdict, UNREADABLE_FOUND);
        assert_true(found.to <= (found.batches == 1 ? 14 : 30));
        if (found.batches == batches)
            return looks;
    }
}

/** Once where the first ends, and thrice on its own account. */
static void the_next_batch_counts_as_broken_after_three_looks_too(void **state)
{
    (void)state;
    log_of(300);
    batch(BROKEN, 10, 14);
    assert_found(10, 10, 14, 1);
    size_t of_first = fake.looks;
    assert_int_equal(looks_for(1), 3);
    assert_int_equal(looks_for(2), of_first + 3);
}

static void what_is_overtaken_finds_no_more_than_it_has(void **state)
{
    (void)state;
    for (enum content content = BROKEN; content <= SILENT; content++)
        for (size_t at = 1; at <= 6; at++) {
            log_of(300);
            batch(content, 10, 100);
            fake.overtaken_at = at;
            struct unreadable found = find(10);
            assert_int_equal(found.verdict, UNREADABLE_SILENT);
            assert_int_equal(fake.looks, at);
        }
    log_of(300);
    atomic_store(&overtaken, true);
    assert_verdict(10, UNREADABLE_UNKNOWN);
    assert_int_equal(fake.looks, 0);
}

static void what_cannot_be_asked_is_not_known(void **state)
{
    (void)state;
    bool *const refusals[] = {&fake.no_client, &fake.no_topic, &fake.no_end};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        log_of(300);
        batch(BROKEN, 10, 20);
        *refusals[i] = true;
        assert_verdict(10, UNREADABLE_UNKNOWN);
    }
    log_of(300);
    batch(BROKEN, 10, 20);
    fake.no_start = true;
    assert_verdict(10, UNREADABLE_SILENT);
}

static void errors_about_bytes_are_told_from_others(void **state)
{
    (void)state;
    assert_true(unreadable_is_error(RD_KAFKA_RESP_ERR__BAD_COMPRESSION));
    assert_true(unreadable_is_error(RD_KAFKA_RESP_ERR__BAD_MSG));
    assert_true(unreadable_is_error(RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED));
    assert_false(unreadable_is_error(RD_KAFKA_RESP_ERR_NO_ERROR));
    assert_false(unreadable_is_error(RD_KAFKA_RESP_ERR__PARTITION_EOF));
    assert_false(unreadable_is_error(RD_KAFKA_RESP_ERR__TRANSPORT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_or_the_end_is_nothing_unreadable),
        cmocka_unit_test(a_batch_that_is_broken_ends_where_the_next_begins),
        cmocka_unit_test(batches_in_a_row_are_passed_together),
        cmocka_unit_test(what_is_given_up_without_a_word_ends_at_the_next_record),
        cmocka_unit_test(a_record_beyond_the_logs_end_is_a_lie_of_its_batch),
        cmocka_unit_test(what_is_broken_less_than_three_times_is_not),
        cmocka_unit_test(the_next_batch_counts_as_broken_after_three_looks_too),
        cmocka_unit_test(what_is_overtaken_finds_no_more_than_it_has),
        cmocka_unit_test(what_cannot_be_asked_is_not_known),
        cmocka_unit_test(errors_about_bytes_are_told_from_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
