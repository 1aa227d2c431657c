/* The least settings that are accepted, and a few more. Includes come from the test, cmocka.h among them. */
#pragma once
#include "config/config.h"

static char *const MINIMUM[] = {"PORT_ORG_ID=org", "PORT_CLIENT_ID=id",
                                "PORT_CLIENT_SECRET=hush-0123456789abcdef-0123456789ab",
                                "KAFKA_CONSUMER_GROUP_ID=g"};

/** config_load, with a line for each problem. */
static inline int load_lines(struct config *config, const struct config_input *input, struct buffer *lines)
{
    struct setting_problems problems = {0};
    int result = config_load(config, input, &problems);
    setting_problems_append(&problems, lines);
    setting_problems_clear(&problems);
    return result;
}

/** Loads the minimum and up to four more; the caller clears. */
static inline int load(struct config *config, char *a, char *b, char *c, char *d, struct buffer *problems)
{
    char *environment[] = {MINIMUM[0], MINIMUM[1], MINIMUM[2], MINIMUM[3], a, b, c, d, NULL};
    struct config_input input = {.environment = environment};
    return load_lines(config, &input, problems);
}
