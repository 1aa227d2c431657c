/* What a run's people see in Port: in order within a run, side by side across runs, results until Port has
 * decided. */
#include "observe/conditions.h"
#include "runs.h"
#include <cjson/cJSON.h>

static void a_synchronous_run_takes_four_requests_in_order(void **state)
{
    (void)state;
    struct runs *runs = runs_new(8);
    struct run_report *report = open_run(runs, "r_1");
    run_report_log(report, SLICE_LITERAL("sent"));
    run_report_log(report, SLICE_LITERAL("answered"));
    assert_int_equal(reports_logs_pending(runs->reports), 2);
    finish(runs, report, SUCCESS_RESULT);
    assert_int_equal(reports_waiting(runs->reports), 1);
    assert_true(reports_bytes(runs->reports) > 200);
    run_until(runs->port, &runs->done, 1);
    assert_int_equal(runs->accepted, 1);
    assert_int_equal(runs->port->count - runs->port->tokens, 4);
    assert_request(runs->port, 1, "POST /v1/actions/runs/r_1/logs {\"message\":\"sent\"}");
    assert_request(runs->port, 2, "POST /v1/actions/runs/r_1/logs {\"message\":\"answered\"}");
    assert_request(runs->port, 3, "PATCH /v1/actions/runs/r_1/response {\"response\":{\"n\":1e400}}");
    assert_request(runs->port, 4, "PATCH /v1/actions/runs/r_1 {\"status\":\"SUCCESS\"}");
    assert_nothing_held(runs);
    runs_free(runs);
}

static void an_asynchronous_run_takes_two_and_nobody_waits_for_them(void **state)
{
    (void)state;
    struct runs *runs = runs_new(8);
    struct run_report *report = open_run(runs, "r_1");
    run_report_log(report, SLICE_LITERAL("sent"));
    run_report_log(report, SLICE_LITERAL("answered"));
    finish(runs, report, nothing_to_say);
    assert_int_equal(reports_waiting(runs->reports), 0);
    while (runs->done == 0)
        uv_run(&runs->port->loop, UV_RUN_NOWAIT);
    assert_int_equal(runs->accepted, 1);
    assert_int_equal(reports_logs_pending(runs->reports), 2);
    settle(runs);
    assert_int_equal(runs->port->count - runs->port->tokens, 2);
    runs_free(runs);
}

static void only_fields_that_have_a_value_are_sent(void **state)
{
    (void)state;
    struct runs *runs = runs_new(1);
    finish(runs, open_run(runs, "r_1"), FAILURE_RESULT);
    run_until(runs->port, &runs->done, 1);
    finish(runs, open_run(runs, "r_2"),
           (struct run_result){.link_json = SLICE_LITERAL("\"https://x/\\\"1\""),
                               .external_run_id = SLICE_LITERAL("")});
    run_until(runs->port, &runs->done, 2);
    assert_request(runs->port, 1,
                   "PATCH /v1/actions/runs/r_1 {\"status\":\"FAILURE\",\"summary\":\"it broke\"}");
    assert_request(runs->port, 2,
                   "PATCH /v1/actions/runs/r_2 {\"link\":\"https://x/\\\"1\",\"externalRunId\":\"\"}");
    runs_free(runs);
}

static void a_workflow_node_run_is_reported_in_its_own_form(void **state)
{
    (void)state;
    struct runs *runs = runs_new(1);
    struct run_report *report = open_run(runs, "wfnr_1");
    run_report_log(report, SLICE_LITERAL("sent"));
    finish(runs, report,
           (struct run_result){.response = SLICE_LITERAL("{\"status\":200,\"data\":{}}"),
                               .status = SLICE_LITERAL("SUCCESS")});
    run_until(runs->port, &runs->done, 1);
    finish(runs, open_run(runs, "wfnr_2"), FAILURE_RESULT);
    run_until(runs->port, &runs->done, 2);
    finish(runs, open_run(runs, "wfnr_3"), nothing_to_say);
    run_until(runs->port, &runs->done, 3);
    assert_int_equal(runs->port->count, 4);
    assert_request(
        runs->port, 1,
        "POST /v1/workflows/nodes/runs/wfnr_1/logs {\"logs\":[{\"level\":\"INFO\",\"message\":\"sent\"}]}");
    assert_request(
        runs->port, 2,
        "PATCH /v1/workflows/nodes/runs/wfnr_1 {\"status\":\"COMPLETED\",\"result\":\"SUCCESS\",\"output\":"
        "{\"response\":{\"status\":200,\"data\":{}}}}");
    assert_request(runs->port, 3,
                   "PATCH /v1/workflows/nodes/runs/wfnr_2 {\"status\":\"COMPLETED\",\"result\":\"FAILED\"}");
    runs_free(runs);
}

