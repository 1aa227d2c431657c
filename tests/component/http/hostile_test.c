/* The HTTP client against servers that break the rules: bytes as scripted, on both ways that requests go,
 * over TCP and TLS. Each case must end with its name, in time, and with bounded memory. */
#include "asker.h"
#include "one_of.h"
#include <curl/curl.h>
#include <signal.h>

enum {
    IDLE_MS = 400,
    TOTAL_MS = 1500,
    CLOCK_MS_A_TICK = 20,
    KEPT_BYTES = 64 * 1024,
    FLOOD_BYTES = 16 * 1024
};

/** What the endpoint does with every request. */
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
    struct asker asker;
    struct script script;
    /** Whom something is written to for ever. */
    struct endpoint_peer *flooded;
    uv_timer_t drip;
};

/* For ever */

struct flood {
    uv_write_t write;
    struct world *world;
    struct endpoint_peer *peer;
    size_t len;
    /** Room for what TLS makes of them. */
    char bytes[2 * FLOOD_BYTES];
};

static void flood_on(struct world *world);

static void drip_again(uv_timer_t *drip)
{
    flood_on(drip->data);
}

static void flood_written(uv_write_t *write, int status)
{
    struct flood *flood = write->data;
    struct world *world = flood->world;
    bool on = status == 0 && flood->peer == world->flooded;
    free(flood);
    if (on)
        uv_timer_start(&world->drip, drip_again, world->script.drip_ms, 0);
}

/** The same again and again, as much as fits, or once if it drips. */
static void fill_flood(struct flood *flood, const struct script *script)
{
    size_t len = script->forever_len ? script->forever_len : strlen(script->forever);
    size_t copies = script->drip_ms ? 1 : FLOOD_BYTES / len;
    for (size_t i = 0; i < copies; i++)
        memcpy(flood->bytes + i * len, script->forever, len);
    flood->len = copies * len;
}

static void encrypt_flood(struct flood *flood, SSL *ssl)
{
    assert_int_equal(SSL_write(ssl, flood->bytes, (int)flood->len), (int)flood->len);
    int len = BIO_read(SSL_get_wbio(ssl), flood->bytes, sizeof flood->bytes);
    assert_in_range(len, 1, sizeof flood->bytes - 1);
    flood->len = (size_t)len;
}

/** It may have been closed, and another connection, which has asked for nothing yet, be in its place. */
static void flood_on(struct world *world)
{
    struct endpoint_peer *peer = world->flooded;
    if (!endpoint_has(&world->asker.endpoint, peer) || peer->requests == 0)
        return;
    struct flood *flood = malloc(sizeof *flood);
    assert_non_null(flood);
    flood->world = world;
    flood->peer = peer;
    flood->write.data = flood;
    fill_flood(flood, &world->script);
    if (peer->ssl)
        encrypt_flood(flood, peer->ssl);
    uv_buf_t bytes = uv_buf_init(flood->bytes, (unsigned)flood->len);
    uv_write(&flood->write, (uv_stream_t *)&peer->tcp, &bytes, 1, flood_written);
}

/* The endpoint */

static void follow_script(struct endpoint_peer *peer, int n)
{
    struct world *world = peer->endpoint->ctx;
    const struct script *script = &world->script;
    (void)n;
    world->flooded = NULL;
    if (peer->requests == 2 && script->hang_up_on_second) {
        endpoint_close(peer, true);
        return;
    }
    endpoint_write(peer, script->once, script->once_len ? script->once_len : strlen(script->once));
    if (script->forever) {
        world->flooded = peer;
        flood_on(world);
    } else if (script->close) {
        endpoint_close(peer, true);
    }
}

static void open_world(struct world *world, enum way way)
{
    *world = (struct world){0};
    asker_open(&world->asker,
               (struct http_client_options){.idle_timeout_ms = IDLE_MS,
                                            .total_timeout_ms = TOTAL_MS,
                                            .max_response_bytes = KEPT_BYTES,
                                            .redirects = HTTP_REDIRECTS_SAME_HOST},
               way, follow_script, world);
    world->asker.http.turned_by_a_tick_ms = CLOCK_MS_A_TICK;
    uv_timer_init(&world->asker.http.loop, &world->drip);
    world->drip.data = world;
}

