/* What the policy for egress makes of a call: when its URL is known, and for each address that its name leads
 * to. */
#include "http/client_internal.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct policy {
    bool judges;
    const char *allow, *deny, *proxy;
};

static void open_shared(struct client_shared *shared, const struct policy *policy)
{
    const struct http_client_options options = {.clock = clock_system(),
                                                .user_agent = "test",
                                                .judges_egress = policy->judges,
                                                .egress_allow = policy->allow,
                                                .egress_deny = policy->deny,
                                                .http_proxy = policy->proxy,
                                                .no_proxy = "direct.internal"};
    *shared = (struct client_shared){0};
    assert_int_equal(shared_init(shared, &options, NULL), 0);
}

static struct http_call *new_call(struct client_shared *shared, const char *url)
{
    const struct http_request request = {.method = "GET", .url = url};
    struct http_call *call = call_new(shared, &request, NULL, NULL);
    assert_non_null(call);
    assert_false(call->bad_url);
    return call;
}

static void a_url_is_judged_where_its_address_will_not_be(void **state)
{
    (void)state;
    static const struct {
        struct policy policy;
        const char *url;
        /** NULL: it may go. */
        const char *words;
    } cases[] = {
        {{.judges = false}, "http://169.254.169.254./", NULL},
        /* Without lists the address decides, except for what libcurl would take for something else. */
        {{.judges = true}, "http://a.internal/", NULL},
        {{.judges = true}, "http://169.254.169.254/", NULL},
        {{.judges = true}, "http://169.254.169.254:80/x?y=:0", NULL},
        {{.judges = true}, "http://169.254.169.254./", "is a metadata address"},
        {{.judges = true}, "http://169.254.169.254.", "is a metadata address"},
        {{.judges = true}, "http://169.254.169.254.:80/", "is a metadata address"},
        {{.judges = true}, "http://169.254.169.254.:8080?x", "is a metadata address"},
        {{.judges = true}, "http://169.254.169.254:0/", "port 0 is never connected to"},
        {{.judges = true}, "http://a.internal:000?x", "port 0 is never connected to"},
        {{.judges = true}, "http://169.254.169.254:10/", NULL},
        {{.judges = true}, "http://169.254.169.254:01/", NULL},
        {{.judges = true}, "http://10.0.0.0/", NULL},
        {{.judges = true}, "http://a.internal./", NULL},
        /* Where a proxy looks the name up there is no address to come. */
        {{.judges = true, .proxy = "http://proxy:1"}, "http://169.254.169.254/", "is a metadata address"},
        {{.judges = true, .proxy = "http://proxy:1"}, "http://a.internal/", NULL},
        {{.judges = true, .proxy = "http://proxy:1"}, "https://169.254.169.254/", NULL},
        /* Lists may decide by name and port. */
        {{.judges = true, .deny = "a.internal"}, "http://a.internal/", "EGRESS_DENY"},
        {{.judges = true, .deny = "a.internal"}, "http://b.internal/", NULL},
        {{.judges = true, .deny = ":81"}, "http://b.internal:81/", "EGRESS_DENY"},
        {{.judges = true, .deny = ":81"}, "http://b.internal/", NULL},
        {{.judges = true, .deny = ":80"}, "http://b.internal/", "EGRESS_DENY"},
        {{.judges = true, .allow = "a.internal"}, "http://a.internal/", NULL},
        {{.judges = false, .deny = "a.internal"}, "http://a.internal/", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct client_shared shared;
        enum http_failure failure = HTTP_OK;
        open_shared(&shared, &cases[i].policy);
        struct http_call *call = new_call(&shared, cases[i].url);
        bool goes = call_may_go(call, &failure);
        if (goes != !cases[i].words || (cases[i].words && !strstr(call->egress_why, cases[i].words)))
            fail_msg("case %zu, %s: %d, '%s'", i, cases[i].url, goes, call->egress_why);
        assert_int_equal(call_was_refused(call), !goes);
        if (!goes)
            assert_int_equal(failure, HTTP_EGRESS);
        call_free(call);
        shared_clear(&shared);
    }
}

static bool may_connect(struct http_call *call, const char *host)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
    assert_int_equal(inet_pton(AF_INET, host, &address.sin_addr), 1);
    return call_may_connect(call, (struct sockaddr *)&address);
}

/** A call is refused when none of its addresses could be tried. */
static void each_address_is_judged_before_it_is_connected_to(void **state)
{
    (void)state;
    static const struct policy judging = {.judges = true}, idle = {.judges = false};
    struct client_shared shared;
    enum http_failure failure = HTTP_OK;
    open_shared(&shared, &judging);
    struct http_call *call = new_call(&shared, "http://a.internal/");
    assert_true(call_may_go(call, &failure));
    assert_false(may_connect(call, "169.254.169.254"));
    assert_non_null(strstr(call->egress_why, "is a metadata address"));
    assert_true(call_was_refused(call));
    assert_false(may_connect(call, "169.254.170.2"));
    assert_true(call_was_refused(call));
    assert_true(may_connect(call, "10.1.2.3"));
    assert_false(call_was_refused(call));
    assert_false(may_connect(call, "169.254.169.254"));
    assert_false(call_was_refused(call)); /* another one was tried */
    assert_int_equal(call->opened, 1);
    assert_true(call_may_go(call, &failure)); /* the next hop begins anew */
    assert_int_equal(call->opened, 0);
    assert_false(call_was_refused(call));
    call_free(call);
    shared_clear(&shared);
    open_shared(&shared, &idle);
    call = new_call(&shared, "http://a.internal/");
    assert_true(may_connect(call, "169.254.169.254"));
    assert_int_equal(call->opened, 1);
    call_free(call);
    shared_clear(&shared);
}

/** What is connected to is the proxy, which whoever runs the agent has named. */
static void a_proxys_own_address_is_not_judged(void **state)
{
    (void)state;
    static const struct policy through = {.judges = true, .proxy = "http://proxy.internal:3128"};
    struct client_shared shared;
    open_shared(&shared, &through);
    struct http_call *call = new_call(&shared, "http://a.internal/");
    assert_true(call_begin_hop(call));
    assert_non_null(call->proxy);
    assert_true(may_connect(call, "169.254.169.254"));
    call_free(call);
    call = new_call(&shared, "http://direct.internal/");
    assert_true(call_begin_hop(call));
    assert_null(call->proxy);
    assert_false(may_connect(call, "169.254.169.254"));
    call_free(call);
    shared_clear(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_judged_where_its_address_will_not_be),
        cmocka_unit_test(each_address_is_judged_before_it_is_connected_to),
        cmocka_unit_test(a_proxys_own_address_is_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
