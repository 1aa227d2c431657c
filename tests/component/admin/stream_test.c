/* Answers without an end, and their bounds: how many watch, what is held for one that reads slowly, and what
 * becomes of one that does not read at all. Watchers are sockets of this test, on the same loop's thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/server.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENT_MS = 120000, HASTY_MS = 100, LARGE = 256 << 10 };

struct watch {
    struct world *world;
    size_t asked;
    bool ended;
};

struct world {
    uv_loop_t loop;
    uv_timer_t alive;
    struct admin_server *server;
    uint16_t port;
    /** Bytes of a piece; 0: "<asked> ". */
    size_t piece;
    /** Nothing is new. */
    bool quiet;
    bool fails;
    size_t begun, ended;
    struct watch watches[64];
    char last_event_id[32];
};

static void more(void *ctx, struct buffer *out)
{
    struct watch *watch = ctx;
    const struct world *world = watch->world;
    assert_false(watch->ended);
    watch->asked++;
    out->failed |= world->fails;
    if (!world->quiet && world->piece == 0)
        buffer_appendf(out, "<%zu>", watch->asked);
    for (size_t i = 0; !world->quiet && i < world->piece; i++)
        buffer_append_char(out, 'x');
}

static void ended(void *ctx)
{
    struct watch *watch = ctx;
    assert_false(watch->ended);
    watch->ended = true;
    watch->world->ended++;
}

static void answer(void *ctx, const struct admin_request *request, struct admin_answer *answer)
{
    struct world *world = ctx;
    struct watch *watch = &world->watches[world->begun++ % 64];
    snprintf(world->last_event_id, sizeof world->last_event_id, "%s", request->last_event_id);
    answer->status = 200;
    answer->content_type = "text/event-stream";
    if (strcmp(request->path, "/plain") == 0) {
        world->begun--;
        answer->policy = "default-src 'self'";
        return;
    }
    *watch = (struct watch){.world = world};
    answer->stream = (struct admin_stream){.more = more, .ended = ended, .ctx = watch};
}

static void nothing_to_do(uv_timer_t *timer)
{
    (void)timer;
}

static struct world *world_new(int64_t client_ms)
{
    struct world *world = calloc(1, sizeof *world);
    struct error err = {0};
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    assert_non_null(world);
    uv_loop_init(&world->loop);
    uv_timer_init(&world->loop, &world->alive);
    uv_timer_start(&world->alive, nothing_to_do, 10, 10);
    int fd = admin_listen("127.0.0.1:0", &err);
    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    world->port = address.sin_port;
    const struct admin_server_options options = {.loop = &world->loop,
                                                 .fd = fd,
                                                 .token = {"", 0},
                                                 .answer = answer,
                                                 .ctx = world,
                                                 .client_ms = client_ms,
                                                 .stream_ms = 10};
    world->server = admin_server_new(&options, &err);
    assert_non_null(world->server);
    return world;
}

static void world_free(struct world *world)
{
    admin_server_close(world->server);
    uv_close((uv_handle_t *)&world->alive, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    assert_int_equal(world->ended, world->begun);
    free(world);
}

/** With that path, as "GET" or another method; `bytes`: of what the system keeps for it; 0: as it does. */
static int ask(const struct world *world, const char *method, const char *path, int bytes)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = world->port, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char request[256];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bytes > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    int len = snprintf(request, sizeof request,
                       "%s %s HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 7\r\n\r\n", method, path);
    assert_int_equal(send(fd, request, (size_t)len, MSG_NOSIGNAL), len);
    return fd;
}

static int watch(const struct world *world)
{
    return ask(world, "GET", "/", 0);
}

