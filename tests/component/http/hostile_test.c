/* The HTTP client against servers that break the rules: bytes as scripted, on a raw loopback socket. Each
 * case must end with its name, in time, and with bounded memory. */
#include "tested_client.h"
#include <curl/curl.h>

enum {
    IDLE_MS = 400,
    TOTAL_MS = 1500,
    CLOCK_MS_A_TICK = 20,
    KEPT_BYTES = 64 * 1024,
    FLOOD_BYTES = 16 * 1024
};

/** What the server does with every request. */
struct script {
    const char *once;       /* written first */
    size_t once_len;        /* 0: strlen */
    const char *forever;    /* written again and again; NULL: nothing */
    size_t forever_len;     /* 0: strlen */
    unsigned drip_ms;       /* between two times */
    bool close;             /* after `once` */
    bool hang_up_on_second; /* a connection's second request gets no answer */
};

struct world {
    struct tested_client http;
    uv_tcp_t listener;
    int port;
    struct script script;
    struct peer *peers;
    size_t connections, requests;
    char request[16384]; /* the last one's head */
    size_t done;
    struct http_result result;
    char body[256];
};

struct peer {
    struct peer *next;
    struct world *world;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    unsigned open, requests;
    char head[16384];
    size_t len;
};

static void peer_part_closed(uv_handle_t *handle)
{
    struct peer *peer = handle->data;
    if (--peer->open == 0)
        free(peer);
}

static void peer_close(struct peer *peer)
{
    struct peer **at = &peer->world->peers;
    while (*at && *at != peer)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = peer->next;
    uv_close((uv_handle_t *)&peer->tcp, peer_part_closed);
    uv_close((uv_handle_t *)&peer->timer, peer_part_closed);
}

static void again(struct peer *peer);

static void timer_again(uv_timer_t *timer)
{
    again(timer->data);
}

static void written(uv_write_t *write, int status)
{
    struct peer *peer = write->data;
    const struct script *script = &peer->world->script;
    if (uv_is_closing((uv_handle_t *)&peer->tcp))
        return;
    if (status != 0 || (!script->forever && script->close))
        peer_close(peer);
    else if (script->forever)
        uv_timer_start(&peer->timer, timer_again, script->drip_ms, 0);
}

static void send_text(struct peer *peer, const char *text, size_t len)
{
    uv_buf_t bytes = {.base = (char *)(uintptr_t)text, .len = len};
    peer->write.data = peer;
    uv_write(&peer->write, (uv_stream_t *)&peer->tcp, &bytes, 1, written);
}

static void again(struct peer *peer)
{
    static char flood[FLOOD_BYTES];
    const struct script *script = &peer->world->script;
    size_t len = script->forever_len ? script->forever_len : strlen(script->forever);
    size_t copies = script->drip_ms ? 1 : sizeof flood / len;
    for (size_t i = 0; i < copies; i++)
        memcpy(flood + i * len, script->forever, len);
    send_text(peer, flood, copies * len);
}

static void peer_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct peer *peer = handle->data;
    (void)suggested;
    buffer->base = peer->head + peer->len;
    buffer->len = sizeof peer->head - 1 - peer->len;
}

static void peer_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct peer *peer = stream->data;
    struct world *world = peer->world;
    const struct script *script = &world->script;
    (void)buffer;
    if (got < 0) {
        peer_close(peer);
        return;
    }
    peer->len += (size_t)got;
    peer->head[peer->len] = '\0';
    if (!strstr(peer->head, "\r\n\r\n"))
        return;
    memcpy(world->request, peer->head, peer->len + 1);
    peer->len = 0;
    world->requests++;
    if (++peer->requests == 2 && script->hang_up_on_second) {
        peer_close(peer);
        return;
    }
    send_text(peer, script->once, script->once_len ? script->once_len : strlen(script->once));
}

