/* Kafka's brokers and credentials, as Port gives them: fetched until they are there, and again when they are
 * refused. */
#pragma once
#include "port/api.h"

struct kafka_access;

struct kafka_access_options {
    /** Borrowed until closed, as everything here. */
    struct port_api *port;
    uv_loop_t *loop;
    const struct clock *clock;
    /** Brokers and credentials, borrowed during the call; from the loop, the first time and after each
     * kafka_access_refresh that Port answered. */
    void (*fetched)(void *ctx, const struct kafka_credentials *credentials);
    /** They could not be fetched. `denied`: Port refused the agent's own credentials. Until they were there
     * once, it is tried again with backoff all the same. May be NULL. */
    void (*failed)(void *ctx, bool denied, const char *reason);
    void *ctx;
};

/** Starts to fetch them. NULL: out of memory. */
struct kafka_access *kafka_access_new(const struct kafka_access_options *options);
/** Fetches fresh ones, unless that is under way. */
void kafka_access_refresh(struct kafka_access *access);
/** No callback but `closed` (NULL: nobody) runs any more; that one from the loop, and then it is freed. */
void kafka_access_close(struct kafka_access *access, void (*closed)(void *ctx), void *ctx);
