/* Where records begin and end that librdkafka cannot read: a batch that does not decompress, records whose
 * lengths or offsets lie. Asked of the brokers on a client of its own, so that the consumer's position stays
 * where it is. Blocks, so it is for the thread pool. Nothing counts as unreadable unless a broker has sent it
 * and librdkafka has failed to read it three times: a broker that is slow or away never makes it so. */
#pragma once
#include "base/must_use.h"
#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum unreadable_verdict {
    /** It could not be asked: a broker is away, out of memory, or it was overtaken. */
    UNREADABLE_UNKNOWN,
    /** The broker says where the log ends, and sends nothing of it: it is slow, or time ran out. */
    UNREADABLE_SILENT,
    /** There is a record to read, which may be further on. */
    UNREADABLE_NOT,
    /** There is nothing to read yet, though the log may go on: a transaction that is open. */
    UNREADABLE_NOTHING_YET,
    /** `from` to `to` was found. */
    UNREADABLE_FOUND
};

struct unreadable {
    enum unreadable_verdict verdict;
    /** What cannot be read: offsets from `from` up to, and without, `to`. */
    int64_t from, to;
    /** How many batches that is, as far as they can be told apart. */
    unsigned batches;
    /** Why: librdkafka's code, or _BAD_MSG for what it passes over without a word. */
    rd_kafka_resp_err_t code;
};

/** Is it an error about the bytes of a batch, rather than one of the connection, the group or the topic? */
PA_MUST_USE bool unreadable_is_error(rd_kafka_resp_err_t code);

/** The configuration of a client for unreadable_find, made from the consumer's. To be called where nobody
 * else changes the consumer's credentials. NULL: it cannot be made. */
PA_MUST_USE rd_kafka_conf_t *unreadable_conf(rd_kafka_t *consumer);

/** Looks at what follows `position`. Takes the configuration over. Ends within half a minute, or soon after
 * `*overtaken` is set. */
struct unreadable unreadable_find(rd_kafka_conf_t *conf, const char *topic, int32_t partition,
                                  int64_t position, const atomic_bool *overtaken);
