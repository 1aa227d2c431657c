/* Calls to Port: one token for all, refreshed in time, one attempt a call, quiet when Port asks for it. */
#include "fake_port.h"
#include <time.h>

struct answers {
    size_t count, accepted, refused, unavailable, authentication;
    struct port_result last;
    char reason[512], body[512];
    struct fake_port *free_in_callback;
    struct port_call *cancel_in_callback;
};

static void answered(void *ctx, const struct port_result *result)
{
    struct answers *answers = ctx;
    answers->count++;
    answers->accepted += result->answer == PORT_ACCEPTED;
    answers->refused += result->answer == PORT_REFUSED;
    answers->unavailable += result->answer == PORT_UNAVAILABLE;
    answers->authentication += result->authentication;
    answers->last = *result;
    snprintf(answers->reason, sizeof answers->reason, "%s", result->reason);
    snprintf(answers->body, sizeof answers->body, "%.*s", (int)result->body.len,
             result->body.ptr ? result->body.ptr : "");
    if (answers->cancel_in_callback) {
        port_call_cancel(answers->cancel_in_callback);
        answers->cancel_in_callback = NULL;
    }
    if (answers->free_in_callback) {
        struct fake_port *port = answers->free_in_callback;
        port_api_free(port->api);
        port->api = NULL;
        answers->free_in_callback = NULL;
    }
}

static struct port_call *post(struct fake_port *port, const char *path, struct answers *answers)
{
    size_t before = answers->count;
    struct port_call *call =
        port_api_call(port->api, "POST", path, SLICE_LITERAL("{\"a\":1}"), answered, answers);
    assert_non_null(call);
    assert_int_equal(answers->count, before);
    return call;
}

static void one_token_serves_a_hundred_calls(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(8);
    struct answers answers = {0};
    for (int i = 0; i < 100; i++)
        post(port, "/v1/x", &answers);
    run_until(port, &answers.count, 100);
    assert_int_equal(answers.accepted, 100);
    assert_int_equal(port->tokens, 1);
    assert_int_equal(port_api_view(port->api).requests, 101);
    assert_request(port, 0,
                   "POST /v1/auth/access_token {\"clientId\":\"id\\\"1\",\"clientSecret\":\"s\\\\3cret\"}");
    assert_string_equal(port->seen[0].authorization, "");
    assert_request(port, 1, "POST /v1/x {\"a\":1}");
    assert_string_equal(port->seen[1].authorization, "Bearer token-1");
    assert_string_equal(port->seen[1].user_agent, "port-agent/test");
    fake_port_free(port);
}

static void calls_leave_in_the_order_they_came(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(1);
    struct answers answers = {0};
    char path[32];
    for (int i = 0; i < 30; i++) {
        snprintf(path, sizeof path, "/v1/%d", i);
        post(port, path, &answers);
    }
    run_until(port, &answers.count, 30);
    for (int i = 0; i < 30; i++) {
        snprintf(path, sizeof path, "/v1/%d", i);
        assert_string_equal(port->seen[i + 1].target, path);
    }
    fake_port_free(port);
}

static void call_once(struct fake_port *port, struct answers *answers)
{
    size_t before = answers->count;
    post(port, "/v1/x", answers);
    run_until(port, &answers->count, before + 1);
}

static void the_token_is_refreshed_before_it_expires(void **state)
{
    (void)state;
    static const struct {
        const char *expires_in;
        int64_t good_ms, refreshed_ms;
    } cases[] = {
        {"3600", 3200000, 3300000}, /* a tenth before */
        {"300", 230000, 245000},    /* a minute before */
        {"50", 38000, 41000},       /* short: at 80 % */
        {"null", 3200000, 3300000}, /* missing: an hour */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake_port *port = fake_port_new(4);
        struct answers answers = {0};
        port->expires_in = cases[i].expires_in;
        call_once(port, &answers);
        port->turned_ms = cases[i].good_ms;
        call_once(port, &answers);
        assert_int_equal(port->tokens, 1);
        port->turned_ms = cases[i].refreshed_ms;
        call_once(port, &answers);
        run_for(port, 50); /* the old token served this call while the new one came */
        assert_int_equal(port->tokens, 2);
        call_once(port, &answers);
        assert_string_equal(port->seen[port->count - 1].authorization, "Bearer token-2");
        assert_int_equal(answers.accepted, 4);
        fake_port_free(port);
    }
}

