/* Which failures are followed by another attempt. */
#include "deliver/retry.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct retry_case {
    enum http_failure failure;
    bool sent, processed, refused;
    int status;
    const char *retry_after, *retry_on;
    bool expected;
};

static bool is_tried_again(const struct retry_case *one)
{
    struct slice wrong;
    int64_t wait_ms;
    struct deliver_options options = {
        .clock = clock_system(),
        .retry = {.max_attempts = 5, .max_elapsed_ms = 60000, .initial_backoff_ms = 1, .max_backoff_ms = 1}};
    assert_true(retry_on_parse(slice_of(one->retry_on), &options.retry_on, &wrong));
    struct http_result result = {.failure = one->failure,
                                 .sent = one->sent,
                                 .processed = one->processed,
                                 .refused = one->refused,
                                 .status = one->status,
                                 .retry_after = slice_of(one->retry_after)};
    return retry_wait(&options, 1, clock_monotonic_ms(options.clock), &result, &wait_ms);
}

static void check(const struct retry_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_tried_again(&cases[i]) != cases[i].expected)
            fail_msg("%s, %ssent, status %d, retry on '%s': %stried again",
                     http_failure_name(cases[i].failure), cases[i].sent ? "" : "not ", cases[i].status,
                     cases[i].retry_on ? cases[i].retry_on : "", cases[i].expected ? "not " : "");
}

static void what_was_never_sent_is_tried_again_but_for_what_fails_again(void **state)
{
    (void)state;
    const struct retry_case cases[] = {
        {.failure = HTTP_DNS, .expected = true},
        {.failure = HTTP_CONNECT, .expected = true},
        {.failure = HTTP_CONNECT_TIMEOUT, .expected = true},
        {.failure = HTTP_TLS, .expected = true},
        {.failure = HTTP_PROXY, .expected = true},
        {.failure = HTTP_MEMORY, .expected = true},
        {.failure = HTTP_TLS_CERTIFICATE},
        {.failure = HTTP_BAD_URL},
        {.failure = HTTP_DNS, .retry_on = "none"},
    };
    check(cases, sizeof cases / sizeof *cases);
}

static void what_may_have_been_processed_is_not_unless_asked_for(void **state)
{
    (void)state;
    const struct retry_case cases[] = {
        /* Memory ran out when the answer came. */
        {.failure = HTTP_MEMORY, .sent = true},
        /* A connection died with the request on it, and libcurl found no other one. */
        {.failure = HTTP_CONNECT, .sent = true},
        {.failure = HTTP_DNS, .sent = true},
        {.failure = HTTP_TLS, .sent = true},
        {.failure = HTTP_SEND, .sent = true},
        {.failure = HTTP_RESET, .sent = true},
        {.failure = HTTP_RESET, .sent = true, .retry_on = "reset", .expected = true},
        {.failure = HTTP_IDLE_TIMEOUT, .sent = true},
        {.failure = HTTP_IDLE_TIMEOUT, .sent = true, .retry_on = "timeout", .expected = true},
        {.failure = HTTP_PROTOCOL, .sent = true},
        {.failure = HTTP_REDIRECT, .sent = true, .status = 302},
    };
    check(cases, sizeof cases / sizeof *cases);
}

static void what_the_endpoint_refused_to_look_at_is_tried_again(void **state)
{
    (void)state;
    const struct retry_case cases[] = {
        {.failure = HTTP_RESET, .sent = true, .refused = true, .expected = true},
        {.failure = HTTP_RESET, .sent = true, .refused = true, .retry_on = "none"},
        /* Of what a redirect asked for instead. */
        {.failure = HTTP_RESET, .sent = true, .processed = true, .refused = true},
    };
    check(cases, sizeof cases / sizeof *cases);
}

static void an_answer_that_says_later_is_tried_again(void **state)
{
    (void)state;
    const struct retry_case cases[] = {
        {.sent = true, .status = 429, .expected = true},
        {.sent = true, .status = 503, .retry_after = "1", .expected = true},
        {.sent = true, .status = 503},
        /* Of what a redirect asked for instead. */
        {.sent = true, .processed = true, .status = 429},
        {.sent = true, .processed = true, .status = 503, .retry_after = "1"},
        {.sent = true, .processed = true, .status = 503, .retry_on = "5xx", .expected = true},
        {.sent = true, .status = 500},
        {.sent = true, .status = 500, .retry_on = "5xx", .expected = true},
    };
    check(cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_never_sent_is_tried_again_but_for_what_fails_again),
        cmocka_unit_test(what_may_have_been_processed_is_not_unless_asked_for),
        cmocka_unit_test(what_the_endpoint_refused_to_look_at_is_tried_again),
        cmocka_unit_test(an_answer_that_says_later_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
