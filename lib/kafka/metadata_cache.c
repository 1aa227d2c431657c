/* A defect of librdkafka 2.4 to 2.8, kept from harm: when a topic's id changes, its metadata cache frees the
 * topic's entry and leaves the entry in the tree that is sorted by id; a later update frees the entry once
 * more (docs/workarounds.md). The build links such a librdkafka from its archive, and its linker sends the
 * cache's updates through this function (--wrap), which removes the entry from both trees first. This file
 * knows librdkafka's inside, and nothing else may. */
#include <librdkafka/rdkafka.h>

// As in src/rdkafka_metadata_cache.h of these versions. rd_bool_t is an uint8_t there.
int rd_kafka_metadata_cache_delete_by_name(rd_kafka_t *rk, const char *topic);
int original_topic_update(rd_kafka_t *rk, const rd_kafka_metadata_topic_t *topic, const void *internal,
                          uint8_t propagate, uint8_t include_racks, void *brokers, size_t broker_count,
                          uint8_t only_existing) __asm__("__real_rd_kafka_metadata_cache_topic_update");
int topic_update(rd_kafka_t *rk, const rd_kafka_metadata_topic_t *topic, const void *internal,
                 uint8_t propagate, uint8_t include_racks, void *brokers, size_t broker_count,
                 uint8_t only_existing) __asm__("__wrap_rd_kafka_metadata_cache_topic_update");

// librdkafka holds the cache's lock here. An entry that was there counts as existing for the update, too.
int topic_update(rd_kafka_t *rk, const rd_kafka_metadata_topic_t *topic, const void *internal,
                 uint8_t propagate, uint8_t include_racks, void *brokers, size_t broker_count,
                 uint8_t only_existing)
{
    if (topic->topic && rd_kafka_metadata_cache_delete_by_name(rk, topic->topic))
        only_existing = 0;
    return original_topic_update(rk, topic, internal, propagate, include_racks, brokers, broker_count,
                                 only_existing);
}