static void a_failed_early_refresh_fails_nobody_while_the_old_token_is_good(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(4);
    struct answers answers = {0};
    call_once(port, &answers);
    port->token_reply.status = 500;
    port->turned_ms = 3300000;
    call_once(port, &answers);
    run_for(port, 50);
    call_once(port, &answers);
    assert_int_equal(answers.accepted, 3);
    assert_int_equal(port->tokens, 2); /* not once a call */
    port->turned_ms = 3700000;
    call_once(port, &answers);
    assert_int_equal(answers.unavailable, 1);
    fake_port_free(port);
}

static struct reply token_two_only(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    return (struct reply){.status = strcmp(request->authorization, "Bearer token-2") == 0 ? 200 : 401};
}

static void a_401_refreshes_the_token_once_for_all(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(8);
    struct answers answers = {0};
    port->script = token_two_only;
    for (int i = 0; i < 8; i++)
        post(port, "/v1/x", &answers);
    run_until(port, &answers.count, 8);
    assert_int_equal(answers.accepted, 8);
    assert_int_equal(port->tokens, 2);
    fake_port_free(port);
}

static struct reply always_401(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = 401, .delay_ms = 30};
}

static void a_401_with_a_fresh_token_is_a_refusal(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(8);
    struct answers answers = {0};
    port->script = always_401;
    call_once(port, &answers);
    assert_int_equal(answers.refused, 1);
    assert_int_equal(answers.last.status, 401);
    assert_false(answers.last.authentication);
    assert_int_equal(port->count, 4); /* token, call, token, call */
    fake_port_free(port);
}

static struct reply say_422(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = 422, .body = "{\"message\":\"no such run\"}"};
}

static void a_4xx_is_a_refusal_with_ports_own_words(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(8);
    struct answers answers = {0};
    port->script = say_422;
    call_once(port, &answers);
    assert_int_equal(answers.refused, 1);
    assert_string_equal(answers.body, "{\"message\":\"no such run\"}");
    assert_non_null(strstr(answers.reason, "422"));
    assert_non_null(strstr(answers.reason, "no such run"));
    fake_port_free(port);
}

static char echoed[512];

/** With the token it was sent, the first one that ever was, the client secret, and far behind the place where
 * a refusal's body is cut. */
/** Port refuses whatever token there is, for ever. The clock is turned; it does not run that fast. */
static void fresh_tokens_that_are_refused_are_fetched_ever_more_seldom(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(0);
    port->script = always_401;
    struct answers answers = {0};
    static const struct {
        int64_t turned_ms;
        size_t tokens;
    } steps[] = {{0, 2}, {100, 2}, {29000, 2}, {2000, 3}, {31000, 3}, {31000, 4}, {100, 4}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        port->turned_ms += steps[i].turned_ms;
        for (int call = 0; call < 5; call++) {
            size_t before = answers.count;
            assert_non_null(
                port_api_call(port->api, "GET", "/v1/x", (struct slice){NULL, 0}, answered, &answers));
            run_until(port, &answers.count, before + 1);
            assert_int_equal(answers.last.status, 401);
        }
        if (port->tokens != steps[i].tokens)
            fail_msg("step %zu: %zu tokens", i, port->tokens);
    }
    fake_port_free(port);
}

static struct reply echo_401(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    snprintf(echoed, sizeof echoed,
             "{\"sent\":\"%s\",\"old\":\"token-1\",\"s\":\"s\\\\3cret\",\"b\":\"bef0re-it\",\"%0150d%s\"}",
             request->authorization, 0, request->authorization);
    return (struct reply){.status = 401, .body = echoed};
}

