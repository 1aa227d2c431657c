/* What librdkafka's metadata cache does when a topic's id changes, with the function that the build puts in
 * front of it (lib/kafka/metadata_cache.c). Without that function the allocator or AddressSanitizer ends this
 * program. */
#include <librdkafka/rdkafka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// As in src/rdkafka_metadata.h and src/rdkafka_proto.h of librdkafka 2.8.
struct topic_internal {
    void *partitions;
    struct {
        int64_t most, least;
        char base64[23];
    } id;
    int32_t operations;
    uint8_t is_internal;
};

int rd_kafka_metadata_cache_topic_update(rd_kafka_t *rk, const rd_kafka_metadata_topic_t *topic,
                                         const struct topic_internal *internal, uint8_t propagate,
                                         uint8_t include_racks, void *brokers, size_t broker_count,
                                         uint8_t only_existing);

static int update(rd_kafka_t *rk, int64_t id, uint8_t only_existing)
{
    rd_kafka_metadata_topic_t topic = {.topic = (char[]){"runs"}};
    struct topic_internal internal = {.id = {.most = id, .least = id}};
    return rd_kafka_metadata_cache_topic_update(rk, &topic, &internal, 1, 0, NULL, 0, only_existing);
}

static void a_topics_id_may_change_and_come_back(void **state)
{
    (void)state;
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, NULL, NULL, 0);
    assert_non_null(rk);
    for (int64_t round = 0; round < 20; round++)
        assert_int_equal(update(rk, 1 + round % 3, 0), 1);
    rd_kafka_destroy(rk);
}

static void an_update_of_what_is_there_finds_what_is_there(void **state)
{
    (void)state;
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, NULL, NULL, 0);
    assert_non_null(rk);
    assert_int_equal(update(rk, 1, 1), 0);
    assert_int_equal(update(rk, 1, 0), 1);
    assert_int_equal(update(rk, 2, 1), 1);
    assert_int_equal(update(rk, 1, 1), 1);
    rd_kafka_destroy(rk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topics_id_may_change_and_come_back),
        cmocka_unit_test(an_update_of_what_is_there_finds_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
