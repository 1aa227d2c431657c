/* Connections that nobody uses at the moment, by where they lead. */
#pragma once
#include "http/proxy.h"
#include <curl/curl.h>
#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct http_call;

/** Where a connection leads: scheme, host and port as in a normalised URL, through which proxy, and which
 * certificate of ours may have been shown on it (a path that stays the same). */
struct connection_key {
    struct slice origin;
    const struct proxy *proxy;
    const char *certificate;
};

/** One place, while connections lead there. */
struct destination;
TAILQ_HEAD(connection_list, connection);

struct connection {
    /** In its multi handle for as long as the connection lives; owned. */
    CURL *easy;
    curl_socket_t fd;
    bool tls;
    /** Its TLS, where libcurl is no longer asked for its bytes; libcurl's. NULL: it is, or there is none. */
    SSL *ssl;
    /** It has carried an exchange. */
    bool used;
    /** libcurl knows that somebody uses it. */
    bool attached;
    struct connections *connections;
    struct destination *to;
    /** NULL: idle. */
    struct http_call *call;
    int64_t idle_since_ms;
    TAILQ_ENTRY(connection) of_destination, of_all;
    /** CURLOPT_ERRORBUFFER. */
    char error[CURL_ERROR_SIZE];
};

enum {
    CONNECTIONS_BUCKETS = 1024,
    /** Memory of an idle one with its easy handle and what watches it, as measured with libcurl 8.14 and
     * OpenSSL 3.5 (docs/capacity.md). */
    CONNECTION_BYTES = 18 * 1024,
    CONNECTION_TLS_BYTES = 88 * 1024
};

/** Zero-initialise, then connections_init. */
struct connections {
    /** The one that has been idle for longest comes first. */
    struct connection_list idle;
    /** In use, and idle. */
    size_t count;
    /** What the idle ones hold, about. */
    size_t idle_bytes;
    LIST_HEAD(destinations, destination) buckets[CONNECTIONS_BUCKETS];
    /** For its owner. */
    void *ctx;
};

void connections_init(struct connections *connections, void *ctx);
/** A new connection, in use; NULL: out of memory. */
PA_MUST_USE struct connection *connection_new(struct connections *connections,
                                              const struct connection_key *key);
/** Its easy handle is its owner's to clean up. */
void connection_free(struct connection *connection);
/** The one that was used last of those that lead there and are idle: it is in use now. NULL: none. */
PA_MUST_USE struct connection *connections_take(struct connections *connections,
                                                const struct connection_key *key);
void connection_is_idle(struct connection *connection, int64_t now_ms);
/** An idle one is in use from now on. */
void connection_in_use(struct connection *connection);
