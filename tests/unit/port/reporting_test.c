/* What Port is told of runs, one step after another: a Port and a clock that are the test's. Nothing here
 * waits. */
#include "../still.h"
#include "port/report.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../component/logs.h"

enum { CALLS = 64, TICK_MS = 500 };

struct port_call {
    port_done *done;
    void *ctx;
    char what[96];
    bool sent, over;
};

static struct {
    struct port_call calls[CALLS];
    size_t count;
    bool no_call, queued;
    /** Of the result that ended last. */
    size_t told;
    enum report_verdict verdict;
    char refusal[32];
} fake;

static uv_loop_t loop;
static struct reports *reports;

/* What is called of Port's API */

struct port_call *port_api_start(struct port_api *api, const struct port_request *request, port_done *done,
                                 void *ctx)
{
    (void)api;
    assert_true(request->body_is_lent);
    if (fake.no_call)
        return NULL;
    assert_true(fake.count < CALLS);
    struct port_call *call = &fake.calls[fake.count++];
    *call = (struct port_call){.done = done, .ctx = ctx, .sent = !fake.queued};
    snprintf(call->what, sizeof call->what, "%s %s %.*s", request->method,
             request->path + strlen("/v1/actions/runs/"), (int)request->body.len, request->body.ptr);
    return call;
}

void port_call_cancel(struct port_call *call)
{
    assert_false(call->over);
    call->over = true;
}

bool port_call_is_sent(const struct port_call *call)
{
    return call->sent;
}

void port_api_secrets(const struct port_api *api, struct secrets *out)
{
    (void)api;
    (void)out;
}

/* Runs */

static int begin(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    still_begin(0.5);
    uv_loop_init(&loop);
    reports = reports_new(&(struct reports_options){.loop = &loop, .clock = &test_clock, .run_logs = true});
    assert_non_null(reports);
    return 0;
}

static int end(void **state)
{
    (void)state;
    reports_free(reports);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return 0;
}

static void is_told(void *ctx, enum report_verdict verdict, const char *refusal)
{
    (void)ctx;
    fake.told++;
    fake.verdict = verdict;
    snprintf(fake.refusal, sizeof fake.refusal, "%s", refusal ? refusal : "");
}

static struct run_report *open_run(const char *id)
{
    struct run_report *report = run_report_open(reports, slice_of(id));
    assert_non_null(report);
    return report;
}

static void finish(struct run_report *report)
{
    const struct run_result failure = {.status = SLICE_LITERAL("FAILURE")};
    assert_true(run_report_finish(report, &failure, is_told, NULL));
}

static void finish_with_nothing(struct run_report *report)
{
    assert_true(run_report_finish(report, &(struct run_result){.status = {NULL, 0}}, is_told, NULL));
}

static void log_it(struct run_report *report, const char *text)
{
    run_report_log(report, slice_of(text));
}

static struct port_call *last(void)
{
    assert_true(fake.count > 0);
    return &fake.calls[fake.count - 1];
}

static void assert_asked(size_t count, const char *what)
{
    assert_int_equal(fake.count, count);
    assert_string_equal(last()->what, what);
}

static void answer_with(struct port_result result)
{
    struct port_call *call = last();
    assert_false(call->over);
    call->over = true;
    result.reason = "said";
    call->done(call->ctx, &result);
}

static void take_it(void)
{
    answer_with((struct port_result){.answer = PORT_ACCEPTED, .status = 200});
}

static void refuse_it(void)
{
    answer_with((struct port_result){.answer = PORT_REFUSED, .status = 404});
}

static void lose(int64_t retry_after_ms)
{
    answer_with((struct port_result){.answer = PORT_UNAVAILABLE, .retry_after_ms = retry_after_ms});
}

/** How long until something is done by itself; -1: nothing is. */
static int64_t waits(void)
{
    uv_timer_t *timer = still_timer(&loop);
    return timer && uv_is_active((uv_handle_t *)timer) ? (int64_t)uv_timer_get_due_in(timer) : -1;
}

/** So many of a log's ticks pass, or the wait for the next attempt is over. */
static void tick(int count)
{
    for (int i = 0; i < count; i++)
        still_fire(&loop, still_timer(&loop));
}

/* Order */

