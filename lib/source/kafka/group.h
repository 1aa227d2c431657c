/* Who else is in a consumer group. */
#pragma once
#include "base/slice.h"
#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

/** In words, cut to fit: how many members there are, and who holds how many partitions; "" where the cluster
 * does not say within `timeout_ms`. Blocks, so it is for the thread pool. */
void group_members_query(rd_kafka_t *rk, const char *group_id, int timeout_ms, char *out, size_t size);
/** False: it has the group protocol of KIP-848; asked in the classic way, brokers call it dead, and say no
 * members. */
PA_MUST_USE bool group_is_described(const struct rd_kafka_group_info *group);
/** Each partition that a member holds, by its assignment in the group protocol's form; what is cut off is
 * told as far as it goes. `topic` lies within the assignment. */
void group_assignment_each(const void *assignment, size_t size,
                           void (*each)(void *ctx, struct slice topic, int32_t partition), void *ctx);
/** How many partitions a member holds, by its assignment in the group protocol's form; what is cut off counts
 * as far as it goes. */
PA_MUST_USE size_t group_assignment_partitions(const void *assignment, size_t size);
