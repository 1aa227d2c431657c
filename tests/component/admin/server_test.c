/* The server that a running agent is asked on, and clients that mean harm: the loop goes on, and others are
 * answered. Clients are sockets of this test, on the same loop's thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/server.h"
#include "admin/socket.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENT_MS = 120000, HASTY_MS = 100, MANY = 40, LARGE = 3 << 20 };

struct world {
    uv_loop_t loop;
    /** The server keeps no loop alive. */
    uv_timer_t alive;
    struct admin_server *server;
    uint16_t port;
    /** Of the requests that were answered. */
    size_t asked;
    struct admin_request last;
    char path[64], target[64], accept[64], method[16];
};

static void answer(void *ctx, const struct admin_request *request, struct admin_answer *answer)
{
    struct world *world = ctx;
    world->asked++;
    world->last = *request;
    snprintf(world->path, sizeof world->path, "%s", request->path);
    snprintf(world->method, sizeof world->method, "%s", request->method);
    snprintf(world->accept, sizeof world->accept, "%s", request->accept);
    snprintf(world->target, sizeof world->target, "%s", request->target ? request->target : "(none)");
    if (strcmp(request->path, "/nothing") == 0)
        return;
    answer->status = 200;
    answer->allow = strcmp(request->path, "/allow") == 0 ? "GET, HEAD" : NULL;
    answer->body.failed = strcmp(request->path, "/failed") == 0;
    if (strcmp(request->path, "/large") != 0) {
        buffer_append_text(&answer->body, "hello");
        return;
    }
    for (size_t i = 0; i < LARGE; i++)
        buffer_append_char(&answer->body, 'x');
}

static void nothing_to_do(uv_timer_t *timer)
{
    (void)timer;
}

static struct world *world_of(int fd, bool local, const char *token, int64_t client_ms)
{
    struct world *world = calloc(1, sizeof *world);
    struct error err = {0};
    assert_non_null(world);
    uv_loop_init(&world->loop);
    uv_timer_init(&world->loop, &world->alive);
    uv_timer_start(&world->alive, nothing_to_do, 3600000, 3600000);
    const struct admin_server_options options = {.loop = &world->loop,
                                                 .fd = fd,
                                                 .local = local,
                                                 .token = slice_of(token),
                                                 .answer = answer,
                                                 .ctx = world,
                                                 .client_ms = client_ms};
    world->server = admin_server_new(&options, &err);
    assert_non_null(world->server);
    return world;
}

static struct world *world_on_port(const char *token, int64_t client_ms)
{
    struct error err = {0};
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    int fd = admin_listen("127.0.0.1:0", &err);
    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    struct world *world = world_of(fd, false, token, client_ms);
    world->port = address.sin_port;
    return world;
}

static struct world *world_new(const char *token)
{
    return world_on_port(token, PATIENT_MS);
}

static void world_free(struct world *world)
{
    admin_server_close(world->server);
    uv_close((uv_handle_t *)&world->alive, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    free(world);
}

/** From the address 127.0.0.`from`. */
static int client_from(const struct world *world, unsigned from)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = world->port, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK - 1 + from)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int client_of(const struct world *world)
{
    return client_from(world, 1);
}

static void send_text(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL); /* it may be closed already */
}

