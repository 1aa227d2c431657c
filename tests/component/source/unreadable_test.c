/* Where what cannot be read ends, on librdkafka's mock cluster. */
#include "../kafka/mock_cluster.h"
#include "source/kafka/unreadable.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "raw_batches.h"

static struct mock_cluster cluster;
static rd_kafka_t *consumer; /* whose configuration is taken */
static char topic[16];
static atomic_bool overtaken;

static int open_cluster(void **state)
{
    (void)state;
    if (!mock_cluster_open(&cluster, NULL, 0))
        return -1;
    rd_kafka_conf_t *conf = mock_cluster_conf(&cluster);
    rd_kafka_conf_set(conf, "group.id", "group", NULL, 0);
    rd_kafka_conf_set(conf, "group.instance.id", "instance", NULL, 0);
    rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", NULL, 0);
    consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    return consumer ? 0 : -1;
}

static int close_cluster(void **state)
{
    (void)state;
    rd_kafka_destroy(consumer);
    mock_cluster_close(&cluster);
    return 0;
}

static int open_topic(void **state)
{
    static int number;
    (void)state;
    atomic_store(&overtaken, false);
    snprintf(topic, sizeof topic, "topic-%d", ++number);
    return rd_kafka_mock_topic_create(cluster.cluster, topic, 1, 1);
}

static const char *broker(void)
{
    return mock_cluster_address(&cluster);
}

static struct unreadable find(int64_t position)
{
    rd_kafka_conf_t *conf = unreadable_conf(consumer);
    assert_non_null(conf);
    return unreadable_find(conf, topic, 0, position, &overtaken);
}

static void assert_found(int64_t position, int64_t from, int64_t to, unsigned batches)
{
    struct unreadable found = find(position);
    assert_int_equal(found.verdict, UNREADABLE_FOUND);
    assert_int_equal(found.from, from);
    assert_int_equal(found.to, to);
    assert_int_equal(found.batches, batches);
}

static void the_end_of_a_batch_that_is_told_is_found_whatever_its_size(void **state)
{
    static const int32_t sizes[] = {1, 2, 5, 64, 1000000};
    int64_t at = 3;
    (void)state;
    write_good(broker(), topic, 3);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        write_undecodable(broker(), topic, sizes[i]);
        write_good(broker(), topic, 1);
        assert_found(at, at, at + sizes[i], 1);
        at += sizes[i] + 1;
    }
}

static void the_end_of_a_batch_that_is_not_told_is_found(void **state)
{
    static const int32_t sizes[] = {1, 2, 100};
    int64_t at = 0;
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        write_lying(broker(), topic, sizes[i]);
        write_good(broker(), topic, 1);
        struct unreadable found = find(at);
        assert_int_equal(found.verdict, UNREADABLE_FOUND);
        assert_int_equal(found.code, RD_KAFKA_RESP_ERR__BAD_MSG);
        assert_int_equal(found.from, at);
        assert_int_equal(found.to, at + sizes[i]);
        at += sizes[i] + 1;
    }
}

static void a_record_beyond_the_end_is_passed_alone(void **state)
{
    (void)state;
    write_good(broker(), topic, 1);
    write_elsewhere(broker(), topic);
    write_good(broker(), topic, 1);
    assert_found(1, 1, 2, 1);
}

static void a_position_within_a_batch_is_where_it_begins_for_us(void **state)
{
    (void)state;
    write_undecodable(broker(), topic, 10);
    write_good(broker(), topic, 1);
    assert_found(4, 4, 10, 1);
}

static void what_cannot_be_read_at_the_logs_end_is_found(void **state)
{
    (void)state;
    write_good(broker(), topic, 1);
    write_undecodable(broker(), topic, 7);
    assert_found(1, 1, 8, 1);
}

static void batches_without_a_record_between_them_are_found_together(void **state)
{
    (void)state;
    write_undecodable(broker(), topic, 4);
    write_undecodable(broker(), topic, 1);
    write_lying(broker(), topic, 2);
    write_undecodable(broker(), topic, 3);
    write_good(broker(), topic, 1);
    write_undecodable(broker(), topic, 4);
    assert_found(0, 0, 10, 4);
}

