/* The way to the brokers, tried with the consumer's own settings: each server, the topics, the group. Joins
 * no group and takes no record. Blocks, so it is for `port-agent check` and never for the agent. */
#pragma once
#include "group_probe.h"
#include "source/kafka/consumer.h"
#include "topic_probe.h"

struct kafka_probe_server {
    /** Host:port, as in the settings. */
    char *address;
    /** Connected, encrypted and authenticated as the settings want it, and it answered. */
    bool reached;
    int64_t duration_ms;
    /** librdkafka's name of what failed ("_RESOLVE", "_AUTHENTICATION", "_SSL"); NULL: none. */
    const char *error;
    /** librdkafka's words. */
    char reason[512];
};

struct kafka_probe_answer {
    /** False: no server was reached. */
    bool asked;
    /** NULL: none. */
    const char *error;
    char reason[256];
    /** Number of the topic's partitions, and of those that have no leader now. */
    int partitions, leaderless;
    /** A broker that leads one of them; -1: none does. */
    int32_t leader;
};

struct kafka_probe {
    struct kafka_probe_server *servers;
    size_t server_count;
    /** The topics. */
    struct kafka_probe_answer runs, change_log, other;
    /** Reading the group's committed offsets. */
    struct kafka_probe_answer group;
    /** Where `group` has no error: who is in the group, and how far the topics are read. */
    struct group_probe members;
    /** Where `other` has no error: what else is known of that topic. */
    struct topic_probe other_topic;
};

/** `other_topic`, to which the agent is to write, is asked for as well; NULL or "": none. Tries everything
 * within `timeout_ms` for the servers and as much again for each of the rest. 0; PA_ERR_INVALID with a
 * setting that librdkafka refuses; PA_ERR_MEMORY. Clear `out` in every case. */
PA_MUST_USE int kafka_probe_run(const struct kafka_consumer_options *options, const char *other_topic,
                                int64_t timeout_ms, struct kafka_probe *out, struct error *err);
void kafka_probe_clear(struct kafka_probe *probe);