/** Goes on until the other end has closed; what came, with a NUL; the caller frees. */
static char *receive(struct world *world, int fd)
{
    struct buffer got = {0};
    char bytes[65536];
    for (;;) {
        uv_run(&world->loop, UV_RUN_NOWAIT);
        ssize_t len = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (len > 0)
            buffer_append(&got, bytes, (size_t)len);
        else if (len == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
            break;
        else
            usleep(500);
    }
    close(fd);
    return buffer_take(&got, NULL);
}

static char *exchange(struct world *world, const char *request)
{
    int fd = client_of(world);
    send_text(fd, request);
    return receive(world, fd);
}

static void expect_status(struct world *world, const char *request, const char *status)
{
    char *got = exchange(world, request), line[64];
    snprintf(line, sizeof line, "HTTP/1.1 %s ", status);
    if (!got || strncmp(got, line, strlen(line)) != 0)
        fail_msg("%s\n-> %s", request, got ? got : "");
    free(got);
}

/** Asks from that address until it is answered; a failure never ends. */
static void ask_from(struct world *world, unsigned from)
{
    for (bool answered = false; !answered;) {
        int fd = client_from(world, from);
        send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        char *got = receive(world, fd);
        answered = strncmp(got, "HTTP/1.1 200 ", 13) == 0;
        free(got);
    }
}

static void a_request_is_asked_once_and_its_answer_closes_the_connection(void **state)
{
    (void)state;
    struct world *world = world_new("");
    char *got =
        exchange(world, "GET /run?target=r%5F1&x=y HTTP/1.1\r\nHost: 127.0.0.1:1\r\nAccept: a/b\r\n\r\n"
                        "GET /second HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert_non_null(strstr(got, "\r\n\r\nhello"));
    assert_non_null(strstr(got, "Connection: close\r\n"));
    assert_non_null(strstr(got, "Cache-Control: no-store\r\n"));
    assert_null(strstr(got, "Access-Control"));
    assert_int_equal(world->asked, 1);
    assert_string_equal(world->path, "/run");
    assert_string_equal(world->target, "r_1");
    assert_string_equal(world->accept, "a/b");
    free(got);
    expect_status(world, "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", "404");
    assert_string_equal(world->target, "(none)");
    expect_status(world, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "200");
    assert_string_equal(world->method, "GET");
    world_free(world);
}

static void the_token_and_loopback_decide_who_sees_and_changes(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        bool sees, changes;
    } cases[] = {
        {"Host: 127.0.0.1:9464", true, false},
        {"Host: localhost", true, false},
        {"Host: LocalHost:9464", true, false},
        {"Host: [::1]:9464", true, false},
        {"Host: evil.example", false, false},
        {"Host: 127.0.0.1.evil.example:9464", false, false},
        {"Host: localhost.", false, false},
        {"Host: ", false, false},
        {"Host: evil.example\r\nAuthorization: Bearer right", true, true},
        {"Host: evil.example\r\nAuthorization: bearer right", true, true},
        {"Host: evil.example\r\nAuthorization: Bearer wrong", false, false},
        {"Host: evil.example\r\nAuthorization: Bear", false, false},
        {"Host: evil.example\r\nAuthorization: Bearer righ", false, false},
        {"Host: evil.example\r\nAuthorization: Bearer rightt", false, false},
        {"Host: evil.example\r\nAuthorization: Basic right", false, false},
        {"Host: localhost\r\nAuthorization: Bearer ", true, false},
        {"Host: localhost\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors", true, false},
        {"Host: localhost\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate", true, false},
        {"Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate", true, false},
        {"Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors", false, false},
        {"Host: localhost\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors", false, false},
    };
    struct world *world = world_new("right");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char request[200];
        snprintf(request, sizeof request, "GET / HTTP/1.1\r\n%s\r\n\r\n", cases[i].headers);
        expect_status(world, request, "200");
        if (world->last.may_see != cases[i].sees || world->last.may_change != cases[i].changes)
            fail_msg("%s: sees %d, changes %d", cases[i].headers, world->last.may_see,
                     world->last.may_change);
    }
    admin_server_use_token(world->server, SLICE_LITERAL("new"));
    expect_status(world, "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer right\r\n\r\n", "200");
    assert_false(world->last.may_see || world->last.may_change);
    expect_status(world, "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer new\r\n\r\n", "200");
    assert_true(world->last.may_see && world->last.may_change);
    world_free(world);
    world = world_new("");
    expect_status(world, "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \r\n\r\n", "200");
    assert_false(world->last.may_see || world->last.may_change);
    world_free(world);
}

