/* What the calls to Port and the results that wait say of themselves, for those who ask. */
#include "runs.h"

enum { HOUR_MS = 3600000, LATER_MS = 4000000 };

static void ended(void *ctx, const struct port_result *result)
{
    (void)result;
    ++*(size_t *)ctx;
}

static void call_port(struct fake_port *port, size_t *count)
{
    assert_non_null(port_api_call(port->api, "POST", "/v1/x", SLICE_LITERAL("{}"), ended, count));
}

static struct reply hold(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.hold = true};
}

static void a_token_and_its_calls_are_shown(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(4);
    size_t count = 0;
    struct port_view view = port_api_view(port->api);
    assert_false(view.has_token || view.token_asked);
    assert_int_equal(view.token_ms + view.refused_ms + view.quiet_ms, 0);
    assert_int_equal(view.tokens + view.calls + view.requests, 0);
    port->script = hold;
    call_port(port, &count);
    assert_true(port_api_view(port->api).token_asked);
    while (!port->held)
        uv_run(&port->loop, UV_RUN_ONCE);
    view = port_api_view(port->api);
    assert_true(view.has_token && !view.token_asked);
    assert_in_range(view.token_ms, HOUR_MS / 2, HOUR_MS);
    assert_int_equal(view.tokens, 1);
    assert_int_equal(view.calls, 1);
    assert_int_equal(view.requests, 2);
    http_server_answer(port->held, 200, "application/json", NULL, SLICE_LITERAL("{}"), 0);
    port->held = NULL;
    run_until(port, &count, 1);
    view = port_api_view(port->api);
    assert_int_equal(view.calls, 0);
    assert_int_equal(view.requests, 2);
    port->turned_ms = LATER_MS;
    view = port_api_view(port->api);
    assert_false(view.has_token);
    assert_int_equal(view.token_ms, 0);
    fake_port_free(port);
}

static struct reply be_quiet(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = 429, .headers = "Retry-After: 60\r\n"};
}

static void quiet_is_shown_until_it_is_over(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(4);
    size_t count = 0;
    port->script = be_quiet;
    call_port(port, &count);
    run_until(port, &count, 1);
    assert_in_range(port_api_view(port->api).quiet_ms, 1, 60000);
    port->turned_ms = LATER_MS;
    assert_int_equal(port_api_view(port->api).quiet_ms, 0);
    fake_port_free(port);
}

static struct reply refuse_token(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = 401};
}

static void a_fresh_token_that_is_refused_is_shown(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(4);
    size_t count = 0;
    port->script = refuse_token;
    call_port(port, &count);
    run_until(port, &count, 1);
    struct port_view view = port_api_view(port->api);
    assert_int_equal(view.tokens, 2);
    assert_int_equal(view.requests, 4);
    assert_in_range(view.refused_ms, 1, HOUR_MS);
    port->turned_ms = LATER_MS;
    assert_int_equal(port_api_view(port->api).refused_ms, 0);
    fake_port_free(port);
}

/* Results that wait */

static int64_t turn_and_finish(struct runs *runs, int64_t turned_ms, const char *id, struct run_result result)
{
    runs->port->turned_ms = turned_ms;
    finish(runs, open_run(runs, id), result);
    return clock_monotonic_ms(&runs->port->clock);
}

static void the_oldest_result_that_waits_is_told(void **state)
{
    (void)state;
    const int64_t apart_ms = 100000;
    struct runs *runs = runs_new(4);
    int64_t begin = clock_monotonic_ms(&runs->port->clock);
    assert_int_equal(reports_waiting_since_ms(runs->reports), -1);
    turn_and_finish(runs, 0, "r_0", nothing_to_say);
    assert_int_equal(reports_waiting_since_ms(runs->reports), -1);
    turn_and_finish(runs, 2 * apart_ms, "r_2", SUCCESS_RESULT);
    assert_in_range(reports_waiting_since_ms(runs->reports), begin + 2 * apart_ms,
                    clock_monotonic_ms(&runs->port->clock));
    int64_t third = turn_and_finish(runs, apart_ms, "r_1", SUCCESS_RESULT); /* a clock that is turned back */
    assert_in_range(reports_waiting_since_ms(runs->reports), begin + apart_ms, third);
    turn_and_finish(runs, 3 * apart_ms, "r_3", SUCCESS_RESULT);
    assert_in_range(reports_waiting_since_ms(runs->reports), begin + apart_ms, third);
    run_until(runs->port, &runs->done, 4);
    assert_int_equal(reports_waiting_since_ms(runs->reports), -1);
    settle(runs);
    runs_free(runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_and_its_calls_are_shown),
        cmocka_unit_test(quiet_is_shown_until_it_is_over),
        cmocka_unit_test(a_fresh_token_that_is_refused_is_shown),
        cmocka_unit_test(the_oldest_result_that_waits_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
