/* What is remembered of runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "observe/runs.h"
#include <stdio.h>
#include <string.h>

static int64_t now_ms;

static int64_t turned(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static const struct clock the_clock = {.monotonic_ms = turned, .wall_ms = turned};

static struct observed told(enum observed_kind kind, const char *run_id, unsigned attempt)
{
    return (struct observed){.kind = kind,
                             .run_id = slice_of(run_id),
                             .attempt = attempt,
                             .record_ms = 5,
                             .url = SLICE_LITERAL("http://svc/a")};
}

static void a_run_is_remembered_with_how_it_ended(void **state)
{
    (void)state;
    struct run_memory *runs = run_memory_new(&the_clock);
    now_ms = 1000;
    struct observed observed = told(OBSERVED_DELIVERED, "r_1", 1);
    observed.status = 204;
    observed.duration_ms = 12;
    observed.reported = "SUCCESS";
    run_memory_note(runs, &observed);
    const struct run_seen *seen = run_memory_find(runs, SLICE_LITERAL("r_1"));
    assert_non_null(seen);
    assert_true(seen->delivered);
    assert_int_equal(seen->status, 204);
    assert_int_equal(seen->ended_ms, 1000);
    assert_int_equal(seen->duration_ms, 12);
    assert_int_equal(seen->record_ms, 5);
    assert_int_equal(seen->failed_tries, 0);
    assert_string_equal(seen->reported, "SUCCESS");
    assert_string_equal(seen->url, "http://svc/a");
    assert_null(run_memory_find(runs, SLICE_LITERAL("r_2")));
    run_memory_free(runs);
}

static void each_failed_attempt_is_remembered_with_its_cause_the_last_four(void **state)
{
    (void)state;
    struct run_memory *runs = run_memory_new(&the_clock);
    static const char *const causes[] = {"one", "two", "three", "four", "five", "six"};
    for (unsigned i = 0; i < 6; i++) {
        struct observed observed = told(i < 5 ? OBSERVED_RETRYING : OBSERVED_FAILED, "r_1", i + 1);
        now_ms = 100 * (i + 1);
        observed.reason = slice_of(causes[i]);
        observed.status = 500 + (int)i;
        run_memory_note(runs, &observed);
        assert_int_equal(run_memory_find(runs, SLICE_LITERAL("r_1"))->ended_ms, i < 5 ? 0 : 600);
    }
    const struct run_seen *seen = run_memory_find(runs, SLICE_LITERAL("r_1"));
    assert_false(seen->delivered);
    assert_int_equal(seen->attempts, 6);
    assert_int_equal(seen->failed_tries, 6);
    assert_string_equal(seen->tries[0].cause, "three");
    assert_string_equal(seen->tries[3].cause, "six");
    assert_int_equal(seen->tries[3].status, 505);
    assert_int_equal(seen->tries[3].at_ms, 600);
    struct observed refused = told(OBSERVED_RESULT_REFUSED, "r_1", 6);
    refused.reason = SLICE_LITERAL("Port answered 404");
    run_memory_note(runs, &refused);
    seen = run_memory_find(runs, SLICE_LITERAL("r_1"));
    assert_true(seen->refused);
    assert_string_equal(seen->refusal, "Port answered 404");
    assert_int_equal(seen->failed_tries, 6);
    run_memory_free(runs);
}

static void what_its_mapping_was_warned_of_is_behind_the_cause(void **state)
{
    (void)state;
    struct run_memory *runs = run_memory_new(&the_clock);
    struct observed observed = told(OBSERVED_UNSENT, "r_1", 0);
    observed.reason = SLICE_LITERAL("the url is null");
    observed.warning = SLICE_LITERAL("url: jq: no such thing");
    run_memory_note(runs, &observed);
    assert_string_equal(run_memory_find(runs, SLICE_LITERAL("r_1"))->tries[0].cause,
                        "the url is null (url: jq: no such thing)");
    char text[300];
    memset(text, 'x', sizeof text);
    const size_t space = sizeof((struct run_try *)NULL)->cause - 1;
    for (size_t len = space - 6; len <= sizeof text; len++) {
        observed.reason = (struct slice){text, len};
        observed.run_id = SLICE_LITERAL("r_2");
        run_memory_note(runs, &observed);
        const struct run_seen *seen = run_memory_find(runs, SLICE_LITERAL("r_2"));
        unsigned at = seen->failed_tries < RUN_TRIES_MAX ? seen->failed_tries - 1 : RUN_TRIES_MAX - 1;
        size_t cut = strlen(seen->tries[at].cause);
        assert_true(cut <= space && strspn(seen->tries[at].cause, "x") == (len < space ? len : space));
        assert_true(cut == strspn(seen->tries[at].cause, "x") || seen->tries[at].cause[cut - 1] == ')');
    }
    run_memory_free(runs);
}

static void the_oldest_is_forgotten_for_the_thousand_and_first(void **state)
{
    (void)state;
    struct run_memory *runs = run_memory_new(&the_clock);
    char id[24];
    for (unsigned i = 0; i <= RUNS_MAX; i++) {
        snprintf(id, sizeof id, "r_%u", i);
        struct observed observed = told(OBSERVED_DELIVERED, id, 1);
        run_memory_note(runs, &observed);
    }
    assert_null(run_memory_find(runs, SLICE_LITERAL("r_0")));
    assert_non_null(run_memory_find(runs, SLICE_LITERAL("r_1")));
    assert_non_null(run_memory_find(runs, SLICE_LITERAL("r_1000")));
    run_memory_free(runs);
}

static void never(const void *ctx, struct slice text, struct buffer *out)
{
    (void)ctx;
    (void)text;
    (void)out;
    fail_msg("nothing is formatted for what may never be asked");
}

static void texts_are_cut_to_fit_and_a_url_with_secrets_is_left_out(void **state)
{
    (void)state;
    struct run_memory *runs = run_memory_new(&the_clock);
    char text[1000];
    memset(text, 'x', sizeof text);
    struct observed observed = told(OBSERVED_UNSENT, "r_1", 0);
    observed.reason = observed.url = (struct slice){text, sizeof text};
    observed.reported = "A_STATUS_THAT_IS_LONG";
    run_memory_note(runs, &observed);
    const struct run_seen *seen = run_memory_find(runs, SLICE_LITERAL("r_1"));
    assert_int_equal(strlen(seen->url), sizeof seen->url - 1);
    assert_int_equal(strlen(seen->tries[0].cause), sizeof seen->tries[0].cause - 1);
    observed.show = never;
    observed.run_id = SLICE_LITERAL("r_2");
    run_memory_note(runs, &observed);
    assert_string_equal(run_memory_find(runs, SLICE_LITERAL("r_2"))->url, "");
    run_memory_free(runs);
}

static void what_has_no_run_and_what_says_nothing_of_an_end_is_not_remembered(void **state)
{
    (void)state;
    struct run_memory *runs = run_memory_new(&the_clock);
    struct observed observed = told(OBSERVED_TAKEN, "r_1", 0);
    run_memory_note(runs, &observed);
    assert_null(run_memory_find(runs, SLICE_LITERAL("r_1")));
    observed = told(OBSERVED_DELIVERED, NULL, 1);
    run_memory_note(runs, &observed);
    assert_null(run_memory_find(runs, SLICE_LITERAL("")));
    run_memory_free(runs);
}

static void ports_word_is_remembered_and_a_later_one_counts(void **state)
{
    (void)state;
    struct run_memory *runs = run_memory_new(&the_clock);
    struct observed observed = told(OBSERVED_DELIVERED, "r_1", 1);
    run_memory_note(runs, &observed);
    assert_string_equal(run_memory_find(runs, SLICE_LITERAL("r_1"))->port_result, "");
    observed = told(OBSERVED_ENDED, "r_1", 1);
    observed.ended = OBSERVED_DELIVERED;
    observed.port_result = "waiting";
    run_memory_note(runs, &observed);
    assert_string_equal(run_memory_find(runs, SLICE_LITERAL("r_1"))->port_result, "waiting");
    observed.port_result = "accepted";
    observed.unlisted = true;
    run_memory_note(runs, &observed);
    assert_string_equal(run_memory_find(runs, SLICE_LITERAL("r_1"))->port_result, "accepted");
    observed = told(OBSERVED_RETRYING, "r_1", 2);
    run_memory_note(runs, &observed);
    assert_string_equal(run_memory_find(runs, SLICE_LITERAL("r_1"))->port_result, "");
    /* Of a run that nothing else is known of, nothing would be true. */
    observed = told(OBSERVED_RESULT_REFUSED, "r_2", 0);
    run_memory_note(runs, &observed);
    assert_null(run_memory_find(runs, SLICE_LITERAL("r_2")));
    run_memory_free(runs);
}