static void accepted(uv_stream_t *listener, int status)
{
    struct world *world = listener->data;
    struct peer *peer = calloc(1, sizeof *peer);
    assert_int_equal(status, 0);
    world->connections++;
    peer->world = world;
    peer->open = 2;
    peer->next = world->peers;
    world->peers = peer;
    uv_tcp_init(&world->http.loop, &peer->tcp);
    uv_timer_init(&world->http.loop, &peer->timer);
    peer->tcp.data = peer->timer.data = peer;
    uv_accept(listener, (uv_stream_t *)&peer->tcp);
    uv_read_start((uv_stream_t *)&peer->tcp, peer_buffer, peer_read);
}

/** `by_libcurl`: requests go libcurl's ordinary way, as those that a proxy is asked for; the server is the
 * proxy. */
static void open_world_on(struct world *world, bool by_libcurl)
{
    char itself[64];
    memset(world, 0, sizeof *world);
    int fd = bind_to_loopback(&world->port);
    snprintf(itself, sizeof itself, "http://127.0.0.1:%d", world->port);
    struct http_client_options options = {.connect_timeout_ms = 20000,
                                          .idle_timeout_ms = IDLE_MS,
                                          .total_timeout_ms = TOTAL_MS,
                                          .max_response_bytes = KEPT_BYTES,
                                          .max_connections = 16,
                                          .verify_tls = true,
                                          .http_proxy = by_libcurl ? itself : NULL,
                                          .no_proxy = "",
                                          .redirects = HTTP_REDIRECTS_SAME_HOST};
    tested_client_open(&world->http, CLOCK_MS_A_TICK, options);
    listen_on(&world->http.loop, &world->listener, fd, world, accepted);
}

static void open_world(struct world *world)
{
    open_world_on(world, false);
}

static void close_listener(struct world *world)
{
    uv_close((uv_handle_t *)&world->listener, NULL);
}

static void close_world(struct world *world)
{
    while (world->peers)
        peer_close(world->peers);
    if (!uv_is_closing((uv_handle_t *)&world->listener))
        close_listener(world);
    tested_client_close(&world->http);
}

static void finished(void *ctx, const struct http_result *result)
{
    struct world *world = ctx;
    world->result = *result;
    snprintf(world->body, sizeof world->body, "%.*s", (int)result->body.len, result->body.ptr);
    world->done++;
}

/** One POST, until it ends, as everything must. `place` is what stands before and after the port. */
static void post(struct world *world, const char *before_port, const char *path)
{
    char text[9000];
    size_t before = world->done;
    snprintf(text, sizeof text, "%s:%d%s", before_port, world->port, path);
    struct http_request request = {.method = "POST", .url = text, .body = SLICE_LITERAL("{}")};
    assert_non_null(http_start(world->http.client, &request, finished, world));
    while (world->done == before)
        uv_run(&world->http.loop, UV_RUN_ONCE);
}

#define HEAD "HTTP/1.1 200 OK\r\n"

#define GZIP_HEAD HEAD "Content-Encoding: gzip\r\n"
/* 22 bytes */
#define GZIP_OK "\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcb\xcf\x06\0\x47\xdd\xdc\x79\x02\0\0\0"

struct expectation {
    const char *name;
    struct script script;
    const char *failure; /* "": a response; with a bar: what both ways say, or libcurls of different ages */
    const char *body;    /* of a response; NULL: not looked at */
    enum http_cut cut;
};

