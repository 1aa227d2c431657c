/* What an answer means, and that nothing of what was sent comes back in words. */
#include "deliver/outcome.h"
#include "deliver/shared.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct deliver deliver;
static struct delivery delivery;

static int begin(void **state)
{
    (void)state;
    deliver = (struct deliver){.options = {.client_secret = SLICE_LITERAL("client-secret-of-today"),
                                           .client_secret_previous = SLICE_LITERAL("client-secret-before")}};
    targets_open(&deliver.targets, false);
    delivery = (struct delivery){.deliver = &deliver, .attempt = 1};
    return 0;
}

static int end(void **state)
{
    (void)state;
    target_release(delivery.target);
    targets_free(&deliver.targets);
    return 0;
}

static void goes_to(const char *url)
{
    struct error err = {0};
    target_release(delivery.target);
    delivery.target = target_find(&deliver.targets, slice_of(url), &err);
    assert_non_null(delivery.target);
}

/** The endpoint answers 500 with this text: what is told of it. */
static void assert_told(const char *text, const char *expected)
{
    struct outcome out = {0};
    const struct http_result result = {.failure = HTTP_OK, .status = 500, .text = slice_of(text)};
    outcome_of(&delivery, &result, true, &out);
    assert_string_equal(buffer_text(&out.detail), expected);
    outcome_clear(&out);
}