static void a_failed_run_has_the_hint_of_its_log_line_until_it_is_delivered(void **state)
{
    (void)state;
    struct run_memory *runs = run_memory_new(&the_clock);
    struct observed observed = told(OBSERVED_RETRYING, "r_1", 1);
    observed.error_type = "connect";
    run_memory_note(runs, &observed);
    assert_ptr_equal(run_memory_find(runs, SLICE_LITERAL("r_1"))->hint, observed_hint(&observed));
    assert_non_null(strstr(run_memory_find(runs, SLICE_LITERAL("r_1"))->hint, "check --destination"));
    observed = told(OBSERVED_DELIVERED, "r_1", 2);
    run_memory_note(runs, &observed);
    assert_null(run_memory_find(runs, SLICE_LITERAL("r_1"))->hint);
    run_memory_free(runs);
}

static void those_that_failed_are_gone_through_from_the_newest(void **state)
{
    (void)state;
    struct run_memory *runs = run_memory_new(&the_clock);
    assert_null(run_memory_failed(runs, NULL));
    now_ms = 1000;
    for (unsigned i = 0; i < RUNS_MAX + 10; i++) {
        char id[24];
        snprintf(id, sizeof id, "r_%u", i);
        bool failed = i == 0 || i == 20 || i == 500 || i == RUNS_MAX + 9;
        struct observed observed = told(failed ? OBSERVED_FAILED : OBSERVED_DELIVERED, id, 1);
        run_memory_note(runs, &observed);
    }
    struct observed refused = told(OBSERVED_RESULT_REFUSED, "r_700", 1);
    run_memory_note(runs, &refused);
    struct observed goes_on = told(OBSERVED_RETRYING, "r_last", 1);
    run_memory_note(runs, &goes_on);
    const struct run_seen *seen = run_memory_failed(runs, NULL);
    assert_string_equal(seen->run_id, "r_1009");
    seen = run_memory_failed(runs, seen);
    assert_string_equal(seen->run_id, "r_700");
    seen = run_memory_failed(runs, seen);
    assert_string_equal(seen->run_id, "r_500");
    seen = run_memory_failed(runs, seen);
    assert_string_equal(seen->run_id, "r_20");
    assert_null(run_memory_failed(runs, seen)); /* the first one has made room */
    run_memory_free(runs);
}

