/* The walk over a record's bytes. Private to the event room. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

/** The members somebody asked for. */
enum scan_text {
    SCAN_TYPE,
    SCAN_METHOD,
    SCAN_URL,
    SCAN_RUN_ID,
    SCAN_ACTION,
    SCAN_SIGNATURE,
    SCAN_TIMESTAMP,
    SCAN_TRACEPARENT,
    SCAN_TRACESTATE,
    SCAN_TEXTS
};

/** A place in the document whose members matter. */
enum scan_place {
    PLACE_NONE,
    PLACE_ROOT,
    PLACE_PAYLOAD,
    PLACE_PAYLOAD_ACTION,
    PLACE_INVOCATION,
    PLACE_CONTEXT,
    PLACE_HEADERS,
    /** Where events of the other kind have their invocation method. */
    PLACE_OTHER_TOPICS
};

struct scan_range {
    bool found;
    /** The member is there, and neither a text nor null. */
    bool wrong;
    /** In `texts`. */
    size_t start, end;
};

struct scan {
    /* in */
    struct slice in;
    /** The invocation method is the root's changelogDestination; false: it is at
     * payload.action.invocationMethod. */
    bool invocation_in_root;
    /** The top-level headers are left out, each of them. */
    bool cuts_headers;
    struct buffer *out;
    /** Unescaped texts. */
    struct buffer *texts;
    /* out */
    struct scan_range found[SCAN_TEXTS];
    bool invocation, agent, synchronized, signature_member, timestamp_member;
    /** As in struct event. */
    bool context_wrong;
    /** As in struct event. */
    const char *wrong_type;
    /** As in struct event. */
    bool other_topics;
    /** As in struct event. */
    const char *duplicate, *duplicate_run;
    /* The top-level headers member in `out`, with the comma that follows or leads it, for cutting it whole.
     */
    bool headers_found, headers_twice;
    size_t headers_start, headers_end;
    /** Inside: bits of the members that decide (scan.c). */
    unsigned seen;
};

/** Walks the record. 0, or PA_ERR_INVALID with the reason, or PA_ERR_MEMORY. */
PA_MUST_USE int scan_record(struct scan *scan, struct error *err);
/** Takes the top-level headers member, which was found once and is not the only one, out of the canonical
 * bytes. */
void scan_cut_headers(struct scan *scan);