static void what_port_echoes_of_our_secrets_is_masked(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(8);
    struct answers answers = {0};
    port->script = echo_401;
    call_once(port, &answers);
    assert_int_equal(answers.refused, 1);
    assert_int_equal(port->tokens, 2);
    static const char said[] =
        "Port answered 401: {\"sent\":\"Bearer ***\",\"old\":\"***\",\"s\":\"***\",\"b\":\"***\",\"000";
    if (strncmp(answers.reason, said, sizeof said - 1) != 0)
        fail_msg("%s", answers.reason);
    assert_null(strstr(answers.reason, "token-"));
    fake_port_free(port);
}

static void refused_credentials_are_told_to_every_waiting_call(void **state)
{
    (void)state;
    for (int status = 401; status <= 403; status += 2) {
        struct fake_port *port = fake_port_new(8);
        struct answers answers = {0};
        port->token_reply.status = status;
        for (int i = 0; i < 50; i++)
            post(port, "/v1/x", &answers);
        run_until(port, &answers.count, 50);
        assert_int_equal(answers.unavailable, 50);
        assert_int_equal(answers.authentication, 50);
        assert_int_equal(answers.last.status, status);
        assert_null(strstr(answers.reason, "3cret"));
        assert_int_equal(port->count, 1);
        port->token_reply.status = 0; /* nothing of it is kept */
        call_once(port, &answers);
        assert_int_equal(answers.accepted, 1);
        fake_port_free(port);
    }
}

static void a_token_that_cannot_be_read_is_unavailable(void **state)
{
    (void)state;
    static const char *const bodies[] = {"",
                                         "[]",
                                         "{\"accessToken\":1}",
                                         "{\"accessToken\":\"\"}",
                                         "{\"accessToken\":\"a\\r\\nX: y\"}",
                                         "{\"accessToken\":\"a b\"}",
                                         "{\"accessToken"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct fake_port *port = fake_port_new(8);
        struct answers answers = {0};
        port->token_reply = (struct reply){.status = 200, .body = bodies[i]};
        call_once(port, &answers);
        assert_int_equal(answers.unavailable, 1);
        assert_false(answers.last.authentication);
        assert_int_equal(port->count, 1);
        fake_port_free(port);
    }
}

static struct reply first_429(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)request;
    return n == 0 ? (struct reply){.status = 429, .headers = "Retry-After: 1\r\n"} : (struct reply){0};
}

static void nothing_is_sent_while_port_asks_for_quiet(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(8);
    struct answers answers = {0};
    port->script = first_429;
    call_once(port, &answers);
    assert_int_equal(answers.unavailable, 1);
    assert_int_equal(answers.last.retry_after_ms, 1000);
    int64_t start = clock_monotonic_ms(clock_system());
    for (int i = 0; i < 5; i++)
        post(port, "/v1/x", &answers);
    run_for(port, 500);
    assert_int_equal(port->count, 2);
    run_until(port, &answers.count, 6);
    assert_int_equal(answers.accepted, 5);
    assert_in_range(clock_monotonic_ms(clock_system()) - start, 900, 3000);
    fake_port_free(port);
}

static char retry_date[64];

static struct reply say_503_with_date(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = 503, .headers = retry_date};
}

static void retry_after_may_be_a_date_and_is_capped(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int in_s;
        int64_t least_ms, most_ms;
    } cases[] = {{NULL, 20, 15000, 20000},
                 {NULL, 86400, 300000, 300000},
                 {NULL, -10, 0, 0},
                 {"Retry-After: 99999999999999999999\r\n", 0, 300000, 300000},
                 {"Retry-After: soon\r\n", 0, -1, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake_port *port = fake_port_new(8);
        struct answers answers = {0};
        port->script = say_503_with_date;
        time_t at = time(NULL) + cases[i].in_s;
        struct tm utc;
        gmtime_r(&at, &utc);
        if (cases[i].header)
            snprintf(retry_date, sizeof retry_date, "%s", cases[i].header);
        else
            strftime(retry_date, sizeof retry_date, "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
        call_once(port, &answers);
        if (answers.last.retry_after_ms < cases[i].least_ms || answers.last.retry_after_ms > cases[i].most_ms)
            fail_msg("%s: %lld ms", retry_date, (long long)answers.last.retry_after_ms);
        fake_port_free(port);
    }
}

static size_t failures;

static struct reply fails_at_first(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)request;
    return n < failures ? (struct reply){.status = 500}
                        : (struct reply){.delay_ms = n == failures ? 1000 : 0};
}