/** A client of this family, connected to the world's port. */
static int client_by(const struct world *world, int family, const char *host)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = world->port};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = world->port};
    bool six = family == AF_INET6;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(inet_pton(family, host, six ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr), 1);
    assert_int_equal(
        connect(fd, six ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4, six ? sizeof v6 : sizeof v4), 0);
    return fd;
}

/** On a socket of both families an IPv4 client has an IPv6 address. */
static void loopback_sees_in_either_family(void **state)
{
    (void)state;
    static const struct {
        int family;
        const char *host;
    } cases[] = {{AF_INET6, "::1"}, {AF_INET, "127.0.0.1"}, {AF_INET, "127.9.8.7"}};
    struct error err = {0};
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t size = sizeof address;
    int fd = admin_listen(":0", &err);
    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, &address.any, &size), 0);
    bool six = address.any.sa_family == AF_INET6;
    struct world *world = world_of(fd, false, "", PATIENT_MS);
    world->port = six ? address.v6.sin6_port : address.v4.sin_port;
    for (size_t i = six ? 0 : 1; i < sizeof cases / sizeof *cases; i++) {
        int client = client_by(world, cases[i].family, cases[i].host);
        send_text(client, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        free(receive(world, client));
        assert_int_equal(world->asked, i + (six ? 1 : 0));
        if (!world->last.may_see)
            fail_msg("%s does not see", cases[i].host);
    }
    world_free(world);
}

