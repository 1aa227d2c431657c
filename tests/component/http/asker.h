/* A client and an endpoint that it asks, and what came of the last request. */
#pragma once
#include "endpoint.h"

enum { ASKER_CONNECTIONS = 8 };

/** The ways on which requests go, in the order in which `asker_open` takes them: over the agent's own
 * exchange, or libcurl's ordinary way, which http URLs go through a proxy (here the endpoint itself) and
 * https URLs where HTTP/2 is wanted (which the endpoint does not speak by itself). */
enum way { OWN_TCP, OWN_TLS, LIBCURL_TCP, LIBCURL_TLS, WAYS };

struct asker {
    struct tested_client http;
    struct endpoint endpoint;
    size_t done;
    struct http_result result;
    char body[64], headers[256], reason[HTTP_REASON_SIZE];
};

static inline void asker_ended(void *ctx, const struct http_result *result)
{
    struct asker *asker = ctx;
    asker->result = *result;
    snprintf(asker->body, sizeof asker->body, "%.*s", (int)result->body.len,
             result->body.ptr ? result->body.ptr : "");
    snprintf(asker->headers, sizeof asker->headers, "%.*s", (int)result->headers.len,
             result->headers.ptr ? result->headers.ptr : "");
    snprintf(asker->reason, sizeof asker->reason, "%s", result->reason);
    asker->done++;
}

/** Deadlines that are not in the options are a minute of a clock that stands still; `ctx` is the endpoint's.
 */
static inline void asker_open(struct asker *asker, struct http_client_options options, enum way way,
                              void (*asked)(struct endpoint_peer *, int), void *ctx)
{
    char itself[64];
    int port, fd = bind_to_loopback(&port);
    snprintf(itself, sizeof itself, "http://127.0.0.1:%d", port);
    options.http_proxy = way == LIBCURL_TCP ? itself : NULL;
    options.no_proxy = "";
    options.http2 = way == LIBCURL_TLS;
    options.connect_timeout_ms = 60000;
    options.idle_timeout_ms = options.idle_timeout_ms ? options.idle_timeout_ms : 60000;
    options.total_timeout_ms = options.total_timeout_ms ? options.total_timeout_ms : 60000;
    options.max_response_bytes = options.max_response_bytes ? options.max_response_bytes : 100000;
    options.max_connections = ASKER_CONNECTIONS;
    tested_client_open(&asker->http, 0, options);
    endpoint_open(&asker->endpoint, &asker->http, fd, way == OWN_TLS || way == LIBCURL_TLS, asked, ctx);
}

static inline void asker_close(struct asker *asker)
{
    endpoint_end(&asker->endpoint);
    tested_client_close(&asker->http);
}

/** The request is the endpoint's number `n`; POST, unless it says anything else. */
static inline void asker_begin(struct asker *asker, const char *scheme, int n, struct http_request request)
{
    char url[64], number[16];
    snprintf(url, sizeof url, "%s://127.0.0.1:%d/", scheme, asker->endpoint.port);
    snprintf(number, sizeof number, "%d", n);
    const struct http_header header = {SLICE_LITERAL("X-N"), slice_of(number)};
    request.method = request.method ? request.method : "POST";
    request.url = url;
    request.headers = &header;
    request.header_count = 1;
    assert_non_null(http_start(asker->http.client, &request, asker_ended, asker));
}

static inline void asker_run(struct asker *asker, size_t done)
{
    while (asker->done < done)
        uv_run(&asker->http.loop, UV_RUN_ONCE);
}

/** A request with this body, over the endpoint's own scheme. */
static inline void asker_post(struct asker *asker, int n, struct slice body)
{
    asker_begin(asker, asker->endpoint.tls ? "https" : "http", n, (struct http_request){.body = body});
}

/** Until all that is on its way has been looked at. */
static inline void asker_settle(struct asker *asker)
{
    enum { SOON_MS = 20 };
    uint64_t until = uv_now(&asker->http.loop) + SOON_MS;
    while (uv_now(&asker->http.loop) < until)
        uv_run(&asker->http.loop, UV_RUN_ONCE);
}
