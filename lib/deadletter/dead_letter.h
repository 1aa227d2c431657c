/* Dead letters: events whose delivery was given up, written durably to a Kafka topic or to a directory before
 * anything else is done about them. A write never fails for good: it is tried again until it succeeds, and
 * its caller holds the record back meanwhile.
 *
 * A letter carries the record's own key and value. In a topic the rest is in headers (dead-letter.reason,
 * .attempts, .status, .topic, .partition, .offset, .time, .url, .run_id, .record_id, .traceparent,
 * .tracestate, .id, .mac); in a directory it is a line of JSON in the file of its day
 * (dead-letters-YYYY-MM-DD.jsonl, UTC), described in docs/operating.md. Its texts are UTF-8 without NUL;
 * other bytes become U+FFFD. Each has an ID and a MAC (seal.h). */
#pragma once
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/slice.h"
#include <uv.h>

struct port_api;

/** One letter. */
struct dead_letter {
    /** Why it was given up, in words. */
    const char *reason;
    /** Requests that were sent. */
    unsigned attempts;
    /** Of the last answer; 0: none. */
    int status;
    /** Where the record came from; NULL: none (a polled run), partition and offset are -1. */
    const char *topic;
    int32_t partition;
    int64_t offset;
    /** Of the record, as its source gave it: the webhook's Idempotency-Key. */
    struct slice id;
    /** When it was given up, since the Unix epoch. */
    int64_t time_ms;
    /** Redacted; "" for none. */
    const char *url;
    /** Null: none. */
    struct slice run_id;
    /** The trace that the event belongs to, as it goes on to an endpoint; null: none. The MAC does not cover
     * these two: they decide nothing, and whoever can write a record may name any trace. */
    struct slice traceparent, tracestate;
    /** The record's own; null: none. */
    struct slice key;
    /** The record's own bytes; null: none. */
    struct slice value;
};

struct dead_letters;      /* where letters go */
struct dead_letter_write; /* one letter on its way there */

struct dead_letters_options {
    /** Borrowed. */
    uv_loop_t *loop;
    /** Borrowed. */
    const struct clock *clock;
    /** Copied; "" or NULL: none. Made if it is missing (not its parents). */
    const char *directory;
    /** Of all the directory's letters together; one that would pass it waits for space. */
    int64_t max_bytes;
    /** Copied; "" or NULL: none. Exactly one of the two must be given. */
    const char *topic;
    /** The client secret; read during the call alone. */
    struct slice secret;
    /* With a topic: how to reach the brokers, as the consumer does. */
    /** Borrowed: brokers and credentials are fetched from it, again when they are refused. NULL: the next one
     * says where the brokers are. */
    struct port_api *port;
    /** Copied; "" or NULL for none. */
    const char *bootstrap_servers, *security_protocol, *sasl_mechanism;
    /** PEM file of the authorities to trust; copied; "" or NULL: librdkafka's own. */
    const char *ca_bundle;
    /** As in struct kafka_connection; copied. */
    const char *client_certificate;
    /** The largest value that must fit into a message. */
    size_t record_max_bytes;
    /** After a write that failed; 0: 500. */
    int64_t first_backoff_ms;
    /** The longest such wait; 0: 10000. */
    int64_t max_backoff_ms;
};

/** Totals since the start, except `waiting` (now). A letter that fails five times counts five failures. */
struct dead_letters_counters {
    uint64_t written, failures, waiting;
};

/** Whether letters can be written now. */
struct dead_letters_view {
    /** There are letters that could not be written yet, and since when it is so (monotonic). */
    bool failing;
    int64_t since_ms;
    /** Of the last failure; cut to fit, borrowed while the letters live. */
    const char *reason;
};

/** NULL with the cause in err: both or neither of directory and topic, no secret, a directory that is
 * something else, a setting librdkafka refuses, out of memory. A directory that cannot be written now, or an
 * unreachable broker, is no error: it is logged and tried again with each letter. */
PA_MUST_USE struct dead_letters *dead_letters_new(const struct dead_letters_options *options,
                                                  struct error *err);

/** Writes a letter. Its key and value are borrowed until `done` has run or the write was forgotten; the rest
 * is copied. `done` runs exactly once, from the loop, when the letter is on disk (fsync) or acknowledged by
 * all in-sync replicas; until then it is tried again for ever with backoff, with a log line at the first
 * failure and at most one a minute. NULL: out of memory. */
PA_MUST_USE struct dead_letter_write *dead_letters_write(struct dead_letters *letters,
                                                         const struct dead_letter *letter,
                                                         void (*done)(void *ctx), void *ctx);
/** `done` will not run, and the key and value are no longer used. The letter may still be written if its
 * writing was under way. NULL is allowed; not after `done`. */
void dead_letter_write_forget(struct dead_letter_write *write);

/** Letters are sealed under this secret from now on; read during the call alone. 0, or PA_ERR_MEMORY. */
PA_MUST_USE int dead_letters_use_secret(struct dead_letters *letters, struct slice secret);
struct dead_letters_view dead_letters_view(const struct dead_letters *letters);
void dead_letters_counters(const struct dead_letters *letters, struct dead_letters_counters *out);
/** Forgets what is not written yet (no `done` runs any more, and no write may be forgotten any more), waits
 * for a write that is under way, then `closed` (NULL: nobody) runs from the loop and everything is freed. */
void dead_letters_close(struct dead_letters *letters, void (*closed)(void *ctx), void *ctx);