static void an_answer_says_what_is_allowed_and_whether_memory_was_there(void **state)
{
    (void)state;
    struct world *world = world_new("");
    char *got = exchange(world, "PUT /allow HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_non_null(strstr(got, "\r\nAllow: GET, HEAD\r\n"));
    assert_string_equal(world->method, "PUT");
    free(got);
    got = exchange(world, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_null(strstr(got, "Allow: "));
    free(got);
    got = exchange(world, "GET /failed HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_memory_equal(got, "HTTP/1.1 503 ", 13);
    assert_null(strstr(got, "hello"));
    free(got);
    world_free(world);
}

static void what_is_no_request_here_is_refused_and_not_asked(void **state)
{
    (void)state;
    struct world *world = world_new("");
    expect_status(world, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "413");
    expect_status(world, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "413");
    expect_status(world, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400");
    free(exchange(world, "GET / HTTP/1.1\r\n\r\n"));
    free(exchange(world, "\x16\x03\x01 is no HTTP at all\r\n\r\n"));
    free(exchange(world, "GET\r\n\r\n"));
    assert_int_equal(world->asked, 0);
    expect_status(world, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "200");
    world_free(world);
}

static void headers_without_end_are_cut_off(void **state)
{
    (void)state;
    struct world *world = world_new("");
    int fd = client_of(world);
    char line[1024];
    memset(line, 'a', sizeof line);
    memcpy(line, "x: ", 3);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    send_text(fd, "GET / HTTP/1.1\r\n");
    ssize_t sent = 0;
    for (int i = 0; i < 4096 && sent >= 0; i++) { /* 4 MiB, if it were let */
        sent = send(fd, line, sizeof line, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            sent = 0;
        uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    free(receive(world, fd));
    assert_int_equal(world->asked, 0);
    world_free(world);
}

/** One that says a byte now and then is never idle, and is cut off all the same. */
static void a_client_that_takes_too_long_is_cut_off_however_busy_it_is(void **state)
{
    (void)state;
    struct world *world = world_on_port("", HASTY_MS);
    int fd = client_of(world);
    char byte = 'a';
    ssize_t got = -1;
    send_text(fd, "GET / HTTP/1.1\r\nx: ");
    while (got < 0) { /* a failure never ends */
        (void)!send(fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        uv_run(&world->loop, UV_RUN_NOWAIT);
        usleep(5000);
        got = recv(fd, &byte, 1, MSG_DONTWAIT);
        if (got < 0 && errno == ECONNRESET)
            got = 0;
    }
    assert_int_equal(got, 0);
    close(fd);
    world_free(world);
}

static void who_holds_many_connections_keeps_nobody_else_out_and_loses_them_in_time(void **state)
{
    (void)state;
    struct world *world = world_on_port("", HASTY_MS);
    int held[MANY];
    for (size_t i = 0; i < MANY; i++) {
        held[i] = client_of(world);
        uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    ask_from(world, 2);
    ask_from(world, 1);
    for (size_t i = 0; i < MANY; i++)
        close(held[i]);
    world_free(world);
}

static void clients_from_everywhere_hold_every_place_for_a_while_only(void **state)
{
    (void)state;
    struct world *world = world_on_port("", HASTY_MS);
    int held[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        held[i] = client_from(world, i + 2);
        uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    ask_from(world, 1);
    for (size_t i = 0; i < MANY; i++)
        close(held[i]);
    world_free(world);
}

static void who_reads_nothing_of_a_large_answer_holds_nobody_up(void **state)
{
    (void)state;
    struct world *world = world_new("");
    int fd = client_of(world);
    send_text(fd, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    while (world->asked == 0)
        uv_run(&world->loop, UV_RUN_NOWAIT);
    expect_status(world, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "200");
    char *got = exchange(world, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(strlen(got) > LARGE);
    free(got);
    close(fd);
    world_free(world);
}

static void whoever_hangs_up_at_any_point_leaves_nothing(void **state)
{
    (void)state;
    static const char request[] = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
    struct world *world = world_on_port("", HASTY_MS);
    for (size_t len = 0; len < sizeof request; len++) {
        int fd = client_of(world);
        const struct linger reset = {.l_onoff = 1};
        (void)!send(fd, request, len, MSG_NOSIGNAL);
        uv_run(&world->loop, UV_RUN_NOWAIT);
        if (len % 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    ask_from(world, 1);
    world_free(world);
}

static void it_closes_under_way(void **state)
{
    (void)state;
    struct world *world = world_new("");
    int fd = client_of(world);
    send_text(fd, "GET / HTTP/1.1\r\n");
    uv_run(&world->loop, UV_RUN_NOWAIT);
    world_free(world);
    close(fd);
}

static void over_its_unix_socket_everything_is_seen_and_changed(void **state)
{
    (void)state;
    char setting[60], name[ADMIN_SOCKET_NAME_SIZE];
    struct error err = {0};
    snprintf(setting, sizeof setting, "@server_test-%d", (int)getpid());
    const struct admin_socket_choice choice = {.setting = setting, .org_id = "", .group_id = ""};
    struct world *world = world_of(admin_socket_listen(&choice, name, &err), true, "", PATIENT_MS);
    int fd = admin_socket_connect(setting, &err);
    assert_true(fd >= 0);
    send_text(fd, "POST /pause HTTP/1.1\r\nHost: localhost\r\n\r\n");
    free(receive(world, fd));
    assert_int_equal(world->asked, 1);
    assert_true(world->last.may_see && world->last.may_change);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_asked_once_and_its_answer_closes_the_connection),
        cmocka_unit_test(the_token_and_loopback_decide_who_sees_and_changes),
        cmocka_unit_test(loopback_sees_in_either_family),
        cmocka_unit_test(an_answer_says_what_is_allowed_and_whether_memory_was_there),
        cmocka_unit_test(what_is_no_request_here_is_refused_and_not_asked),
        cmocka_unit_test(headers_without_end_are_cut_off),
        cmocka_unit_test(a_client_that_takes_too_long_is_cut_off_however_busy_it_is),
        cmocka_unit_test(who_holds_many_connections_keeps_nobody_else_out_and_loses_them_in_time),
        cmocka_unit_test(clients_from_everywhere_hold_every_place_for_a_while_only),
        cmocka_unit_test(who_reads_nothing_of_a_large_answer_holds_nobody_up),
        cmocka_unit_test(whoever_hangs_up_at_any_point_leaves_nothing),
        cmocka_unit_test(it_closes_under_way),
        cmocka_unit_test(over_its_unix_socket_everything_is_seen_and_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
