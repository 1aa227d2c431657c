/* Kafka's brokers and credentials, as Port gives them: fetched until Port answers, and again when the brokers
 * refuse them. Nothing else in the agent asks for them. */
#pragma once
#include "port/api.h"

struct kafka_access;

/** What Port is asked. */
#define KAFKA_ACCESS_PATH "/v1/kafka-credentials"

/** Why they could not be fetched. */
struct kafka_access_failure {
    /** Port refused the agent's own credentials. */
    bool denied;
    /** Of Port's answer; 0: none. */
    int status;
    /** In words; no secret. */
    const char *reason;
    /** Until the next try; -1: kafka_access_refresh is the next. */
    int64_t wait_ms;
};

struct kafka_access_options {
    /** Borrowed until closed, as everything here. */
    struct port_api *port;
    uv_loop_t *loop;
    const struct clock *clock;
    /** Brokers and credentials, borrowed during the call; from the loop, the first time and after each
     * kafka_access_refresh that Port answered. */
    void (*fetched)(void *ctx, const struct kafka_credentials *credentials);
    /** They could not be fetched. Until they have been there once since the start, it is tried again with
     * backoff, even where Port denies them. */
    void (*failed)(void *ctx, const struct kafka_access_failure *failure);
    void *ctx;
};

/** Fetches nothing yet. NULL: out of memory. */
PA_MUST_USE struct kafka_access *kafka_access_new(const struct kafka_access_options *options);
/** Fetches them until they are there. */
void kafka_access_start(struct kafka_access *access);
/** Fetches nothing until it is started again; a call under way is forgotten. */
void kafka_access_stop(struct kafka_access *access);
/** Fetches fresh ones, unless that is under way. */
void kafka_access_refresh(struct kafka_access *access);
/** No callback but `closed` (NULL: nobody) runs any more; that one from the loop, and then it is freed. */
void kafka_access_close(struct kafka_access *access, void (*closed)(void *ctx), void *ctx);
