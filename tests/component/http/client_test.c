/* The HTTP client against real loopback servers, on a loop of its own. */
#include "agent/http_server/server.h"
#include "tested_client.h"

struct world {
    struct tested_client http;
    struct http_server *server;
    struct http_exchange *held[64];
    size_t held_count, requests, done, concurrent_now;
    char last_method[16], last_body[64], last_target[128], last_type[64], last_mark[64];
    struct http_result result; /* of the last call; slices are copied below */
    char body[256];
    size_t body_len;
};

static void serve(void *ctx, struct http_exchange *exchange, const struct http_server_request *request)
{
    struct world *world = ctx;
    char path[128];
    world->requests++;
    snprintf(path, sizeof path, "%.*s", (int)request->target.len, request->target.ptr);
    snprintf(world->last_target, sizeof world->last_target, "%s", path);
    snprintf(world->last_method, sizeof world->last_method, "%.*s", (int)request->method.len,
             request->method.ptr);
    struct slice type = http_exchange_header(exchange, "Content-Type");
    struct slice mark = http_exchange_header(exchange, "X-Mark");
    snprintf(world->last_type, sizeof world->last_type, "%.*s", (int)type.len, type.ptr ? type.ptr : "");
    snprintf(world->last_mark, sizeof world->last_mark, "%.*s", (int)mark.len, mark.ptr ? mark.ptr : "");
    snprintf(world->last_body, sizeof world->last_body, "%.*s", (int)request->body.len, request->body.ptr);
    if (strncmp(path, "/hold", 5) == 0)
        world->held[world->held_count++] = exchange;
    else if (strncmp(path, "/abort", 6) == 0)
        http_server_abort(exchange);
    else if (strncmp(path, "/redirect/", 10) == 0) {
        char header[200];
        snprintf(header, sizeof header, "Location: %s\r\n", path + 13);
        http_server_answer(exchange, atoi(path + 10), "text/plain", header, SLICE_LITERAL("moved"), 0);
    } else if (strncmp(path, "/nowhere/", 9) == 0) {
        http_server_answer(exchange, atoi(path + 9), "text/plain", NULL, SLICE_LITERAL("moved"), 0);
    } else if (strncmp(path, "/big", 4) == 0) {
        static char big[4096];
        bool moved = strcmp(path, "/big-redirect") == 0;
        memset(big, 'x', sizeof big);
        http_server_answer(exchange, moved ? 302 : 200, "text/plain", moved ? "Location: /ok\r\n" : NULL,
                           (struct slice){big, sizeof big}, 0);
    } else
        http_server_answer(exchange, 201, "text/plain", NULL, SLICE_LITERAL("hello"), 5);
}

static void finished(void *ctx, const struct http_result *result)
{
    struct world *world = ctx;
    world->result = *result;
    world->body_len = result->body.len < sizeof world->body ? result->body.len : sizeof world->body;
    if (world->body_len > 0)
        memcpy(world->body, result->body.ptr, world->body_len);
    world->done++;
}

static void open_world(struct world *world, int64_t idle_ms, int64_t total_ms)
{
    struct error err = {0};
    memset(world, 0, sizeof *world);
    struct http_client_options options = {.connect_timeout_ms = 2000,
                                          .idle_timeout_ms = idle_ms,
                                          .total_timeout_ms = total_ms,
                                          .max_response_bytes = 1000,
                                          .max_connections = 64,
                                          .verify_tls = true,
                                          .redirects = HTTP_REDIRECTS_SAME_HOST};
    tested_client_open(&world->http, TICK_MS, options);
    world->server = http_server_new(&world->http.loop, 0, serve, world, &err);
    assert_non_null(world->server);
}

static void close_world(struct world *world)
{
    for (size_t i = 0; i < world->held_count; i++)
        http_server_abort(world->held[i]);
    http_server_close(world->server, NULL, NULL);
    tested_client_close(&world->http);
}

static struct http_call *start(struct world *world, const char *method, const char *path, struct slice body)
{
    char url[256];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", http_server_port(world->server), path);
    struct http_request request = {.method = method, .url = path[0] == '/' ? url : path, .body = body};
    return http_start(world->http.client, &request, finished, world);
}

static void run_until(struct world *world, size_t done)
{
    while (world->done < done)
        uv_run(&world->http.loop, UV_RUN_ONCE);
}

static const struct slice NO_BODY = {NULL, 0};

