/* See connection.h: each property with the reason for its value. */
#include "kafka/connection.h"
#include <errno.h>
#include <openssl/ssl.h>
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

/** Of OpenSSL's security levels those above 0 allow no TLS before 1.2. librdkafka has no setting for
 * versions, so where the machine's OpenSSL has been told to allow them (OPENSSL_CONF), the level comes with
 * the ciphers.
 */
static int refuse_old_tls(rd_kafka_conf_t *conf, struct error *err)
{
    SSL_CTX *usual = SSL_CTX_new(TLS_client_method());
    bool lax = !usual || (SSL_CTX_get_security_level(usual) == 0 &&
                          SSL_CTX_get_min_proto_version(usual) < TLS1_2_VERSION); /* 0: the oldest there is */
    SSL_CTX_free(usual);
    return lax ? kafka_set_text(conf, "ssl.cipher.suites", "DEFAULT:@SECLEVEL=1", err) : 0;
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
        (tls &&
         (refuse_old_tls(conf, &own) || set_given(conf, "ssl.ca.location", connection->ca_bundle, &own) ||
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

rd_kafka_t *kafka_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct error *err)
{
    char reason[256] = "";
    rd_kafka_t *client = conf ? rd_kafka_new(type, conf, reason, sizeof reason) : NULL;
    if (client || !conf)
        return client;
    bool refused = rd_kafka_last_error() == RD_KAFKA_RESP_ERR__INVALID_ARG;
    bool stalled = !refused && errno == EDEADLK;
    error_set(err, refused ? PA_ERR_INVALID : PA_ERR_UNAVAILABLE, "Kafka %s: %s",
              type == RD_KAFKA_CONSUMER ? "consumer" : "producer", reason);
    if (!stalled) /* else the threads that have not begun in time may still use them */
        rd_kafka_conf_destroy(conf);
    return NULL;
}
