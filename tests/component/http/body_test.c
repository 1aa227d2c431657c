/* Long responses share a bounded room: they wait for it, nobody waits for ever, and no origin takes it all.
 */
#include "agent/http_server/server.h"
#include "http/client_internal.h"
#include "tested_client.h"
#include <sys/socket.h>

enum {
    IDLE_MS = 300,
    TOTAL_MS = 20000,
    LONGEST = 100 * 1000,
    ROOM = 400 * 1000,
    LONG = 90 * 1000,
    SMALL = 10 * 1000
};

struct world {
    struct tested_client http; /* its clock stands still but for what the test says */
    struct http_server *server;
    uv_tcp_t stalling; /* sends all of its body but the last byte, which POST alone gets */
    int stalling_port;
    struct stalled *stalled;
    size_t held_elsewhere; /* what the client is told */
    size_t most_waiting;
    size_t done, whole, cut, shortest_cut, longest_cut;
    struct http_result last;
};

struct stalled {
    uv_tcp_t tcp;
    uv_write_t write;
    bool answered;
    struct stalled *next;
};

static char filler[LONG];

/** A frame of zstd whose window is 8 MiB. */
static char window[] = "\x28\xb5\x2f\xfd\x00\x68\x09\x00\x00x";

/** LONG bytes of x in a block of one byte that is repeated. */
static char long_frame[] = "\x28\xb5\x2f\xfd\x00\x68\x83\xfc\x0a"
                           "x";

/** Two stored blocks of raw deflate. */
static struct slice deflated(void)
{
    static char out[LONG + 10];
    size_t at = 0;
    for (size_t done = 0; done < LONG;) {
        size_t len = LONG - done > 50000 ? 50000 : LONG - done;
        out[at++] = done + len == LONG;
        out[at++] = (char)(len & 0xFF);
        out[at++] = (char)(len >> 8);
        out[at++] = (char)(~len & 0xFF);
        out[at++] = (char)((~len >> 8) & 0xFF);
        memcpy(out + at, filler, len);
        at += len;
        done += len;
    }
    return (struct slice){out, at};
}

static void serve(void *ctx, struct http_exchange *exchange, const struct http_server_request *request)
{
    (void)ctx;
    struct slice body = {filler, LONG};
    if (slice_equal_text(request->target, "/small"))
        http_server_answer(exchange, 200, "text/plain", NULL, (struct slice){filler, SMALL}, 0);
    else if (slice_equal_text(request->target, "/moved"))
        http_server_answer(exchange, 307, "text/plain", "Location: http://other.internal/\r\n", body, 0);
    else if (slice_equal_text(request->target, "/deflated"))
        http_server_answer(exchange, 200, "text/plain", "Content-Encoding: deflate\r\n", deflated(), 0);
    else if (slice_equal_text(request->target, "/zstd"))
        http_server_answer(exchange, 200, "text/plain", "Content-Encoding: zstd\r\n",
                           (struct slice){long_frame, sizeof long_frame - 1}, 0);
    else if (slice_equal_text(request->target, "/half-plain"))
        http_server_answer(exchange, 200, "text/plain", "Content-Encoding: gzip\r\n",
                           SLICE_LITERAL("no gzip at all"), 0);
    else if (slice_equal_text(request->target, "/window"))
        http_server_answer(exchange, 200, "text/plain", "Content-Encoding: zstd\r\n",
                           (struct slice){window, sizeof window - 1}, 0);
    else
        http_server_answer(exchange, 200, "text/plain", NULL, body, 0);
}

/* The stalling server */

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    static char bytes[4096];
    (void)handle;
    (void)suggested;
    *buffer = (uv_buf_t){.base = bytes, .len = sizeof bytes};
}

static void request_came(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    static char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n";
    struct stalled *peer = stream->data;
    if (got <= 0 || peer->answered)
        return;
    peer->answered = true;
    uv_os_fd_t fd = -1;
    uv_fileno((const uv_handle_t *)stream, &fd);
    while (recv(fd, buffer->base + 1, buffer->len - 1, MSG_DONTWAIT) > 0)
        ; /* so that whoever sends can go on when the answer comes */
    size_t len = *buffer->base == 'P' ? LONG : LONG - 1;
    uv_buf_t bytes[] = {{.base = head, .len = sizeof head - 1}, {.base = filler, .len = len}};
    uv_write(&peer->write, stream, bytes, 2, NULL);
}