/** What is there now, behind what is in `got`; false: the other end has closed. */
static bool read_some(struct world *world, int fd, struct buffer *got)
{
    char bytes[65536];
    uv_run(&world->loop, UV_RUN_NOWAIT);
    ssize_t len = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (len < 0)
        usleep(500);
    if (len > 0)
        buffer_append(got, bytes, (size_t)len);
    return len > 0 || (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

/** Until that has come; a failure never ends. */
static void read_until(struct world *world, int fd, struct buffer *got, const char *text)
{
    while (!strstr(buffer_text(got), text))
        assert_true(read_some(world, fd, got));
}

static void read_to_end(struct world *world, int fd, struct buffer *got)
{
    while (read_some(world, fd, got))
        ;
    close(fd);
}

static void pieces_come_until_the_watcher_leaves(void **state)
{
    (void)state;
    struct world *world = world_new(PATIENT_MS);
    struct buffer got = {0};
    int fd = watch(world);
    read_until(world, fd, &got, "<1>");
    assert_non_null(strstr(buffer_text(&got), "HTTP/1.1 200 "));
    assert_non_null(strstr(buffer_text(&got), "Content-Type: text/event-stream\r\n"));
    assert_non_null(strstr(buffer_text(&got), "Content-Security-Policy: default-src 'none'"));
    assert_string_equal(world->last_event_id, "7");
    read_until(world, fd, &got, "<3>");
    close(fd);
    while (world->ended == 0) /* a failure never ends */
        uv_run(&world->loop, UV_RUN_ONCE);
    buffer_clear(&got);
    world_free(world);
}

static void who_finds_no_place_is_told_and_finds_one_when_another_leaves(void **state)
{
    (void)state;
    struct world *world = world_new(PATIENT_MS);
    int fds[ADMIN_STREAMS_MAX];
    struct buffer got = {0};
    for (size_t i = 0; i < ADMIN_STREAMS_MAX; i++) {
        fds[i] = watch(world);
        got.len = 0;
        read_until(world, fds[i], &got, "<1>");
    }
    got.len = 0;
    read_to_end(world, watch(world), &got);
    assert_non_null(strstr(buffer_text(&got), "HTTP/1.1 503 "));
    assert_int_equal(world->begun, ADMIN_STREAMS_MAX + 1);
    assert_int_equal(world->ended, 1);
    close(fds[0]);
    while (world->ended == 1)
        uv_run(&world->loop, UV_RUN_ONCE);
    got.len = 0;
    fds[0] = watch(world);
    read_until(world, fds[0], &got, "<1>");
    world_free(world);
    for (size_t i = 0; i < ADMIN_STREAMS_MAX; i++)
        close(fds[i]);
    buffer_clear(&got);
}

static void who_reads_nothing_is_asked_for_no_more_and_others_go_on(void **state)
{
    (void)state;
    struct world *world = world_new(PATIENT_MS);
    struct buffer got = {0};
    world->piece = LARGE;
    int slow = ask(world, "GET", "/", 4096);
    while (world->begun == 0)
        uv_run(&world->loop, UV_RUN_ONCE);
    int fd = watch(world);
    while (world->begun == 1 || world->watches[1].asked < 4)
        assert_true(read_some(world, fd, &got));
    assert_int_equal(world->watches[0].asked, 1);
    /* What it was sent comes whole when it does read, and what is new then behind it. */
    world->piece = 0;
    got.len = 0;
    read_until(world, slow, &got, "<2>");
    assert_true(got.len > LARGE);
    close(slow);
    close(fd);
    buffer_clear(&got);
    world_free(world);
}

static void who_reads_nothing_for_long_is_cut_off(void **state)
{
    (void)state;
    struct world *world = world_new(HASTY_MS);
    world->piece = LARGE;
    int fd = ask(world, "GET", "/", 4096);
    while (world->ended == 0) /* a failure never ends */
        uv_run(&world->loop, UV_RUN_ONCE);
    close(fd);
    world_free(world);
}

static void who_has_read_everything_waits_for_as_long_as_nothing_is_new(void **state)
{
    (void)state;
    struct world *world = world_new(HASTY_MS);
    struct buffer got = {0};
    int fd = watch(world);
    read_until(world, fd, &got, "<1>");
    world->quiet = true;
    for (uint64_t end = uv_now(&world->loop) + 3 * (uint64_t)HASTY_MS; uv_now(&world->loop) < end;)
        assert_true(read_some(world, fd, &got));
    got.len = 0;
    world->quiet = false;
    read_until(world, fd, &got, ">");
    close(fd);
    buffer_clear(&got);
    world_free(world);
}

static void out_of_memory_ends_it(void **state)
{
    (void)state;
    struct world *world = world_new(PATIENT_MS);
    struct buffer got = {0};
    int fd = watch(world);
    read_until(world, fd, &got, "<1>");
    world->fails = true;
    read_to_end(world, fd, &got);
    assert_int_equal(world->ended, 1);
    got.len = 0;
    read_to_end(world, watch(world), &got);
    assert_int_equal(world->ended, 2);
    buffer_clear(&got);
    world_free(world);
}

static void its_headers_alone_are_no_watcher(void **state)
{
    (void)state;
    struct world *world = world_new(PATIENT_MS);
    struct buffer got = {0};
    read_to_end(world, ask(world, "HEAD", "/", 0), &got);
    assert_non_null(strstr(buffer_text(&got), "HTTP/1.1 200 "));
    assert_int_equal(world->ended, 1);
    got.len = 0;
    read_to_end(world, ask(world, "GET", "/plain", 0), &got);
    assert_non_null(strstr(buffer_text(&got), "Content-Security-Policy: default-src 'self'\r\n"));
    assert_non_null(strstr(buffer_text(&got), "X-Frame-Options: DENY\r\n"));
    buffer_clear(&got);
    world_free(world);
}

static void it_closes_with_watchers_of_every_kind(void **state)
{
    (void)state;
    struct world *world = world_new(PATIENT_MS);
    struct buffer got = {0};
    int idle = watch(world);
    read_until(world, idle, &got, "<1>");
    world->piece = LARGE;
    int slow = ask(world, "GET", "/", 4096);
    while (world->begun == 1)
        uv_run(&world->loop, UV_RUN_ONCE);
    world->quiet = true;
    world_free(world);
    close(idle);
    close(slow);
    buffer_clear(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_come_until_the_watcher_leaves),
        cmocka_unit_test(who_finds_no_place_is_told_and_finds_one_when_another_leaves),
        cmocka_unit_test(who_reads_nothing_is_asked_for_no_more_and_others_go_on),
        cmocka_unit_test(who_reads_nothing_for_long_is_cut_off),
        cmocka_unit_test(who_has_read_everything_waits_for_as_long_as_nothing_is_new),
        cmocka_unit_test(out_of_memory_ends_it),
        cmocka_unit_test(its_headers_alone_are_no_watcher),
        cmocka_unit_test(it_closes_with_watchers_of_every_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
