/* What is told of a delivery, as spans: OTLP's JSON, with the names of OpenTelemetry's conventions for
 * messaging and HTTP. Pure.
 *
 * Must never have a payload, an answer's text or a secret in a span: only what log lines show. */
#pragma once
#include "observe/observe.h"

/** What all spans have in common; borrowed. */
struct span_source {
    const struct tracing *tracing;
    const struct clock *clock;
    /** The consumer group; "" or NULL: none. */
    const char *group;
};

/** Appends what ended by this as JSON objects with commas between them: an attempt; or the delivery, and its
 * report. How many they are. */
PA_MUST_USE unsigned spans_append(const struct span_source *source, const struct observed *observed,
                                  struct buffer *out);

/** Appends what stands before the first span of an export: the resource, with these attributes (pairs), which
 * the name of the service goes before. `service`: "" or NULL: the attributes', or else the program's. */
void spans_append_head(const char *service, const char *attributes, const char *instance, struct buffer *out);
/** And what stands behind the last. */
void spans_append_tail(struct buffer *out);
