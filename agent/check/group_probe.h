/* Who is in the consumer group, and how far its topics are read, asked without joining it and without a
 * commit. Blocks, so it is for `port-agent check` and never for the agent. */
#pragma once
#include "base/buffer.h"
#include "source/kafka/consumer.h"
#include "source/kafka/start.h"
#include "source/kafka/topics.h"

/** A partition of one of the agent's topics. */
struct group_place {
    /** Which topic: an index. */
    int topic;
    int32_t number;
    /** -1: nobody has committed an offset. */
    int64_t committed;
    /** Of the log: its first record's offset, and that of the next record to come; -1: not told in time. */
    int64_t first, end;
    /** Where an agent begins, and why; -1: not known, as `end` is not. */
    int64_t begins;
    enum start_reason reason;
};

struct group_member {
    /** On one line, whatever the member calls itself. */
    struct buffer client_id, host;
    /** "org.runs 0-2, 5; org.change.log 0"; empty: nothing. */
    struct buffer holds;
    size_t held;
};

struct group_probe {
    /** Why the brokers do not say who is in the group; NULL: they do. Lives for ever. */
    const char *silent;
    /** As Kafka calls it ("Stable"); "": there is no such group. */
    char state[32];
    /** How its members share partitions out ("range"). */
    char protocol[64];
    struct group_member *members;
    size_t member_count;
    /** Those of the first topic before those of the second. */
    struct group_place *places;
    size_t place_count;
};

/** How many partitions each topic has is in `partitions`; 0: it is not asked about. Reads committed offsets
 * first: what is answered is why that failed. Each question has `timeout_ms`; so have the ends of all
 * partitions together. Clear `out`, which begins empty, in every case. */
PA_MUST_USE rd_kafka_resp_err_t group_probe_run(rd_kafka_t *client,
                                                const struct kafka_consumer_options *options,
                                                const int partitions[TOPICS], int timeout_ms,
                                                struct group_probe *out);
void group_probe_clear(struct group_probe *probe);
