/* Endpoints that do not do as they should, and what becomes of the request. On both ways where it is no
 * matter of the agent's own exchange alone. */
#include "asker.h"
#include <curl/curl.h>
#include <signal.h>

struct world {
    struct asker asker;
    const char *says;
    struct endpoint_peer *peer;
};

static void open_world_on(struct world *world, enum way way, bool never_resends,
                          void (*asked)(struct endpoint_peer *, int))
{
    *world = (struct world){0};
    asker_open(&world->asker, (struct http_client_options){.never_resends = never_resends}, way, asked,
               world);
}

static void open_world(struct world *world, bool tls, void (*asked)(struct endpoint_peer *, int))
{
    open_world_on(world, tls ? OWN_TLS : OWN_TCP, false, asked);
}

/** Before its version 8 libcurl has no connection that is used again. */
static bool uses_connections_again(enum way way)
{
    return way < LIBCURL_TCP || curl_version_info(CURLVERSION_NOW)->version_num >= 0x080000;
}

static void close_world(struct world *world)
{
    asker_close(&world->asker);
}

static void begin(struct world *world, const char *scheme, struct slice body)
{
    asker_begin(&world->asker, scheme, 1, (struct http_request){.body = body, .keep_headers = true});
}

/** Over the endpoint's own scheme. */
static void begin_own(struct world *world, struct slice body)
{
    begin(world, world->asker.endpoint.tls ? "https" : "http", body);
}

#define HEAD "HTTP/1.1 200 OK\r\n"
#define EMPTY HEAD "Content-Length: 0\r\n\r\n"

static void say(struct endpoint_peer *peer, int n)
{
    struct world *world = peer->endpoint->ctx;
    (void)n;
    world->peer = peer;
    endpoint_say(peer, world->says);
}

static void headers_are_kept_as_they_are_meant(void **state)
{
    (void)state;
    static const struct {
        const char *says, *body, *headers;
    } cases[] = {
        {HEAD "X-A: one\r\n two\r\nX-B: \xfc\r\nContent-Length: 2\r\n\r\nok", "ok",
         "X-A: one two\r\nX-B: \xc3\xbc\r\nContent-Length: 2\r\n"},
        {HEAD "X-A: Zo\xc3\xab\r\n gr\xfc\xdf"
              "e\r\n x\r\nX-B:\r\n \xfc\r\nContent-Length: 2\r\n\r\nok",
         "ok",
         "X-A: Zo\xc3\xab gr\xc3\xbc\xc3\x9f"
         "e x\r\nX-B: \xc3\xbc\r\nContent-Length: 2\r\n"},
        {"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n" HEAD "x-c: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
         "1;a\r\no\r\n1\r\nk\r\n0\r\nX-Trailer: t\r\n\r\n",
         "ok", "x-c: 1\r\nTransfer-Encoding: chunked\r\n"},
        {HEAD "X-A: one\r\nHTTP/2: x\r\nx-b: two\r\nContent-Length: 2\r\n\r\nok", "ok",
         "X-A: one\r\nHTTP/2: x\r\nx-b: two\r\nContent-Length: 2\r\n"},
        {HEAD "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok", "ok",
         "Transfer-Encoding: identity\r\nContent-Length: 2\r\n"},
    };
    for (enum way way = 0; way < WAYS; way++) {
        struct world world;
        open_world_on(&world, way, false, say);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            world.says = cases[i].says;
            begin_own(&world, SLICE_LITERAL("{}"));
            asker_run(&world.asker, i + 1);
            assert_int_equal(world.asker.result.failure, HTTP_OK);
            assert_string_equal(world.asker.body, cases[i].body);
            assert_string_equal(world.asker.headers, cases[i].headers);
        }
        if (uses_connections_again(way))
            assert_int_equal(world.asker.endpoint.connections, 1);
        close_world(&world);
    }
}

static void a_coding_that_nobody_asked_for_leaves_the_status(void **state)
{
    (void)state;
    static const char *const codings[] = {"gzip, chunked", "chunked, gzip", "gzip", "x", "chunked;q=1"};
    for (enum way way = 0; way < WAYS; way++)
        for (size_t i = 0; i < sizeof codings / sizeof *codings; i++) {
            struct world world;
            char says[128];
            open_world_on(&world, way, false, say);
            snprintf(says, sizeof says,
                     "HTTP/1.1 500 Bad\r\nTransfer-Encoding: %s\r\n\r\n1\r\nx\r\n0\r\n\r\n", codings[i]);
            world.says = says;
            begin_own(&world, SLICE_LITERAL("{}"));
            asker_run(&world.asker, 1);
            if (world.asker.result.failure != HTTP_OK || world.asker.result.status != 500 ||
                world.asker.result.body_cut != HTTP_CUT_UNREADABLE || *world.asker.body)
                fail_msg("way %d, '%s': %s, status %d, cut %d, '%s'", way, codings[i], world.asker.reason,
                         world.asker.result.status, world.asker.result.body_cut, world.asker.body);
            close_world(&world);
        }
}

/* Before the whole request was read */