static void hostile_texts_stay_inside_their_strings(void **state)
{
    (void)state;
    static const char hostile[] = "\",\"x\":\"\\\n\r\t\x01\x7f\xff\xed\xa0\x80 \xe2\x82\xac </script>";
    struct slice text = {hostile, sizeof hostile - 1};
    struct runs *runs = runs_new(1);
    struct run_report *report = open_run(runs, "r_1");
    run_report_log(report, text);
    finish(runs, report,
           (struct run_result){
               .status = SLICE_LITERAL("FAILURE"), .summary = text, .link_json = SLICE_LITERAL("[]")});
    run_until(runs->port, &runs->done, 1);
    static const char *const members[] = {"message", "summary"};
    static const int counts[] = {1, 3};
    for (size_t i = 0; i < 2; i++) {
        cJSON *body = cJSON_ParseWithOpts(runs->port->seen[i + 1].body, NULL, true);
        assert_non_null(body);
        assert_int_equal(cJSON_GetArraySize(body), counts[i]);
        const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(body, members[i]));
        assert_non_null(value);
        assert_true(strncmp(value, "\",\"x\":\"\\\n\r\t\x01\x7f\xef\xbf\xbd", 14) == 0);
        assert_non_null(strstr(value, " \xe2\x82\xac </script>"));
        cJSON_Delete(body);
    }
    runs_free(runs);
}

static size_t failures;

static struct reply fail_at_first(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)request;
    return (struct reply){.status = n < failures ? 503 : 200};
}

static void a_result_is_retried_until_port_accepts_it(void **state)
{
    (void)state;
    struct runs *runs = runs_new(8);
    struct caught caught = logs_catch();
    failures = 5;
    runs->port->script = fail_at_first;
    finish(runs, open_run(runs, "r_1"), FAILURE_RESULT);
    run_until(runs->port, &runs->done, 1);
    assert_int_equal(runs->accepted, 1);
    assert_int_equal(runs->port->count - runs->port->tokens, 6);
    assert_nothing_held(runs);
    runs_free(runs);
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "a result waits for Port"), 1);
    assert_int_equal(
        occurrences(lines, "\"level\":\"DEBUG\",\"msg\":\"a waiting result was accepted by Port\""), 1);
    assert_int_equal(occurrences(lines, "\"level\":\"INFO\""), 0);
    free(lines);
}

static size_t times_seen(const struct fake_port *port, const char *run_id)
{
    size_t count = 0;
    for (size_t i = 0; i < port->count; i++)
        count += strstr(port->seen[i].target, run_id) != NULL;
    return count;
}

/** So all three have had an answer, and wait, before any is accepted. */
static struct reply fail_until_each_came_often(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)n;
    (void)request;
    bool all = times_seen(port, "r_1") > 4 && times_seen(port, "r_2") > 4 && times_seen(port, "r_3") > 4;
    return (struct reply){.status = all ? 200 : 503};
}

static void it_is_said_once_that_no_result_waits_any_more(void **state)
{
    (void)state;
    struct conditions *conditions = conditions_new(clock_system());
    struct runs *runs = runs_new_with(
        8, (struct reports_options){.conditions = conditions, .first_backoff_ms = 5, .max_backoff_ms = 5});
    struct caught caught = logs_catch();
    runs->port->script = fail_until_each_came_often;
    finish(runs, open_run(runs, "r_1"), FAILURE_RESULT);
    finish(runs, open_run(runs, "r_2"), FAILURE_RESULT);
    finish(runs, open_run(runs, "r_3"), FAILURE_RESULT);
    run_until(runs->port, &runs->done, 3);
    runs_free(runs);
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "\"level\":\"INFO\""), 1);
    assert_int_equal(occurrences(lines, "no result waits for Port any more"), 1);
    assert_int_equal(occurrences(lines, "\"results\":3"), 2); /* waiting, and accepted */
    assert_int_equal(occurrences(lines, "\"level\":\"WARNING\",\"msg\":\"results wait for Port"), 1);
    free(lines);
    conditions_free(conditions);
}

static struct reply refuse_at_first(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)request;
    return (struct reply){.status = n < failures ? 404 : 200};
}

