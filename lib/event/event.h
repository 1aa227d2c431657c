/* Record bytes to invocation. Pure: no loop, no I/O, no clock.
 *
 * One walk over a record validates it as JSON (RFC 8259, UTF-8, bounded nesting), writes its canonical form
 * (compact; strings as ECMAScript's JSON.stringify writes them: \uXXXX and \/ unescaped wherever a string may
 * hold the character itself; numbers as written), cuts the two signature members out of the top-level
 * `headers`, and notes the few members that decide what happens to the event. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include <stdbool.h>

/** Where an event came from: what decides about its signature and where its invocation method is. */
enum event_kind { EVENT_RUN, EVENT_CHANGE_LOG };

/** An invocation method (`.payload.action.invocationMethod` or `.changelogDestination`). Absent members are
 * null slices; texts are unescaped (they are what the JSON strings mean) and live inside the event. */
struct invocation_method {
    /** The member exists and is an object. */
    bool present;
    /** `agent` is true in the way of Python: json_is_truthy. */
    bool agent;
    /** Likewise. */
    bool synchronized;
    /** `method` is there, and neither a text nor null: it cannot be sent. */
    bool method_wrong;
    /** Likewise. */
    bool url_wrong;
    struct slice type;
    struct slice method;
    struct slice url;
};

/** A parsed event. Owns `payload` and everything the slices point to. */
struct event {
    enum event_kind kind;
    /** Canonical bytes: what was signed, and what the default request sends. */
    struct buffer payload;
    struct invocation_method invocation;
    /** `.context.runId` when it is a string. */
    struct slice run_id;
    /** `.action` when it is a string. */
    struct slice action;
    /** `.headers["X-Port-Signature"]` when it is a string. */
    struct slice signature;
    /** `.headers["X-Port-Timestamp"]`: a string's text, a number's own digits. */
    struct slice timestamp;
    /** `.headers.traceparent` and `.headers.tracestate` when they are strings; case of the names aside. They
     * stay in the payload. */
    struct slice traceparent, tracestate;
    /** The member is there, with any type (to tell missing from wrong). */
    bool has_signature_member;
    bool has_timestamp_member;
    /** `.context.runId` is there, and neither a text nor null. */
    bool run_id_wrong;
    /** `.context` is there, and neither an object nor null. */
    bool context_wrong;
    /* The event has the other kind's invocation method (of whatever type): a run event a top-level
     * changelogDestination, a change-log event a payload.action.invocationMethod. Nobody delivers it. */
    bool other_topics;
    /* A member that decides comes twice (constant, in words; NULL: none does): nobody can say which counts.
     */
    const char *duplicate;
    /** The same, where it is one of those that say whose run it is. */
    const char *duplicate_run;
    /** A member on the way to the invocation method that has a type which it cannot have; NULL: none. */
    const char *wrong_type;
    /** Storage of the unescaped texts above. */
    struct buffer texts;
};

void event_init(struct event *event);
void event_clear(struct event *event);
/** Parses `record` into `event` (initialised; its old content is released). A JSON number member where a text
 * is expected leaves that text null, except the timestamp, which may be either. For kind EVENT_RUN with
 * invocation type GITLAB the whole top-level `headers` member is left out of the payload. The signature
 * members are cut for both kinds. Returns 0; PA_ERR_INVALID with the reason and byte position ("empty
 * record", "not a JSON object", "not JSON at byte 17: …", "nesting deeper than 512", "invalid UTF-8 at byte
 * 9"); PA_ERR_MEMORY. */
PA_MUST_USE int event_parse(struct event *event, enum event_kind kind, struct slice record,
                            struct error *err);

/** Why an event with `other_topics` is refused, in words; by its kind. */
const char *event_other_topics(enum event_kind kind);

/** An action run or a workflow node run: `wfnr_` starts the latter's id. */
PA_MUST_USE bool run_id_is_node_run(struct slice run_id);
/** True for ids that can be put into a Port API path as they are: 1 to 128 of [A-Za-z0-9_-.~]. */
PA_MUST_USE bool run_id_is_usable(struct slice run_id);
