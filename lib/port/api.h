/* Port's HTTP API: one cached token and the calls the agent makes. Runs on the loop through an http_client of
 * its own. */
#pragma once
#include "base/clock.h"
#include "base/error.h"
#include "base/slice.h"
#include "http/client.h"
#include <stdbool.h>

struct port_api;

struct port_api_options {
    uv_loop_t *loop;            /* borrowed */
    const struct clock *clock;  /* borrowed */
    struct http_client *http;   /* borrowed: the client for Port (30 s deadline), not the webhooks' */
    const char *base_url;       /* without trailing slash; copied */
    const char *client_id;      /* copied */
    struct slice client_secret; /* copied, wiped on free */
    unsigned max_concurrent;    /* calls at once; 0: 32 */
};

struct port_api *port_api_new(const struct port_api_options *options);
/** No callback runs after it: calls still queued or in flight are dropped (their http calls cancelled). */
void port_api_free(struct port_api *api);

/** What one call came to. */
enum port_answer {
    PORT_ACCEPTED, /* 2xx */
    PORT_REFUSED,  /* 4xx that will not change by trying again (everything but 401 before a fresh token, 408,
                      429) */
    PORT_UNAVAILABLE /* no response, or one there was no memory for, 5xx, 408, 429: try later; retry_after_ms
                        tells when, -1 if Port did not say */
};
struct port_result {
    enum port_answer answer;
    int status;        /* 0: none */
    struct slice body; /* borrowed until the callback returns */
    bool body_cut;     /* there was more: the answer is longer than it may be */
    int64_t retry_after_ms;
    const char
        *reason; /* in words, for a log line: "503 Service Unavailable", "connection refused …"; no secret */
    bool out_of_memory;  /* PORT_UNAVAILABLE because of us, not of Port */
    bool sent;           /* the request was written, or begun: Port may have done what it asks for, even
                            where nothing came back */
    bool resent;         /* an answer to a second copy: the connection of the first died without one */
    bool authentication; /* it failed at the token: 401/403 for these credentials */
};
typedef void port_done(void *ctx, const struct port_result *result);
struct port_call;

/** What is asked of Port; all of it is copied, but for the body where it is lent. */
struct port_request {
    const char *method, *path;
    struct slice body;         /* null: none */
    bool body_is_lent;         /* it stays where it is until `done` has run or the call is cancelled */
    bool reserved_usage;       /* with the header x-port-reserved-usage: true, as polling sends it */
    size_t max_response_bytes; /* bytes of the answer that are kept; 0: the client's bound */
};

/** One attempt at a call, with the token fetched or refreshed as needed (a 401 refreshes it once and tries
 * again). Attempts wait while max_concurrent are under way, and while Port asked for quiet (429 with
 * Retry-After). `done` runs once, from the loop, after this function has returned. NULL: out of memory. */
struct port_call *port_api_start(struct port_api *api, const struct port_request *request, port_done *done,
                                 void *ctx);
/** port_api_start for a request with nothing but these. */
struct port_call *port_api_call(struct port_api *api, const char *method, const char *path, struct slice body,
                                port_done *done, void *ctx);
/** Forgets the call: `done` will not run. A request under way whose body is lent is cut off with its
 * connection and leaves its place to the next; any other is left to finish unheard. */
void port_call_cancel(struct port_call *call);
/** False: it waits for its turn, or for the token. */
bool port_call_is_sent(const struct port_call *call);
/** HTTP requests made so far, token requests included: for the summary and tests. */
uint64_t port_api_requests(const struct port_api *api);

/** Brokers and SASL credentials from GET /v1/kafka-credentials. Texts are owned; clear after use (wipes the
 * password). */
struct kafka_credentials {
    char *brokers; /* comma-separated */
    char *username;
    char *password;
};
/** Reads the answer's body. 0, or PA_ERR_INVALID with what is missing. */
int kafka_credentials_parse(struct slice body, struct kafka_credentials *credentials, struct error *err);
void kafka_credentials_clear(struct kafka_credentials *credentials);
