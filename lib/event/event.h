/* Record bytes to invocation. Pure: no loop, no I/O, no clock.
 *
 * One walk over a record validates it as JSON (RFC 8259, UTF-8, bounded nesting), writes its canonical form
 * (compact; strings as ECMAScript's JSON.stringify writes them: \uXXXX and \/ unescaped wherever a string may
 * hold the character itself; numbers as written), cuts the two signature members out of the top-level
 * `headers`, and notes the few members that decide what happens to the event. */
#pragma once
#include "base/error.h"
#include "base/slice.h"
#include <stdbool.h>

enum { EVENT_MAX_DEPTH = 512 };

/** Where an event came from: what decides about its signature and where its invocation method is. */
enum event_kind { EVENT_RUN, EVENT_CHANGE_LOG };

/** An invocation method (`.payload.action.invocationMethod` or `.changelogDestination`). Absent members are
 * null slices; texts are unescaped (they are what the JSON strings mean) and live inside the event. */
struct invocation_method {
    bool present;      /* the member exists and is an object */
    bool agent;        /* `agent` is exactly true */
    bool synchronized; /* `synchronized` is exactly true */
    struct slice type;
    struct slice method;
    struct slice url;
};

/** A parsed event. Owns `payload` and everything the slices point to. */
struct event {
    enum event_kind kind;
    struct buffer payload; /* canonical bytes: what was signed, and what the default request sends */
    struct invocation_method invocation;
    struct slice run_id;       /* `.context.runId` when it is a string */
    struct slice action;       /* `.action` when it is a string */
    struct slice signature;    /* `.headers["X-Port-Signature"]` when it is a string */
    struct slice timestamp;    /* `.headers["X-Port-Timestamp"]`: a string's text, a number's own digits */
    bool has_signature_member; /* the member is there, with any type (to tell missing from wrong) */
    bool has_timestamp_member;
    const char *wrong_type; /* a member on the way to the invocation method (or its `agent`) that has a type
                               it cannot have; NULL: none */
    const char
        *wrong_detail; /* the same for what an agent's event needs: url, method, type, synchronized, runId */
    struct buffer texts; /* storage of the unescaped texts above */
};

void event_init(struct event *event);
void event_clear(struct event *event);
/** Parses `record` into `event` (initialised; its old content is released). A JSON number member where a text
 * is expected leaves that text null, except the timestamp, which may be either. For kind EVENT_RUN with
 * invocation type GITLAB the whole top-level `headers` member is left out of the payload. The signature
 * members are cut for both kinds. Returns 0; PA_ERR_INVALID with the reason and byte position ("empty
 * record", "not a JSON object", "not JSON at byte 17: …", "nesting deeper than 512", "invalid UTF-8 at byte
 * 9"); PA_ERR_MEMORY. */
int event_parse(struct event *event, enum event_kind kind, struct slice record, struct error *err);

/** An action run or a workflow node run: `wfnr_` starts the latter's id. */
bool run_id_is_node_run(struct slice run_id);
/** True for ids that can be put into a Port API path as they are: 1 to 128 of [A-Za-z0-9_-.~]. */
bool run_id_is_usable(struct slice run_id);

/** Any JSON value in the canonical form described above, appended to `out`. PA_ERR_INVALID when `in` is not
 * one JSON value (RFC 8259). */
int json_canonical(struct slice in, struct buffer *out, struct error *err);
