/* A small HTTP/1.1 server on loopback for subcommands and tests; never part of the running agent's service.
 * Keep-alive, bodies by Content-Length (chunked ones are refused), bounded sizes, answers delayed on request.
 */
#pragma once
#include "base/error.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct http_server;
struct http_exchange; /* one request waiting for its answer */

struct http_server_request {
    /** Borrowed until the handler returns. */
    struct slice method, target;
    struct slice body;
    const struct http_exchange *exchange;
};

/** Called once a request is complete. Answer with http_server_answer, now or later. */
typedef void http_server_handler(void *ctx, struct http_exchange *exchange,
                                 const struct http_server_request *request);

/** Listens on 127.0.0.1, port `port` (0: a free one). NULL with the cause in err. */
PA_MUST_USE struct http_server *http_server_new(uv_loop_t *loop, int port, http_server_handler *handler,
                                                void *ctx, struct error *err);
PA_MUST_USE int http_server_port(const struct http_server *server);
/** Value of a request header (name without case), or the null slice. Valid until the handler returns. */
struct slice http_exchange_header(const struct http_exchange *exchange, const char *name);
/** All of them, as "Name: value" lines, each ended by CR LF. Valid as long. */
struct slice http_exchange_headers(const struct http_exchange *exchange);
/** Answers after `delay_ms` (0: at once). `content_type` and `body` are copied; extra_headers is NULL or
 * "Name: value\r\n…". If the client has gone meanwhile nothing happens. The exchange is invalid afterwards.
 */
void http_server_answer(struct http_exchange *exchange, int status, const char *content_type,
                        const char *extra_headers, struct slice body, int64_t delay_ms);
/** Closes the connection without an answer. */
void http_server_abort(struct http_exchange *exchange);
/** Closes all connections; `closed` (may be NULL) runs from the loop when all is gone. */
void http_server_close(struct http_server *server, void (*closed)(void *ctx), void *ctx);