static void results_that_are_all_refused_stand_until_one_is_accepted(void **state)
{
    (void)state;
    struct conditions *conditions = conditions_new(clock_system());
    struct runs *runs = runs_new_with(8, (struct reports_options){.conditions = conditions});
    struct caught caught = logs_catch();
    failures = 4;
    runs->port->script = refuse_at_first;
    for (size_t i = 0; i < 2; i++) {
        finish(runs, open_run(runs, "r_1"), FAILURE_RESULT);
        run_until(runs->port, &runs->done, i + 1);
    }
    assert_null(conditions_next(conditions, NULL));
    for (size_t i = 2; i < 4; i++) {
        finish(runs, open_run(runs, "r_1"), FAILURE_RESULT);
        run_until(runs->port, &runs->done, i + 1);
    }
    assert_int_equal(conditions_next(conditions, NULL)->kind, CONDITION_RESULTS_REFUSED);
    assert_int_equal(conditions_next(conditions, NULL)->value, 4);
    finish(runs, open_run(runs, "r_1"), FAILURE_RESULT);
    run_until(runs->port, &runs->done, 5);
    assert_null(conditions_next(conditions, NULL));
    runs_free(runs);
    free(logs_end(&caught));
    conditions_free(conditions);
}

static size_t unavailable;

static struct reply away_at_first(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = unavailable > 0 && unavailable-- > 0 ? 503 : 200};
}

static void results_that_waited_are_counted_anew_each_time(void **state)
{
    (void)state;
    enum { TIMES = 3, LONG_ENOUGH = 5 };
    struct conditions *conditions = conditions_new(clock_system());
    struct runs *runs = runs_new_with(
        8, (struct reports_options){.conditions = conditions, .first_backoff_ms = 1, .max_backoff_ms = 2});
    struct caught caught = logs_catch();
    runs->port->script = away_at_first;
    for (size_t i = 0; i < TIMES; i++) {
        unavailable = LONG_ENOUGH;
        finish(runs, open_run(runs, "r_1"), FAILURE_RESULT);
        run_until(runs->port, &runs->done, i + 1);
        assert_null(conditions_next(conditions, NULL));
    }
    runs_free(runs);
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "\"msg\":\"no result waits for Port any more\",\"results\":1,"),
                     TIMES);
    free(lines);
    conditions_free(conditions);
}

static struct reply wait_a_second(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)request;
    return n == 0 ? (struct reply){.status = 429, .headers = "Retry-After: 1\r\n"} : (struct reply){0};
}

static struct reply away_and_then_gone(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = unavailable > 0 && unavailable-- > 0 ? 503 : 404};
}

/** With the last of those that waited the condition ends, however that one ends. */
static void no_result_waits_once_the_last_one_is_refused_or_given_away(void **state)
{
    (void)state;
    static void (*const ends[])(struct run_report *) = {NULL, run_report_pause, run_report_cancel};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct conditions *conditions = conditions_new(clock_system());
        struct runs *runs = runs_new_with(
            8,
            (struct reports_options){.conditions = conditions, .first_backoff_ms = 5, .max_backoff_ms = 5});
        struct caught caught = logs_catch();
        unavailable = ends[i] ? 1000000 : 5;
        runs->port->script = away_and_then_gone;
        struct run_report *report = open_run(runs, "r_1");
        finish(runs, report, FAILURE_RESULT);
        while (ends[i] && !conditions_next(conditions, NULL))
            uv_run(&runs->port->loop, UV_RUN_ONCE);
        if (ends[i])
            ends[i](report);
        else
            run_until(runs->port, &runs->done, 1);
        assert_null(conditions_next(conditions, NULL));
        runs_free(runs);
        char *lines = logs_end(&caught);
        assert_int_equal(occurrences(lines, "no result waits for Port any more"), 1);
        free(lines);
        conditions_free(conditions);
    }
}

/** Who ends drops what waits: that is no news of Port. */
static void nothing_is_said_of_results_that_wait_at_the_end(void **state)
{
    (void)state;
    struct conditions *conditions = conditions_new(clock_system());
    struct runs *runs = runs_new_with(
        8, (struct reports_options){.conditions = conditions, .first_backoff_ms = 5, .max_backoff_ms = 5});
    struct caught caught = logs_catch();
    unavailable = 1000000;
    runs->port->script = away_and_then_gone;
    finish(runs, open_run(runs, "r_1"), FAILURE_RESULT);
    while (!conditions_next(conditions, NULL))
        uv_run(&runs->port->loop, UV_RUN_ONCE);
    runs_free(runs);
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "any more"), 0);
    free(lines);
    conditions_free(conditions);
}

