/* Requests through proxies: what a proxy is asked for, and what its answers mean. The proxy is a script;
 * nobody is behind it. */
#include "tested_client.h"

enum { REQUESTS = 16 };

struct peer {
    uv_tcp_t tcp;
    struct world *world;
    char in[1024];
    size_t len;
};

struct world {
    struct tested_client http;
    uv_tcp_t listener;
    int port;
    /** The answers to the requests that come, in turn; one that is "" closes the connection. */
    const char *answers[REQUESTS];
    char requests[REQUESTS][1024];
    size_t count, done;
    struct http_result result;
    char headers[512];
};

static void peer_freed(uv_handle_t *handle)
{
    free(handle->data);
}

static void peer_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct peer *peer = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(peer->in + peer->len, (unsigned)(sizeof peer->in - 1 - peer->len));
}

static void peer_close(struct peer *peer)
{
    if (!uv_is_closing((uv_handle_t *)&peer->tcp))
        uv_close((uv_handle_t *)&peer->tcp, peer_freed);
}

static void written(uv_write_t *write, int status)
{
    (void)status;
    free(write);
}

/** The bodies of these requests are empty. */
static void peer_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct peer *peer = stream->data;
    struct world *world = peer->world;
    (void)buffer;
    if (got < 0) {
        peer_close(peer);
        return;
    }
    peer->len += (size_t)got;
    peer->in[peer->len] = '\0';
    char *end = strstr(peer->in, "\r\n\r\n");
    if (!end)
        return;
    assert_true(world->count < REQUESTS);
    const char *answer = world->answers[world->count];
    snprintf(world->requests[world->count++], sizeof world->requests[0], "%s", peer->in);
    peer->len = 0;
    if (!answer || !*answer) {
        peer_close(peer);
        return;
    }
    union {
        const char *text;
        char *base;
    } bytes = {answer};
    uv_buf_t out = uv_buf_init(bytes.base, (unsigned)strlen(answer));
    uv_write_t *write = malloc(sizeof *write);
    assert_non_null(write);
    uv_write(write, stream, &out, 1, written);
}

static void came(uv_stream_t *listener, int status)
{
    struct peer *peer = calloc(1, sizeof *peer);
    assert_int_equal(status, 0);
    assert_non_null(peer);
    peer->world = listener->data;
    peer->tcp.data = peer;
    uv_tcp_init(listener->loop, &peer->tcp);
    uv_accept(listener, (uv_stream_t *)&peer->tcp);
    uv_read_start((uv_stream_t *)&peer->tcp, peer_buffer, peer_read);
}

/** A client whose requests go through the proxy "KIND://CREDENTIALS127.0.0.1:PORT". */
static void open_world(struct world *world, const char *kind, const char *credentials, const char *no_proxy)
{
    char proxy[128];
    memset(world, 0, sizeof *world);
    int fd = bind_to_loopback(&world->port);
    snprintf(proxy, sizeof proxy, "%s://%s127.0.0.1:%d", kind, credentials, world->port);
    struct http_client_options options = {.connect_timeout_ms = 5000,
                                          .idle_timeout_ms = 5000,
                                          .total_timeout_ms = 10000,
                                          .max_response_bytes = 1000,
                                          .max_connections = 4,
                                          .verify_tls = true,
                                          .http_proxy = proxy,
                                          .https_proxy = proxy,
                                          .http_proxy_setting = "HTTP_PROXY",
                                          .https_proxy_setting = "HTTPS_PROXY",
                                          .no_proxy = no_proxy,
                                          .redirects = HTTP_REDIRECTS_ALL};
    tested_client_open(&world->http, TICK_MS, options);
    listen_on(&world->http.loop, &world->listener, fd, world, came);
}

static void close_peers(uv_handle_t *handle, void *ctx)
{
    struct world *world = ctx;
    struct peer *peer = handle->data;
    if (handle->type == UV_TCP && handle != (uv_handle_t *)&world->listener && !uv_is_closing(handle))
        peer_close(peer);
}

static void close_world(struct world *world)
{
    uv_close((uv_handle_t *)&world->listener, NULL);
    uv_walk(&world->http.loop, close_peers, world);
    tested_client_close(&world->http);
}

static void finished(void *ctx, const struct http_result *result)
{
    struct world *world = ctx;
    world->result = *result;
    snprintf(world->headers, sizeof world->headers, "%.*s", (int)result->headers.len,
             result->headers.ptr ? result->headers.ptr : "");
    world->done++;
}

