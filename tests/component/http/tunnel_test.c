/* A tunnel through a proxy, and one that is asked for anew: on both ways that a request goes, its answer is
 * the endpoint's alone. Proxy and endpoint are one, at the two ends of a connection. */
#include "asker.h"
#include <curl/curl.h>
#include <signal.h>

enum { MOST_TUNNELS = 4 };

struct world {
    struct asker asker;
    /** Of each CONNECT, in turn. */
    const char *answers[MOST_TUNNELS];
    size_t tunnels;
    SSL_CTX *tls;
    /** The request that gets no answer; 0: none. */
    size_t unanswered;
};

static void answer_or_hang_up(struct endpoint_peer *peer, int n)
{
    const struct world *world = peer->endpoint->ctx;
    if (world->asker.endpoint.requests == world->unanswered)
        endpoint_close(peer, true);
    else
        endpoint_answer(peer, n);
}

static void begin_tls(struct endpoint_peer *peer, SSL_CTX *tls)
{
    peer->ssl = SSL_new(tls);
    assert_non_null(peer->ssl);
    SSL_set_bio(peer->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(peer->ssl);
}

/** In plain text the proxy is asked for a tunnel; what comes through that is for the endpoint. */
static void heard(struct endpoint_peer *peer, const char *bytes, size_t len)
{
    struct endpoint *endpoint = peer->endpoint;
    struct world *world = endpoint->ctx;
    if (peer->ssl) {
        endpoint->heard = NULL;
        endpoint_take(peer, bytes, len);
        endpoint->heard = heard;
        return;
    }
    assert_memory_equal(bytes, "CONNECT ", strlen("CONNECT "));
    assert_in_range(world->tunnels, 0, MOST_TUNNELS - 1);
    endpoint_say(peer, world->answers[world->tunnels++]);
    begin_tls(peer, world->tls);
}

static void open_world(struct world *world, enum way way)
{
    char itself[64];
    int port, fd = bind_to_loopback(&port);
    *world = (struct world){.tls = endpoint_tls()};
    snprintf(itself, sizeof itself, "http://127.0.0.1:%d", port);
    const struct http_client_options options = {.https_proxy = itself,
                                                .no_proxy = "",
                                                .http2 = way == LIBCURL_TLS,
                                                .connect_timeout_ms = 60000,
                                                .idle_timeout_ms = 60000,
                                                .total_timeout_ms = 60000,
                                                .max_response_bytes = 100000,
                                                .max_connections = ASKER_CONNECTIONS};
    tested_client_open(&world->asker.http, 0, options);
    endpoint_open(&world->asker.endpoint, &world->asker.http, fd, false, answer_or_hang_up, world);
    world->asker.endpoint.heard = heard;
}

static void close_world(struct world *world)
{
    asker_close(&world->asker);
    SSL_CTX_free(world->tls);
}

static void ask(struct world *world, int n)
{
    size_t done = world->asker.done;
    asker_begin(&world->asker, "https", n,
                (struct http_request){.body = SLICE_LITERAL("{}"), .keep_headers = true});
    asker_run(&world->asker, done + 1);
}

/** Before its version 8 libcurl has no connection that is used again. */
static bool uses_connections_again(enum way way)
{
    return way == OWN_TLS || curl_version_info(CURLVERSION_NOW)->version_num >= 0x080000;
}

#define STANDS "HTTP/1.1 200 Connection established\r\nX-Proxy: p\r\n\r\n"
#define REFUSES "HTTP/1.1 407 Who\r\nContent-Length: 99999999\r\n\r\nyou"

static const enum way WAYS_THROUGH[] = {OWN_TLS, LIBCURL_TLS};

static void what_a_proxy_says_of_a_tunnel_is_no_answer(void **state)
{
    (void)state;
    static const char *const answers[] = {
        STANDS,
        "HTTP/1.0 200\r\n\r\n",
        "HTTP/1.1 204 N\r\nX-Proxy: p\r\n\r\n",
        /* RFC 9110, section 9.3.6: a client ignores them. */
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nX-Proxy: p\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n" STANDS,
        "HTTP/1.1 103 Early\r\nX-Proxy: p\r\n\r\nHTTP/1.1 102 P\r\n\r\n" STANDS,
    };
    for (size_t w = 0; w < 2; w++)
        for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
            struct world world;
            open_world(&world, WAYS_THROUGH[w]);
            world.answers[0] = answers[i];
            ask(&world, 7);
            if (world.asker.result.failure != HTTP_OK || strcmp(world.asker.body, "7") != 0 ||
                strcmp(world.asker.headers, "Content-Length: 1\r\n") != 0)
                fail_msg("way %d, '%s': %s '%s', headers '%s'", WAYS_THROUGH[w], answers[i],
                         world.asker.reason, world.asker.body, world.asker.headers);
            close_world(&world);
        }
}

/** The first connection ends when it is used again, without an answer; the second one needs a tunnel, too. */
static void lose_a_tunnel(struct world *world, const char *second)
{
    world->answers[0] = STANDS;
    world->answers[1] = second;
    world->unanswered = 2;
    ask(world, 7);
    assert_string_equal(world->asker.body, "7");
    ask(world, 8);
    assert_int_equal(world->tunnels, 2);
}

static void a_tunnel_that_is_asked_for_anew_is_as_the_first(void **state)
{
    (void)state;
    static const char *const answers[] = {STANDS, "HTTP/1.1 100 Continue\r\n\r\n" STANDS};
    for (size_t w = 0; w < 2; w++)
        for (size_t i = 0; i < sizeof answers / sizeof *answers && uses_connections_again(WAYS_THROUGH[w]);
             i++) {
            struct world world;
            open_world(&world, WAYS_THROUGH[w]);
            lose_a_tunnel(&world, answers[i]);
            if (world.asker.result.failure != HTTP_OK || strcmp(world.asker.body, "8") != 0 ||
                strcmp(world.asker.headers, "Content-Length: 1\r\n") != 0 || !world.asker.result.resent)
                fail_msg("way %d, '%s': %s '%s', headers '%s', resent %d", WAYS_THROUGH[w], answers[i],
                         world.asker.reason, world.asker.body, world.asker.headers,
                         world.asker.result.resent);
            close_world(&world);
        }
}

/** The request had been sent before, and may have been processed. */
static void a_tunnel_that_is_refused_the_second_time_is_the_proxys_failure(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *words;
        bool refused;
    } cases[] = {
        {REFUSES, "(status 407)", true},
        {"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno", "503", false},
        {"220 mail.internal ready\r\n\r\n", "its answer to CONNECT is not HTTP", false},
    };
    for (size_t w = 0; w < 2; w++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases && uses_connections_again(WAYS_THROUGH[w]); i++) {
            struct world world;
            open_world(&world, WAYS_THROUGH[w]);
            lose_a_tunnel(&world, cases[i].answer);
            if (world.asker.result.failure != HTTP_PROXY || !strstr(world.asker.reason, cases[i].words) ||
                !world.asker.result.sent || world.asker.result.proxy_refused != cases[i].refused)
                fail_msg("way %d, '%s': %s (%s), sent %d, refused %d", WAYS_THROUGH[w], cases[i].answer,
                         http_failure_name(world.asker.result.failure), world.asker.reason,
                         world.asker.result.sent, world.asker.result.proxy_refused);
            close_world(&world);
        }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_proxy_says_of_a_tunnel_is_no_answer),
        cmocka_unit_test(a_tunnel_that_is_asked_for_anew_is_as_the_first),
        cmocka_unit_test(a_tunnel_that_is_refused_the_second_time_is_the_proxys_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
