/* The least settings that are accepted, and a few more. Includes come from the test, cmocka.h among them. */
#pragma once
#include "config/config.h"

static char *const MINIMUM[] = {"PORT_ORG_ID=org", "PORT_CLIENT_ID=id", "PORT_CLIENT_SECRET=hush",
                                "KAFKA_CONSUMER_GROUP_ID=g"};

/** Loads the minimum and up to four more; the caller clears. */
static inline int load(struct config *config, char *a, char *b, char *c, char *d, struct buffer *problems)
{
    char *environment[] = {MINIMUM[0], MINIMUM[1], MINIMUM[2], MINIMUM[3], a, b, c, d, NULL};
    struct config_input input = {.environment = environment};
    return config_load(config, &input, problems);
}
