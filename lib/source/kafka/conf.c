/* Settings to librdkafka's configuration: each property with the reason for its value. */
#include "kafka/connection.h"
#include "source/kafka/internal.h"
#include <string.h>

enum {
    FETCH_PARTITION_BYTES = 1 << 20,
    RECEIVE_SLACK = 1 << 20,
    DEFAULT_MAX_POLL_MS = 300000,
    METADATA_MS = 10000,
    /** librdkafka 2.10: not with the newer group protocol. */
    STRATEGY_REFUSED = 0x020a00ff,
    DEFAULT_RECEIVE_BYTES = 100000000,
    RECEIVE_BYTES_LIMIT = 2147483647
};

static int64_t at_least(int64_t value, int64_t bound)
{
    return value < bound ? bound : value;
}

bool kafka_protocol_is_consumer(const struct kafka_consumer_options *options)
{
    return options->group_protocol && strcmp(options->group_protocol, "consumer") == 0;
}

/** How the group shares its partitions out, and how long it waits for a member. */
static int set_protocol(rd_kafka_conf_t *conf, const struct kafka_consumer_options *options,
                        struct error *err)
{
    int64_t heartbeat_ms =
        at_least(options->session_timeout_ms / 10 < 3000 ? options->session_timeout_ms / 10 : 3000, 1);
    if (kafka_protocol_is_consumer(options)) {
        /* The three below are the broker's then, and later versions of librdkafka refuse them. Earlier ones
         * tell by the strategy whether what is assigned comes incrementally, as consumer.c expects it. */
        if (rd_kafka_version() < STRATEGY_REFUSED &&
            kafka_set_text(conf, "partition.assignment.strategy", "cooperative-sticky", err))
            return err->kind;
        if (rd_kafka_conf_set(conf, "group.protocol", "consumer", NULL, 0) == RD_KAFKA_CONF_OK)
            return 0;
        return error_set(err, PA_ERR_INVALID,
                         "KAFKA_CONSUMER_GROUP_PROTOCOL: 'consumer' needs librdkafka 2.4 or later, and this "
                         "is %s; use the image, or write classic",
                         rd_kafka_version_str());
    }
    if (kafka_set_text(conf, "partition.assignment.strategy", options->assignment_strategy, err) ||
        kafka_set_number(conf, "session.timeout.ms", options->session_timeout_ms, err) ||
        kafka_set_number(conf, "heartbeat.interval.ms", heartbeat_ms, err))
        return err->kind;
    return 0;
}

static int set_group(rd_kafka_conf_t *conf, const struct kafka_consumer_options *options, struct error *err)
{
    /* auto.offset.reset: where to begin is decided by us (lookup.c), whatever the setting; this is for a
     * position that the log has lost, and then what there still is must come. */
    if (kafka_set_text(conf, "group.id", options->group_id, err) || set_protocol(conf, options, err) ||
        kafka_set_text(conf, "auto.offset.reset", "earliest", err) ||
        kafka_set_number(conf, "max.poll.interval.ms",
                         at_least(options->session_timeout_ms, DEFAULT_MAX_POLL_MS), err))
        return err->kind;
    if (options->group_instance_id && *options->group_instance_id &&
        kafka_set_text(conf, "group.instance.id", options->group_instance_id, err))
        return err->kind;
    /* Offsets are ours alone: done is not what was polled. */
    if (kafka_set_text(conf, "enable.auto.commit", "false", err) ||
        kafka_set_text(conf, "enable.auto.offset.store", "false", err))
        return err->kind;
    /* New partitions are seen that soon (the default is five minutes), and the end of a partition tells what
     * holds no record. */
    if (kafka_set_number(conf, "topic.metadata.refresh.interval.ms", METADATA_MS, err) ||
        kafka_set_text(conf, "enable.partition.eof", "true", err))
        return err->kind;
    return 0;
}

static int set_fetching(rd_kafka_conf_t *conf, const struct kafka_consumer_options *options,
                        struct error *err)
{
    int64_t prefetch = (int64_t)options->prefetch_bytes;
    /* A response is one piece of memory for as long as one of its records waits, and takes its size at once.
     */
    int64_t fetch = at_least(prefetch / 8, FETCH_PARTITION_BYTES);
    /* How long fetching rests once the queue is full: the default of a second would empty it. An older
     * librdkafka rests that long, and needs all it can get; a quarter is what others take beside the records.
     */
    bool hardly_rests = rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "20", NULL, 0) == RD_KAFKA_CONF_OK;
    int64_t queued = hardly_rests ? (prefetch - fetch) / 4 * 3 : prefetch;
    /* A record over RECORD_MAX_BYTES must still arrive to be skipped; what arrives is still bounded.
     */
    int64_t receive =
        at_least(2 * (int64_t)options->record_max_bytes + fetch + RECEIVE_SLACK, DEFAULT_RECEIVE_BYTES);
    if (receive > RECEIVE_BYTES_LIMIT)
        receive = RECEIVE_BYTES_LIMIT;
    if (kafka_set_number(conf, "queued.max.messages.kbytes", at_least(queued / 1024, 1), err) ||
        kafka_set_number(conf, "fetch.message.max.bytes", FETCH_PARTITION_BYTES, err) ||
        kafka_set_number(conf, "fetch.max.bytes", fetch, err) ||
        kafka_set_number(conf, "receive.message.max.bytes", receive, err))
        return err->kind;
    return 0;
}

static int set_connection(rd_kafka_conf_t *conf, const struct kafka_consumer_options *options,
                          struct error *err)
{
    struct kafka_connection connection = {.bootstrap_servers = options->bootstrap_servers,
                                          .security_protocol = options->security_protocol,
                                          .sasl_mechanism = options->sasl_mechanism,
                                          .username = options->username,
                                          .password = options->password.value.ptr,
                                          .ca_bundle = options->ca_bundle,
                                          .client_certificate = options->client_certificate};
    if (kafka_connection_set(conf, &connection, err) ||
        kafka_set_text(conf, "allow.auto.create.topics", "false", err))
        return err->kind;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR |
                                       RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_LOG);
    return 0;
}

rd_kafka_conf_t *kafka_conf_new(const struct kafka_consumer_options *options, struct error *err)
{
    struct error own = {0};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (set_group(conf, options, &own) || set_fetching(conf, options, &own) ||
        set_connection(conf, options, &own)) {
        if (err)
            *err = own;
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    return conf;
}
