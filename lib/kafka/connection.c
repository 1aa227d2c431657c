/* See connection.h: each property with the reason for its value. */
#include "kafka/connection.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int kafka_set_text(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *err)
{
    char reason[256];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
        return error_set(err, PA_ERR_INVALID, "Kafka setting %s: %s", name, reason);
    return 0;
}

int kafka_set_number(rd_kafka_conf_t *conf, const char *name, int64_t value, struct error *err)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    return kafka_set_text(conf, name, text, err);
}

/** One that may be left out. */
static int set_given(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *err)
{
    return value && *value ? kafka_set_text(conf, name, value, err) : 0;
}

int kafka_connection_set(rd_kafka_conf_t *conf, const struct kafka_connection *connection, struct error *err)
{
    struct error own = {0};
    bool user = connection->username && *connection->username;
    bool tls = connection->security_protocol && strstr(connection->security_protocol, "ssl");
    if (kafka_set_text(conf, "client.id", "port-agent", &own) ||
        set_given(conf, "bootstrap.servers", connection->bootstrap_servers, &own) ||
        set_given(conf, "security.protocol", connection->security_protocol, &own) ||
        set_given(conf, "sasl.mechanisms", connection->sasl_mechanism, &own) ||
        (user && (kafka_set_text(conf, "sasl.username", connection->username, &own) ||
                  kafka_set_text(conf, "sasl.password", connection->password, &own))) ||
        (tls && (set_given(conf, "ssl.ca.location", connection->ca_bundle, &own) ||
                 set_given(conf, "ssl.certificate.location", connection->client_certificate, &own) ||
                 set_given(conf, "ssl.key.location", connection->client_certificate, &own))) ||
        /* A topic that is created later, or a broker that comes back, is found within seconds. */
        kafka_set_number(conf, "topic.metadata.refresh.interval.ms", 10000, &own) ||
        kafka_set_number(conf, "reconnect.backoff.max.ms", 5000, &own) ||
        kafka_set_text(conf, "socket.keepalive.enable", "true", &own) ||
        kafka_set_text(conf, "log.queue", "true", &own)) {
        if (err)
            *err = own;
        return own.kind;
    }
    return 0;
}
