/* A topic's record as the sink gets it: its ids, and what its message says. */
#pragma once
#include "source/record_id.h"
#include "source/source.h"
#include <librdkafka/rdkafka.h>

/** Sets trace headers, key and value, as they came; they are the message's. */
void record_read_message(struct record *record, const rd_kafka_message_t *message);

/** The ids of a record that a person wants once more: its own this time, and the one of its first delivery.
 */
struct redelivery_ids {
    char id[REDELIVERY_ID_SIZE], first[RECORD_ID_SIZE];
};
/** Its own ends in the time of this call, so that no two deliveries of a record have one. */
void redelivery_ids_set(struct redelivery_ids *ids, const char *topic, int32_t partition, int64_t offset,
                        const struct clock *clock);
/** The runs' record of the message, once more; everything is borrowed. */
struct record record_once_more(const struct redelivery_ids *ids, const char *topic,
                               const rd_kafka_message_t *message);
