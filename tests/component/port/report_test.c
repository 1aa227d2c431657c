/* What a run's people see in Port: in order within a run, side by side across runs, results until Port has
 * decided. */
#include "fake_port.h"
#include "port/report.h"
#include <cjson/cJSON.h>

struct runs {
    struct fake_port *port;
    struct reports *reports;
    size_t done, accepted, refused;
};

static struct runs *runs_new(unsigned max_concurrent)
{
    struct runs *runs = calloc(1, sizeof *runs);
    assert_non_null(runs);
    runs->port = fake_port_new(max_concurrent);
    struct reports_options options = {.api = runs->port->api,
                                      .loop = &runs->port->loop,
                                      .clock = &runs->port->clock,
                                      .run_logs = true,
                                      .first_backoff_ms = 20,
                                      .max_backoff_ms = 80};
    runs->reports = reports_new(&options);
    assert_non_null(runs->reports);
    return runs;
}

static void runs_free(struct runs *runs)
{
    reports_free(runs->reports);
    fake_port_free(runs->port);
    free(runs);
}

static void told(void *ctx, enum report_outcome outcome)
{
    struct runs *runs = ctx;
    runs->done++;
    runs->accepted += outcome == REPORT_ACCEPTED;
    runs->refused += outcome == REPORT_REFUSED;
}

static struct run_report *open_run(struct runs *runs, const char *id)
{
    struct run_report *report = run_report_open(runs->reports, slice_of(id));
    assert_non_null(report);
    return report;
}

static void finish(struct runs *runs, struct run_report *report, struct run_result result)
{
    size_t before = runs->done;
    assert_true(run_report_finish(report, &result, told, runs));
    assert_int_equal(runs->done, before);
}

static void assert_nothing_held(struct runs *runs)
{
    assert_int_equal(reports_bytes(runs->reports), 0);
    assert_int_equal(reports_waiting(runs->reports), 0);
    assert_int_equal(reports_logs_pending(runs->reports), 0);
}

static void settle(struct runs *runs)
{
    int64_t end = clock_monotonic_ms(clock_system()) + WAIT_MS;
    while (reports_bytes(runs->reports) > 0 && clock_monotonic_ms(clock_system()) < end)
        run_for(runs->port, 10);
    assert_nothing_held(runs);
}

static const struct run_result nothing_to_say;
#define SUCCESS_RESULT \
    ((struct run_result){.response = SLICE_LITERAL("{\"n\":1e400}"), .status = SLICE_LITERAL("SUCCESS")})
#define FAILURE_RESULT \
    ((struct run_result){.status = SLICE_LITERAL("FAILURE"), .summary = SLICE_LITERAL("it broke")})

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
static struct reply fail_until_each_came_twice(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)n;
    (void)request;
    bool all = times_seen(port, "r_1") > 1 && times_seen(port, "r_2") > 1 && times_seen(port, "r_3") > 1;
    return (struct reply){.status = all ? 200 : 503};
}

static void it_is_said_once_that_port_accepts_results_again(void **state)
{
    (void)state;
    struct runs *runs = runs_new(8);
    struct caught caught = logs_catch();
    runs->port->script = fail_until_each_came_twice;
    finish(runs, open_run(runs, "r_1"), FAILURE_RESULT);
    finish(runs, open_run(runs, "r_2"), FAILURE_RESULT);
    finish(runs, open_run(runs, "r_3"), FAILURE_RESULT);
    run_until(runs->port, &runs->done, 3);
    runs_free(runs);
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "\"level\":\"INFO\""), 1);
    assert_int_equal(occurrences(lines, "Port accepts results again"), 1);
    assert_int_equal(occurrences(lines, "\"results\":3"), 1);
    free(lines);
}

static struct reply wait_a_second(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)request;
    return n == 0 ? (struct reply){.status = 429, .headers = "Retry-After: 1\r\n"} : (struct reply){0};
}

static void a_result_honours_retry_after(void **state)
{
    (void)state;
    struct runs *runs = runs_new(8);
    int64_t start = clock_monotonic_ms(clock_system());
    runs->port->script = wait_a_second;
    finish(runs, open_run(runs, "r_1"), FAILURE_RESULT);
    run_until(runs->port, &runs->done, 1);
    assert_in_range(clock_monotonic_ms(clock_system()) - start, 950, 3000);
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

static struct reply logs_fail(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    int status = n % 2 ? 500 : 404;
    return (struct reply){.status = strstr(request->target, "/logs") ? status : 200};
}

static void a_lost_log_is_not_retried_and_holds_nothing_up(void **state)
{
    (void)state;
    struct runs *runs = runs_new(8);
    struct caught caught = logs_catch();
    runs->port->script = logs_fail;
    struct run_report *report = open_run(runs, "r_1");
    for (int i = 0; i < 10; i++)
        run_report_log(report, SLICE_LITERAL("x"));
    finish(runs, report, FAILURE_RESULT);
    run_until(runs->port, &runs->done, 1);
    assert_int_equal(runs->accepted, 1);
    assert_int_equal(runs->port->count - runs->port->tokens, 11);
    runs_free(runs);
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "progress log did not reach Port"), 1);
    free(lines);
}

