/* Where a call's present hop leads, and how far it has come: a libcurl that knows what a test says. */
#define CURL_DISABLE_TYPECHECK
#include "http/client_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#undef curl_easy_getinfo

static struct {
    long connects, version, request_size;
} knows;

CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
    assert_ptr_equal(easy, &knows);
    va_list arguments;
    va_start(arguments, info);
    *va_arg(arguments, long *) = info == CURLINFO_NUM_CONNECTS   ? knows.connects
                                 : info == CURLINFO_HTTP_VERSION ? knows.version
                                                                 : knows.request_size;
    va_end(arguments);
    return CURLE_OK;
}

static struct client_shared shared;
static struct http_call call;

static int begin(void **state)
{
    (void)state;
    memset(&shared, 0, sizeof shared);
    memset(&knows, 0, sizeof knows);
    call = (struct http_call){.easy = &knows, .shared = &shared, .sends = 1};
    return 0;
}

static void versions_are_told_alike_on_both_ways(void **state)
{
    (void)state;
    static const long versions[][2] = {{CURL_HTTP_VERSION_1_0, 10},
                                       {CURL_HTTP_VERSION_1_1, 11},
                                       {CURL_HTTP_VERSION_2_0, 20},
                                       {CURL_HTTP_VERSION_NONE, 0}};
    for (size_t i = 0; i < 4; i++) {
        knows.version = versions[i][0];
        assert_int_equal(call_version(&call), versions[i][1]);
    }
    call.ours = true;
    call.exchange.response.version = 11;
    assert_int_equal(call_version(&call), 11);
}

/* A connection that had been used before, and ended without a byte */

static void a_request_that_was_not_heard_may_be_sent_again(void **state)
{
    (void)state;
    static const CURLcode lost[] = {CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_HTTP2};
    for (size_t i = 0; i < 4; i++)
        assert_true(ended_unheard(&call, lost[i]));
    assert_false(ended_unheard(&call, CURLE_OPERATION_TIMEDOUT));
    assert_false(ended_unheard(&call, CURLE_OK));
}

static void what_may_have_been_heard_is_not_sent_again(void **state)
{
    (void)state;
    knows.connects = 1; /* a connection of its own: nobody had closed it meanwhile */
    assert_false(ended_unheard(&call, CURLE_RECV_ERROR));
    knows.connects = 0;
    call.sends = 2; /* libcurl has done so already */
    assert_false(ended_unheard(&call, CURLE_RECV_ERROR));
    call.sends = 0;
    assert_false(ended_unheard(&call, CURLE_RECV_ERROR));
    call.sends = 1;
    call.header_bytes = 1;
    assert_false(ended_unheard(&call, CURLE_RECV_ERROR));
    call.header_bytes = 0;
    shared.options.never_resends = true;
    assert_false(ended_unheard(&call, CURLE_RECV_ERROR));
    shared.options.never_resends = false;
    call.ours = true; /* exchange.c sees to that */
    assert_false(ended_unheard(&call, CURLE_RECV_ERROR));
    call.ours = false;
    assert_true(ended_unheard(&call, CURLE_RECV_ERROR));
}

static void a_request_is_written_once_a_byte_of_it_is(void **state)
{
    (void)state;
    assert_false(request_is_written(&call));
    knows.request_size = 1;
    assert_true(request_is_written(&call));
    call.sends = 0; /* that was the hop before */
    assert_false(request_is_written(&call));
    call.ours = true;
    assert_false(request_is_written(&call));
    call.exchange.sent = 1;
    assert_true(request_is_written(&call));
}

/* Proxies */