static void every_method_with_and_without_a_body(void **state)
{
    (void)state;
    struct world world;
    static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE", "GET"};
    open_world(&world, 5000, 10000);
    for (size_t i = 0; i < 10; i++) {
        struct slice body = i % 2 ? SLICE_LITERAL("{\"a\":1}") : NO_BODY;
        assert_non_null(start(&world, methods[i / 2], "/ok", body));
        assert_int_equal(world.done, i); /* never before http_start has returned */
        run_until(&world, i + 1);
        assert_string_equal(world.last_method, methods[i / 2]);
        assert_string_equal(world.last_body, i % 2 ? "{\"a\":1}" : "");
        assert_int_equal(world.result.failure, HTTP_OK);
        assert_int_equal(world.result.status, 201);
        assert_memory_equal(world.body, "hello", 5);
    }
    close_world(&world);
}

static void failures_have_their_names(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, 200, 10000);
    start(&world, "POST", "/abort", NO_BODY);
    run_until(&world, 1);
    assert_string_equal(http_failure_name(world.result.failure), "reset");
    start(&world, "POST", "http://127.0.0.1:1/x?token=hidden", NO_BODY);
    run_until(&world, 2);
    assert_string_equal(http_failure_name(world.result.failure), "connect");
    assert_null(strstr(world.result.reason, "hidden"));
    start(&world, "POST", "nothing-like-a-url://", NO_BODY);
    run_until(&world, 3);
    assert_string_equal(http_failure_name(world.result.failure), "bad_url");
    start(&world, "POST", "/hold", NO_BODY);
    run_until(&world, 4);
    assert_string_equal(http_failure_name(world.result.failure), "timeout");
    close_world(&world);
}

static void the_total_deadline_holds_even_while_connected(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, 60000, 150);
    start(&world, "POST", "/hold", NO_BODY);
    run_until(&world, 1);
    assert_string_equal(http_failure_name(world.result.failure), "total_timeout");
    close_world(&world);
}

/* A stopped process, or a laptop that slept. */
static void an_answer_that_came_while_we_did_not_run_is_no_timeout(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, 2000, 20000);
    start(&world, "GET", "/hold", (struct slice){NULL, 0});
    while (world.held_count == 0)
        uv_run(&world.http.loop, UV_RUN_ONCE);
    http_server_answer(world.held[0], 200, "text/plain", NULL, SLICE_LITERAL("hello"), 0);
    world.held_count = 0;
    world.http.now_ms += 50000;
    uv_sleep(300); /* the next sweep is due before the answer is read */
    while (world.done == 0)
        uv_run(&world.http.loop, UV_RUN_ONCE);
    assert_int_equal(world.result.failure, HTTP_OK);
    assert_int_equal(world.result.status, 200);
    close_world(&world);
}

static void a_long_response_is_cut_and_still_a_response(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, 5000, 10000);
    start(&world, "GET", "/big", NO_BODY);
    run_until(&world, 1);
    assert_int_equal(world.result.failure, HTTP_OK);
    assert_int_equal(world.result.status, 200);
    assert_true(world.result.body_cut);
    assert_int_equal(world.result.body.len, 1000);
    close_world(&world);
}

static void of_a_body_that_is_discarded_only_its_beginning_is_kept(void **state)
{
    (void)state;
    static const size_t kept[] = {0, 3, 5, 100};
    struct world world;
    char url[64];
    open_world(&world, 5000, 10000);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/ok", http_server_port(world.server));
    for (size_t i = 0; i < 4; i++) {
        struct http_request request = {
            .method = "POST", .url = url, .discard_body = true, .keep_bytes = kept[i]};
        assert_non_null(http_start(world.http.client, &request, finished, &world));
        run_until(&world, i + 1);
        assert_int_equal(world.result.status, 201);
        assert_false(world.result.body_cut);
        assert_int_equal(world.body_len, kept[i] < 5 ? kept[i] : 5);
        assert_memory_equal(world.body, "hello", world.body_len);
    }
    close_world(&world);
}

static void a_redirect_whose_body_is_cut_is_a_redirect_all_the_same(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, 5000, 10000);
    start(&world, "POST", "/big-redirect", SLICE_LITERAL("body"));
    run_until(&world, 1);
    assert_int_equal(world.result.failure, HTTP_REDIRECT);
    start(&world, "GET", "/big-redirect", NO_BODY);
    run_until(&world, 2);
    assert_int_equal(world.result.status, 201);
    assert_false(world.result.body_cut);
    close_world(&world);
}

