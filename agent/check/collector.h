/* Whether the collector of traces takes them, as `port-agent check --connect` asks it. */
#pragma once
#include "config/config.h"

struct authorities;
struct check_steps;

/** An export without spans, where the settings name a collector. That it is refused is a warning: no delivery
 * needs it. */
void check_collector(struct check_steps *steps, const struct config *config,
                     const struct authorities *authorities, int64_t timeout_ms);