static void what_a_proxy_is_asked_for_depends_on_both_urls(void **state)
{
    (void)state;
    static const struct {
        const char *url, *proxy;
        bool whole_url, tunnel, asks_plainly;
    } cases[] = {
        {"http://a/", "http://p:1", true, false, false},
        {"https://a/", "http://p:1", false, true, true},
        {"http://a/", "https://p:1", true, false, false},
        {"https://a/", "https://p:1", false, true, false},
        {"http://a/", "socks5://p:1", false, false, false},
        {"https://a/", "socks5://p:1", false, false, false},
        {"http://a/", NULL, false, false, false},
        {"https://a/", NULL, false, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct proxy proxy = {.url = (char *)(uintptr_t)cases[i].proxy};
        call.url = (char *)(uintptr_t)cases[i].url;
        call.proxy = cases[i].proxy ? &proxy : NULL;
        call.tunnelled = false;
        assert_int_equal(asks_proxy(&call), cases[i].whole_url);
        assert_int_equal(goes_through_tunnel(&call), cases[i].tunnel);
        assert_int_equal(asks_for_tunnel(&call), cases[i].asks_plainly);
        call.tunnelled = true; /* it stands */
        assert_false(asks_for_tunnel(&call));
    }
    assert_false(asks_for_tunnel(NULL));
}

static void assert_goes_through(const char *url, const struct proxy *expected)
{
    const struct proxy *proxy = NULL;
    assert_true(proxy_of(&shared, url, &proxy));
    assert_ptr_equal(proxy, expected);
}

static void each_scheme_has_a_proxy_of_its_own_except_where_none_is_wanted(void **state)
{
    (void)state;
    char http[] = "http://p:1", https[] = "http://p:2";
    shared.options.no_proxy = "";
    assert_false(has_proxy(&shared));
    assert_goes_through("http://a/", NULL);
    shared.https_proxy.url = https;
    assert_true(has_proxy(&shared));
    assert_goes_through("http://a/", NULL);
    assert_goes_through("HTTPS://a/", &shared.https_proxy);
    shared.http_proxy.url = http;
    assert_goes_through("http://a/", &shared.http_proxy);
    shared.options.no_proxy = "a:443,b";
    assert_goes_through("https://a/", NULL);
    assert_goes_through("https://a:8443/", &shared.https_proxy);
    assert_goes_through("http://a/", &shared.http_proxy);
    assert_goes_through("http://b:99/", NULL);
    const struct proxy *proxy = NULL;
    assert_false(proxy_of(&shared, "http://a b/", &proxy));
}

/* Options that all calls share */

static void long_bodies_have_space_for_two_of_the_longest(void **state)
{
    (void)state;
    static const size_t cases[][3] = {
        {10, 8, 16}, {15, 8, 16}, {16, 8, 16}, {17, 8, 17}, {0, 8, 0}}; /* total, of one, total then */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct client_shared made = {0};
        struct error err = {0};
        const struct http_client_options options = {.total_response_bytes = cases[i][0],
                                                    .max_response_bytes = cases[i][1]};
        assert_int_equal(shared_init(&made, &options, &err), 0);
        assert_int_equal(made.options.total_response_bytes, cases[i][2]);
        shared_clear(&made);
    }
}

static void a_wrong_proxy_or_rule_says_which_it_is(void **state)
{
    (void)state;
    static const struct {
        struct http_client_options options;
        const char *said;
    } cases[] = {
        {{.http_proxy = "ftp://p"}, "the proxy for http URLs: "},
        {{.https_proxy = "ftp://p"}, "the proxy for https URLs: "},
        {{.judges_egress = true, .egress_deny = "300.0.0.0/8"}, "where requests may go: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct client_shared made = {0};
        struct error err = {0};
        assert_int_equal(shared_init(&made, &cases[i].options, &err), PA_ERR_INVALID);
        assert_ptr_equal(strstr(err.message, cases[i].said), err.message);
        assert_true(strlen(err.message) > strlen(cases[i].said));
        shared_clear(&made);
    }
}

static void where_nobody_judges_requests_go_anywhere(void **state)
{
    (void)state;
    struct client_shared made = {0};
    struct error err = {0};
    const struct http_client_options options = {
        .egress_deny = "10.0.0.0/8", .http_proxy = "http://p", .http_proxy_setting = "HTTP_PROXY"};
    assert_int_equal(shared_init(&made, &options, &err), 0);
    assert_null(made.egress);
    assert_string_equal(made.http_proxy.setting, "HTTP_PROXY");
    assert_string_equal(made.https_proxy.setting, "");
    shared_clear(&made);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(versions_are_told_alike_on_both_ways),
        TEST(a_request_that_was_not_heard_may_be_sent_again),
        TEST(what_may_have_been_heard_is_not_sent_again),
        TEST(a_request_is_written_once_a_byte_of_it_is),
        TEST(what_a_proxy_is_asked_for_depends_on_both_urls),
        TEST(each_scheme_has_a_proxy_of_its_own_except_where_none_is_wanted),
        TEST(long_bodies_have_space_for_two_of_the_longest),
        TEST(a_wrong_proxy_or_rule_says_which_it_is),
        TEST(where_nobody_judges_requests_go_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
