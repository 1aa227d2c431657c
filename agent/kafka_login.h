/* Kafka's credentials from Port, for subcommands, which wait for them. */
#pragma once
#include "config/config.h"
#include "kafka/connection.h"
#include "port/api.h"

struct authorities;

/** Asks until they are there, Port denies them, or `wait_ms` are over; 0: until its first answer. Blocks, and
 * runs nothing on `loop` but this. 0; PA_ERR_UNAVAILABLE with why in err ("no answer"), or PA_ERR_MEMORY.
 * Clear `out` in every case. */
PA_MUST_USE int kafka_login(struct port_api *port, uv_loop_t *loop, int64_t wait_ms,
                            struct kafka_credentials *out, struct error *err);
/** How the brokers of the settings are reached, for a Kafka client: credentials that only Port has are
 * fetched on a loop of their own, which is over when it returns. `out` borrows from the others. 0, or an
 * error with the cause in err (PA_ERR_INVALID: a setting). Clear `credentials` in every case. */
PA_MUST_USE int kafka_reach(const struct config *config, const struct authorities *authorities,
                            struct kafka_credentials *credentials, struct kafka_connection *out,
                            struct error *err);