static void a_status_below_400_is_a_success_and_no_answer_is_none(void **state)
{
    (void)state;
    static const struct {
        enum http_failure failure;
        int status;
        bool success, answered;
        const char *error_type;
    } cases[] = {{HTTP_OK, 200, true, true, NULL},
                 {HTTP_OK, 399, true, true, NULL},
                 {HTTP_OK, 400, false, true, "http_status"},
                 {HTTP_OK, 503, false, true, "http_status"},
                 {HTTP_REDIRECT, 302, false, true, "redirect"},
                 {HTTP_CONNECT, 0, false, false, "connect"},
                 {HTTP_RESET, 200, false, false, "reset"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct outcome out = {0};
        const struct http_result result = {.failure = cases[i].failure,
                                           .status = cases[i].status,
                                           .reason = "why",
                                           .text = SLICE_LITERAL("")};
        outcome_of(&delivery, &result, true, &out);
        if (out.success != cases[i].success || out.answered != cases[i].answered ||
            out.status != cases[i].status)
            fail_msg("case %zu", i);
        if (!out.success)
            assert_string_equal(out.error_type, cases[i].error_type);
        outcome_clear(&out);
    }
}

static void what_was_sent_is_masked(void **state)
{
    (void)state;
    strcpy(delivery.signature, "v1,c2lnbmF0dXJlLW9mLWl0");
    strcpy(delivery.redirected_signature, "v1,YW5vdGhlci1zaWduYXR1cmU=");
    assert_told("a client-secret-of-today b client-secret-before c", "a *** b *** c");
    assert_told("v1,c2lnbmF0dXJlLW9mLWl0 YW5vdGhlci1zaWduYXR1cmU=", "v1,*** ***");
    strcpy(delivery.signature, "v2,c2lnbmF0dXJlLW9mLWl0"); /* no signature of ours */
    assert_told("c2lnbmF0dXJlLW9mLWl0", "c2lnbmF0dXJlLW9mLWl0");
}

/** Nobody sent it to the endpoint, but whoever has it may be the same as whoever answers. */
static void the_agents_own_token_is_masked(void **state)
{
    (void)state;
    deliver.options.admin_token = SLICE_LITERAL("token-of-the-port");
    assert_told("token-of-the-port 746f6b656e2d6f662d7468652d706f7274", "*** ***");
}

/** A body is the whole event where no mapping says otherwise, and its URL stands in it. */
static void of_the_body_is_shown_what_its_url_does_not_hide(void **state)
{
    (void)state;
    struct buffer out = {0};
    goes_to("http://user-name:pass%2Fword@svc/path?token=query-value");
    outcome_body_shown(
        &delivery,
        SLICE_LITERAL("{\"url\":\"http://user-name:pass%2Fword@svc/path?token=query-value\",\"a\":1}"), &out);
    assert_string_equal(buffer_text(&out), "{\"url\":\"http://***@svc/path?token=***\",\"a\":1}");
    buffer_clear(&out);
}

static void what_the_url_has_of_credentials_is_masked(void **state)
{
    (void)state;
    goes_to("http://user-name:pass-word@svc/path?token=query-value&b=other-value");
    assert_told("user-name:pass-word, pass-word, user-name.", "***, ***, user-name.");
    assert_told("dXNlci1uYW1lOnBhc3Mtd29yZA==", "***"); /* as it is sent */
    assert_told("query-value and other-value, token", "*** and ***, token");
    assert_told("path svc", "path svc");
    goes_to("http://svc/path?key-that-stands-alone&short");
    assert_told("key-that-stands-alone and short", "*** and short");
    goes_to("http://token-alone@svc/"); /* without a password it is one itself */
    assert_told("token-alone", "***");
    goes_to("http://token-alone:@svc/");
    assert_told("token-alone", "***");
    goes_to("http://user-name:x@svc/"); /* too short to be looked for */
    assert_told("user-name x", "user-name x");
    goes_to("http://user-name:abcdef@svc/");
    assert_told("user-name abcdef abcde.", "user-name *** abcde.");
}

static void a_path_is_masked_where_urls_hide_theirs(void **state)
{
    (void)state;
    goes_to("http://svc/hooks/secret-part/x?q=query-value");
    assert_told("/hooks/secret-part/x secret-part hooks", "/hooks/secret-part/x secret-part hooks");
    deliver.options.hide_url_paths = true;
    assert_told("/hooks/secret-part/x secret-part, query-value", "*** ***, ***");
}

/** Is anything of what the endpoint says shown? */
static bool words_are_told(void)
{
    struct outcome out = {0};
    const struct http_result result = {
        .failure = HTTP_OK, .status = 500, .text = SLICE_LITERAL("plain words")};
    outcome_of(&delivery, &result, true, &out);
    bool told = strstr(buffer_text(&out.detail), "plain words") != NULL;
    outcome_clear(&out);
    return told;
}

/** A URL with more parts than any has was made to cost time: then nothing that is said is shown. */
static void of_a_url_with_too_many_parts_nothing_is_told(void **state)
{
    (void)state;
    enum { PARTS = 256 };
    char query[2048] = "http://svc/?a=b", path[2048] = "http://svc/hooks";
    for (int i = 1; i < PARTS; i++)
        strcat(query, "&a=b");
    goes_to(query);
    assert_true(words_are_told());
    strcat(query, "&a=b");
    goes_to(query);
    assert_false(words_are_told());
    for (int i = 2; i < PARTS; i++) /* what is before the first slash is a part, too */
        strcat(path, "/x");
    deliver.options.hide_url_paths = true;
    goes_to(path);
    assert_true(words_are_told());
    strcat(path, "/x");
    goes_to(path);
    assert_false(words_are_told());
    deliver.options.hide_url_paths = false;
    assert_true(words_are_told());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_status_below_400_is_a_success_and_no_answer_is_none, begin, end),
        cmocka_unit_test_setup_teardown(what_was_sent_is_masked, begin, end),
        cmocka_unit_test_setup_teardown(the_agents_own_token_is_masked, begin, end),
        cmocka_unit_test_setup_teardown(of_the_body_is_shown_what_its_url_does_not_hide, begin, end),
        cmocka_unit_test_setup_teardown(what_the_url_has_of_credentials_is_masked, begin, end),
        cmocka_unit_test_setup_teardown(a_path_is_masked_where_urls_hide_theirs, begin, end),
        cmocka_unit_test_setup_teardown(of_a_url_with_too_many_parts_nothing_is_told, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
