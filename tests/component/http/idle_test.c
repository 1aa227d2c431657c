/* Connections that nobody uses: how many are kept, which go first, and that they give their descriptors up.
 */
#include "endpoint.h"
#include "http/connections.h"
#include <sys/resource.h>
#include <unistd.h>

enum { SOON_MS = 50, USED_MAX_MS = 118 * 1000 };

struct world {
    struct tested_client http;
    struct endpoint endpoint;
    size_t done;
};

static void open_world(struct world *world, bool tls, size_t most, size_t more, size_t idle_bytes)
{
    int port;
    *world = (struct world){0};
    const struct http_client_options options = {.connect_timeout_ms = 60000,
                                                .idle_timeout_ms = 60000,
                                                .total_timeout_ms = 60000,
                                                .max_response_bytes = 100000,
                                                .max_connections = most,
                                                .more_connections = more,
                                                .idle_bytes = idle_bytes};
    tested_client_open(&world->http, 0, options);
    endpoint_open(&world->endpoint, &world->http, bind_to_loopback(&port), tls, endpoint_answer, world);
}

static void close_world(struct world *world)
{
    endpoint_end(&world->endpoint);
    tested_client_close(&world->http);
}

static void ended(void *ctx, const struct http_result *result)
{
    struct world *world = ctx;
    if (result->failure != HTTP_OK)
        fail_msg("%s", result->reason);
    world->done++;
}

/** Each user is a destination of its own. */
static void ask(struct world *world, unsigned destination)
{
    static const struct http_header header = {SLICE_LITERAL("X-N"), SLICE_LITERAL("1")};
    char url[64];
    size_t done = world->done + 1;
    snprintf(url, sizeof url, "%s://u%u@127.0.0.1:%d/", world->endpoint.tls ? "https" : "http", destination,
             world->endpoint.port);
    const struct http_request request = {.method = "POST", .url = url, .headers = &header, .header_count = 1};
    assert_non_null(http_start(world->http.client, &request, ended, world));
    while (world->done < done)
        uv_run(&world->http.loop, UV_RUN_ONCE);
}

static void ask_all(struct world *world, unsigned from, unsigned to)
{
    for (unsigned i = from; i <= to; i++)
        ask(world, i);
}

/** Connections that are open, once all that is on its way has been looked at. */
static size_t open_ones(struct world *world)
{
    uint64_t until = uv_now(&world->http.loop) + SOON_MS;
    size_t open = 0;
    while (uv_now(&world->http.loop) < until)
        uv_run(&world->http.loop, UV_RUN_ONCE);
    for (const struct endpoint_peer *peer = world->endpoint.peers; peer; peer = peer->next)
        open++;
    return open;
}

static void each_destination_keeps_its_connection(void **state)
{
    (void)state;
    for (int tls = 0; tls <= 1; tls++) {
        struct world world;
        open_world(&world, tls, 2, 8, SIZE_MAX);
        ask_all(&world, 1, 10);
        ask_all(&world, 1, 10);
        assert_int_equal(world.endpoint.connections, 10);
        ask(&world, 11); /* in the first one's place, which nobody has used for longest */
        assert_int_equal(open_ones(&world), 10);
        ask_all(&world, 2, 11);
        assert_int_equal(world.endpoint.connections, 11);
        ask(&world, 1);
        assert_int_equal(world.endpoint.connections, 12);
        close_world(&world);
    }
}

static void what_idle_ones_hold_is_bounded(void **state)
{
    (void)state;
    static const size_t bytes[] = {CONNECTION_BYTES, CONNECTION_TLS_BYTES};
    for (int tls = 0; tls <= 1; tls++) {
        struct world world;
        open_world(&world, tls, 2, 100, 5 * bytes[tls]);
        ask_all(&world, 1, 12);
        assert_int_equal(open_ones(&world), 5);
        close_world(&world);
        open_world(&world, tls, 7, 100, 5 * bytes[tls]); /* these are kept whatever they hold */
        ask_all(&world, 1, 12);
        assert_int_equal(open_ones(&world), 7);
        close_world(&world);
    }
}

static void those_that_are_too_old_are_closed(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, false, 2, 8, SIZE_MAX);
    ask_all(&world, 1, 6);
    world.http.now_ms += USED_MAX_MS - 1;
    ask(&world, 7);
    assert_int_equal(open_ones(&world), 7);
    world.http.now_ms++;
    http_client_trim(world.http.client);
    assert_int_equal(open_ones(&world), 1);
    ask(&world, 7);
    assert_int_equal(world.endpoint.connections, 7);
    close_world(&world);
}

static void a_new_one_takes_the_descriptor_of_an_idle_one(void **state)
{
    (void)state;
    struct world world;
    struct rlimit before;
    open_world(&world, false, 2, 8, SIZE_MAX);
    ask_all(&world, 1, 6);
    assert_int_equal(open_ones(&world), 6);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int lowest = dup(STDERR_FILENO);
    close(lowest);
    const struct rlimit none = {.rlim_cur = (rlim_t)lowest, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    ask(&world, 7); /* the endpoint, in the same process, needs a descriptor too */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(open_ones(&world), 5);
    ask_all(&world, 3, 7);
    assert_int_equal(world.endpoint.connections, 7);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_destination_keeps_its_connection),
        cmocka_unit_test(what_idle_ones_hold_is_bounded),
        cmocka_unit_test(those_that_are_too_old_are_closed),
        cmocka_unit_test(a_new_one_takes_the_descriptor_of_an_idle_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
