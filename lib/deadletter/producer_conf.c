/* Settings to librdkafka's configuration, for letters: nothing is acknowledged that a broker could lose. */
#include "deadletter/producer.h"

enum {
    MESSAGE_SLACK = 1 << 20, /* keys and headers */
    MESSAGE_LIMIT = 1000000000,
    MESSAGE_TIMEOUT_MS = 30000
};

static int set_producing(rd_kafka_conf_t *conf, const struct producer_settings *settings, struct error *err)
{
    int64_t message = 2 * (int64_t)settings->record_max_bytes + MESSAGE_SLACK;
    if (message > MESSAGE_LIMIT)
        message = MESSAGE_LIMIT;
    /* The client's queue must take one message of the largest size; how much is in it is bounded by us. */
    if (kafka_set_text(conf, "acks", "all", err) ||
        kafka_set_text(conf, "enable.idempotence", settings->idempotent ? "true" : "false", err) ||
        kafka_set_number(conf, "message.max.bytes", message, err) ||
        kafka_set_number(conf, "queue.buffering.max.kbytes", message / 1024 + 1, err) ||
        kafka_set_number(conf, "message.timeout.ms", MESSAGE_TIMEOUT_MS, err) ||
        kafka_set_number(conf, "linger.ms", 5, err))
        return err->kind;
    return 0;
}

rd_kafka_conf_t *producer_conf_new(const struct producer_settings *settings, struct error *err)
{
    struct error own = {0};
    struct kafka_connection connection = {.bootstrap_servers = settings->bootstrap_servers,
                                          .security_protocol = settings->security_protocol,
                                          .sasl_mechanism = settings->sasl_mechanism,
                                          .username = settings->username,
                                          .password = settings->password,
                                          .ca_bundle = settings->ca_bundle};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (kafka_connection_set(conf, &connection, &own) || set_producing(conf, settings, &own)) {
        if (err)
            *err = own;
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG);
    return conf;
}
