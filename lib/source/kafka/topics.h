/* What the cluster says of our two topics, beside what a consumer hears: their ids, and how many partitions
 * they have. Blocks, so it is for the thread pool. */
#pragma once
#include "source/kafka/facts.h"
#include <librdkafka/rdkafka.h>

enum { TOPICS = 2 }; /* runs, change log: an index, and what a first_entry's `change_log` is */

/** Topics have ids since Kafka 2.8, and librdkafka tells them since 2.3. Without, a topic that was made anew
 * and is longer than the one before cannot be told from it. */
#define TOPIC_IDS (RD_KAFKA_VERSION >= 0x020300ff)

/** The ids, as far as they can be learnt within `timeout_ms`. */
void topic_ids_query(rd_kafka_t *rk, const char *const names[TOPICS], int timeout_ms,
                     struct topic_id ids[TOPICS]);
/** What is wrong with the topic, as the cluster says it now (it is not there, it is not for us), or why the
 * cluster does not say. */
rd_kafka_resp_err_t topic_error_query(rd_kafka_t *rk, const char *name, int timeout_ms);
/** How many partitions the topic has; 0: it is not there, or not for us. */
rd_kafka_resp_err_t topic_partitions_query(rd_kafka_t *rk, const char *name, int timeout_ms, int *count);
