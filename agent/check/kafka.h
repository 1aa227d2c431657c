/* `port-agent check --connect`, Kafka's part: each bootstrap server, the topics, the group. */
#pragma once
#include "config/config.h"
#include "port/api.h"
#include "steps.h"

struct authorities;

/** Blocks, each step within `timeout_ms`. `credentials` are Port's; NULL: the brokers are those of the
 * settings. */
void check_kafka(struct check_steps *steps, const struct config *config,
                 const struct authorities *authorities, int64_t timeout_ms,
                 const struct kafka_credentials *credentials);
