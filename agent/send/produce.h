/* One record into a topic. Blocks. */
#pragma once
#include "config/config.h"

struct authorities;

struct produced {
    int32_t partition;
    int64_t offset;
};

/** Writes `value` to the topic, where the settings say that the brokers are. 0, and where it stands now; or
 * an error with the cause in err. */
PA_MUST_USE int record_produce(const struct config *config, const struct authorities *authorities,
                               const char *topic, struct slice value, struct produced *out,
                               struct error *err);
