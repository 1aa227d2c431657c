/* HTTP/1.1 on connections that libcurl makes and keeps (CURLOPT_CONNECT_ONLY: names, addresses, proxies,
 * TLS): the request is sent and the response is read here. Whoever owns the calls decides when they end. */
#pragma once
#include "http/client_internal.h"
#include "http/connections.h"
#include <openssl/bio.h>

TAILQ_HEAD(call_queue, http_call);

struct exchanges {
    CURLM *multi;
    struct http_sockets *sockets;
    /** The call's exchange is over; `call->exchange` says how. */
    void (*over)(void *ctx, struct http_call *call);
    /** The call needs a new connection; see exchange_connected. */
    void (*connect)(void *ctx, struct http_call *call);
    /** An easy handle that is in no multi handle any more; owned by whom it is given to. */
    void (*spare)(void *ctx, CURL *easy);
    void *ctx;

    /** Sockets that are ready are being read from: the loop checks next. */
    bool reading;
    /** As in the client's options; idle ones are closed where there are more. */
    size_t max_connections, more_connections, idle_bytes;

    /** The rest is for exchange.c and idle.c. */
    const struct clock *clock;
    struct connections connections;
    /** For tls_take. NULL: none could be made. */
    BIO_METHOD *tls_sockets;
    /** Calls whose requests are sent before the loop waits again, all in one go. */
    struct call_queue due;
    uv_prepare_t flush;
    /** What a request is written into, while no call has it. */
    struct buffer out;
    /** Calls that had their part of this turn of the loop, and go on in the next. */
    struct call_queue unread;
    uv_idle_t next_turn;
    char in[16 * 1024];
};

/** `exchanges` has its owner's part. */
void exchanges_open(struct exchanges *exchanges, const struct http_client_options *options);
/** Closes what is idle; no call has a connection any more. The owner closes `flush` and `next_turn`. */
void exchanges_close(struct exchanges *exchanges);
/** After exchanges_close, and once libcurl has closed all connections that it had left. */
void exchanges_free(struct exchanges *exchanges);
/** May the present hop of the call go this way? Its proxy is known. */
PA_MUST_USE bool exchange_is_possible(const struct http_call *call);
/** Gives the call an idle connection, on which its request is sent soon. False: there is none. */
PA_MUST_USE bool exchange_reuse(struct exchanges *exchanges, struct http_call *call);
/** Closes idle connections that are too old to be used again, and others where there are too many with so
 * many new ones that are about to be made. */
void exchanges_make_room(struct exchanges *exchanges, size_t coming);
/** The call found no descriptor: closes idle connections, so that it can be begun anew. False: none is idle.
 */
PA_MUST_USE bool exchanges_give_descriptors(struct exchanges *exchanges, struct http_call *call);
/** Options for call->easy, which is to make a connection. */
void exchange_prepare(struct http_call *call);
/** call->easy has made it: sends the request. */
void exchange_connected(struct exchanges *exchanges, struct http_call *call);
/** Takes the connection from a call, to be used again or closed; then call->easy is the call's, in no multi
 * handle. */
void exchange_release(struct exchanges *exchanges, struct http_call *call, bool keep);
/** There is room now for a body that was held back. */
void exchange_go_on(struct http_call *call);
