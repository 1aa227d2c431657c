/* `port-agent check --connect`, Port's part: proxy, name, connection, TLS, clock, credentials. */
#pragma once
#include "config/config.h"
#include "port/api.h"
#include "steps.h"

struct authorities;

/** Takes every step in turn, blocking, each within `timeout_ms`. `credentials` (cleared by the caller)
 * receives Kafka's when they were asked for and came: then `brokers` is not NULL. */
void check_port(struct check_steps *steps, const struct config *config, const struct authorities *authorities,
                int64_t timeout_ms, struct kafka_credentials *credentials);
