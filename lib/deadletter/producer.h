/* Shared by the producer's two files: the only part of this room that knows librdkafka. */
#pragma once
#include "deadletter/internal.h"
#include "kafka/connection.h"

/** Every text is owned, never NULL. */
struct producer_settings {
    char *bootstrap_servers, *security_protocol, *sasl_mechanism, *username, *password, *ca_bundle;
    size_t record_max_bytes;
    bool idempotent;
};

/** A configuration from the settings; NULL with the cause. */
rd_kafka_conf_t *producer_conf_new(const struct producer_settings *settings, struct error *err);