static void connection_came(uv_stream_t *listener, int status)
{
    struct world *world = listener->data;
    struct stalled *peer = calloc(1, sizeof *peer);
    assert_int_equal(status, 0);
    assert_non_null(peer);
    uv_tcp_init(&world->http.loop, &peer->tcp);
    peer->tcp.data = peer;
    peer->next = world->stalled;
    world->stalled = peer;
    uv_accept(listener, (uv_stream_t *)&peer->tcp);
    uv_read_start((uv_stream_t *)&peer->tcp, give_buffer, request_came);
}

static void peer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* The world */

static size_t held(void *ctx)
{
    return ((struct world *)ctx)->held_elsewhere;
}

static void open_world(struct world *world)
{
    struct error err = {0};
    memset(world, 0, sizeof *world);
    memset(filler, 'x', sizeof filler);
    struct http_client_options options = {.connect_timeout_ms = 20000,
                                          .idle_timeout_ms = IDLE_MS,
                                          .total_timeout_ms = TOTAL_MS,
                                          .max_response_bytes = LONGEST,
                                          .total_response_bytes = ROOM,
                                          .held_elsewhere = held,
                                          .held_ctx = world,
                                          .max_connections = 64,
                                          .redirects = HTTP_REDIRECTS_SAME_HOST};
    tested_client_open(&world->http, 0, options);
    world->stalling_port = listen_on_loopback(&world->http.loop, &world->stalling, world, connection_came);
    world->server = http_server_new(&world->http.loop, 0, serve, world, &err);
    assert_non_null(world->server);
}

static void close_world(struct world *world)
{
    uv_close((uv_handle_t *)&world->stalling, NULL);
    for (struct stalled *peer = world->stalled, *next; peer; peer = next) {
        next = peer->next;
        uv_close((uv_handle_t *)&peer->tcp, peer_closed);
    }
    http_server_close(world->server, NULL, NULL);
    tested_client_close(&world->http);
}

static void finished(void *ctx, const struct http_result *result)
{
    struct world *world = ctx;
    world->last = *result;
    world->done++;
    if (!result->body_cut) {
        world->whole += result->failure == HTTP_OK;
        return;
    }
    world->cut++;
    if (world->shortest_cut == 0 || result->body.len < world->shortest_cut)
        world->shortest_cut = result->body.len;
    if (result->body.len > world->longest_cut)
        world->longest_cut = result->body.len;
}

static struct http_call *start_at(struct world *world, int origin, int port, const char *path)
{
    char url[96];
    snprintf(url, sizeof url, "http://h%d.localhost:%d%s", origin, port, path);
    struct http_request request = {.method = "GET", .url = url};
    struct http_call *call = http_start(world->http.client, &request, finished, world);
    assert_non_null(call);
    return call;
}

static struct http_call *start(struct world *world, int origin, const char *path)
{
    return start_at(world, origin, http_server_port(world->server), path);
}

static size_t waiting(const struct world *world)
{
    size_t count = 0;
    for (struct http_call *call = client_shared(world->http.client)->body_room.waiting; call;
         call = call->next_waiting)
        count++;
    return count;
}

/** One turn of the loop; what is held is within the bound after each. */
static void turn(struct world *world)
{
    uv_run(&world->http.loop, UV_RUN_ONCE);
    assert_in_range(http_client_body_bytes(world->http.client), 0, ROOM + LONGEST);
    if (waiting(world) > world->most_waiting)
        world->most_waiting = waiting(world);
}

static void run_until(struct world *world, size_t done)
{
    while (world->done < done)
        turn(world);
}

static void run_until_waiting(struct world *world, size_t count)
{
    while (waiting(world) < count)
        turn(world);
}

static void many_at_once_all_come_whole(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    for (int i = 0; i < 50; i++)
        start(&world, i % 5, "/long");
    run_until(&world, 50);
    assert_int_equal(world.whole, 50);
    assert_int_equal(http_client_body_bytes(world.http.client), 0);
    close_world(&world);
}