/** Asks, and waits for what comes of it. */
static const struct http_result *get(struct world *world, const char *method, const char *url)
{
    size_t wanted = world->done + 1;
    static const struct http_header headers[] = {{SLICE_LITERAL("X-Mark"), SLICE_LITERAL("m")}};
    struct http_request request = {
        .method = method, .url = url, .headers = headers, .header_count = 1, .keep_headers = true};
    assert_non_null(http_start(world->http.client, &request, finished, world));
    while (world->done < wanted)
        uv_run(&world->http.loop, UV_RUN_ONCE);
    return &world->result;
}

static bool asked(const struct world *world, size_t n, const char *line)
{
    char with_end[256];
    snprintf(with_end, sizeof with_end, "%s\r\n", line);
    return n < world->count && strstr(world->requests[n], with_end);
}

#define EMPTY "HTTP/1.1 204 No Content\r\n\r\n"

static void a_proxy_is_asked_for_the_whole_url(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, "http", "", "");
    for (size_t i = 0; i < 5; i++)
        world.answers[i] = EMPTY;
    assert_int_equal(get(&world, "GET", "http://svc.internal/a?b=c")->status, 204);
    assert_true(asked(&world, 0, "GET http://svc.internal/a?b=c HTTP/1.1"));
    assert_true(asked(&world, 0, "Host: svc.internal"));
    assert_true(asked(&world, 0, "User-Agent: test"));
    assert_false(strstr(world.requests[0], "Proxy-Authorization"));
    get(&world, "GET", "http://u:p@svc.internal:8080/a?");
    assert_true(asked(&world, 1, "GET http://svc.internal:8080/a? HTTP/1.1"));
    assert_true(asked(&world, 1, "Authorization: Basic dTpw"));
    get(&world, "GET", "http://svc.internal:8080/a");
    assert_true(asked(&world, 2, "GET http://svc.internal:8080/a HTTP/1.1"));
    get(&world, "GET", "http://[::1]:80/?q");
    assert_true(asked(&world, 3, "GET http://[::1]/?q HTTP/1.1"));
    close_world(&world);
}

static void a_proxy_is_told_who_asks(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, "http", "user:pass%20word@", "");
    world.answers[0] = EMPTY;
    get(&world, "GET", "http://svc.internal/");
    assert_true(asked(&world, 0, "Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ="));
    close_world(&world);
}

static void a_proxy_that_wants_another_password_is_told_with_its_setting(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, "http", "", "");
    world.answers[0] = "HTTP/1.1 407 Who\r\nContent-Length: 2\r\n\r\nno";
    world.answers[1] = "HTTP/1.1 407 Who\r\nContent-Length: 2\r\n\r\nno";
    const struct http_result *result = get(&world, "GET", "http://svc.internal/");
    assert_int_equal(result->failure, HTTP_PROXY);
    assert_true(result->proxy_refused && !result->sent);
    assert_non_null(
        strstr(result->reason, "a user and a password that it knows (status 407); see HTTP_PROXY"));
    result = get(&world, "GET", "https://svc.internal/");
    assert_true(asked(&world, 1, "CONNECT svc.internal:443 HTTP/1.1"));
    assert_true(asked(&world, 1, "User-Agent: test"));
    assert_int_equal(result->failure, HTTP_PROXY);
    assert_true(result->proxy_refused && !result->sent);
    assert_non_null(strstr(result->reason, "(status 407); see HTTPS_PROXY"));
    close_world(&world);
}

static void what_a_proxy_answers_to_connect_has_rules(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *reason;
    } cases[] = {
        {"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "403"},
        {"220 mail.internal ready\r\n\r\n", "its answer to CONNECT is not HTTP"},
        {"", "the proxy http://127.0.0.1:"},
    };
    struct world world;
    open_world(&world, "http", "", "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        world.answers[i] = cases[i].answer;
        const struct http_result *result = get(&world, "GET", "https://svc.internal/");
        assert_int_equal(result->failure, HTTP_PROXY);
        assert_false(result->proxy_refused || result->sent);
        if (!strstr(result->reason, cases[i].reason))
            fail_msg("%s", result->reason);
    }
    close_world(&world);
}

static void a_tunnel_that_stands_leaves_the_rest_to_the_server(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, "http", "", "");
    world.answers[0] = "HTTP/1.1 200 Yes\r\n\r\nthis is no TLS\r\n\r\n";
    const struct http_result *result = get(&world, "GET", "https://svc.internal/");
    assert_int_equal(result->failure, HTTP_TLS);
    assert_non_null(strstr(result->reason, "https://svc.internal:443: TLS handshake failed"));
    assert_non_null(strstr(result->reason, "through the proxy http://127.0.0.1"));
    close_world(&world);
}

