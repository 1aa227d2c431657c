/* Kafka consumer: a consumer in a group, its partitions' offsets, commits with metadata, rebalances, back
 * pressure. */
#pragma once
#include "base/clock.h"
#include "base/log.h"
#include "source/source.h"
#include <uv.h>

struct conditions;
struct kafka_consumer;

struct kafka_consumer_options {
    uv_loop_t *loop;
    const struct clock *clock;
    /** Where partitions that cannot be read are told; may be NULL. */
    struct conditions *conditions;
    struct source_sink sink;
    /** Copied; "" for none. */
    const char *bootstrap_servers, *security_protocol, *sasl_mechanism, *username;
    struct secret password;
    /** PEM file of the authorities to trust; NULL or "": librdkafka's own default. */
    const char *ca_bundle;
    /** As in struct kafka_connection. */
    const char *client_certificate;
    const char *group_id, *assignment_strategy, *auto_offset_reset;
    /** NULL, "" or "classic"; "consumer": KIP-848's. */
    const char *group_protocol;
    /** NULL or "": a dynamic member. */
    const char *group_instance_id;
    int64_t session_timeout_ms, drain_timeout_ms;
    /** Bound of librdkafka's own queue. */
    size_t prefetch_bytes;
    size_t record_max_bytes;
    const char *runs_topic, *change_log_topic;
    /** What records name as their assignment that are delivered once more: they outlive the consumer. */
    const void *redeliveries;
    /** How often a missing topic is logged again; 0: once a minute. */
    int64_t ask_topics_ms;
    /** How long nothing may come from a partition whose end is further on before it is looked into; 0: 30 s.
     */
    int64_t silence_ms;
    /** The brokers refused the credentials: fetch fresh ones, then kafka_consumer_set_credentials. At most
     * one call per backoff. May be NULL. */
    void (*credentials_refused)(void *ctx);
    /** An earlier consumer of this process has begun in the group already. */
    bool begun;
    /** A topic was made anew, which librdkafka does not handle: close this consumer, and open another
     * one with `begun`. Deliveries under way get their drain timeout. Called at most once, from the loop. May
     * be NULL: then nothing is done about it. */
    void (*renew)(void *ctx);
    /** The consumer cannot go on (a fatal error of the group, such as a fenced static member) and has logged
     * why; called at most once, from the loop. */
    void (*fatal)(void *ctx);
    void *ctx;
};

struct kafka_credentials;
/** Fills the options that come from the settings, and clears the others. Without credentials from Port the
 * brokers are those of the settings. Every text is borrowed from the arguments. */
void kafka_consumer_settings(const struct config *config, const struct kafka_credentials *credentials,
                             const char *ca_bundle, struct kafka_consumer_options *out);
/** Connects in the background and subscribes. NULL with the cause in err (bad settings; an unreachable broker
 * is no error). */
PA_MUST_USE struct kafka_consumer *kafka_consumer_new(const struct kafka_consumer_options *options,
                                                      struct error *err);
/** There is space in the sink again. */
void kafka_consumer_resume(struct kafka_consumer *consumer);
/** As source_redeliver. */
PA_MUST_USE int kafka_consumer_redeliver(struct kafka_consumer *consumer,
                                         const struct redelivery_request *request);
PA_MUST_USE int kafka_consumer_set_credentials(struct kafka_consumer *consumer, const char *username,
                                               struct secret password);
/** Takes no more records from now on; assignments stay and commits go on. */
void kafka_consumer_stop_taking(struct kafka_consumer *consumer);
/** Commits what is done, leaves the group, closes (bounded by about four seconds), then `closed` runs from
 * the loop and the consumer is freed. After it asked to be renewed, the drain timeout comes on top; asked
 * again, it hurries, and the last `closed` counts. */
void kafka_consumer_close(struct kafka_consumer *consumer, void (*closed)(void *ctx), void *ctx);
/** Partitions assigned now, commits accepted so far, records taken but not done, records skipped because
 * they were done before, and batches passed because they could not be read: for the summary and tests. */
struct kafka_consumer_counters {
    uint64_t assigned, commits, undone, restored_skips, batches_passed;
};
void kafka_consumer_counters(const struct kafka_consumer *consumer, struct kafka_consumer_counters *out);
/** As source_view and source_each_partition. */
struct source_view kafka_consumer_view(const struct kafka_consumer *consumer);
void kafka_consumer_each_partition(const struct kafka_consumer *consumer,
                                   void (*each)(void *ctx, const struct source_partition *partition),
                                   void *ctx);
