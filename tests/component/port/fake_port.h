/* A Port on loopback that remembers every request and answers as a test's script says. */
#pragma once
#include "agent/http_server/server.h"
#include "base/log.h"
#include "http/client.h"
#include "port/api.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../logs.h"

enum { SEEN_MAX = 4096, WAIT_MS = 120000 };

struct seen {
    char *method, *target, *body, *authorization, *user_agent, *reserved_usage;
};

struct reply {
    int status; /* 0: 200 */
    const char *headers, *body;
    int64_t delay_ms;
    bool cut;  /* no answer: the connection is closed */
    bool hold; /* none until the test answers port->held */
};

struct fake_port {
    uv_loop_t loop;
    struct clock clock; /* the system's, plus `turned_ms` */
    int64_t turned_ms;
    struct http_server *server;
    struct http_client *http;
    struct port_api *api;
    struct seen seen[SEEN_MAX];
    size_t count, tokens;
    const char *expires_in;   /* JSON of the member's value; NULL: 3600 */
    struct reply token_reply; /* status 0: a token */
    /** The answer to the n-th request (from 0) that is no token request. NULL: 200 {}. */
    struct reply (*script)(struct fake_port *port, size_t n, const struct seen *request);
    struct http_exchange *held; /* NULL: none */
    char url[64];
};

static inline int64_t fake_monotonic(void *ctx)
{
    return clock_monotonic_ms(clock_system()) + ((struct fake_port *)ctx)->turned_ms;
}

static inline int64_t fake_wall(void *ctx)
{
    return clock_wall_ms(clock_system()) + ((struct fake_port *)ctx)->turned_ms;
}

static inline double fake_random(void *ctx)
{
    (void)ctx;
    return 0.5;
}

static inline struct reply answer_token(struct fake_port *port, char *text, size_t size)
{
    port->tokens++;
    if (port->token_reply.status != 0)
        return port->token_reply;
    snprintf(text, size, "{\"ok\":true,\"accessToken\":\"token-%zu\",\"expiresIn\":%s}", port->tokens,
             port->expires_in ? port->expires_in : "3600");
    return (struct reply){.body = text, .delay_ms = port->token_reply.delay_ms};
}

static inline void fake_handle(void *ctx, struct http_exchange *exchange,
                               const struct http_server_request *request)
{
    struct fake_port *port = ctx;
    assert_true(port->count < SEEN_MAX);
    struct seen *seen = &port->seen[port->count++];
    seen->method = slice_to_text(request->method);
    seen->target = slice_to_text(request->target);
    seen->body = slice_to_text(request->body);
    seen->authorization = slice_to_text(http_exchange_header(exchange, "Authorization"));
    seen->user_agent = slice_to_text(http_exchange_header(exchange, "User-Agent"));
    seen->reserved_usage = slice_to_text(http_exchange_header(exchange, "x-port-reserved-usage"));
    char text[128];
    struct reply reply = {0};
    if (strcmp(seen->target, "/v1/auth/access_token") == 0)
        reply = answer_token(port, text, sizeof text);
    else if (port->script)
        reply = port->script(port, port->count - port->tokens - 1, seen);
    if (reply.hold)
        port->held = exchange;
    else if (reply.cut)
        http_server_abort(exchange);
    else
        http_server_answer(exchange, reply.status ? reply.status : 200, "application/json", reply.headers,
                           slice_of(reply.body ? reply.body : "{}"), reply.delay_ms);
}

static inline void fake_listen(struct fake_port *port, int number)
{
    struct error err = {0};
    port->server = http_server_new(&port->loop, number, fake_handle, port, &err);
    if (!port->server)
        fail_msg("no server: %s", err.message);
}

