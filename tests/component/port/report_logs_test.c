/* Progress logs of runs: best effort. One that is lost, hangs or is too much holds no result up. */
#include "runs.h"

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
    run_report_trace(report, "4bf92f3577b34da6a3ce929d0e0e4736");
    for (int i = 0; i < 10; i++)
        run_report_log(report, SLICE_LITERAL("x"));
    finish(runs, report, FAILURE_RESULT);
    run_until(runs->port, &runs->done, 1);
    assert_int_equal(runs->accepted, 1);
    assert_int_equal(runs->port->count - runs->port->tokens, 11);
    runs_free(runs);
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "progress log did not reach Port"), 1);
    assert_int_equal(
        occurrences(lines, "\"failed_so_far\":1,\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}"), 1);
    free(lines);
}

/** The clock stands as good as still, except where it is turned. */
static void lost_logs_are_told_again_after_a_while_with_their_number(void **state)
{
    (void)state;
    enum { AGAIN_MS = 10000, BEFORE = 3 };
    struct runs *runs = runs_new(8);
    struct caught caught = logs_catch();
    runs->port->script = logs_fail;
    for (size_t i = 0; i <= BEFORE; i++) {
        runs->port->turned_ms = i < BEFORE ? 0 : AGAIN_MS;
        struct run_report *report = open_run(runs, "r_1");
        run_report_log(report, SLICE_LITERAL("x"));
        finish(runs, report, FAILURE_RESULT);
        run_until(runs->port, &runs->done, i + 1);
    }
    runs_free(runs);
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "progress log did not reach Port"), 2);
    assert_int_equal(occurrences(lines, "\"failed_so_far\":1}"), 1);
    assert_int_equal(occurrences(lines, "\"failed_so_far\":4}"), 1);
    assert_int_equal(occurrences(lines, "\"http.response.status_code\":404,"), 2);
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
    struct reports_options options = {.run_logs = true, .log_tick_ms = 100};
    struct runs *runs = runs_new_with(max_concurrent, options);
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
    assert_int_equal(reports_waiting_since_ms(runs->reports), -1);
    run_report_resume(report, told, runs);
    run_until(runs->port, &runs->done, 1);
    assert_int_equal(runs->accepted, 1);
    settle(runs);
    runs_free(runs);
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
    run_through(runs, "r_hangs");
    run_through(runs, "r_hangs");
    size_t seen = logs_seen(runs->port);
    runs->port->script = NULL;
    run_through(runs, "r_quick"); /* two in a row are no reason yet */
    assert_int_equal(logs_seen(runs->port), seen + 1);
    runs->port->script = logs_hang;
    for (int i = 0; i < 3; i++)
        run_through(runs, "r_hangs");
    seen = logs_seen(runs->port);
    for (int i = 0; i < 10; i++)
        run_through(runs, "r_quick");
    assert_int_equal(logs_seen(runs->port), seen);
    assert_int_equal(runs->accepted, 16);

    runs->port->turned_ms += 30000; /* one is tried, in vain */
    run_through(runs, "r_probe");
    assert_in_range(logs_seen(runs->port), seen, seen + 1);
    seen = logs_seen(runs->port);
    runs->port->script = NULL;
    run_through(runs, "r_quick");
    assert_int_equal(logs_seen(runs->port), seen);

    runs->port->turned_ms += 30000; /* and now it comes through: so do the others */
    for (int i = 0; i < 5; i++)
        run_through(runs, "r_again");
    assert_int_equal(logs_seen(runs->port), seen + 5);
    assert_int_equal(runs->accepted, 23);
    settle(runs);
    runs_free(runs);
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
    struct runs *runs = runs_new_with(1, (struct reports_options){0});
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
        cmocka_unit_test(a_lost_log_is_not_retried_and_holds_nothing_up),
        cmocka_unit_test(lost_logs_are_told_again_after_a_while_with_their_number),
        cmocka_unit_test(a_result_is_not_held_up_by_logs_that_hang),
        cmocka_unit_test(a_log_that_hangs_is_given_up_though_no_result_is_due),
        cmocka_unit_test(a_paused_run_goes_on_past_a_log_that_hangs),
        cmocka_unit_test(logs_that_hang_again_and_again_are_left_out_for_a_while),
        cmocka_unit_test(logs_are_bounded_while_port_is_silent),
        cmocka_unit_test(long_logs_are_bounded_by_their_bytes),
        cmocka_unit_test(run_logs_can_be_switched_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
