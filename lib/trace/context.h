/* The trace that an event belongs to, as W3C Trace Context writes it down: its headers read strictly and
 * written again, and the ids of spans. Pure: whatever reads events may use it. What is exported of a trace is
 * otlp/'s.
 *
 * Must never make a trace of text that is not valid: such text is ignored, and not sent on. */
#pragma once
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    /** Hexadecimal digits and a NUL. */
    TRACE_ID_SIZE = 33,
    SPAN_ID_SIZE = 17,
    TRACEPARENT_SIZE = 56,
    /** What is sent on of a tracestate: as much as everybody has to keep. */
    TRACESTATE_MAX = 512
};

/** A `traceparent`. */
struct trace_parent {
    char trace_id[TRACE_ID_SIZE], span_id[SPAN_ID_SIZE];
    bool sampled;
    /** The trace's id is random enough to decide by (level 2 of the recommendation). */
    bool random;
};

/** Reads a header's value. False, and *out is empty: it is not valid. A later version than 00 is read as far
 * as its fields are known. */
PA_MUST_USE bool trace_parent_read(struct slice value, struct trace_parent *out);
/** Writes the header's value, in version 00. */
void trace_parent_write(const struct trace_parent *parent, char out[TRACEPARENT_SIZE]);
/** What may be sent on of a `tracestate`: all of it, or its first members where it is longer than
 * TRACESTATE_MAX; null: it is empty or not valid. Lies within `value`. */
struct slice trace_state_usable(struct slice value);

/* Recording */

/** Who decides whether spans are recorded. */
enum trace_sampling {
    TRACE_NEVER,
    TRACE_ALWAYS,
    /** By `ratio` and the trace's id. */
    TRACE_RATIO
};

/** How traces are recorded; all zero: no trace is begun, and none is recorded. */
struct tracing {
    enum trace_sampling sampling;
    /** Of TRACE_RATIO: from 0 to 1. */
    double ratio;
    /** A trace that comes with the event is recorded if its sender records it. */
    bool by_parent;
    /** Of this process: ids are made from it. */
    uint64_t key;
    uint64_t count;
};

/** A delivery's place in its trace. All zero: it has none. */
struct trace {
    /** "": there is none. */
    char id[TRACE_ID_SIZE];
    /** Of whoever sent the event; "": the trace begins here. */
    char parent[SPAN_ID_SIZE];
    /** Of the delivery; "": it is not recorded, and its parent's goes on to the endpoint. */
    char span[SPAN_ID_SIZE];
    /** As its parent says. */
    bool sampled, random;
    /** What the ids of a recorded trace are made from: when it was taken (trace_taken_ms), and a number. */
    uint64_t serial;
};

/** The spans of a delivery beside its own; attempts are numbered from 1 on. */
enum { TRACE_SPAN_REPORT = 0 };

/** A key that no other process has. 0, or PA_ERR_IO: the system has no random numbers. */
PA_MUST_USE int tracing_key(struct tracing *tracing);
/** Places a delivery in its trace. `tracing`: NULL: none is recorded. `parent`: the event's; one without an
 * id: it has none, and a trace begins if it is recorded. `serial`: of the same delivery before it was kept by
 * reference; 0: it is a new one, taken at `now_ms` (wall). */
void trace_begin(struct tracing *tracing, const struct trace_parent *parent, uint64_t serial, int64_t now_ms,
                 struct trace *out);
/** Since when, in milliseconds since the epoch: of a recorded trace. */
int64_t trace_taken_ms(const struct trace *trace);
/** The id of one of the spans of a recorded trace. */
void trace_span_id(const struct tracing *tracing, const struct trace *trace, unsigned which,
                   char out[SPAN_ID_SIZE]);
/** What goes to the endpoint with an attempt; false: nothing does. */
PA_MUST_USE bool trace_sent_on(const struct tracing *tracing, const struct trace *trace, unsigned attempt,
                               struct trace_parent *out);
