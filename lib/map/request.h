/* From the fields that a mapping's evaluation gave (mapping.h) to the request: the agent and `port-agent map`
 * both use this. Pure. */
#pragma once
#include "base/secrets.h"
#include "event/event.h"
#include "map/mapping.h"

struct mapped_header {
    struct slice name, value;
};

/** A request as its mapping wants it. Every slice points into the fields it was read from. */
struct mapped_request {
    /** Which mapping, from 1; 0: none wants the event. */
    size_t mapping;
    /** It has a report: ask for it once there is an answer. */
    bool reports;
    /** The tags of the fields that its report has. */
    struct slice reported;
    /** Why it cannot become a request, in words; null: it can. */
    struct slice failure;
    /** Null: the invocation method's. */
    struct slice url, method;
    /** Percent-encoded a=b&c=d; null: none. */
    struct slice query;
    struct mapped_header *headers;
    size_t header_count;
    bool no_body;
    /** Null, without no_body: the event's own bytes. */
    struct slice body;
    /** Null: none; only where there is a report. */
    struct slice headers_json, query_json;
    /** Decrypted values among the fields: see mapped_secrets. */
    size_t secret_count;
};

/** What mappings_report came to, or what is reported. */
struct mapped_report {
    /** Null: absent. */
    struct slice failure, status, summary, link_json, external_run_id;
};

/** Reads the fields of mappings_request. 0; PA_ERR_INVALID when they are no fields; PA_ERR_MEMORY. Clear
 * `out` with mapped_request_clear in every case. */
PA_MUST_USE int mapped_request_read(struct slice fields, struct mapped_request *out);
void mapped_request_clear(struct mapped_request *request);
/** Reads the fields of mappings_report. */
void mapped_report_read(struct slice fields, struct mapped_report *out);
/** What is reported. A field that the mapping's report has: what the report gave (null: the field is left
 * out). Every other field: `usual`. Where no whole answer came, a status that is left out is replaced by the
 * usual one: nobody else will report that run. */
struct mapped_report mapped_report_over(const struct mapped_request *request,
                                        const struct mapped_report *given, const struct mapped_report *usual,
                                        bool answered);

/** Calls `warned` with every warning among the fields of either kind. */
void mapped_warnings(struct slice fields, void (*warned)(void *ctx, struct slice warning), void *ctx);
/** The last of them, which is within the fields; null: there is none. */
PA_MUST_USE struct slice mapped_last_warning(struct slice fields);

/** The URL that is asked for: the mapping's, else the invocation method's own (null: neither has one). */
struct slice mapped_base_url(const struct mapped_request *request,
                             const struct invocation_method *invocation);
/** Appends `url`, without the white space around it, with the query joined to it (before a fragment, behind a
 * query it already has). Characters that a URL may not have stay in it: url_parse encodes them. */
void mapped_url(const struct mapped_request *request, struct slice url, struct buffer *out);
/** Appends the method, in capitals: the mapping's (any HTTP method except CONNECT, TRACE and TRACK), or
 * the invocation method's own (null or empty: POST). 0; PA_ERR_INVALID, with a sentence: one of these three,
 * or the invocation's own is not one of the methods in use. */
PA_MUST_USE int mapped_method(const struct mapped_request *request, struct slice invocations,
                              struct buffer *out, struct error *err);

/** Why the invocation's own method or URL cannot be sent, where the mapping gives no other: a member that is
 * no text. NULL: both can be sent. */
const char *mapped_unsendable(const struct mapped_request *request,
                              const struct invocation_method *invocation);

/** What is sent, and signed, with a method as mapped_method gives it: null: no body. A HEAD request has none.
 * `event`: its canonical bytes. */
struct slice mapped_body(const struct mapped_request *request, struct slice method, struct slice event);

/** The agent's own headers, as they are for one attempt. */
struct own_headers {
    struct slice timestamp, signature, attempt;
    /** Of the event, the same for every attempt. */
    struct slice id;
    /** The request has a body: only then there is a Content-Type of ours. */
    bool with_body;
    /** Of the event that is delivered once more; null: it is not, and there is no such header. */
    struct slice redelivery_of;
    /** Of the event's trace; null: there is none. */
    struct slice traceparent, tracestate;
};
enum { OWN_HEADERS = 9 };
/** Writes the headers that are sent, the agent's own first, to `out`, which has space for OWN_HEADERS and
 * request->header_count. X-Port-Timestamp, X-Port-Signature, X-Port-Attempt and X-Port-Redelivery-Of (if
 * there is one) are the agent's; Content-Type, Idempotency-Key, webhook-id and traceparent are the mapping's
 * where it has them, and tracestate where it has either of the trace's two (names are compared without case).
 * How many they are. */
size_t mapped_headers(const struct mapped_request *request, const struct own_headers *own,
                      struct mapped_header *out);

/** More of them would be no work for one turn of the loop. */
enum { ANSWER_HEADERS_MAX = 200 };
/** Appends an answer's "Name: value" lines, each ended by CR LF, as an object: the names as they came, the
 * values of one that came twice joined with ", " (RFC 9110, section 5.2). Returns how many lines beyond
 * ANSWER_HEADERS_MAX are left out. */
PA_MAY_IGNORE size_t mapped_headers_json(struct slice lines, struct buffer *out);

/** Adds the decrypted values of `fields`, which must stay as long as `out`. */
void mapped_secrets(struct slice fields, struct secrets *out);
/** Adds what the mapping's headers hold that are named like a secret (secret_name); the request must stay. */
void mapped_header_secrets(const struct mapped_request *request, struct secrets *out);
/** Appends `text` without the decrypted values of `fields`, as redact does. */
void mapped_mask(struct slice fields, struct slice text, struct buffer *out);