static void redirects_follow_the_rule(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, 5000, 10000);
    start(&world, "PUT", "/redirect/307/ok", SLICE_LITERAL("body"));
    run_until(&world, 1);
    assert_int_equal(world.result.status, 201);
    assert_int_equal(world.result.redirects, 1);
    assert_string_equal(world.last_method, "PUT");
    assert_string_equal(world.last_body, "body");
    static const char *const refused[][2] = {
        {"/redirect/302/ok", "only 307"}, /* nobody has said which headers go with what it becomes */
        {"/redirect/307http://localhost:1/", "another host"},
        {"/redirect/307http://127.0.0.1:1/", "another port"},
        {"/redirect/308/redirect/308/redirect/308/redirect/308/redirect/308/redirect/308/ok", "more than 5"}};
    enum { REFUSED = sizeof refused / sizeof *refused };
    for (size_t i = 0; i < REFUSED; i++) {
        start(&world, "POST", refused[i][0], NO_BODY);
        run_until(&world, i + 2);
        assert_int_equal(world.result.failure, HTTP_REDIRECT);
        if (!strstr(world.result.reason, refused[i][1]))
            fail_msg("'%s' does not say '%s'", world.result.reason, refused[i][1]);
    }
    start(&world, "GET", "/redirect/302/ok", NO_BODY);
    run_until(&world, REFUSED + 2);
    assert_int_equal(world.result.status, 201);
    close_world(&world);
}

static void what_is_no_redirect_is_an_answer(void **state)
{
    (void)state;
    struct world world;
    static const char *const answers[] = {"/nowhere/302",     "/nowhere/308",     "/nowhere/304",
                                          "/redirect/300/ok", "/redirect/304/ok", "/redirect/305/ok",
                                          "/redirect/306/ok", "/redirect/309/ok", "/redirect/399/ok",
                                          "/redirect/302",    "/redirect/200/ok"};
    open_world(&world, 5000, 10000);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        start(&world, i % 2 ? "POST" : "GET", answers[i], NO_BODY);
        run_until(&world, i + 1);
        assert_int_equal(world.result.failure, HTTP_OK);
        assert_int_equal(world.result.status, atoi(strchr(answers[i] + 1, '/') + 1));
        assert_int_equal(world.result.redirects, 0);
        assert_int_equal(world.requests, i + 1);
    }
    close_world(&world);
}

static bool marks(void *ctx, struct http_call *call)
{
    const struct http_header header = {SLICE_LITERAL("X-Mark"), SLICE_LITERAL("without a body")};
    (void)ctx;
    return http_call_headers(call, &header, 1);
}

static void three_redirects_leave_a_request_without_its_body(void **state)
{
    (void)state;
    struct world world;
    static const char *const cases[][4] = {
        /* method, path, method of the last hop, mark of the last hop */
        {"POST", "/redirect/301/ok", "GET", "without a body"},
        {"PUT", "/redirect/302/ok", "GET", "without a body"},
        {"DELETE", "/redirect/303/ok", "GET", "without a body"},
        {"GET", "/redirect/303/ok", "GET", "without a body"},
        {"HEAD", "/redirect/303/ok", "HEAD", "without a body"},
        {"POST", "/redirect/303/redirect/307/redirect/308/ok", "GET", "without a body"},
        {"PATCH", "/redirect/307/redirect/303/ok", "GET", "without a body"},
        {"PATCH", "/redirect/307/redirect/308/ok", "PATCH", "with a body"},
    };
    open_world(&world, 5000, 10000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char url[256];
        bool head = strcmp(cases[i][0], "HEAD") == 0, keeps = strcmp(cases[i][3], "with a body") == 0;
        snprintf(url, sizeof url, "http://127.0.0.1:%d%s", http_server_port(world.server), cases[i][1]);
        const struct http_header headers[] = {
            {SLICE_LITERAL("X-Mark"), SLICE_LITERAL("with a body")},
            {SLICE_LITERAL("Content-Type"), SLICE_LITERAL("application/json")}};
        struct http_request request = {.method = cases[i][0],
                                       .url = url,
                                       .headers = headers,
                                       .header_count = 2,
                                       .body = head ? NO_BODY : SLICE_LITERAL("body"),
                                       .without_body = marks};
        assert_non_null(http_start(world.http.client, &request, finished, &world));
        run_until(&world, i + 1);
        assert_int_equal(world.result.status, 201);
        assert_string_equal(world.last_target, "/ok");
        assert_string_equal(world.last_method, cases[i][2]);
        assert_string_equal(world.last_mark, cases[i][3]);
        assert_string_equal(world.last_body, keeps ? "body" : "");
        assert_string_equal(world.last_type, keeps ? "application/json" : "");
    }
    close_world(&world);
}

