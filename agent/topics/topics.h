/* The agent's topics, read without a consumer group by subcommands: all partitions at once, from a place that
 * the caller chooses, up to their ends and, if wished, beyond. Blocks. */
#pragma once
#include "config/config.h"
#include <librdkafka/rdkafka.h>

struct authorities;
struct topics;

enum { TOPICS_MAX = 2 };

struct topics_options {
    const struct config *config;
    const struct authorities *authorities;
    /** NULL after the last. */
    const char *names[TOPICS_MAX + 1];
};

/** Reaches the brokers. A topic that is not there is told through `missing` (NULL: nobody), unless none is
 * there, which is PA_ERR_NOT_FOUND. NULL, with the cause in err (PA_ERR_INVALID: a setting). */
PA_MUST_USE struct topics *topics_open(const struct topics_options *options,
                                       void (*missing)(void *ctx, const char *name), void *ctx,
                                       struct error *err);
void topics_close(struct topics *topics);

/** Begins with every partition: `tail` records before its end, or at its beginning where `tail` is negative.
 * 0, or an error with the cause in err. */
PA_MUST_USE int topics_start(struct topics *topics, int64_t tail, struct error *err);
/** Begins with one partition of the first topic, at `offset`. */
PA_MUST_USE int topics_start_at(struct topics *topics, int32_t partition, int64_t offset, struct error *err);

enum topics_step { TOPICS_RECORD = 1, TOPICS_ENDED, TOPICS_NOTHING };
/** TOPICS_RECORD: `*out` is the next one, to be destroyed. TOPICS_ENDED: every partition has been read to its
 * end (told once; more may come). TOPICS_NOTHING: nothing has come within a quarter of a second. Or an error
 * with the cause in err: the brokers refuse, or have been silent for half a minute before the end. */
PA_MUST_USE int topics_next(struct topics *topics, rd_kafka_message_t **out, struct error *err);