static void all_of_one_origin_come_whole_too(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    for (int i = 0; i < 20; i++)
        start(&world, 1, "/long");
    run_until(&world, 20);
    assert_int_equal(world.whole, 20);
    close_world(&world);
}

/** Silence that is ours does not count against the endpoint; the deadline does, and then its status counts.
 */
static void what_finds_no_room_until_its_deadline_is_cut(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    world.held_elsewhere = ROOM;
    for (int i = 0; i < 5; i++)
        start(&world, i, "/long");
    for (int i = 0; i < 5; i++)
        start(&world, i, "/small");
    run_until(&world, 5);
    assert_int_equal(world.whole, 5); /* the small ones never wait */
    run_until_waiting(&world, 5);
    world.http.now_ms += TOTAL_MS - 1;
    for (int i = 0; i < 100; i++)
        turn(&world);
    assert_int_equal(world.done, 5);
    world.http.now_ms += 1;
    run_until(&world, 10);
    assert_int_equal(world.cut, 5);
    assert_int_equal(world.last.failure, HTTP_OK);
    assert_int_equal(world.last.status, 200);
    assert_int_equal(world.last.body_cut, HTTP_CUT_NO_ROOM);
    assert_in_range(world.shortest_cut, SMALL, 16 * 1024);
    assert_in_range(world.longest_cut, SMALL, 16 * 1024);
    close_world(&world);
}

static void room_that_becomes_free_is_given(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    world.held_elsewhere = ROOM;
    for (int i = 0; i < 4; i++)
        start(&world, i, "/long");
    run_until_waiting(&world, 4);
    world.held_elsewhere = ROOM / 2;
    run_until(&world, 4);
    assert_int_equal(world.whole, 4);
    close_world(&world);
}

static void who_goes_away_while_waiting_leaves_the_others_their_turn(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    world.held_elsewhere = ROOM;
    for (int i = 0; i < 3; i++)
        start(&world, i, "/long");
    run_until_waiting(&world, 3);
    struct http_call *second = client_shared(world.http.client)->body_room.waiting->next_waiting;
    struct http_call *third = second->next_waiting;
    http_call_cancel(second);
    assert_int_equal(waiting(&world), 2);
    http_call_cancel(third);
    run_until(&world, 2);
    assert_int_equal(world.last.failure, HTTP_CANCELLED);
    world.held_elsewhere = 0;
    run_until(&world, 3);
    assert_int_equal(world.last.failure, HTTP_OK);
    assert_int_equal(world.last.body.len, LONG);
    world.held_elsewhere = ROOM;
    start(&world, 1, "/long");
    run_until_waiting(&world, 1);
    close_world(&world); /* while it waits */
    assert_int_equal(world.done, 4);
    assert_int_equal(world.last.failure, HTTP_CANCELLED);
}

/** Its answer comes before the request has gone. What waits comes first, whatever else the connection could
 * do. */
static void a_body_waits_before_its_request_is_sent(void **state)
{
    (void)state;
    enum { LARGE = 8 * 1024 * 1024, TURNS = 1000 };
    struct world world;
    char url[64], *large = calloc(1, LARGE);
    assert_non_null(large);
    open_world(&world);
    world.held_elsewhere = ROOM;
    snprintf(url, sizeof url, "http://localhost:%d/", world.stalling_port);
    struct http_request request = {.method = "POST", .url = url, .body = {large, LARGE}};
    assert_non_null(http_start(world.http.client, &request, finished, &world));
    run_until_waiting(&world, 1);
    for (int i = 0; i < 20; i++)
        turn(&world);
    assert_int_equal(waiting(&world), 1);
    world.held_elsewhere = 0;
    for (int i = 0; i < TURNS && world.done == 0; i++)
        turn(&world);
    assert_int_equal(world.whole, 1);
    assert_int_equal(world.last.body.len, LONG);
    close_world(&world);
    free(large);
}