/** For servers in this process: what has no answer after its deadlines will never have one. */
static inline struct http_client *loopback_client_with(uv_loop_t *loop, enum http_redirects redirects)
{
    struct error err = {0};
    struct http_client_options options = {.loop = loop,
                                          .clock = clock_system(),
                                          .user_agent = "port-agent/test",
                                          .connect_timeout_ms = 2000,
                                          .idle_timeout_ms = 5000,
                                          .total_timeout_ms = 5000,
                                          .max_response_bytes = 65536,
                                          .max_connections = 32,
                                          .redirects = redirects};
    struct http_client *client = http_client_new(&options, &err);
    if (!client)
        fail_msg("no client: %s", err.message);
    return client;
}

static inline struct http_client *loopback_client(uv_loop_t *loop)
{
    return loopback_client_with(loop, HTTP_REDIRECTS_NONE);
}

static inline struct fake_port *fake_port_new(unsigned max_concurrent)
{
    struct fake_port *port = calloc(1, sizeof *port);
    assert_non_null(port);
    assert_int_equal(uv_loop_init(&port->loop), 0);
    port->clock = (struct clock){fake_monotonic, fake_wall, fake_random, port};
    fake_listen(port, 0);
    port->http = loopback_client(&port->loop);
    snprintf(port->url, sizeof port->url, "http://127.0.0.1:%d", http_server_port(port->server));
    struct port_api_options api = {.loop = &port->loop,
                                   .clock = &port->clock,
                                   .http = port->http,
                                   .base_url = port->url,
                                   .client_id = "id\"1",
                                   .client_secret = SLICE_LITERAL("s\\3cret"),
                                   .former_secret = SLICE_LITERAL("bef0re-it"),
                                   .max_concurrent = max_concurrent};
    port->api = port_api_new(&api);
    assert_non_null(port->api);
    return port;
}

/** Closes everything; a handle that is left behind fails the test. */
static inline void fake_port_free(struct fake_port *port)
{
    port_api_free(port->api);
    http_client_close(port->http, NULL, NULL);
    if (port->held)
        http_server_abort(port->held);
    if (port->server)
        http_server_close(port->server, NULL, NULL);
    uv_run(&port->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&port->loop), 0);
    for (size_t i = 0; i < port->count; i++) {
        struct seen *seen = &port->seen[i];
        free(seen->method);
        free(seen->target);
        free(seen->body);
        free(seen->authorization);
        free(seen->user_agent);
        free(seen->reserved_usage);
    }
    free(port);
}

static inline void wake(uv_timer_t *timer)
{
    (void)timer;
}

static inline void wake_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

/** Runs the loop until *value reaches `wanted`; false: not within `limit_ms`. */
static inline bool run_until_within(struct fake_port *port, const size_t *value, size_t wanted,
                                    int64_t limit_ms)
{
    int64_t end = clock_monotonic_ms(clock_system()) + limit_ms;
    bool closed = false;
    uv_timer_t timer;
    uv_timer_init(&port->loop, &timer);
    timer.data = &closed;
    uv_timer_start(&timer, wake, 5, 5);
    while (*value < wanted && clock_monotonic_ms(clock_system()) < end)
        uv_run(&port->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, wake_closed);
    while (!closed)
        uv_run(&port->loop, UV_RUN_NOWAIT);
    return *value >= wanted;
}

static inline void run_until(struct fake_port *port, const size_t *value, size_t wanted)
{
    if (!run_until_within(port, value, wanted, WAIT_MS))
        fail_msg("%zu of %zu after %d ms; %zu requests seen", *value, wanted, WAIT_MS, port->count);
}

static inline void run_for(struct fake_port *port, int64_t ms)
{
    size_t never = 0;
    run_until_within(port, &never, 1, ms);
}

/** The n-th request (from 0) as "METHOD target body". */
static inline void assert_request(const struct fake_port *port, size_t n, const char *expected)
{
    char text[4096];
    assert_true(n < port->count);
    const struct seen *seen = &port->seen[n];
    snprintf(text, sizeof text, "%s %s %s", seen->method, seen->target, seen->body);
    assert_string_equal(text, expected);
}

/* What is logged, caught in a file. */