static void failures_halve_how_many_are_sent_at_once(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(8);
    struct answers answers = {0};
    failures = 8;
    port->script = fails_at_first;
    for (int i = 0; i < 8; i++)
        post(port, "/v1/x", &answers);
    run_until(port, &answers.count, 8);
    assert_int_equal(answers.unavailable, 8);
    size_t before = port->count;
    for (int i = 0; i < 20; i++)
        post(port, "/v1/x", &answers);
    run_until(port, &port->count, before + 1);
    run_for(port, 5);
    assert_int_equal(port->count, before + 1); /* one at a time now */
    run_until(port, &answers.count, 28);
    assert_int_equal(answers.accepted, 20);
    fake_port_free(port);
}

static struct reply cut_first(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)request;
    return (struct reply){.cut = n == 0};
}

static void a_lost_connection_is_unavailable(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(8);
    struct answers answers = {0};
    port->script = cut_first;
    call_once(port, &answers);
    call_once(port, &answers);
    assert_true(answers.accepted >= 1); /* libcurl may send it again on a fresh connection */
    assert_int_equal(answers.refused, 0);
    fake_port_free(port);
}

static void server_gone(void *ctx)
{
    *(size_t *)ctx = 1;
}

static void port_may_come_up_later(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(8);
    struct answers answers = {0};
    int number = http_server_port(port->server);
    size_t gone = 0;
    http_server_close(port->server, server_gone, &gone);
    port->server = NULL;
    run_until(port, &gone, 1);
    call_once(port, &answers);
    assert_int_equal(answers.unavailable, 1);
    assert_int_equal(answers.last.status, 0);
    assert_true(strlen(answers.reason) > 10);
    fake_listen(port, number);
    call_once(port, &answers);
    assert_int_equal(answers.accepted, 1);
    fake_port_free(port);
}

static struct reply slow(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.delay_ms = 500};
}

static void a_cancelled_call_is_silent_at_every_stage(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(1);
    struct answers answers = {0}, cancelled = {0};
    port->script = slow;
    port_call_cancel(post(port, "/v1/waits-for-the-token", &cancelled));
    struct port_call *sent = post(port, "/v1/sent", &cancelled);
    struct port_call *queued = post(port, "/v1/queued", &cancelled);
    post(port, "/v1/kept", &answers);
    run_until(port, &port->count, 2);
    port_call_cancel(queued);
    port_call_cancel(sent);
    run_until(port, &answers.count, 1);
    run_for(port, 100);
    assert_int_equal(cancelled.count, 0);
    assert_int_equal(port->count, 3);
    assert_string_equal(port->seen[1].target, "/v1/sent");
    assert_string_equal(port->seen[2].target, "/v1/kept");
    fake_port_free(port);
}

static void a_lent_body_is_not_touched_once_its_call_is_cancelled(void **state)
{
    (void)state;
    enum { LONG = 200 * 1024 };
    struct fake_port *port = fake_port_new(1);
    struct answers answers = {0}, cancelled = {0};
    port->script = slow;
    char *lent = malloc(LONG);
    assert_non_null(lent);
    memset(lent, 'x', LONG);
    const struct port_request request = {
        .method = "PATCH", .path = "/v1/lent", .body = {lent, LONG}, .body_is_lent = true};
    struct port_call *sent = port_api_start(port->api, &request, answered, &cancelled);
    struct port_call *queued = port_api_start(port->api, &request, answered, &cancelled);
    post(port, "/v1/kept", &answers); /* there is one slot: it goes when the others are gone */
    run_until(port, &port->count, 2);
    port_call_cancel(queued);
    port_call_cancel(sent);
    memset(lent, 0, LONG);
    free(lent);
    run_until(port, &answers.count, 1);
    assert_int_equal(answers.accepted, 1);
    assert_int_equal(cancelled.count, 0);
    fake_port_free(port);
}