static void an_origin_that_stalls_in_its_bodies_leaves_room_to_others(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    for (int i = 0; i < 10; i++)
        start_at(&world, 0, world.stalling_port, "/x");
    run_until_waiting(&world, 8);
    for (int i = 0; i < 10; i++)
        start(&world, 1, "/long");
    run_until(&world, 10);
    assert_int_equal(world.whole, 10);
    assert_int_equal(waiting(&world), 8);
    /* Those that do not wait for us are silent, and fail; then others have their turn, and are silent too. */
    while (world.done < 20) {
        world.http.now_ms += IDLE_MS / 4;
        turn(&world);
    }
    assert_int_equal(world.whole, 10);
    close_world(&world);
}

static void a_redirect_does_not_wait_for_the_room_of_its_body(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    world.held_elsewhere = ROOM;
    start(&world, 1, "/moved");
    run_until(&world, 1);
    assert_int_equal(world.last.failure, HTTP_REDIRECT);
    assert_int_equal(world.most_waiting, 0);
    close_world(&world);
}

/** The bytes that libcurl brings again are not decoded again. */
static void a_compressed_body_waits_and_goes_on_where_it_was(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    start(&world, 1, "/deflated");
    run_until(&world, 1);
    assert_int_equal(world.whole, 1);
    assert_int_equal(world.last.body.len, LONG);
    world.held_elsewhere = ROOM;
    start(&world, 1, "/deflated");
    start(&world, 2, "/deflated");
    run_until_waiting(&world, 2);
    world.held_elsewhere = 0;
    run_until(&world, 3);
    assert_int_equal(world.whole, 3);
    assert_int_equal(world.last.body.len, LONG);
    assert_int_equal(http_client_body_bytes(world.http.client), 0);
    close_world(&world);
}

/** Of a window no more is touched than was decoded. */
static void a_large_window_takes_no_room_for_what_it_may_hold(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    world.held_elsewhere = ROOM;
    for (int i = 0; i < 50; i++)
        start(&world, i % 5, "/window");
    run_until(&world, 50);
    assert_int_equal(world.whole, 50);
    assert_int_equal(world.most_waiting, 0);
    assert_int_equal(http_client_body_bytes(world.http.client), 0);
    close_world(&world);
}

static void long_bodies_with_large_windows_all_come_whole_too(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    for (int i = 0; i < 20; i++)
        start(&world, i % 5, "/zstd");
    run_until(&world, 20);
    assert_int_equal(world.whole, 20);
    assert_int_equal(world.last.body.len, LONG);
    close_world(&world);
}

/** Nothing is told of it: nobody reads it. */
static void what_nobody_reads_is_not_decoded(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    char url[96];
    snprintf(url, sizeof url, "http://h1.localhost:%d/half-plain", http_server_port(world.server));
    struct http_request request = {.method = "GET", .url = url, .discard_body = true};
    assert_non_null(http_start(world.http.client, &request, finished, &world));
    run_until(&world, 1);
    assert_int_equal(world.whole, 1);
    assert_int_equal(world.last.body.len, 0);
    request.discard_body = false;
    assert_non_null(http_start(world.http.client, &request, finished, &world));
    run_until(&world, 2);
    assert_int_equal(world.last.body_cut, HTTP_CUT_UNREADABLE);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_at_once_all_come_whole),
        cmocka_unit_test(all_of_one_origin_come_whole_too),
        cmocka_unit_test(what_finds_no_room_until_its_deadline_is_cut),
        cmocka_unit_test(room_that_becomes_free_is_given),
        cmocka_unit_test(who_goes_away_while_waiting_leaves_the_others_their_turn),
        cmocka_unit_test(a_body_waits_before_its_request_is_sent),
        cmocka_unit_test(an_origin_that_stalls_in_its_bodies_leaves_room_to_others),
        cmocka_unit_test(a_redirect_does_not_wait_for_the_room_of_its_body),
        cmocka_unit_test(a_compressed_body_waits_and_goes_on_where_it_was),
        cmocka_unit_test(a_large_window_takes_no_room_for_what_it_may_hold),
        cmocka_unit_test(long_bodies_with_large_windows_all_come_whole_too),
        cmocka_unit_test(what_nobody_reads_is_not_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
