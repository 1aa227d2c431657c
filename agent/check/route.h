/* The way to a server, step by step: name, connection, TLS, answer; through the client's own proxies and
 * authorities. Blocks until it is there, so it is for `port-agent check` and never for the agent. */
#pragma once
#include "http/client.h"

/** How far it went. */
enum http_route_step {
    /** It is no URL, or the proxy failed or was not reached. */
    ROUTE_PROXY,
    /** The server's (or the proxy's) name was not found. */
    ROUTE_NAME,
    /** Requests may not go there. */
    ROUTE_EGRESS,
    ROUTE_CONNECTION,
    ROUTE_TLS,
    /** Connected, but no proper answer came. */
    ROUTE_ANSWER,
    ROUTE_DONE
};

/** A certificate of the chain that the server showed. Texts are owned. */
struct http_certificate {
    /** RFC 2253: "CN=api.example.com,O=Example". */
    char *subject, *issuer;
    /** Seconds since the epoch. */
    int64_t expires_s;
};

struct http_route {
    /** The step that failed; ROUTE_DONE: none. */
    enum http_route_step reached;
    enum http_failure failure;
    /** Of the failure, in words. */
    char reason[256];
    /** The URL is https. */
    bool tls;
    /** What is gone through, without password; "": no proxy. */
    char proxy[256];
    /** Of the server, or of the proxy: "[::1]:443"; "": not known. */
    char address[64];
    /** Since the start; -1: it did not come to that. */
    int64_t name_ms, connection_ms, tls_ms, answer_ms;
    /** The server's first; of an untrusted chain too. */
    struct http_certificate *certificates;
    size_t certificate_count;
    /** Of the answer; 0: none. */
    int status;
    /** Its Date header, milliseconds since the epoch; -1: none. */
    int64_t date_ms;
    /** Our own clock's time of it. */
    int64_t received_ms;
};

/** GET `url`, once, without a redirect, within the client's total time; without `request` nothing is sent
 * once it is connected. 0; PA_ERR_MEMORY. Clear `out` with http_route_clear in every case. */
PA_MUST_USE int http_route_trace(struct http_client *client, const char *url, bool request,
                                 struct http_route *out);
void http_route_clear(struct http_route *route);