static void a_result_honours_retry_after(void **state)
{
    (void)state;
    struct runs *runs = runs_new(8);
    int64_t start = clock_monotonic_ms(clock_system());
    runs->port->script = wait_a_second;
    finish(runs, open_run(runs, "r_1"), FAILURE_RESULT);
    run_until(runs->port, &runs->done, 1);
    assert_true(clock_monotonic_ms(clock_system()) - start >= 950);
    assert_int_equal(runs->port->count - runs->port->tokens, 2);
    runs_free(runs);
}

static void server_gone(void *ctx)
{
    *(size_t *)ctx = 1;
}

static void a_result_survives_port_being_away(void **state)
{
    (void)state;
    struct runs *runs = runs_new(8);
    int number = http_server_port(runs->port->server);
    size_t gone = 0;
    http_server_close(runs->port->server, server_gone, &gone);
    runs->port->server = NULL;
    run_until(runs->port, &gone, 1);
    struct run_report *report = open_run(runs, "r_1");
    run_report_log(report, SLICE_LITERAL("lost"));
    finish(runs, report, SUCCESS_RESULT);
    run_for(runs->port, 200);
    assert_int_equal(runs->done, 0);
    assert_int_equal(reports_waiting(runs->reports), 1);
    assert_int_equal(reports_logs_pending(runs->reports), 0);
    fake_listen(runs->port, number);
    run_until(runs->port, &runs->done, 1);
    assert_int_equal(runs->accepted, 1);
    assert_int_equal(runs->port->count - runs->port->tokens, 2);
    runs_free(runs);
}

static struct reply not_ports_at_first(struct fake_port *port, size_t n, const struct seen *request)
{
    static const struct reply replies[] = {{.body = "<html><body>Sign in to this network</body></html>"},
                                           {.status = 302, .headers = "Location: https://login.example/\r\n"},
                                           {.status = 401},
                                           {.status = 401}};
    (void)port;
    (void)request;
    return n < sizeof replies / sizeof *replies ? replies[n] : (struct reply){0};
}

static void a_result_waits_while_somebody_else_answers_or_the_token_is_refused(void **state)
{
    (void)state;
    struct runs *runs = runs_new(1);
    runs->port->script = not_ports_at_first;
    finish(runs, open_run(runs, "r_1"), FAILURE_RESULT);
    run_until(runs->port, &runs->done, 1);
    assert_int_equal(runs->accepted, 1);
    assert_int_equal(runs->port->count - runs->port->tokens, 5);
    assert_nothing_held(runs);
    runs_free(runs);
}

static struct reply refuse_response(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    return (struct reply){.status = strstr(request->target, "/response") ? 413 : 200};
}

static struct reply refuse_outcome(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    return (struct reply){.status = strstr(request->target, "/response") ? 200 : 404};
}

static void a_refused_response_is_followed_by_the_outcome_which_decides(void **state)
{
    (void)state;
    struct runs *runs = runs_new(8);
    struct caught caught = logs_catch();
    runs->port->script = refuse_response;
    finish(runs, open_run(runs, "r_1"), SUCCESS_RESULT);
    run_until(runs->port, &runs->done, 1);
    assert_int_equal(runs->accepted, 1);
    runs->port->script = refuse_outcome;
    finish(runs, open_run(runs, "r_2"), SUCCESS_RESULT);
    run_until(runs->port, &runs->done, 2);
    assert_int_equal(runs->refused, 1);
    assert_int_equal(runs->port->count - runs->port->tokens, 4);
    runs_free(runs);
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "result refused by Port"), 2);
    assert_int_equal(occurrences(lines, "\"http.response.status_code\":413"), 1);
    assert_int_equal(occurrences(lines, "token-1"), 0);
    free(lines);
}

static struct reply first_run_hangs(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    return (struct reply){.delay_ms = strstr(request->target, "r_slow") ? 400 : 0};
}

static struct reply first_run_is_held(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    return (struct reply){.hold = strstr(request->target, "r_slow") != NULL};
}