static void a_cancelled_call_is_not_sent_again_after_a_401(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(1);
    struct answers cancelled = {0};
    port->script = always_401;
    struct port_call *call = post(port, "/v1/x", &cancelled);
    run_until(port, &port->count, 2);
    port_call_cancel(call);
    run_for(port, 100);
    assert_int_equal(port->count, 2);
    assert_int_equal(cancelled.count, 0);
    fake_port_free(port);
}

static void a_callback_may_cancel_another_call(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(4);
    struct answers answers = {0}, cancelled = {0};
    port->token_reply.status = 500;
    post(port, "/v1/a", &answers);
    answers.cancel_in_callback = post(port, "/v1/b", &cancelled);
    post(port, "/v1/c", &answers);
    run_until(port, &answers.count, 2);
    run_for(port, 20);
    assert_int_equal(cancelled.count, 0);
    fake_port_free(port);
}

static void a_callback_may_free_everything(void **state)
{
    (void)state;
    for (int token_fails = 0; token_fails < 2; token_fails++) {
        struct fake_port *port = fake_port_new(2);
        struct answers answers = {.free_in_callback = port};
        port->token_reply.status = token_fails ? 401 : 0;
        for (int i = 0; i < 6; i++)
            post(port, "/v1/x", &answers);
        run_until(port, &answers.count, 1);
        run_for(port, 30);
        assert_int_equal(answers.count, 1);
        fake_port_free(port);
    }
}

static void freeing_drops_what_is_under_way(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(2);
    struct answers answers = {0};
    port->script = slow;
    for (int i = 0; i < 6; i++)
        post(port, "/v1/x", &answers);
    run_until(port, &port->count, 2);
    fake_port_free(port);
    assert_int_equal(answers.count, 0);
    port = fake_port_new(2);
    post(port, "/v1/x", &answers); /* still waiting for its token */
    fake_port_free(port);
    assert_int_equal(answers.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_token_serves_a_hundred_calls),
        cmocka_unit_test(calls_leave_in_the_order_they_came),
        cmocka_unit_test(the_token_is_refreshed_before_it_expires),
        cmocka_unit_test(a_failed_early_refresh_fails_nobody_while_the_old_token_is_good),
        cmocka_unit_test(a_401_refreshes_the_token_once_for_all),
        cmocka_unit_test(a_401_with_a_fresh_token_is_a_refusal),
        cmocka_unit_test(fresh_tokens_that_are_refused_are_fetched_ever_more_seldom),
        cmocka_unit_test(a_4xx_is_a_refusal_with_ports_own_words),
        cmocka_unit_test(what_port_echoes_of_our_secrets_is_masked),
        cmocka_unit_test(refused_credentials_are_told_to_every_waiting_call),
        cmocka_unit_test(a_token_that_cannot_be_read_is_unavailable),
        cmocka_unit_test(nothing_is_sent_while_port_asks_for_quiet),
        cmocka_unit_test(retry_after_may_be_a_date_and_is_capped),
        cmocka_unit_test(failures_halve_how_many_are_sent_at_once),
        cmocka_unit_test(a_lost_connection_is_unavailable),
        cmocka_unit_test(port_may_come_up_later),
        cmocka_unit_test(a_cancelled_call_is_silent_at_every_stage),
        cmocka_unit_test(a_lent_body_is_not_touched_once_its_call_is_cancelled),
        cmocka_unit_test(a_cancelled_call_is_not_sent_again_after_a_401),
        cmocka_unit_test(a_callback_may_cancel_another_call),
        cmocka_unit_test(a_callback_may_free_everything),
        cmocka_unit_test(freeing_drops_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
