/* What the brokers say of a topic that the agent is to write to: may it, how long records stay, how large
 * they may be. Nothing is written to find out. Blocks, so it is for `port-agent check` and never for the
 * agent. */
#pragma once
#include "base/must_use.h"
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

/** Brokers say which operations a topic allows, and librdkafka passes that on since 2.3. */
#define TOPIC_OPERATIONS (RD_KAFKA_VERSION >= 0x020300ff)

enum topic_writing { TOPIC_WRITING_UNKNOWN, TOPIC_WRITING_ALLOWED, TOPIC_WRITING_REFUSED };

struct topic_probe {
    enum topic_writing writing;
    /** Why its configuration is not known ("Topic authorization failed"); NULL: it is. Lives for ever. */
    const char *silent;
    /** How long a record stays, in milliseconds; -1: for ever. */
    int64_t retention_ms;
    /** How much a partition keeps; -1: no such bound. */
    int64_t retention_bytes;
    /** Of records with one key only the last stays. */
    bool compacted;
    /** Of one record, with its key and headers, about; of the other topic: 0: not known. */
    int64_t record_bytes, other_record_bytes;
};

/** `other`: a topic whose records must fit into this one; NULL: none. `broker` is asked; -1: the cluster's
 * controller. Each question has `timeout_ms`. */
void topic_probe_run(rd_kafka_t *client, const char *topic, const char *other, int32_t broker, int timeout_ms,
                     struct topic_probe *out);