static void runs_go_side_by_side(void **state)
{
    (void)state;
    struct runs *runs = runs_new(8);
    runs->port->script = first_run_is_held;
    finish(runs, open_run(runs, "r_slow"), FAILURE_RESULT);
    char id[16];
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof id, "r_%d", i);
        struct run_report *report = open_run(runs, id);
        run_report_log(report, SLICE_LITERAL("x"));
        finish(runs, report, FAILURE_RESULT);
    }
    assert_int_equal(reports_waiting(runs->reports), 51);
    run_until(runs->port, &runs->done, 50);
    assert_int_equal(reports_waiting(runs->reports), 1);
    http_server_answer(runs->port->held, 200, "application/json", NULL, SLICE_LITERAL("{}"), 0);
    runs->port->held = NULL;
    run_until(runs->port, &runs->done, 51);
    assert_int_equal(runs->port->tokens, 1);
    assert_nothing_held(runs);
    runs_free(runs);
}

static void a_cancelled_run_sends_nothing_more_and_is_silent(void **state)
{
    (void)state;
    struct runs *runs = runs_new(8);
    struct run_report *report = open_run(runs, "r_open");
    run_report_cancel(report);
    report = open_run(runs, "r_logging"); /* its first log waits for the token */
    run_report_log(report, SLICE_LITERAL("x"));
    run_report_cancel(report);
    report = open_run(runs, "r_finished");
    finish(runs, report, nothing_to_say);
    run_report_cancel(report);
    report = open_run(runs, "r_result");
    finish(runs, report, SUCCESS_RESULT);
    run_report_cancel(report);
    assert_nothing_held(runs);
    run_for(runs->port, 50);
    assert_int_equal(runs->port->count - runs->port->tokens, 0);

    failures = 1000;
    runs->port->script = fail_at_first;
    report = open_run(runs, "r_waiting"); /* between two attempts */
    finish(runs, report, SUCCESS_RESULT);
    run_until(runs->port, &runs->port->count, 3);
    run_for(runs->port, 5);
    run_report_cancel(report);
    size_t before = runs->port->count;
    assert_nothing_held(runs);

    runs->port->script = first_run_hangs;
    report = open_run(runs, "r_slow"); /* on its way */
    finish(runs, report, SUCCESS_RESULT);
    run_until(runs->port, &runs->port->count, before + 1);
    run_report_cancel(report);
    run_for(runs->port, 500);
    assert_in_range(runs->port->count, before + 1, before + 2);
    assert_int_equal(runs->done, 0);
    assert_nothing_held(runs);
    runs_free(runs);
}

static void freeing_drops_everything_silently(void **state)
{
    (void)state;
    struct runs *runs = runs_new(2);
    runs->port->script = first_run_hangs;
    for (int i = 0; i < 5; i++) {
        struct run_report *report = open_run(runs, "r_slow");
        run_report_log(report, SLICE_LITERAL("x"));
        finish(runs, report, i % 2 ? SUCCESS_RESULT : nothing_to_say);
    }
    run_until(runs->port, &runs->port->count, 2);
    size_t done = runs->done;
    reports_free(runs->reports);
    run_for(runs->port, 20);
    assert_int_equal(runs->done, done);
    fake_port_free(runs->port);
    free(runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_synchronous_run_takes_four_requests_in_order),
        cmocka_unit_test(an_asynchronous_run_takes_two_and_nobody_waits_for_them),
        cmocka_unit_test(only_fields_that_have_a_value_are_sent),
        cmocka_unit_test(a_workflow_node_run_is_reported_in_its_own_form),
        cmocka_unit_test(hostile_texts_stay_inside_their_strings),
        cmocka_unit_test(a_result_is_retried_until_port_accepts_it),
        cmocka_unit_test(results_that_are_all_refused_stand_until_one_is_accepted),
        cmocka_unit_test(it_is_said_once_that_no_result_waits_any_more),
        cmocka_unit_test(results_that_waited_are_counted_anew_each_time),
        cmocka_unit_test(no_result_waits_once_the_last_one_is_refused_or_given_away),
        cmocka_unit_test(nothing_is_said_of_results_that_wait_at_the_end),
        cmocka_unit_test(a_result_honours_retry_after),
        cmocka_unit_test(a_result_survives_port_being_away),
        cmocka_unit_test(a_result_waits_while_somebody_else_answers_or_the_token_is_refused),
        cmocka_unit_test(a_refused_response_is_followed_by_the_outcome_which_decides),
        cmocka_unit_test(runs_go_side_by_side),
        cmocka_unit_test(a_cancelled_run_sends_nothing_more_and_is_silent),
        cmocka_unit_test(freeing_drops_everything_silently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
