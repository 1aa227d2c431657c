/* What the cluster says of a topic, with a librdkafka that answers what a test says. */
#include "source/kafka/topics.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct {
    bool no_topic;
    rd_kafka_resp_err_t code;
    struct rd_kafka_metadata_topic topic;
    struct rd_kafka_metadata metadata;
    size_t topics, answers;
} fake;

rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *rk, const char *name, rd_kafka_topic_conf_t *conf)
{
    (void)rk;
    assert_null(conf);
    assert_string_equal(name, "runs");
    fake.topics += !fake.no_topic;
    return fake.no_topic ? NULL : (rd_kafka_topic_t *)(void *)&fake;
}

void rd_kafka_topic_destroy(rd_kafka_topic_t *topic)
{
    assert_ptr_equal(topic, &fake);
    fake.topics--;
}

rd_kafka_resp_err_t rd_kafka_last_error(void)
{
    return RD_KAFKA_RESP_ERR__INVALID_ARG;
}

rd_kafka_resp_err_t rd_kafka_metadata(rd_kafka_t *rk, int all, rd_kafka_topic_t *only,
                                      const struct rd_kafka_metadata **metadata, int timeout_ms)
{
    (void)rk;
    assert_false(all);
    assert_ptr_equal(only, &fake);
    assert_int_equal(timeout_ms, 700);
    if (fake.code)
        return fake.code;
    fake.answers++;
    fake.metadata.topics = &fake.topic;
    *metadata = &fake.metadata;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void rd_kafka_metadata_destroy(const struct rd_kafka_metadata *metadata)
{
    assert_ptr_equal(metadata, &fake.metadata);
    fake.answers--;
}

/** Of what is known of it follow these: an error, that of the question for its partitions, and their number.
 */
static void assert_answers(rd_kafka_resp_err_t error, rd_kafka_resp_err_t of_count, int count)
{
    int counted = 77;
    assert_int_equal(topic_error_query(NULL, "runs", 700), error);
    assert_int_equal(topic_partitions_query(NULL, "runs", 700, &counted), of_count);
    assert_int_equal(counted, count);
    assert_int_equal(fake.topics + fake.answers, 0);
}

static void a_topic_has_partitions_or_an_error(void **state)
{
    (void)state;
    fake.metadata.topic_cnt = 1;
    fake.topic.partition_cnt = 12;
    assert_answers(RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_NO_ERROR, 12);
    fake.topic.err = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    assert_answers(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_NO_ERROR, 0);
    fake.topic.err = RD_KAFKA_RESP_ERR_NO_ERROR;
    fake.metadata.topic_cnt = 0;
    assert_answers(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR_NO_ERROR, 0);
}

static void without_an_answer_its_cause_is_told(void **state)
{
    (void)state;
    fake.code = RD_KAFKA_RESP_ERR__TRANSPORT;
    assert_answers(RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__TRANSPORT, 0);
    fake.no_topic = true;
    assert_answers(RD_KAFKA_RESP_ERR__INVALID_ARG, RD_KAFKA_RESP_ERR__INVALID_ARG, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_has_partitions_or_an_error),
        cmocka_unit_test(without_an_answer_its_cause_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
