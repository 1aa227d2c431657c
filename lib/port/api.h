/* Port's HTTP API: one cached token and the calls the agent makes. Runs on the loop through an http_client of
 * its own. */
#pragma once
#include "base/clock.h"
#include "base/error.h"
#include "base/secrets.h"
#include "base/slice.h"
#include "http/client.h"
#include <stdbool.h>

struct conditions;
struct port_api;
struct port_tally;

struct port_api_options {
    /** Borrowed. */
    uv_loop_t *loop;
    /** Borrowed. */
    const struct clock *clock;
    /** Borrowed: gets conditions that last; NULL: none are told. */
    struct conditions *conditions;
    /** Borrowed: the client for Port (30 s deadline), not the webhooks'. */
    struct http_client *http;
    /** Without trailing slash; copied. */
    const char *base_url;
    /** Copied. */
    const char *client_id;
    /** Copied, wiped on free. The second one is the one before it, which is not shown either, should Port say
     * it; empty: none. */
    struct slice client_secret, former_secret;
    /** Calls at once; 0: 32. */
    unsigned max_concurrent;
};

PA_MUST_USE struct port_api *port_api_new(const struct port_api_options *options);
/** No callback runs after it: calls still queued or in flight are dropped (their http calls cancelled). */
void port_api_free(struct port_api *api);
/** Tokens are fetched with this secret from now on; copied. The present one serves as long as Port takes it.
 * 0, or PA_ERR_MEMORY. */
PA_MUST_USE int port_api_use_secret(struct port_api *api, struct slice secret);
/** Calls that start from now on go through this client, borrowed as the one before it, which calls under way
 * still need. */
void port_api_use_client(struct port_api *api, struct http_client *http);

/** How one call ended. */
enum port_answer {
    /** 2xx with anything but a page. */
    PORT_ACCEPTED,
    /** A 4xx that another attempt will not change (every 4xx except 401 before a fresh token, 407, 408 and
       429). */
    PORT_REFUSED,
    /** No response, a response for which there was no memory, one that is not Port's (a redirect, or a page
       where Port writes JSON), 5xx, 407, 408 or 429: try later; retry_after_ms says when, -1 if Port did not
       say. */
    PORT_UNAVAILABLE
};
struct port_result {
    enum port_answer answer;
    /** 0: none. */
    int status;
    /** Borrowed until the callback returns. */
    struct slice body;
    /** The buffer behind `body`: the callback may take it (buffer_take) to keep it. NULL: there is none. */
    struct buffer *owned_body;
    /** The answer is longer than it may be; the rest is missing. */
    bool body_cut;
    int64_t retry_after_ms;
    /** In words, for a log line: "503 Service Unavailable", "connection refused …"; no secret. */
    const char *reason;
    /** PORT_UNAVAILABLE because of us, not of Port. */
    bool out_of_memory;
    /** The request was written, or begun: Port may have done what it asks for, even where nothing came back.
     */
    bool sent;
    /** The answer is to a second copy: the first copy's connection died without an answer. */
    bool resent;
    /** It failed at the token: 401/403 for these credentials. */
    bool authentication;
};
typedef void port_done(void *ctx, const struct port_result *result);
struct port_call;

/** What is asked of Port; all of it is copied, except the body where it is lent. */
struct port_request {
    const char *method, *path;
    /** Null: none. */
    struct slice body;
    /** It stays where it is until `done` has run or the call is cancelled. */
    bool body_is_lent;
    /** With the header x-port-reserved-usage: true, as polling sends it. */
    bool reserved_usage;
    /** Bytes of the answer that are kept; 0: the client's bound. */
    size_t max_response_bytes;
};

/** One attempt at a call, with the token fetched or refreshed as needed (a 401 refreshes it once and tries
 * again). Attempts wait while max_concurrent are under way, and while Port asked for quiet (429 with
 * Retry-After). `done` runs once, from the loop, after this function has returned. NULL: out of memory. */
PA_MUST_USE struct port_call *port_api_start(struct port_api *api, const struct port_request *request,
                                             port_done *done, void *ctx);
/** port_api_start for a request that has only these members. */
PA_MUST_USE struct port_call *port_api_call(struct port_api *api, const char *method, const char *path,
                                            struct slice body, port_done *done, void *ctx);
/** Forgets the call: `done` will not run. A request under way whose body is lent is cut off with its
 * connection and leaves its place to the next; any other call ends without a callback. */
void port_call_cancel(struct port_call *call);
/** False: it waits for its turn, or for the token. */
PA_MUST_USE bool port_call_is_sent(const struct port_call *call);

/** How Port's API stands. */
struct port_view {
    /** A token is there that is still good, for so long. */
    bool has_token;
    int64_t token_ms;
    /** It is being fetched. */
    bool token_asked;
    /** Tokens fetched so far. */
    unsigned tokens;
    /** A fresh token was refused too: for so long none is fetched on a 401; 0: not so. */
    int64_t refused_ms;
    /** Port asked for quiet, or the agent is out of memory: nothing is sent for so long; 0: neither. */
    int64_t quiet_ms;
    /** Calls under way. */
    unsigned calls;
    /** HTTP requests made so far, token requests included. */
    uint64_t requests;
    /** How they were answered (tally.h); borrowed while the API lives. */
    const struct port_tally *tally;
    /** Of the last token call or call that failed, in words; "": the last one did not fail, and it is not
     * quiet. */
    const char *failure;
};
/** Adds the tokens that Port has given; borrowed until the loop's next turn. */
void port_api_secrets(const struct port_api *api, struct secrets *out);
/** `failure` is borrowed until the loop goes on. */
struct port_view port_api_view(const struct port_api *api);

/** Brokers and SASL credentials from GET /v1/kafka-credentials. Texts are owned; clear after use (wipes the
 * password). */
struct kafka_credentials {
    /** Comma-separated. */
    char *brokers;
    char *username;
    char *password;
};
/** Reads the answer's body. 0, or PA_ERR_INVALID with what is missing. */
PA_MUST_USE int kafka_credentials_parse(struct slice body, struct kafka_credentials *credentials,
                                        struct error *err);
void kafka_credentials_clear(struct kafka_credentials *credentials);
