/* A call without its connection: where it leads, which headers it has and loses, and when it is overdue. */
#include "http/client_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IDLE_MS = 100, TOTAL_MS = 1000, LONG_BODY = 1024 * 1024 };

static struct client_shared shared, proxied;

static int open_both(void **state)
{
    struct http_client_options options = {.clock = clock_system(),
                                          .user_agent = "test/1",
                                          .idle_timeout_ms = IDLE_MS,
                                          .total_timeout_ms = TOTAL_MS,
                                          .no_proxy = "direct.internal"};
    (void)state;
    if (shared_init(&shared, &options, NULL) != 0)
        return -1;
    options.http_proxy = "http://us:er@proxy.internal:3128";
    return shared_init(&proxied, &options, NULL);
}

static int close_both(void **state)
{
    (void)state;
    shared_clear(&shared);
    shared_clear(&proxied);
    return 0;
}

static struct http_call *new_call(struct client_shared *client, const char *method, const char *url,
                                  struct slice body, const struct http_header *headers, size_t count)
{
    const struct http_request request = {
        .method = method, .url = url, .headers = headers, .header_count = count, .body = body};
    struct http_call *call = call_new(client, &request, NULL, NULL);
    assert_non_null(call);
    return call;
}

static const struct slice NO_BODY = {NULL, 0};

/* Where it leads */

static uint64_t origin_of_url(struct client_shared *client, const char *url)
{
    struct http_call *call = new_call(client, "GET", url, NO_BODY, NULL, 0);
    assert_true(call_begin_hop(call));
    uint64_t origin = call_origin(call);
    call_free(call);
    return origin;
}