static void a_runs_logs_come_before_its_result(void **state)
{
    (void)state;
    struct run_report *report = open_run("r_1");
    log_it(report, "one");
    log_it(report, "two");
    finish(report);
    assert_asked(1, "POST r_1/logs {\"message\":\"one\"}");
    take_it();
    assert_asked(2, "POST r_1/logs {\"message\":\"two\"}");
    refuse_it(); /* a log may be lost */
    assert_asked(3, "PATCH r_1 {\"status\":\"FAILURE\"}");
    assert_int_equal(reports_waiting(reports), 1);
    take_it();
    assert_int_equal(fake.told, 1);
    assert_int_equal(fake.verdict, REPORT_ACCEPTED);
    assert_int_equal(reports_waiting(reports), 0);
    assert_int_equal(reports_logs_pending(reports), 0);
    assert_int_equal(reports_bytes(reports), 0);
}

static void a_refusal_is_told_with_ports_words(void **state)
{
    (void)state;
    finish(open_run("r_1"));
    refuse_it();
    assert_int_equal(fake.told, 1);
    assert_int_equal(fake.verdict, REPORT_REFUSED);
    assert_string_equal(fake.refusal, "said");
}

static void a_result_is_tried_with_longer_waits_and_never_sooner_than_port_says(void **state)
{
    (void)state;
    static const int64_t pauses[] = {250, 500, 1000, 2000, 4000, 8000, 15000, 15000}; /* half of each */
    finish(open_run("r_1"));
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        lose(-1);
        assert_int_equal(waits(), pauses[i]);
        tick(1);
        assert_int_equal(fake.count, i + 2);
    }
    lose(20000);
    assert_int_equal(waits(), 20000);
    tick(1);
    take_it();
    assert_int_equal(fake.told, 1);
}

static void without_memory_for_a_call_a_result_is_tried_later(void **state)
{
    (void)state;
    fake.no_call = true;
    finish(open_run("r_1"));
    assert_int_equal(waits(), 250);
    fake.no_call = false;
    tick(1);
    take_it();
    assert_int_equal(fake.told, 1);
}

/* Logs that have no answer */

static void a_log_has_ten_ticks(void **state)
{
    (void)state;
    struct run_report *report = open_run("r_1");
    log_it(report, "one");
    log_it(report, "two");
    assert_int_equal(waits(), TICK_MS);
    tick(9);
    assert_int_equal(fake.count, 1);
    tick(1);
    assert_true(fake.calls[0].over);
    assert_asked(2, "POST r_1/logs {\"message\":\"two\"}");
    tick(9);
    take_it();
    assert_int_equal(waits(), -1);
    finish_with_nothing(report);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(fake.told, 1);
}

static void before_a_result_all_logs_together_have_four(void **state)
{
    (void)state;
    struct run_report *report = open_run("r_1");
    log_it(report, "one");
    log_it(report, "two");
    log_it(report, "three");
    tick(8);
    finish(report);
    tick(3);
    assert_int_equal(fake.count, 1);
    take_it();
    assert_asked(2, "POST r_1/logs {\"message\":\"two\"}");
    tick(1); /* the time of the one before counts */
    assert_asked(3, "PATCH r_1 {\"status\":\"FAILURE\"}");
    assert_int_equal(reports_logs_pending(reports), 0);
    take_it();
    assert_int_equal(fake.told, 1);
}

/** Where it queues, its result would queue too. */
static void only_a_log_that_was_sent_is_given_up(void **state)
{
    (void)state;
    fake.queued = true;
    struct run_report *report = open_run("r_1");
    log_it(report, "one");
    tick(30);
    assert_int_equal(fake.count, 1);
    assert_false(last()->over);
    last()->sent = true;
    tick(10);
    assert_true(last()->over);
    run_report_cancel(report);
}