static void what_a_url_asks_for_is_asked_for_as_it_stands(void **state)
{
    (void)state;
    static const char *const asked[][2] = {{"/a?x=1&y=%20#part", "/a?x=1&y=%20"},
                                           {"/a", "/a"}, /* nothing is left of the one before */
                                           {"/a/../b/./c?q=/../", "/b/c?q=/../"},
                                           {"/a?", "/a?"},
                                           {"/%c3%BC?\xc3\xbc", "/%c3%BC?%C3%BC"},
                                           {"/\xc3\xbc?x", "/%C3%BC?x"},
                                           {"/\xc3\xbc", "/%C3%BC"},
                                           {"/a b|^[1]%?\"%zz", "/a%20b%7C%5E[1]%25?%22%25zz"},
                                           {"/a/%2e%2e/b", "/a/%2e%2e/b"},
                                           {"/redirect/307/b?x=1", "/b?x=1"},
                                           {"/redirect/307/b?", "/b?"},
                                           {"/redirect/307/a b", "/a%20b"},
                                           {"/a#part?x=1", "/a"}};
    struct world world;
    open_world(&world, 60000, 60000);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        start(&world, "POST", asked[i][0], NO_BODY);
        run_until(&world, i + 1);
        assert_string_equal(world.last_target, asked[i][1]);
    }
    close_world(&world);
}

static void cancelling_and_closing_end_every_call_once(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, 60000, 60000);
    struct http_call *call = start(&world, "POST", "/hold", NO_BODY);
    for (int i = 0; i < 8; i++)
        start(&world, "POST", "/hold", NO_BODY);
    while (world.held_count < 9)
        uv_run(&world.http.loop, UV_RUN_ONCE);
    http_call_cancel(call);
    assert_int_equal(world.done, 0);
    run_until(&world, 1);
    assert_int_equal(world.result.failure, HTTP_CANCELLED);
    close_world(&world);
    assert_int_equal(world.done, 9);
}

static void a_connection_closed_while_idle_keeps_nothing_busy_and_is_not_used_again(void **state)
{
    (void)state;
    struct world world;
    struct error err = {0};
    open_world(&world, 1000, 5000);
    start(&world, "POST", "/", SLICE_LITERAL("first"));
    run_until(&world, 1);
    int port = http_server_port(world.server);
    http_server_close(world.server, NULL, NULL);
    uint64_t until = uv_now(&world.http.loop) + 60;
    unsigned turns = 0;
    for (; uv_now(&world.http.loop) < until; turns++)
        uv_run(&world.http.loop, UV_RUN_ONCE);
    assert_in_range(turns, 1, 100); /* the tick's are twelve */
    world.server = http_server_new(&world.http.loop, port, serve, &world, &err);
    assert_non_null(world.server);
    start(&world, "POST", "/", SLICE_LITERAL("second"));
    run_until(&world, 2);
    assert_int_equal(world.result.failure, HTTP_OK);
    assert_int_equal(world.result.status, 201);
    assert_int_equal(world.requests, 2);
    close_world(&world);
}

static void many_at_once(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, 10000, 20000);
    for (int i = 0; i < 300; i++)
        start(&world, "POST", "/ok", SLICE_LITERAL("x"));
    assert_int_equal(http_client_active(world.http.client), 300);
    run_until(&world, 300);
    assert_int_equal(world.requests, 300);
    assert_int_equal(http_client_active(world.http.client), 0);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_with_and_without_a_body),
        cmocka_unit_test(failures_have_their_names),
        cmocka_unit_test(the_total_deadline_holds_even_while_connected),
        cmocka_unit_test(an_answer_that_came_while_we_did_not_run_is_no_timeout),
        cmocka_unit_test(a_long_response_is_cut_and_still_a_response),
        cmocka_unit_test(of_a_body_that_is_discarded_only_its_beginning_is_kept),
        cmocka_unit_test(redirects_follow_the_rule),
        cmocka_unit_test(what_is_no_redirect_is_an_answer),
        cmocka_unit_test(three_redirects_leave_a_request_without_its_body),
        cmocka_unit_test(what_a_url_asks_for_is_asked_for_as_it_stands),
        cmocka_unit_test(a_redirect_whose_body_is_cut_is_a_redirect_all_the_same),
        cmocka_unit_test(cancelling_and_closing_end_every_call_once),
        cmocka_unit_test(a_connection_closed_while_idle_keeps_nothing_busy_and_is_not_used_again),
        cmocka_unit_test(many_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