static void close_world(struct world *world)
{
    world->flooded = NULL;
    uv_close((uv_handle_t *)&world->drip, NULL);
    asker_close(&world->asker);
}

/** One POST, until it ends, as everything must. */
static void post(struct world *world)
{
    size_t done = world->asker.done;
    asker_post(&world->asker, 1, SLICE_LITERAL("{}"));
    asker_run(&world->asker, done + 1);
}

/** Before its version 8 libcurl has no connection that is used again. */
static bool uses_connections_again(enum way way)
{
    return way < LIBCURL_TCP || curl_version_info(CURLVERSION_NOW)->version_num >= 0x080000;
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
     .failure = "protocol"},
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

static void try_expectation(struct world *world, enum way way, const struct expectation *expected)
{
    const struct http_result *result = &world->asker.result;
    world->script = expected->script;
    post(world);
    const char *failure = http_failure_name(result->failure);
    if (!one_of(expected->failure, failure) || result->body_cut != expected->cut ||
        (expected->body && strcmp(world->asker.body, expected->body) != 0))
        fail_msg("%s, way %d: failure '%s' (%s), status %d, body '%s', cut %d", expected->name, way, failure,
                 world->asker.reason, result->status, world->asker.body, result->body_cut);
    if (result->failure != HTTP_OK && !strstr(world->asker.reason, "://127.0.0.1:"))
        fail_msg("%s: '%s' does not name the destination", expected->name, world->asker.reason);
}

static void every_rule_that_is_broken_has_its_name(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct world world;
        open_world(&world, way);
        for (size_t i = 0; i < sizeof EXPECTATIONS / sizeof *EXPECTATIONS; i++)
            try_expectation(&world, way, &EXPECTATIONS[i]);
        close_world(&world);
    }
}

static void what_follows_a_response_is_never_taken_for_the_next_one(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct world world;
        open_world(&world, way);
        world.script.once =
            HEAD "Content-Length: 2\r\n\r\nokHTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n";
        for (size_t i = 1; i <= 3; i++) {
            post(&world);
            assert_int_equal(world.asker.result.status, 200);
            assert_int_equal(world.asker.endpoint.requests, i);
        }
        close_world(&world);
    }
}

static void what_was_sent_is_sent_though_the_next_connection_fails(void **state)
{
    (void)state;
    for (enum way way = 0; way < LIBCURL_TCP; way++) {
        struct world world;
        open_world(&world, way);
        world.script = (struct script){.once = HEAD "Content-Length: 2\r\n\r\nok", .hang_up_on_second = true};
        post(&world);
        assert_true(world.asker.result.sent);
        uv_close((uv_handle_t *)&world.asker.endpoint.listener, NULL);
        post(&world);
        assert_int_equal(world.asker.endpoint.requests, 2);
        assert_string_equal(http_failure_name(world.asker.result.failure), "connect");
        assert_true(world.asker.result.sent);
        post(&world);
        assert_string_equal(http_failure_name(world.asker.result.failure), "connect");
        assert_false(world.asker.result.sent);
        close_world(&world);
    }
}

static void a_request_that_is_sent_again_is_marked(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct world world;
        if (!uses_connections_again(way))
            continue;
        open_world(&world, way);
        world.script = (struct script){.once = HEAD "Content-Length: 2\r\n\r\nok", .hang_up_on_second = true};
        post(&world);
        assert_false(world.asker.result.resent);
        post(&world);
        assert_int_equal(world.asker.result.failure, HTTP_OK);
        assert_true(world.asker.result.resent);
        assert_int_equal(world.asker.endpoint.requests, 3);
        assert_int_equal(world.asker.endpoint.connections, 2);
        close_world(&world);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_that_is_broken_has_its_name),
        cmocka_unit_test(what_follows_a_response_is_never_taken_for_the_next_one),
        cmocka_unit_test(a_request_that_is_sent_again_is_marked),
        cmocka_unit_test(what_was_sent_is_sent_though_the_next_connection_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