static struct reply logs_hang(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    return (struct reply){.delay_ms = strstr(request->target, "/logs") ? 3600000 : 0};
}

/** Runs whose logs are given up sooner than a user would want it. */
static struct runs *hurried_runs_new(unsigned max_concurrent)
{
    struct runs *runs = runs_new(max_concurrent);
    reports_free(runs->reports);
    struct reports_options options = {.api = runs->port->api,
                                      .loop = &runs->port->loop,
                                      .clock = &runs->port->clock,
                                      .run_logs = true,
                                      .log_tick_ms = 100};
    runs->reports = reports_new(&options);
    assert_non_null(runs->reports);
    runs->port->script = logs_hang;
    return runs;
}

static size_t logs_seen(const struct fake_port *port)
{
    size_t count = 0;
    for (size_t i = 0; i < port->count; i++)
        count += strstr(port->seen[i].target, "/logs") != NULL;
    return count;
}

static void a_result_is_not_held_up_by_logs_that_hang(void **state)
{
    (void)state;
    struct runs *runs = hurried_runs_new(1); /* the log has the only connection */
    struct caught caught = logs_catch();
    struct run_report *report = open_run(runs, "r_1");
    run_report_log(report, SLICE_LITERAL("sent"));
    run_until(runs->port, &runs->port->count, 2);
    run_report_log(report, SLICE_LITERAL("answered"));
    run_report_log(report, SLICE_LITERAL("once more"));
    finish(runs, report, SUCCESS_RESULT);
    run_until(runs->port, &runs->done, 1);
    assert_int_equal(runs->accepted, 1);
    assert_int_equal(runs->port->count - runs->port->tokens, 3);
    assert_request(runs->port, 1, "POST /v1/actions/runs/r_1/logs {\"message\":\"sent\"}");
    assert_request(runs->port, 2, "PATCH /v1/actions/runs/r_1/response {\"response\":{\"n\":1e400}}");
    assert_request(runs->port, 3, "PATCH /v1/actions/runs/r_1 {\"status\":\"SUCCESS\"}");
    assert_nothing_held(runs);
    runs_free(runs);
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "progress log did not reach Port"), 1);
    free(lines);
}

static void a_log_that_hangs_is_given_up_though_no_result_is_due(void **state)
{
    (void)state;
    struct runs *runs = hurried_runs_new(1);
    struct run_report *report = open_run(runs, "r_1");
    run_report_log(report, SLICE_LITERAL("sent"));
    run_report_log(report, SLICE_LITERAL("tried again"));
    run_until(runs->port, &runs->port->count, 3);
    assert_int_equal(runs->done, 0);
    assert_request(runs->port, 2, "POST /v1/actions/runs/r_1/logs {\"message\":\"tried again\"}");
    finish(runs, report, nothing_to_say);
    run_until(runs->port, &runs->done, 1);
    settle(runs);
    runs_free(runs);
}

static void a_paused_run_goes_on_past_a_log_that_hangs(void **state)
{
    (void)state;
    struct runs *runs = hurried_runs_new(1);
    struct run_report *report = open_run(runs, "r_1");
    run_report_log(report, SLICE_LITERAL("sent"));
    finish(runs, report, FAILURE_RESULT);
    run_until(runs->port, &runs->port->count, 2);
    run_report_pause(report);
    assert_int_equal(reports_waiting(runs->reports), 0);
    run_report_resume(report, told, runs);
    run_until(runs->port, &runs->done, 1);
    assert_int_equal(runs->accepted, 1);
    settle(runs);
    runs_free(runs);
}

static struct reply all_is_well(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){0};
}

/** A run with one log and a failure to report, from start to end. */
static void run_through(struct runs *runs, const char *id)
{
    struct run_report *report = open_run(runs, id);
    run_report_log(report, SLICE_LITERAL("sent"));
    finish(runs, report, FAILURE_RESULT);
    run_until(runs->port, &runs->done, runs->done + 1);
}