static void refuse(struct endpoint_peer *peer, int n)
{
    (void)n;
    uv_read_stop((uv_stream_t *)&peer->tcp);
    endpoint_say(peer, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
}

static void refuse_and_close(struct endpoint_peer *peer, int n)
{
    refuse(peer, n);
    endpoint_close(peer, true); /* what it has not read makes it a reset */
}

static void an_answer_may_come_before_the_request_has_gone(void **state)
{
    (void)state;
    enum { LARGE = 6 * 1024 * 1024 };
    char *large = calloc(1, LARGE);
    assert_non_null(large);
    for (enum way way = 0; way < WAYS; way++)
        for (int closes = 0; closes <= 1; closes++) {
            struct world world;
            open_world_on(&world, way, false, closes ? refuse_and_close : refuse);
            for (size_t i = 1; i <= 2; i++) {
                begin_own(&world, (struct slice){large, LARGE});
                asker_run(&world.asker, i);
                if (world.asker.result.failure != HTTP_OK)
                    fail_msg("way %d, closes %d: %s", way, closes, world.asker.reason);
                assert_int_equal(world.asker.result.status, 413);
                assert_string_equal(world.asker.body, "big");
                assert_int_equal(world.asker.endpoint.connections, i);
            }
            close_world(&world);
        }
    free(large);
}

/* A used connection that is reset with the request in its buffer */

static void answer_and_read_no_more(struct endpoint_peer *peer, int n)
{
    struct world *world = peer->endpoint->ctx;
    (void)n;
    endpoint_say(peer, EMPTY);
    if (world->asker.endpoint.requests == 1) {
        world->peer = peer;
        uv_read_stop((uv_stream_t *)&peer->tcp);
    }
}

static bool something_to_read(const struct endpoint_peer *peer)
{
    char byte;
    uv_os_fd_t fd = -1;
    uv_fileno((const uv_handle_t *)&peer->tcp, &fd);
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static void a_request_that_was_never_read_is_sent_again_unless_that_is_forbidden(void **state)
{
    (void)state;
    for (enum way way = 0; way < LIBCURL_TCP; way++)
        for (int never = 0; never <= 1; never++) {
            struct world world;
            open_world_on(&world, way, never, answer_and_read_no_more);
            begin_own(&world, SLICE_LITERAL("{}"));
            asker_run(&world.asker, 1);
            begin_own(&world, SLICE_LITERAL("{}"));
            while (!something_to_read(world.peer))
                uv_run(&world.asker.http.loop, UV_RUN_ONCE);
            endpoint_close(world.peer, false);
            asker_run(&world.asker, 2);
            assert_string_equal(http_failure_name(world.asker.result.failure), never ? "reset" : "");
            assert_int_equal(world.asker.result.resent, !never);
            assert_true(world.asker.result.sent);
            assert_int_equal(world.asker.endpoint.connections, never ? 1 : 2);
            close_world(&world);
        }
}

/* TLS */

static void what_is_no_tls_and_what_is_only_tls_has_its_words(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, false, say);
    world.says = "\x15\x03\x01\x01\x02\x02\x46"; /* an alert: protocol version */
    begin(&world, "http", SLICE_LITERAL("{}"));
    asker_run(&world.asker, 1);
    assert_string_equal(http_failure_name(world.asker.result.failure), "protocol");
    assert_non_null(strstr(world.asker.reason, "it is TLS, where the URL says http"));
    close_world(&world);
    open_world(&world, false, say);
    world.says = "HTTP/1.1 400 Bad Request\r\n\r\n";
    begin(&world, "https", SLICE_LITERAL("{}"));
    while (!world.asker.endpoint.peers || world.asker.endpoint.peers->len == 0)
        uv_run(&world.asker.http.loop, UV_RUN_ONCE);
    endpoint_say(world.asker.endpoint.peers, world.says);
    asker_run(&world.asker, 1);
    assert_string_equal(http_failure_name(world.asker.result.failure), "tls");
    assert_false(world.asker.result.sent);
    close_world(&world);
}

/** With TLS 1.3 the refusal comes when the request has been sent. */
static void a_certificate_of_ours_that_is_asked_for_and_missing_is_told(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct world world;
        open_world(&world, true, say);
        SSL_CTX_set_verify(world.asker.endpoint.tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        SSL_CTX_set_max_proto_version(world.asker.endpoint.tls, version);
        begin(&world, "https", SLICE_LITERAL("{}"));
        asker_run(&world.asker, 1);
        assert_string_equal(http_failure_name(world.asker.result.failure), "tls");
        assert_non_null(strstr(world.asker.reason, "alert"));
        assert_int_equal(world.asker.endpoint.requests, 0);
        close_world(&world);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_kept_as_they_are_meant),
        cmocka_unit_test(a_coding_that_nobody_asked_for_leaves_the_status),
        cmocka_unit_test(an_answer_may_come_before_the_request_has_gone),
        cmocka_unit_test(a_request_that_was_never_read_is_sent_again_unless_that_is_forbidden),
        cmocka_unit_test(what_is_no_tls_and_what_is_only_tls_has_its_words),
        cmocka_unit_test(a_certificate_of_ours_that_is_asked_for_and_missing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
