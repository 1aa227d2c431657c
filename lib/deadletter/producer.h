/* Shared by the code that uses librdkafka for letters: the producer, and the reader of a topic. */
#pragma once
#include "deadletter/internal.h"
#include "kafka/connection.h"

/** Every text is owned, never NULL. */
struct producer_settings {
    char *bootstrap_servers, *security_protocol, *sasl_mechanism, *username, *password, *ca_bundle,
        *client_certificate;
    size_t record_max_bytes;
    bool idempotent;
};

/** Copies all but the two numbers. False: out of memory; clear them in both cases. */
PA_MUST_USE bool producer_settings_copy(struct producer_settings *settings,
                                        const struct kafka_connection *connection);
/** The brokers as Port gives them now. False: out of memory, and nothing has changed. */
PA_MUST_USE bool producer_settings_replace(struct producer_settings *settings, const char *bootstrap_servers,
                                           const char *username, const char *password);
/** Wipes the password. */
void producer_settings_clear(struct producer_settings *settings);
/** Borrows the settings' texts. */
struct kafka_connection producer_settings_connection(const struct producer_settings *settings);

/** A configuration from the settings; NULL with the cause. */
PA_MUST_USE rd_kafka_conf_t *producer_conf_new(const struct producer_settings *settings, struct error *err);