/** Going further and further on must not go past the next trouble. */
static void what_lies_between_two_of_them_is_not_passed(void **state)
{
    int64_t at = 0;
    (void)state;
    for (int between = 1; between <= 2; between++) {
        write_undecodable(broker(), topic, 5);
        write_good(broker(), topic, between);
        write_undecodable(broker(), topic, 16);
        write_good(broker(), topic, 1);
        assert_found(at, at, at + 5, 1);
        at += 5 + between + 16 + 1;
        write_lying(broker(), topic, 5);
        write_good(broker(), topic, between);
        write_lying(broker(), topic, 16);
        write_good(broker(), topic, 1);
        assert_found(at, at, at + 5, 1);
        at += 5 + between + 16 + 1;
    }
}

static void a_record_is_nothing_to_pass(void **state)
{
    (void)state;
    write_good(broker(), topic, 2);
    write_undecodable(broker(), topic, 1);
    assert_int_equal(find(0).verdict, UNREADABLE_NOT);
    assert_int_equal(find(1).verdict, UNREADABLE_NOT);
}

static void the_logs_end_is_nothing_to_pass(void **state)
{
    (void)state;
    assert_int_equal(find(0).verdict, UNREADABLE_NOTHING_YET);
    write_good(broker(), topic, 2);
    assert_int_equal(find(2).verdict, UNREADABLE_NOTHING_YET);
}

/** Where it does not answer, and where what it sends does not come. */
static void a_broker_that_is_away_or_slow_is_nothing_to_pass(void **state)
{
    (void)state;
    write_good(broker(), topic, 2);
    write_undecodable(broker(), topic, 1);
    rd_kafka_mock_broker_set_down(cluster.cluster, 1);
    assert_int_equal(find(0).verdict, UNREADABLE_UNKNOWN);
    rd_kafka_mock_broker_set_up(cluster.cluster, 1);
    rd_kafka_mock_broker_set_rtt(cluster.cluster, 1, 700);
    assert_int_not_equal(find(0).verdict, UNREADABLE_FOUND);
    rd_kafka_mock_broker_set_rtt(cluster.cluster, 1, 0);
}

/** Errors of the broker's, again and again, say nothing of the bytes. */
static void a_broker_that_refuses_to_send_is_nothing_to_pass(void **state)
{
    enum { FETCH = 1 };
    const rd_kafka_resp_err_t refused = RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    (void)state;
    write_good(broker(), topic, 2);
    rd_kafka_mock_push_request_errors(cluster.cluster, FETCH, 6, refused, refused, refused, refused, refused,
                                      refused);
    assert_int_not_equal(find(0).verdict, UNREADABLE_FOUND);
    rd_kafka_mock_clear_request_errors(cluster.cluster, FETCH);
}

static void it_ends_at_once_when_nobody_waits(void **state)
{
    (void)state;
    write_undecodable(broker(), topic, 1000);
    atomic_store(&overtaken, true);
    assert_int_equal(find(0).verdict, UNREADABLE_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_end_of_a_batch_that_is_told_is_found_whatever_its_size, open_topic),
        cmocka_unit_test_setup(the_end_of_a_batch_that_is_not_told_is_found, open_topic),
        cmocka_unit_test_setup(a_record_beyond_the_end_is_passed_alone, open_topic),
        cmocka_unit_test_setup(a_position_within_a_batch_is_where_it_begins_for_us, open_topic),
        cmocka_unit_test_setup(what_cannot_be_read_at_the_logs_end_is_found, open_topic),
        cmocka_unit_test_setup(batches_without_a_record_between_them_are_found_together, open_topic),
        cmocka_unit_test_setup(what_lies_between_two_of_them_is_not_passed, open_topic),
        cmocka_unit_test_setup(a_record_is_nothing_to_pass, open_topic),
        cmocka_unit_test_setup(the_logs_end_is_nothing_to_pass, open_topic),
        cmocka_unit_test_setup(a_broker_that_is_away_or_slow_is_nothing_to_pass, open_topic),
        cmocka_unit_test_setup(a_broker_that_refuses_to_send_is_nothing_to_pass, open_topic),
        cmocka_unit_test_setup(it_ends_at_once_when_nobody_waits, open_topic),
    };
    return cmocka_run_group_tests(tests, open_cluster, close_cluster);
}
