/* How every Kafka client of the agent's reaches the brokers. */
#pragma once
#include "base/error.h"
#include <librdkafka/rdkafka.h>
#include <stdint.h>

/** Texts are borrowed during the call; NULL or "" for none. */
struct kafka_connection {
    const char *bootstrap_servers, *security_protocol, *sasl_mechanism, *username;
    /** NUL-terminated. */
    const char *password;
    /** PEM file of the authorities to trust; none: librdkafka's own default. */
    const char *ca_bundle;
    /** PEM file of the certificate that the brokers are shown, and of its key; none: none is. */
    const char *client_certificate;
};

/** Sets what a consumer and a producer have in common, logs through the client's queue included. 0, or
 * PA_ERR_INVALID with the property and librdkafka's reason. */
PA_MUST_USE int kafka_connection_set(rd_kafka_conf_t *conf, const struct kafka_connection *connection,
                                     struct error *err);

/** One property. 0, or PA_ERR_INVALID with its name and librdkafka's reason. */
PA_MUST_USE int kafka_set_text(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *err);
PA_MUST_USE int kafka_set_number(rd_kafka_conf_t *conf, const char *name, int64_t value, struct error *err);

/** A client with these settings, which are the callee's from now on; NULL for them: `err` says why already.
 * NULL: PA_ERR_INVALID with librdkafka's reason where the settings are refused, PA_ERR_UNAVAILABLE where the
 * system has no thread to give, or runs none for a minute: a later start may succeed. */
PA_MUST_USE rd_kafka_t *kafka_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct error *err);
