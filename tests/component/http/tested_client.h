/* What tests of the HTTP client stand on: a loop that ticks, a clock that the ticks and the test turn, the
 * client, and raw sockets for servers that no library would serve as. */
#pragma once
#include "http/client.h"
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { TICK_MS = 5 };

struct tested_client {
    uv_loop_t loop;
    uv_timer_t tick; /* a call may end before the loop polls: without it UV_RUN_ONCE would wait for ever */
    int64_t turned_by_a_tick_ms; /* so that the clock stands still while the machine has no time for us */
    int64_t now_ms;              /* on the client's clock */
    struct clock clock;
    struct http_client *client;
};

static inline void tested_client_tick(uv_timer_t *timer)
{
    struct tested_client *tested = timer->data;
    tested->now_ms += tested->turned_by_a_tick_ms;
}

static inline int64_t tested_client_now(void *ctx)
{
    return ((struct tested_client *)ctx)->now_ms;
}

/** `options` as the test wants them; the loop and the clock are set here. */
static inline void tested_client_open(struct tested_client *tested, int64_t turned_by_a_tick_ms,
                                      struct http_client_options options)
{
    struct error err = {0};
    *tested = (struct tested_client){.turned_by_a_tick_ms = turned_by_a_tick_ms};
    uv_loop_init(&tested->loop);
    uv_timer_init(&tested->loop, &tested->tick);
    tested->tick.data = tested;
    uv_timer_start(&tested->tick, tested_client_tick, TICK_MS, TICK_MS);
    tested->clock =
        (struct clock){.monotonic_ms = tested_client_now, .wall_ms = tested_client_now, .ctx = tested};
    options.loop = &tested->loop;
    options.clock = &tested->clock;
    options.user_agent = "test";
    tested->client = http_client_new(&options, &err);
    assert_non_null(tested->client);
}

/** Whatever else the test has on the loop is closing already; a handle that is left behind fails the test. */
static inline void tested_client_close(struct tested_client *tested)
{
    uv_close((uv_handle_t *)&tested->tick, NULL);
    http_client_close(tested->client, NULL, NULL);
    uv_run(&tested->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&tested->loop), 0);
}

/** A socket with a port of loopback, before there is a loop. */
static inline int bind_to_loopback(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/** Listens on such a socket, and returns its port. `data` is the listener's. */
static inline int listen_on(uv_loop_t *loop, uv_tcp_t *listener, int fd, void *data, uv_connection_cb came)
{
    struct sockaddr_in address;
    int length = sizeof address;
    uv_tcp_init(loop, listener);
    listener->data = data;
    assert_int_equal(uv_tcp_open(listener, fd), 0);
    assert_int_equal(uv_listen((uv_stream_t *)listener, 64, came), 0);
    uv_tcp_getsockname(listener, (struct sockaddr *)&address, &length);
    return ntohs(address.sin_port);
}

/** The same on a port that it chooses. */
static inline int listen_on_loopback(uv_loop_t *loop, uv_tcp_t *listener, void *data, uv_connection_cb came)
{
    int port;
    return listen_on(loop, listener, bind_to_loopback(&port), data, came);
}