static void an_origin_is_a_host_and_a_port(void **state)
{
    (void)state;
    static const char *const same[] = {"http://a.internal:8080/",       "http://a.internal:8080",
                                       "http://a.internal:8080/x/y",    "http://a.internal:8080/?q=@b",
                                       "http://a.internal:8080?q#f",    "http://us@a.internal:8080/",
                                       "http://us:er@a.internal:8080/", "http://us:e%40r@a.internal:8080"};
    static const char *const others[] = {"http://a.internal/", "http://a.internal:8081/",
                                         "http://b.internal:8080/", "http://us:a.internal@b.internal:8080/",
                                         "http://ba.internal:8080/"};
    uint64_t origin = origin_of_url(&shared, same[0]);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (origin_of_url(&shared, same[i]) != origin)
            fail_msg("%s is another", same[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (origin_of_url(&shared, others[i]) == origin)
            fail_msg("%s is the same", others[i]);
}

static void through_a_proxy_it_is_the_proxys(void **state)
{
    (void)state;
    uint64_t proxy = origin_of_url(&shared, "http://proxy.internal:3128/");
    assert_true(origin_of_url(&proxied, "http://a.internal/") == proxy);
    assert_true(origin_of_url(&proxied, "http://us:er@b.internal:81/x") == proxy);
    assert_true(origin_of_url(&proxied, "http://direct.internal/") ==
                origin_of_url(&shared, "http://direct.internal/"));
    assert_true(origin_of_url(&proxied, "https://a.internal/") ==
                origin_of_url(&shared, "https://a.internal/"));
}

/* Headers */

/** As libcurl is given them. */
static void assert_lines(struct http_call *call, const char *expected)
{
    struct buffer lines = {0};
    assert_true(call_headers_list(call));
    for (const struct curl_slist *node = call->headers.list; node; node = node->next)
        buffer_appendf(&lines, "%s|", node->data);
    assert_string_equal(buffer_text(&lines), expected);
    buffer_clear(&lines);
}

#define FIXED "User-Agent: test/1|Accept-Encoding: deflate, gzip, br, zstd|Content-Type:|"

static void what_a_request_says_stands_before_what_we_say(void **state)
{
    (void)state;
    static const struct http_header mine[] = {{SLICE_LITERAL("X-A"), SLICE_LITERAL("a")},
                                              {SLICE_LITERAL("user-agent"), SLICE_LITERAL("mine")},
                                              {SLICE_LITERAL("X-Empty"), SLICE_LITERAL("")},
                                              {SLICE_LITERAL("X-Blank"), SLICE_LITERAL(" \t")},
                                              {SLICE_LITERAL("CONTENT-TYPE"), SLICE_LITERAL("text/plain")},
                                              {SLICE_LITERAL("Accept-encoding"), SLICE_LITERAL("identity")}};
    static const char *const expected[] = {
        FIXED,
        "X-A: a|" FIXED,
        "X-A: a|user-agent: mine|Accept-Encoding: deflate, gzip, br, zstd|Content-Type:|",
        "X-A: a|user-agent: mine|X-Empty;|Accept-Encoding: deflate, gzip, br, zstd|Content-Type:|",
        "X-A: a|user-agent: mine|X-Empty;|X-Blank;|Accept-Encoding: deflate, gzip, br, zstd|Content-Type:|",
        "X-A: a|user-agent: mine|X-Empty;|X-Blank;|CONTENT-TYPE: text/plain|"
        "Accept-Encoding: deflate, gzip, br, zstd|",
        "X-A: a|user-agent: mine|X-Empty;|X-Blank;|CONTENT-TYPE: text/plain|Accept-encoding: identity|"};
    struct http_call *changed = new_call(&shared, "POST", "http://a/", NO_BODY, NULL, 0);
    for (size_t count = 0; count <= sizeof mine / sizeof *mine; count++) {
        struct http_call *call = new_call(&shared, "POST", "http://a/", NO_BODY, mine, count);
        assert_lines(call, expected[count]);
        call_free(call);
        assert_true(http_call_headers(changed, mine, count));
        assert_lines(changed, expected[count]);
    }
    call_free(changed);
}

/** libcurl would ask before it sends a body from that size on. */
static void nobody_is_asked_before_a_long_body_is_sent(void **state)
{
    (void)state;
    char *body = calloc(1, LONG_BODY + 1);
    assert_non_null(body);
    for (size_t len = LONG_BODY - 1; len <= LONG_BODY + 1; len++) {
        struct http_call *call = new_call(&shared, "POST", "http://a/", (struct slice){body, len}, NULL, 0);
        assert_lines(call, len < LONG_BODY ? FIXED : FIXED "Expect:|");
        call_free(call);
    }
    free(body);
}

static void elsewhere_only_the_bodys_type_goes_along(void **state)
{
    (void)state;
    static const struct http_header mine[] = {{SLICE_LITERAL("X-Secret"), SLICE_LITERAL("s")},
                                              {SLICE_LITERAL("Content-Typed"), SLICE_LITERAL("no")},
                                              {SLICE_LITERAL("content-type"), SLICE_LITERAL("text/x; a=b")},
                                              {SLICE_LITERAL("Authorization"), SLICE_LITERAL("Bearer s")}};
    static const struct http_header bare[] = {{SLICE_LITERAL("Content-Type"), SLICE_LITERAL("")}};
    struct http_call *call = new_call(&shared, "POST", "http://a/", SLICE_LITERAL("{}"), mine, 4);
    assert_true(call_leave_origin(call));
    assert_lines(call,
                 "Content-Type: text/x; a=b|User-Agent: test/1|Accept-Encoding: deflate, gzip, br, zstd|");
    call_free(call);
    call = new_call(&shared, "POST", "http://a/", NO_BODY, mine, 4);
    assert_true(call_leave_origin(call));
    assert_lines(call, FIXED);
    call_free(call);
    call = new_call(&shared, "POST", "http://a/", SLICE_LITERAL("{}"), bare, 1);
    assert_true(call_leave_origin(call));
    assert_lines(call, FIXED);
    call_free(call);
}

/** HTTP/2 has them in lower case alone. */
static void names_of_an_answers_headers_are_shown_alike_by_all_versions(void **state)
{
    (void)state;
    for (int lower = 0; lower < 2; lower++) {
        struct http_call *call = new_call(&shared, "GET", "http://a/", NO_BODY, NULL, 0);
        call->http2 = lower == 1;
        call_keep_header(call, SLICE_LITERAL("x-first-one: a-b"));
        call_keep_header(call, SLICE_LITERAL("no-colon"));
        call_keep_header(call, SLICE_LITERAL(" goes-on: here"));
        assert_string_equal(buffer_text(&call->response_headers),
                            lower ? "X-First-One: a-b\r\nno-colon goes-on: here\r\n"
                                  : "x-first-one: a-b\r\nno-colon goes-on: here\r\n");
        call_free(call);
    }
}

/* Without its body */

static size_t told;

static bool without_body(void *ctx, struct http_call *call)
{
    (void)call;
    told++;
    return ctx == NULL;
}

static void a_request_that_loses_its_body_asks_with_get(void **state)
{
    (void)state;
    static const struct {
        const char *method, *becomes;
        bool body, processed;
    } cases[] = {{"POST", "GET", true, true}, {"POST", "GET", false, true}, {"PUT", "GET", false, true},
                 {"GET", "GET", true, true},  {"GET", "GET", false, false}, {"HEAD", "HEAD", false, false},
                 {"HEAD", "HEAD", true, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int way = 0; way < 4; way++) { /* nobody is told, or is; who refuses, and elsewhere */
            struct http_call *call = new_call(&shared, cases[i].method, "http://a/",
                                              cases[i].body ? SLICE_LITERAL("{}") : NO_BODY, NULL, 0);
            told = 0;
            call->without_body = way == 0 ? NULL : without_body;
            call->ctx = way == 2 ? call : NULL;
            call->elsewhere = way == 3;
            assert_int_equal(call_drop_body(call), way != 2);
            assert_int_equal(told, way == 1 || way == 2);
            assert_string_equal(call->method, cases[i].becomes);
            assert_int_equal(call->processed, cases[i].processed);
            assert_true(!call->has_body && slice_is_null(call->body));
            call_free(call);
        }
}

/* Deadlines */

static void a_call_is_overdue_when_nothing_moves(void **state)
{
    (void)state;
    struct http_call *call = new_call(&shared, "POST", "http://a/", NO_BODY, NULL, 0);
    call->ours = true;
    call->deadline_ms = TOTAL_MS;
    /* Connecting has a deadline of libcurl's own. */
    assert_int_equal(call_overdue(call, 500), HTTP_OK);
    assert_int_equal(call->active_ms, 500);
    call->sends = 1;
    assert_int_equal(call_overdue(call, 500 + IDLE_MS - 1), HTTP_OK);
    assert_int_equal(call_overdue(call, 500 + IDLE_MS), HTTP_IDLE_TIMEOUT);
    call->exchange.sent = 1;
    assert_int_equal(call_overdue(call, 700), HTTP_OK);
    assert_int_equal(call_overdue(call, 700 + IDLE_MS - 1), HTTP_OK);
    assert_int_equal(call_overdue(call, 700 + IDLE_MS), HTTP_IDLE_TIMEOUT);
    call->exchange.response.progress = 1;
    assert_int_equal(call_overdue(call, 850), HTTP_OK);
    assert_int_equal(call_overdue(call, 850 + IDLE_MS), HTTP_IDLE_TIMEOUT);
    call->exchange.response.progress = 2;
    assert_int_equal(call_overdue(call, TOTAL_MS - 1), HTTP_OK);
    call->exchange.response.progress = 3;
    assert_int_equal(call_overdue(call, TOTAL_MS), HTTP_TOTAL_TIMEOUT);
    call_free(call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_origin_is_a_host_and_a_port),
        cmocka_unit_test(through_a_proxy_it_is_the_proxys),
        cmocka_unit_test(what_a_request_says_stands_before_what_we_say),
        cmocka_unit_test(nobody_is_asked_before_a_long_body_is_sent),
        cmocka_unit_test(elsewhere_only_the_bodys_type_goes_along),
        cmocka_unit_test(names_of_an_answers_headers_are_shown_alike_by_all_versions),
        cmocka_unit_test(a_request_that_loses_its_body_asks_with_get),
        cmocka_unit_test(a_call_is_overdue_when_nothing_moves),
    };
    return cmocka_run_group_tests(tests, open_both, close_both);
}
