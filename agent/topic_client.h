/* A Kafka client that reads topics without a consumer group, so that nobody's offsets move: for subcommands.
 * Blocks. */
#pragma once
#include "kafka/connection.h"
#include <stddef.h>

/** Records are fetched in small pieces, and the end of a partition is told as it is reached. Let nothing of
 * it be under way when it is destroyed (rd_kafka_destroy). NULL, with the cause in err. */
PA_MUST_USE rd_kafka_t *topic_client_new(const struct kafka_connection *connection, size_t record_max_bytes,
                                         struct error *err);
/** A topic of it (rd_kafka_topic_destroy), and how many partitions it has. 0; PA_ERR_NOT_FOUND: there is no
 * such topic; PA_ERR_UNAVAILABLE: the brokers do not answer, or refuse. The cause is in err. */
PA_MUST_USE int topic_client_topic(rd_kafka_t *client, const char *name, rd_kafka_topic_t **topic,
                                   int32_t *partitions, struct error *err);