static void hang_logs(int count)
{
    for (int i = 0; i < count; i++) {
        struct run_report *report = open_run("r_h");
        log_it(report, "hangs");
        tick(10);
        assert_true(last()->over);
        run_report_cancel(report);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
}

static void after_three_that_hang_one_log_in_half_a_minute_is_sent(void **state)
{
    (void)state;
    hang_logs(3);
    struct run_report *report = open_run("r_1");
    log_it(report, "left out");
    finish(report);
    assert_asked(4, "PATCH r_1 {\"status\":\"FAILURE\"}");
    take_it();
    report = open_run("r_2");
    now_ms += 29999;
    log_it(report, "left out");
    assert_int_equal(fake.count, 4);
    now_ms += 1;
    log_it(report, "tried");
    assert_asked(5, "POST r_2/logs {\"message\":\"tried\"}");
    struct run_report *other = open_run("r_3");
    log_it(other, "left out"); /* that one is enough */
    assert_int_equal(fake.count, 5);
    answer_with((struct port_result){.answer = PORT_UNAVAILABLE, .status = 503});
    log_it(other, "sent"); /* Port answers */
    assert_asked(6, "POST r_3/logs {\"message\":\"sent\"}");
    take_it();
    run_report_cancel(report);
    run_report_cancel(other);
}

static void two_that_hang_and_one_that_is_answered_are_no_reason(void **state)
{
    (void)state;
    hang_logs(2);
    struct run_report *report = open_run("r_1");
    log_it(report, "answered");
    take_it();
    hang_logs(2);
    log_it(report, "sent");
    assert_asked(6, "POST r_1/logs {\"message\":\"sent\"}");
    take_it();
    run_report_cancel(report);
}

static void lost_logs_are_told_every_ten_seconds(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct run_report *report = open_run("r_1");
    static const int64_t passing[] = {0, 9999, 1, 5000, 5000};
    for (size_t i = 0; i < 5; i++) {
        now_ms += passing[i];
        log_it(report, "lost");
        refuse_it();
    }
    run_report_cancel(report);
    char *text = logs_end(&caught);
    assert_int_equal(occurrences(text, "did not reach Port"), 3);
    assert_int_equal(occurrences(text, "\"failed_so_far\":1"), 1);
    assert_int_equal(occurrences(text, "\"failed_so_far\":3"), 1);
    assert_int_equal(occurrences(text, "\"failed_so_far\":5"), 1);
    free(text);
}

/* Pausing */

static void a_paused_result_goes_on_where_it_was(void **state)
{
    (void)state;
    struct run_report *report = open_run("r_1");
    finish(report);
    run_report_pause(report);
    assert_true(last()->over);
    assert_int_equal(reports_waiting(reports), 0);
    assert_int_equal(reports_waiting_since_ms(reports), -1);
    int64_t finished_ms = now_ms;
    now_ms += 5000;
    run_report_resume(report, is_told, NULL);
    assert_int_equal(reports_waiting(reports), 1);
    assert_int_equal(reports_waiting_since_ms(reports), finished_ms);
    assert_asked(2, "PATCH r_1 {\"status\":\"FAILURE\"}");
    take_it();
    assert_int_equal(fake.told, 1);
    assert_int_equal(reports_waiting(reports), 0);
}

static void a_paused_result_that_is_forgotten_does_not_wait(void **state)
{
    (void)state;
    struct run_report *paused = open_run("r_1"), *other = open_run("r_2");
    finish(paused);
    finish(other);
    assert_int_equal(reports_waiting(reports), 2);
    run_report_pause(paused);
    assert_int_equal(reports_waiting(reports), 1);
    run_report_cancel(paused);
    assert_int_equal(reports_waiting(reports), 1);
    take_it();
    assert_int_equal(reports_waiting(reports), 0);
    assert_int_equal(fake.told, 1);
}

static void one_that_had_nothing_to_say_may_be_paused_too(void **state)
{
    (void)state;
    struct run_report *report = open_run("r_1");
    finish_with_nothing(report);
    assert_int_equal(reports_waiting(reports), 0);
    run_report_pause(report);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(fake.told, 0);
    run_report_resume(report, is_told, NULL);
    assert_int_equal(fake.told, 0); /* never within a call of the owner */
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(fake.told, 1);
    assert_int_equal(reports_waiting(reports), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_runs_logs_come_before_its_result),
        TEST(a_refusal_is_told_with_ports_words),
        TEST(a_result_is_tried_with_longer_waits_and_never_sooner_than_port_says),
        TEST(without_memory_for_a_call_a_result_is_tried_later),
        TEST(a_log_has_ten_ticks),
        TEST(before_a_result_all_logs_together_have_four),
        TEST(only_a_log_that_was_sent_is_given_up),
        TEST(after_three_that_hang_one_log_in_half_a_minute_is_sent),
        TEST(two_that_hang_and_one_that_is_answered_are_no_reason),
        TEST(lost_logs_are_told_every_ten_seconds),
        TEST(a_paused_result_goes_on_where_it_was),
        TEST(a_paused_result_that_is_forgotten_does_not_wait),
        TEST(one_that_had_nothing_to_say_may_be_paused_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
