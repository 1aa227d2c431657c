/* Spans of deliveries, exported to a collector over OTLP/HTTP: a listener of lib/observe. Best effort: spans
 * wait in a queue bounded by number and bytes, an export has a deadline and few retries, and whatever finds
 * no space or no collector is dropped and counted.
 *
 * Must never hold up a delivery: nothing waits for an export, and what is told is formatted and left. */
#pragma once
#include "base/clock.h"
#include "base/error.h"
#include "http/client.h"
#include "observe/observe.h"

struct conditions;
struct otlp;

enum {
    /** Bounds of the spans that wait; as many again may be on their way. */
    OTLP_QUEUE_SPANS = 2048,
    OTLP_QUEUE_BYTES = 1024 * 1024,
    /** So many are sent at once without waiting for more. */
    OTLP_BATCH_SPANS = 512,
    /** How long the first waits for more. */
    OTLP_BATCH_MS = 5000,
    /** Tries of an export, and the longest wait between two that is honoured. */
    OTLP_TRIES = 4,
    OTLP_WAIT_MAX_MS = 30000,
    /** What is left when the agent stops has so long. */
    OTLP_CLOSE_MS = 500
};

struct otlp_options {
    uv_loop_t *loop;
    const struct clock *clock;
    /** The collector's own; taken over, and closed with the exporter. Its deadlines are each export's. */
    struct http_client *http;
    /** Where spans are posted. */
    const char *url;
    /** Headers of each export, as pairs. */
    struct slice headers;
    /** As spans_append_head takes them. */
    const char *service, *attributes, *instance, *group;
    /** What ids are made from; borrowed. */
    const struct tracing *tracing;
    /** May be NULL. */
    struct conditions *conditions;
    /** Instead of OTLP_BATCH_MS, OTLP_CLOSE_MS, and of a second as the first wait between two tries; 0:
     * these.
     */
    int64_t batch_ms, close_ms, backoff_ms;
};

/** Everything is copied except what is borrowed. NULL: out of memory; the client is still the caller's. */
PA_MUST_USE struct otlp *otlp_new(const struct otlp_options *options);
/** The observer tells the exporter, and counts what it drops; it must be there until otlp_close. */
void otlp_listen(struct otlp *otlp, struct observer *observer);
/** Exports that begin from now on go by another client, which is taken over. Gives back the one before: an
 * export may be under way there, and its answer still counts. */
PA_MUST_USE struct http_client *otlp_use_client(struct otlp *otlp, struct http_client *http);
/** Exports that begin from now on carry these headers, as pairs; copied. False: out of memory, and they carry
 * those before. */
PA_MUST_USE bool otlp_use_headers(struct otlp *otlp, struct slice headers);
/** Is told of what belongs to a recorded trace; `ctx` is the exporter. */
void otlp_note(void *ctx, const struct observed *observed);
/** Sends what is left, for OTLP_CLOSE_MS at most and not at all where the collector did not take the last;
 * then `closed` runs from the loop. `closed` NULL: sends nothing, and nobody waits. */
void otlp_close(struct otlp *otlp, void (*closed)(void *ctx), void *ctx);

/** Asks the collector at `url` whether it takes spans: an export without any. As http_start. */
PA_MUST_USE struct http_call *otlp_probe(struct http_client *http, const char *url, struct slice headers,
                                         http_done *done, void *ctx);
/** Appends why an export, or a probe, failed, without what the collector was sent (these headers, the URL's
 * user and password, the proxies' passwords), should it come back. At most 250 bytes. */
void otlp_append_reason(struct http_client *http, const char *url, struct slice headers, const char *reason,
                        struct buffer *out);
