/* Settings, and how they become librdkafka's configuration, for letters: nothing is acknowledged that a
 * broker could lose. */
#include "deadletter/producer.h"
#include <stdlib.h>
#include <string.h>

enum {
    /** Keys and headers. */
    MESSAGE_SLACK = 1 << 20,
    MESSAGE_LIMIT = 1000000000,
    MESSAGE_TIMEOUT_MS = 30000,
    /** After which a topic that no broker knows fails its letters. */
    MISSING_TOPIC_MS = 3000
};

static char *copy_text(const char *text)
{
    return strdup(text ? text : "");
}

static void free_secret(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

bool producer_settings_replace(struct producer_settings *settings, const char *bootstrap_servers,
                               const char *username, const char *password)
{
    char *servers = copy_text(bootstrap_servers), *name = copy_text(username), *word = copy_text(password);
    if (!servers || !name || !word) {
        free(servers);
        free(name);
        free_secret(word);
        return false;
    }
    free(settings->bootstrap_servers);
    free(settings->username);
    free_secret(settings->password);
    settings->bootstrap_servers = servers;
    settings->username = name;
    settings->password = word;
    return true;
}

bool producer_settings_copy(struct producer_settings *settings, const struct kafka_connection *connection)
{
    settings->security_protocol = copy_text(connection->security_protocol);
    settings->sasl_mechanism = copy_text(connection->sasl_mechanism);
    settings->ca_bundle = copy_text(connection->ca_bundle);
    settings->client_certificate = copy_text(connection->client_certificate);
    return settings->security_protocol && settings->sasl_mechanism && settings->ca_bundle &&
           settings->client_certificate &&
           producer_settings_replace(settings, connection->bootstrap_servers, connection->username,
                                     connection->password);
}

void producer_settings_clear(struct producer_settings *settings)
{
    free(settings->bootstrap_servers);
    free(settings->security_protocol);
    free(settings->sasl_mechanism);
    free(settings->username);
    free_secret(settings->password);
    free(settings->ca_bundle);
    free(settings->client_certificate);
    *settings = (struct producer_settings){0};
}

struct kafka_connection producer_settings_connection(const struct producer_settings *settings)
{
    return (struct kafka_connection){.bootstrap_servers = settings->bootstrap_servers,
                                     .security_protocol = settings->security_protocol,
                                     .sasl_mechanism = settings->sasl_mechanism,
                                     .username = settings->username,
                                     .password = settings->password,
                                     .ca_bundle = settings->ca_bundle,
                                     .client_certificate = settings->client_certificate};
}

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
        kafka_set_number(conf, "topic.metadata.propagation.max.ms", MISSING_TOPIC_MS, err) ||
        kafka_set_number(conf, "linger.ms", 5, err))
        return err->kind;
    return 0;
}

rd_kafka_conf_t *producer_conf_new(const struct producer_settings *settings, struct error *err)
{
    struct error own = {0};
    struct kafka_connection connection = producer_settings_connection(settings);
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