static const struct expectation EXPECTATIONS[] = {
    {.name = "headers without end",
     .script = {.once = HEAD, .forever = "X-Filler: 0123456789012345678901234567890123456789\r\n"},
     .failure = "protocol"},
    {.name = "one header without end",
     .script = {.once = HEAD "X-Filler: ", .forever = "0123456789012345678901234567890123456789"},
     .failure = "protocol"},
    {.name = "a flood of 100 Continue",
     .script = {.once = "", .forever = "HTTP/1.1 100 Continue\r\n\r\n"},
     .failure = "protocol"},
    {.name = "a flood of 103 Early Hints",
     .script = {.once = "", .forever = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"},
     .failure = "protocol"},
    {.name = "informational, then the answer",
     .script = {.once = "HTTP/1.1 103 Early Hints\r\n\r\n" HEAD "Content-Length: 2\r\n\r\nok"},
     .failure = "",
     .body = "ok"},
    {.name = "body in drips",
     .script = {.once = HEAD "\r\n", .forever = "x", .drip_ms = 15},
     .failure = "total_timeout"},
    {.name = "one header line in drips",
     .script = {.once = HEAD "X-A: ", .forever = "x", .drip_ms = 15},
     .failure = "timeout"},
    {.name = "header lines in drips",
     .script = {.once = HEAD, .forever = "X-A: a\r\n", .drip_ms = 15},
     .failure = "total_timeout"},
    {.name = "silence after the headers",
     .script = {.once = HEAD "Content-Length: 5\r\n\r\nab"},
     .failure = "timeout"},
    {.name = "body without end",
     .script = {.once = HEAD "\r\n", .forever = "01234567890123456789012345678901234567890123456789"},
     .failure = "",
     .cut = HTTP_CUT_TOO_LONG},
    {.name = "chunks without end",
     .script = {.once = HEAD "Transfer-Encoding: chunked\r\n\r\n", .forever = "10\r\n0123456789abcdef\r\n"},
     .failure = "",
     .cut = HTTP_CUT_TOO_LONG},
    {.name = "a chunk's extension without end",
     .script = {.once = HEAD "Transfer-Encoding: chunked\r\n\r\n1;",
                .forever = "0123456789012345678901234567890123456789"},
     .failure = "protocol|timeout"},
    {.name = "trailers without end",
     .script = {.once = HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n",
                .forever = "X-A: 0123456789012345678901234567890123456789\r\n"},
     .failure = "protocol"},
    {.name = "less than announced",
     .script = {.once = HEAD "Content-Length: 50\r\n\r\nshort", .close = true},
     .failure = "reset"},
    {.name = "more than announced",
     .script = {.once = HEAD "Content-Length: 2\r\n\r\nokHTTP/1.1 500 Smuggled\r\n\r\n"},
     .failure = "",
     .body = "ok"},
    {.name = "a length that is no number",
     .script = {.once = HEAD "Content-Length: many\r\n\r\nok", .close = true},
     .failure = "protocol"},
    {.name = "a negative length",
     .script = {.once = HEAD "Content-Length: -5\r\n\r\nok", .close = true},
     .failure = "protocol"},
    {.name = "a length beyond all numbers",
     .script = {.once = HEAD "Content-Length: 99999999999999999999999\r\n\r\nok", .close = true},
     .failure = "|protocol"},
    {.name = "no chunk size",
     .script = {.once = HEAD "Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", .close = true},
     .failure = "protocol"},
    {.name = "a chunk size beyond all numbers",
     .script = {.once = HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx", .close = true},
     .failure = "protocol"},
    {.name = "chunks cut off",
     .script = {.once = HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nab", .close = true},
     .failure = "reset"},
    {.name = "no HTTP at all",
     .script = {.once = "SSH-2.0-OpenSSH_9.2\r\n", .close = true},
     .failure = "protocol"},
    {.name = "a TLS alert",
     .script = {.once = "\x15\x03\x01\x00\x02\x02\x16", .once_len = 7, .close = true},
     .failure = "protocol"},
    {.name = "a NUL in a header",
     .script = {.once = HEAD "X-A: a\0b\r\n\r\n",
                .once_len = sizeof(HEAD "X-A: a\0b\r\n\r\n") - 1,
                .close = true},
     .failure = "protocol"},
    {.name = "nothing", .script = {.once = "", .close = true}, .failure = "reset"},
    {.name = "a status only", .script = {.once = "HTTP/1.1 204\r\n\r\n", .close = true}, .failure = ""},
    {.name = "HTTP 1.0",
     .script = {.once = "HTTP/1.0 200 OK\r\n\r\nok", .close = true},
     .failure = "",
     .body = "ok"},
    {.name = "a version that nobody speaks",
     .script = {.once = "HTTP/9.9 200 OK\r\n\r\nok", .close = true},
     .failure = "protocol"},
    {.name = "gzip that is none",
     .script = {.once = HEAD "Content-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip"},
     .failure = "",
     .cut = HTTP_CUT_UNREADABLE},
    {.name = "an encoding that nobody knows",
     .script = {.once = HEAD "Content-Encoding: utf-8\r\nContent-Length: 2\r\n\r\nok"},
     .failure = "",
     .body = "ok"},
    {.name = "an encoding that nobody knows among others",
     .script = {.once = HEAD "Content-Encoding: gzip\r\nContent-Encoding: x\r\nContent-Length: 2\r\n\r\nok"},
     .failure = "",
     .body = "ok"},
    {.name = "no bytes in gzip",
     .script = {.once = HEAD "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"},
     .failure = "",
     .body = ""},
    {.name = "no content in gzip",
     .script = {.once = "HTTP/1.1 204 N\r\nContent-Encoding: gzip\r\n\r\n"},
     .failure = "",
     .body = ""},
    {.name = "two members of gzip, and bytes behind them",
     .script = {.once = GZIP_HEAD "Content-Length: 47\r\n\r\n" GZIP_OK GZIP_OK "and",
                .once_len = sizeof(GZIP_HEAD "Content-Length: 47\r\n\r\n" GZIP_OK GZIP_OK "and") - 1},
     .failure = "",
     .body = "okok"},
    {.name = "gzip that ends too early",
     .script = {.once = GZIP_HEAD "Content-Length: 15\r\n\r\n" GZIP_OK,
                .once_len = sizeof(GZIP_HEAD "Content-Length: 15\r\n\r\n") - 1 + 15},
     .failure = "",
     .body = "ok",
     .cut = HTTP_CUT_ENDED_EARLY},
    {.name = "gzip in pieces, cut off by the connection's end",
     .script = {.once = GZIP_HEAD "Content-Length: 22\r\n\r\n" GZIP_OK,
                .once_len = sizeof(GZIP_HEAD "Content-Length: 22\r\n\r\n") - 1 + 15,
                .close = true},
     .failure = "reset"},
    {.name = "gzip six times",
     .script = {.once = HEAD "Content-Encoding: gzip, gzip, gzip, gzip, gzip, gzip\r\n\r\nx"},
     .failure = "",
     .cut = HTTP_CUT_UNREADABLE},
    {.name = "frames that decode to nothing, without end",
     .script = {.once = HEAD "Content-Encoding: zstd\r\n\r\n",
                .forever = "\x50\x2a\x4d\x18\x00\x00\x00\x00\x50\x2a\x4d\x18\x00\x00\x00\x00",
                .forever_len = 16},
     .failure = "",
     .cut = HTTP_CUT_TOO_LONG},
    {.name = "bytes without end behind a compressed body",
     .script = {.once = GZIP_HEAD "\r\n" GZIP_OK,
                .once_len = sizeof(GZIP_HEAD "\r\n" GZIP_OK) - 1,
                .forever = "and so on and so on and so on and so on and so on"},
     .failure = "",
     .body = "ok",
     .cut = HTTP_CUT_TOO_LONG},
};

static bool one_of(const char *names, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = names;; at++) {
        if (strncmp(at, name, len) == 0 && (at[len] == '|' || at[len] == '\0'))
            return true;
        at = strchr(at, '|');
        if (!at)
            return false;
    }
}

static void try_expectations(bool by_libcurl)
{
    struct world world;
    open_world_on(&world, by_libcurl);
    for (size_t i = 0; i < sizeof EXPECTATIONS / sizeof *EXPECTATIONS; i++) {
        const struct expectation *expected = &EXPECTATIONS[i];
        world.script = expected->script;
        post(&world, "http://127.0.0.1", "/x");
        const char *failure = http_failure_name(world.result.failure);
        if (!one_of(expected->failure, failure) || world.result.body_cut != expected->cut ||
            (expected->body && strcmp(world.body, expected->body) != 0))
            fail_msg("%s%s: failure '%s' (%s), body '%s', cut %d", expected->name,
                     by_libcurl ? ", by libcurl" : "", failure, world.result.reason, world.body,
                     world.result.body_cut);
        if (world.result.failure != HTTP_OK && !strstr(world.result.reason, "http://127.0.0.1:"))
            fail_msg("%s: '%s' does not name the destination", expected->name, world.result.reason);
    }
    close_world(&world);
}

static void every_rule_that_is_broken_has_its_name(void **state)
{
    (void)state;
    try_expectations(false);
    try_expectations(true);
}

static void what_follows_a_response_is_never_taken_for_the_next_one(void **state)
{
    (void)state;
    struct world world;
    for (int by_libcurl = 0; by_libcurl <= 1; by_libcurl++) {
        open_world_on(&world, by_libcurl);
        world.script.once =
            HEAD "Content-Length: 2\r\n\r\nokHTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n";
        for (size_t i = 1; i <= 3; i++) {
            post(&world, "http://127.0.0.1", "/x");
            assert_int_equal(world.result.status, 200);
            assert_int_equal(world.requests, i);
        }
        close_world(&world);
    }
}

static void what_was_sent_is_sent_though_the_next_connection_fails(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    world.script = (struct script){.once = HEAD "Content-Length: 2\r\n\r\nok", .hang_up_on_second = true};
    post(&world, "http://127.0.0.1", "/x");
    assert_true(world.result.sent);
    close_listener(&world);
    post(&world, "http://127.0.0.1", "/x");
    assert_int_equal(world.requests, 2);
    assert_string_equal(http_failure_name(world.result.failure), "connect");
    assert_true(world.result.sent);
    post(&world, "http://127.0.0.1", "/x");
    assert_string_equal(http_failure_name(world.result.failure), "connect");
    assert_false(world.result.sent);
    close_world(&world);
}

static void a_request_that_is_sent_again_is_marked(void **state)
{
    (void)state;
    /* Before its version 8 libcurl has no connection that is used again. */
    int ways = curl_version_info(CURLVERSION_NOW)->version_num < 0x080000 ? 1 : 2;
    for (int by_libcurl = 0; by_libcurl < ways; by_libcurl++) {
        struct world world;
        open_world_on(&world, by_libcurl);
        world.script = (struct script){.once = HEAD "Content-Length: 2\r\n\r\nok", .hang_up_on_second = true};
        post(&world, "http://127.0.0.1", "/x");
        assert_false(world.result.resent);
        post(&world, "http://127.0.0.1", "/x");
        assert_int_equal(world.result.failure, HTTP_OK);
        assert_true(world.result.resent);
        assert_int_equal(world.requests, 3);
        assert_int_equal(world.connections, 2);
        close_world(&world);
    }
}

struct url_case {
    const char *before_port, *path;
    const char *failure;
    const char *sent[2]; /* in the request's head; NULL: nothing to look for */
};

static void urls_are_sent_as_they_are_meant(void **state)
{
    (void)state;
    struct world world;
    static char long_path[8200];
    open_world(&world);
    world.script.once = HEAD "Content-Length: 2\r\n\r\nok";
    memset(long_path, 'a', sizeof long_path - 1);
    long_path[0] = '/';
    const struct url_case cases[] = {
        {"http://user:pa%20ss@127.0.0.1",
         "/x",
         "",
         {"Authorization: Basic dXNlcjpwYSBzcw==\r\n", "Host: 127.0.0.1:"}},
        {"http://127.0.0.1", "/a/../b?q=%20#fragment", "", {"POST /b?q=%20 HTTP/1.1\r\n", NULL}},
        {"http://127.0.0.1", "?q=1", "", {"POST /?q=1 HTTP/1.1\r\n", NULL}},
        {"HTTP://LocalHost", "/x", "", {"Host: LocalHost:", NULL}},
        {"http://b\xc3\xbc"
         "cher.localhost",
         "/x",
         "",
         {"Host: xn--bcher-kva.localhost:", NULL}},
        {"http://127.0.0.1", "/\xc3\xbc", "", {"POST /%C3%BC HTTP/1.1\r\n", NULL}},
        {"http://127.0.0.1", "/a b", "", {"POST /a%20b HTTP/1.1\r\n", NULL}},
        {"http://127.0.0.1", "/a\r\nX-Injected: 1", "", {"POST /a%0D%0AX-Injected:%201 HTTP/1.1\r\n", NULL}},
        {"http://127.0.0.1", "\t", "", {"POST / HTTP/1.1\r\n", NULL}},
        {"http://127.0.0.1", "\tx", "bad_url", {NULL, NULL}},
        {"http://me@corp.example:pw@127.0.0.1",
         "/x",
         "",
         {"POST /x HTTP/1.1\r\n", "Authorization: Basic bWVAY29ycC5leGFtcGxlOnB3\r\n"}},
        {"http://[::1", "/x", "bad_url", {NULL, NULL}},
        {"http://300.1.1.1.", "/x", "dns|bad_url", {NULL, NULL}},
        {"file://127.0.0.1", "/etc/passwd", "bad_url", {NULL, NULL}},
        {"gopher://127.0.0.1", "/x", "bad_url", {NULL, NULL}},
        {"http://127.0.0.1", long_path, "", {"POST /aaaa", NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t before = world.requests;
        post(&world, cases[i].before_port, cases[i].path);
        const char *failure = http_failure_name(world.result.failure);
        if (!one_of(cases[i].failure, failure))
            fail_msg("%s…%.20s: '%s' (%s)", cases[i].before_port, cases[i].path, failure,
                     world.result.reason);
        assert_int_equal(world.requests - before, *cases[i].failure ? 0 : 1);
        for (size_t j = 0; j < 2 && cases[i].sent[j]; j++)
            if (!strcasestr(world.request, cases[i].sent[j]))
                fail_msg("'%s' is not in:\n%s", cases[i].sent[j], world.request);
        assert_null(strstr(world.result.reason, "pa%20ss"));
    }
    close_world(&world);
}

static void a_redirect_to_the_other_form_of_an_international_name_stays_on_its_host(void **state)
{
    (void)state;
    struct world world;
    char moved[200];
    open_world(&world);
    snprintf(moved, sizeof moved,
             "HTTP/1.1 307 Moved\r\nLocation: http://xn--bcher-kva.localhost:%d/there\r\nContent-Length: "
             "0\r\n\r\n",
             world.port);
    world.script.once = moved;
    post(&world,
         "http://b\xc3\xbc"
         "cher.localhost",
         "/x");
    assert_non_null(strstr(world.result.reason, "more than 5 redirects")); /* it was followed */
    assert_int_equal(world.requests, 6);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_that_is_broken_has_its_name),
        cmocka_unit_test(what_follows_a_response_is_never_taken_for_the_next_one),
        cmocka_unit_test(a_request_that_is_sent_again_is_marked),
        cmocka_unit_test(what_was_sent_is_sent_though_the_next_connection_fails),
        cmocka_unit_test(urls_are_sent_as_they_are_meant),
        cmocka_unit_test(a_redirect_to_the_other_form_of_an_international_name_stays_on_its_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
