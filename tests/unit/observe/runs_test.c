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
    run_memory_note(runs, &refused);
    seen = run_memory_find(runs, SLICE_LITERAL("r_1"));
    assert_true(seen->refused);
    assert_int_equal(seen->failed_tries, 6);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_remembered_with_how_it_ended),
        cmocka_unit_test(each_failed_attempt_is_remembered_with_its_cause_the_last_four),
        cmocka_unit_test(the_oldest_is_forgotten_for_the_thousand_and_first),
        cmocka_unit_test(texts_are_cut_to_fit_and_a_url_with_secrets_is_left_out),
        cmocka_unit_test(what_has_no_run_and_what_says_nothing_of_an_end_is_not_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