static void logs_that_hang_again_and_again_are_left_out_for_a_while(void **state)
{
    (void)state;
    struct runs *runs = hurried_runs_new(8);
    for (int i = 0; i < 3; i++)
        run_through(runs, "r_hangs");
    size_t seen = logs_seen(runs->port);
    for (int i = 0; i < 10; i++)
        run_through(runs, "r_quick");
    assert_int_equal(logs_seen(runs->port), seen);
    assert_int_equal(runs->accepted, 13);

    runs->port->turned_ms += 30000; /* one is tried, in vain */
    run_through(runs, "r_probe");
    assert_in_range(logs_seen(runs->port), seen, seen + 1);
    seen = logs_seen(runs->port);
    runs->port->script = all_is_well;
    run_through(runs, "r_quick");
    assert_int_equal(logs_seen(runs->port), seen);

    runs->port->turned_ms += 30000; /* and now it comes through: so do the others */
    for (int i = 0; i < 5; i++)
        run_through(runs, "r_again");
    assert_int_equal(logs_seen(runs->port), seen + 5);
    assert_int_equal(runs->accepted, 20);
    settle(runs);
    runs_free(runs);
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

static void logs_are_bounded_while_port_is_silent(void **state)
{
    (void)state;
    struct runs *runs = runs_new(1);
    runs->port->token_reply.delay_ms = 300; /* a token, but not now */
    struct caught caught = logs_catch();
    for (int i = 0; i < 10050; i++)
        finish(runs, open_run(runs, "r_1"), nothing_to_say);
    struct run_report *report = open_run(runs, "r_2");
    for (int i = 0; i < 10050; i++)
        run_report_log(report, SLICE_LITERAL("x"));
    assert_int_equal(reports_logs_pending(runs->reports), 10000);
    run_until(runs->port, &runs->done, 10050);
    finish(runs, report, FAILURE_RESULT);
    assert_int_equal(reports_waiting(runs->reports), 1);
    run_report_cancel(report);
    assert_nothing_held(runs);
    runs_free(runs);
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "too many logs wait for Port"), 1);
    free(lines);
}

static void long_logs_are_bounded_by_their_bytes(void **state)
{
    (void)state;
    enum { LONG = 10000, BOUND = 4 << 20 };
    static char text[LONG];
    struct runs *runs = runs_new(1);
    runs->port->token_reply.delay_ms = 300; /* a token, but not now */
    memset(text, 'x', sizeof text);
    struct run_report *report = open_run(runs, "r_1");
    for (int i = 0; i < 1000; i++)
        run_report_log(report, (struct slice){text, sizeof text});
    assert_in_range(reports_logs_pending(runs->reports), 400, BOUND / LONG + 1);
    assert_in_range(reports_bytes(runs->reports), BOUND, BOUND + 2 * LONG);
    run_report_cancel(report);
    assert_nothing_held(runs);
    runs_free(runs);
}

static void run_logs_can_be_switched_off(void **state)
{
    (void)state;
    struct runs *runs = runs_new(1);
    reports_free(runs->reports);
    struct reports_options options = {
        .api = runs->port->api, .loop = &runs->port->loop, .clock = &runs->port->clock};
    runs->reports = reports_new(&options);
    struct run_report *report = open_run(runs, "r_1");
    run_report_log(report, SLICE_LITERAL("x"));
    finish(runs, report, FAILURE_RESULT);
    run_until(runs->port, &runs->done, 1);
    assert_int_equal(runs->port->count, 2);
    runs_free(runs);
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
        cmocka_unit_test(it_is_said_once_that_port_accepts_results_again),
        cmocka_unit_test(a_result_honours_retry_after),
        cmocka_unit_test(a_result_survives_port_being_away),
        cmocka_unit_test(a_refused_response_is_followed_by_the_outcome_which_decides),
        cmocka_unit_test(a_lost_log_is_not_retried_and_holds_nothing_up),
        cmocka_unit_test(a_result_is_not_held_up_by_logs_that_hang),
        cmocka_unit_test(a_log_that_hangs_is_given_up_though_no_result_is_due),
        cmocka_unit_test(a_paused_run_goes_on_past_a_log_that_hangs),
        cmocka_unit_test(logs_that_hang_again_and_again_are_left_out_for_a_while),
        cmocka_unit_test(runs_go_side_by_side),
        cmocka_unit_test(a_cancelled_run_sends_nothing_more_and_is_silent),
        cmocka_unit_test(freeing_drops_everything_silently),
        cmocka_unit_test(logs_are_bounded_while_port_is_silent),
        cmocka_unit_test(long_logs_are_bounded_by_their_bytes),
        cmocka_unit_test(run_logs_can_be_switched_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