static void some_hosts_are_reached_without_it(void **state)
{
    (void)state;
    struct world world;
    char url[64];
    open_world(&world, "http", "", "127.0.0.1,other.internal");
    world.answers[0] = world.answers[1] = EMPTY;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/a?b", world.port);
    assert_int_equal(get(&world, "GET", url)->failure, HTTP_OK);
    assert_true(asked(&world, 0, "GET /a?b HTTP/1.1"));
    get(&world, "GET", "http://svc.internal/a");
    assert_true(asked(&world, 1, "GET http://svc.internal/a HTTP/1.1"));
    close_world(&world);
}

static void headers_are_kept_as_the_last_response_has_them(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, "http", "", "");
    world.answers[0] = "HTTP/1.1 100 Go on\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-One: a\r\n"
                       "x-two:  b \r\n  c\r\nContent-Length: 0\r\n\r\n";
    world.answers[1] = "HTTP/1.1 302 Found\r\nLocation: /next\r\nX-Old: 1\r\nContent-Length: 0\r\n\r\n";
    world.answers[2] = "HTTP/1.1 200 OK\r\nX-New: 1\r\nContent-Length: 0\r\n\r\n";
    get(&world, "GET", "http://svc.internal/");
    assert_null(strstr(world.headers, "X-Early"));
    assert_non_null(strstr(world.headers, "X-One: a\r\n"));
    assert_non_null(strstr(world.headers, "x-two:  b c\r\n"));
    get(&world, "GET", "http://svc.internal/");
    assert_null(strstr(world.headers, "X-Old"));
    assert_non_null(strstr(world.headers, "X-New: 1\r\n"));
    assert_int_equal(world.result.redirects, 1);
    close_world(&world);
}

static void headers_do_not_follow_to_another_origin(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, "http", "", "");
    world.answers[0] = "HTTP/1.1 307 There\r\nLocation: /same\r\nContent-Length: 0\r\n\r\n";
    world.answers[1] = "HTTP/1.1 307 There\r\nLocation: http://other.internal/\r\nContent-Length: 0\r\n\r\n";
    world.answers[2] = "HTTP/1.1 307 Back\r\nLocation: http://svc.internal/\r\nContent-Length: 0\r\n\r\n";
    world.answers[3] = EMPTY;
    get(&world, "GET", "http://u:p@svc.internal/");
    assert_int_equal(world.result.failure, HTTP_OK);
    assert_true(asked(&world, 0, "X-Mark: m") && asked(&world, 0, "Authorization: Basic dTpw"));
    assert_true(asked(&world, 1, "X-Mark: m") && asked(&world, 1, "Authorization: Basic dTpw"));
    for (size_t i = 2; i < 4; i++) {
        assert_null(strstr(world.requests[i], "X-Mark"));
        assert_null(strstr(world.requests[i], "Authorization"));
        assert_true(asked(&world, i, "User-Agent: test"));
    }
    close_world(&world);
}

/** A proxy answers plain http itself, and may show what it was told. */
static void what_a_proxy_is_told_is_among_the_secrets(void **state)
{
    (void)state;
    struct tested_client http;
    struct secrets secrets = {0};
    struct buffer out = {0};
    tested_client_open(&http, 0,
                       (struct http_client_options){.http_proxy = "http://me:pass%2Fword@127.0.0.1:1",
                                                    .https_proxy = "http://token-alone@127.0.0.1:1",
                                                    .max_connections = 1,
                                                    .idle_timeout_ms = 1000});
    http_client_secrets(http.client, &secrets);
    redact(&secrets, SLICE_LITERAL("me:pass/word pass%2fword bWU6cGFzcy93b3Jk token-alone me"), SIZE_MAX,
           &out);
    assert_string_equal(buffer_text(&out), "*** *** *** *** me");
    buffer_clear(&out);
    secrets_clear(&secrets);
    tested_client_close(&http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proxy_is_asked_for_the_whole_url),
        cmocka_unit_test(a_proxy_is_told_who_asks),
        cmocka_unit_test(what_a_proxy_is_told_is_among_the_secrets),
        cmocka_unit_test(a_proxy_that_wants_another_password_is_told_with_its_setting),
        cmocka_unit_test(what_a_proxy_answers_to_connect_has_rules),
        cmocka_unit_test(a_tunnel_that_stands_leaves_the_rest_to_the_server),
        cmocka_unit_test(some_hosts_are_reached_without_it),
        cmocka_unit_test(headers_are_kept_as_the_last_response_has_them),
        cmocka_unit_test(headers_do_not_follow_to_another_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
