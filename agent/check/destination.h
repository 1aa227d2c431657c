/* `port-agent check --destination`: the way to an endpoint, step by step, as a webhook would go it. Blocks.
 */
#pragma once
#include "config/config.h"
#include "steps.h"

struct authorities;

/** Adds the steps: egress policy, proxy, name, connection, TLS and, if `request` is set, the answer to a GET
 * without a body. Otherwise nothing is sent over the connection. */
void check_destination(struct check_steps *steps, const struct config *config,
                       const struct authorities *authorities, int64_t timeout_ms, const char *url,
                       bool request);
