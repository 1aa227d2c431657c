/* The way to a server, step by step: name, connection, TLS, answer; through the client's own proxies and
 * authorities. Blocks until it is there, so it is for `port-agent check` and never for the agent. */
#pragma once
#include "http/client.h"

/** How far it went. */
enum http_route_step {
    ROUTE_PROXY, /* the proxy failed, or was not reached */
    ROUTE_NAME,  /* the server's (or the proxy's) name was not found */
    ROUTE_CONNECTION,
    ROUTE_TLS,
    ROUTE_ANSWER, /* connected, but no proper answer came */
    ROUTE_DONE
};

/** A certificate of the chain that the server showed. Texts are owned. */
struct http_certificate {
    char *subject, *issuer; /* RFC 2253: "CN=api.example.com,O=Example" */
    int64_t expires_s;      /* seconds since the epoch */
};

struct http_route {
    enum http_route_step reached; /* the step that failed; ROUTE_DONE: none */
    enum http_failure failure;
    char reason[256]; /* of the failure, in words */
    bool tls;         /* the URL is https */
    char proxy[256];  /* what is gone through, without password; "": no proxy */
    char address[64]; /* of the server, or of the proxy: "[::1]:443"; "": not known */
    int64_t name_ms, connection_ms, tls_ms, answer_ms; /* since the start; -1: it did not come to that */
    struct http_certificate *certificates;             /* the server's first; of an untrusted chain too */
    size_t certificate_count;
    int status;          /* of the answer; 0: none */
    int64_t date_ms;     /* its Date header, milliseconds since the epoch; -1: none */
    int64_t received_ms; /* our own clock's time of it */
};

/** GET `url`, once, without a redirect, within the client's total time. 0; PA_ERR_MEMORY. Clear `out` with
 * http_route_clear in every case. */
int http_route_trace(struct http_client *client, const char *url, struct http_route *out);
void http_route_clear(struct http_route *route);
