/* What a run is told of its webhook where no mapping says anything else. */
#include "../edge.h"
#include "port/result.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define ACTION_RUN "r_1"
#define NODE_RUN "wfnr_1"

static void assert_text(struct slice actual, const char *expected)
{
    assert_int_equal(slice_is_null(actual), expected == NULL);
    if (expected && !slice_equal_text(actual, expected))
        fail_msg("%.*s instead of %s", (int)actual.len, actual.ptr, expected);
}

static void assert_response(const char *run_id, bool synchronized, int status, const char *text,
                            const char *expected)
{
    struct buffer out = {0};
    result_response(edge_of(run_id), synchronized, status, edge_of(text), &out);
    assert_string_equal(buffer_text(&out), expected);
    buffer_clear(&out);
}

static void asynchronous_runs_have_no_response(void **state)
{
    (void)state;
    assert_response(ACTION_RUN, false, 200, "{\"a\":1}", "");
    assert_response(NODE_RUN, false, 200, "{\"a\":1}", "");
}

static void action_runs_have_the_answer_of_a_failure_too(void **state)
{
    (void)state;
    assert_response(ACTION_RUN, true, 200, "{\"a\":1}", "{\"a\":1}");
    assert_response(ACTION_RUN, true, 400, "{\"a\":1}", "{\"a\":1}");
    assert_response(ACTION_RUN, true, 200, "{}", "");
}

static void node_runs_have_the_answer_of_a_success_alone(void **state)
{
    (void)state;
    assert_response(NODE_RUN, true, 399, "{\"a\":1}", "{\"status\":399,\"data\":{\"a\":1}}");
    assert_response(NODE_RUN, true, 204, "", "{\"status\":204,\"data\":{}}");
    assert_response(NODE_RUN, true, 400, "{\"a\":1}", "");
}

static void assert_default(bool success, bool synchronized, const char *status, const char *summary)
{
    struct run_result result =
        result_default(success, synchronized, (struct slice){"", 0}, SLICE_LITERAL("why"));
    assert_text(result.status, status);
    assert_text(result.summary, summary);
    assert_text(result.response, NULL);
}

static void nothing_but_the_success_of_an_asynchronous_run_is_left_to_others(void **state)
{
    (void)state;
    assert_default(true, true, "SUCCESS", NULL);
    assert_default(false, true, "FAILURE", "why");
    assert_default(false, false, "FAILURE", "why");
    assert_default(true, false, NULL, NULL);
    struct run_result result = result_default(true, true, SLICE_LITERAL("[1]"), (struct slice){"", 0});
    assert_text(result.response, "[1]");
}

static void assert_failure(const struct webhook_failure *failure, const char *cause, const char *detail,
                           const char *summary)
{
    struct buffer out[3] = {{0}, {0}, {0}};
    result_failure(failure, &out[0], &out[1], &out[2]);
    assert_string_equal(buffer_text(&out[0]), cause);
    assert_string_equal(buffer_text(&out[1]), detail);
    assert_string_equal(buffer_text(&out[2]), summary);
    for (size_t i = 0; i < 3; i++)
        buffer_clear(&out[i]);
}

static void a_failure_is_told_with_its_attempts_and_without_secrets(void **state)
{
    (void)state;
    struct secrets secrets = {0};
    secrets_add(&secrets, SLICE_LITERAL("hunter22"), 1);
    struct webhook_failure failure = {.answered = true, .status = 503, .attempts = 1, .secrets = &secrets};
    assert_failure(&failure, "the endpoint answered 503", "", "Webhook failed: the endpoint answered 503");
    failure.attempts = 3;
    failure.quoted = SLICE_LITERAL("no hunter22 here");
    assert_failure(&failure, "the endpoint answered 503", "no *** here",
                   "Webhook failed: the endpoint answered 503 (after 3 attempts). Answer: no *** here");
    failure = (struct webhook_failure){
        .reason = SLICE_LITERAL("hunter22 is not resolved"), .attempts = 1, .secrets = &secrets};
    assert_failure(&failure, "*** is not resolved", "", "Webhook got no valid answer: *** is not resolved");
    secrets_clear(&secrets);
}

static void of_an_answer_a_bounded_part_is_shown(void **state)
{
    (void)state;
    char answer[DETAIL_BYTES + 2];
    struct secrets secrets = {0};
    struct buffer cause = {0}, detail = {0}, summary = {0};
    memset(answer, 'a', sizeof answer);
    const struct webhook_failure failure = {.answered = true,
                                            .status = 500,
                                            .quoted = {answer, sizeof answer},
                                            .attempts = 1,
                                            .secrets = &secrets};
    result_failure(&failure, &cause, &detail, &summary);
    assert_int_equal(detail.len, DETAIL_BYTES);
    buffer_clear(&cause);
    buffer_clear(&detail);
    buffer_clear(&summary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asynchronous_runs_have_no_response),
        cmocka_unit_test(action_runs_have_the_answer_of_a_failure_too),
        cmocka_unit_test(node_runs_have_the_answer_of_a_success_alone),
        cmocka_unit_test(nothing_but_the_success_of_an_asynchronous_run_is_left_to_others),
        cmocka_unit_test(a_failure_is_told_with_its_attempts_and_without_secrets),
        cmocka_unit_test(of_an_answer_a_bounded_part_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