static void each_refused_run_is_gone_through_up_to_the_first(void **state)
{
    (void)state;
    struct run_memory *runs = run_memory_new(&the_clock);
    assert_null(run_memory_refused(runs, NULL));
    for (unsigned count = 1; count <= 3; count++) {
        char id[24];
        snprintf(id, sizeof id, "r_%u", count);
        struct observed observed = told(OBSERVED_SIGNATURE_WRONG, id, 0);
        run_memory_note(runs, &observed);
        const struct run_passed *passed = NULL;
        for (unsigned left = count; left > 0; left--) {
            snprintf(id, sizeof id, "r_%u", left);
            passed = run_memory_refused(runs, passed);
            assert_non_null(passed);
            assert_string_equal(passed->run_id, id);
        }
        assert_null(run_memory_refused(runs, passed));
    }
    run_memory_free(runs);
}

static void a_run_of_which_nothing_was_sent_is_remembered_beside_the_others(void **state)
{
    (void)state;
    struct run_memory *runs = run_memory_new(&the_clock);
    char id[24];
    struct observed observed = told(OBSERVED_DELIVERED, "r_sent", 1);
    run_memory_note(runs, &observed);
    now_ms = 2000;
    observed = told(OBSERVED_UNWANTED, "r_0", 0);
    run_memory_note(runs, &observed);
    const struct run_passed *passed = run_memory_passed(runs, SLICE_LITERAL("r_0"));
    assert_non_null(passed);
    assert_string_equal(passed->why, "no mapping wants the event");
    assert_non_null(strstr(passed->hint, "port-agent map"));
    assert_int_equal(passed->at_ms, 2000);
    assert_null(run_memory_find(runs, SLICE_LITERAL("r_0")));
    for (unsigned i = 1; i < RUNS_PASSED_MAX + RUNS_MAX; i++) {
        snprintf(id, sizeof id, "r_%u", i);
        observed = told(OBSERVED_SIGNATURE_WRONG, id, 0);
        observed.unlisted = true;
        run_memory_note(runs, &observed);
        run_memory_note(runs, &observed); /* once more is not one more */
    }
    assert_null(run_memory_passed(runs, SLICE_LITERAL("r_0")));
    assert_null(run_memory_passed(runs, SLICE_LITERAL("r_999")));
    assert_string_equal(run_memory_passed(runs, SLICE_LITERAL("r_1000"))->why,
                        "event refused: signature wrong");
    assert_non_null(strstr(run_memory_passed(runs, SLICE_LITERAL("r_1499"))->hint, "PORT_CLIENT_SECRET"));
    observed = told(OBSERVED_UNWANTED, "r_wanted_elsewhere", 0);
    run_memory_note(runs, &observed);
    assert_string_equal(run_memory_refused(runs, NULL)->run_id, "r_1499");
    size_t refused = 0;
    for (passed = NULL; (passed = run_memory_refused(runs, passed)); refused++) {
        snprintf(id, sizeof id, "r_%u", (unsigned)(RUNS_PASSED_MAX + RUNS_MAX - 1 - refused));
        assert_string_equal(passed->run_id, id); /* each once, the newest first */
    }
    assert_int_equal(refused, RUNS_PASSED_MAX - 1);
    /* Whoever forges events does not push out what was sent. */
    assert_non_null(run_memory_find(runs, SLICE_LITERAL("r_sent")));
    run_memory_free(runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_remembered_with_how_it_ended),
        cmocka_unit_test(each_failed_attempt_is_remembered_with_its_cause_the_last_four),
        cmocka_unit_test(what_its_mapping_was_warned_of_is_behind_the_cause),
        cmocka_unit_test(the_oldest_is_forgotten_for_the_thousand_and_first),
        cmocka_unit_test(texts_are_cut_to_fit_and_a_url_with_secrets_is_left_out),
        cmocka_unit_test(ports_word_is_remembered_and_a_later_one_counts),
        cmocka_unit_test(a_failed_run_has_the_hint_of_its_log_line_until_it_is_delivered),
        cmocka_unit_test(those_that_failed_are_gone_through_from_the_newest),
        cmocka_unit_test(each_refused_run_is_gone_through_up_to_the_first),
        cmocka_unit_test(a_run_of_which_nothing_was_sent_is_remembered_beside_the_others),
        cmocka_unit_test(what_has_no_run_and_what_says_nothing_of_an_end_is_not_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
