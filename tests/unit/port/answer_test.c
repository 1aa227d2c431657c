/* What an answer of Port's API means to the call that asked. */
#include "port/answer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_status_is_an_acceptance_a_refusal_or_tried_again(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum port_answer answer;
    } cases[] = {
        {199, PORT_UNAVAILABLE}, {200, PORT_ACCEPTED},    {204, PORT_ACCEPTED},   {299, PORT_ACCEPTED},
        {300, PORT_UNAVAILABLE}, {400, PORT_REFUSED},     {404, PORT_REFUSED},    {304, PORT_UNAVAILABLE},
        {407, PORT_UNAVAILABLE}, {408, PORT_UNAVAILABLE}, {409, PORT_REFUSED},    {422, PORT_REFUSED},
        {428, PORT_REFUSED},     {429, PORT_UNAVAILABLE}, {430, PORT_REFUSED},    {499, PORT_REFUSED},
        {500, PORT_UNAVAILABLE}, {503, PORT_UNAVAILABLE}, {599, PORT_UNAVAILABLE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_result http = {.status = cases[i].status};
        if (port_answer_of(&http) != cases[i].answer)
            fail_msg("%d: %d", cases[i].status, port_answer_of(&http));
    }
}

static void what_has_no_answer_is_tried_again(void **state)
{
    (void)state;
    struct http_result http = {.failure = HTTP_CONNECT, .status = 200};
    assert_int_equal(port_answer_of(&http), PORT_UNAVAILABLE);
    http = (struct http_result){.failure = HTTP_REDIRECT, .status = 302};
    assert_int_equal(port_answer_of(&http), PORT_UNAVAILABLE);
}

static void a_page_in_ports_place_is_no_acceptance(void **state)
{
    (void)state;
    static const char *const pages[] = {"<html>", "\r\n \t<!DOCTYPE html>", "<?xml version=\"1.0\"?>"};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        struct http_result http = {.status = 200, .body = slice_of(pages[i])};
        assert_int_equal(port_answer_of(&http), PORT_UNAVAILABLE);
    }
    static const char *const others[] = {"", " ", "{\"a\":\"<html>\"}", "ok"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct http_result http = {.status = 200, .body = slice_of(others[i])};
        assert_int_equal(port_answer_of(&http), PORT_ACCEPTED);
    }
}

static void an_answer_that_there_was_no_room_for_is_tried_again(void **state)
{
    (void)state;
    struct http_result http = {.status = 200, .body_cut = HTTP_CUT_NO_ROOM};
    assert_int_equal(port_answer_of(&http), PORT_UNAVAILABLE);
    http.body_cut = HTTP_CUT_TOO_LONG;
    assert_int_equal(port_answer_of(&http), PORT_ACCEPTED);
    http = (struct http_result){.status = 404, .body_cut = HTTP_CUT_NO_ROOM};
    assert_int_equal(port_answer_of(&http), PORT_REFUSED);
}

static void a_lack_of_memory_or_descriptors_is_known(void **state)
{
    (void)state;
    struct http_result http = {.failure = HTTP_MEMORY};
    assert_true(port_answer_starved(&http));
    http = (struct http_result){.failure = HTTP_NO_DESCRIPTOR};
    assert_true(port_answer_starved(&http));
    http = (struct http_result){.status = 200, .body_cut = HTTP_CUT_NO_ROOM};
    assert_true(port_answer_starved(&http));
    http = (struct http_result){.failure = HTTP_RESET, .body_cut = HTTP_CUT_NO_ROOM};
    assert_false(port_answer_starved(&http));
    http = (struct http_result){.status = 200, .body_cut = HTTP_CUT_TOO_LONG};
    assert_false(port_answer_starved(&http));
    http = (struct http_result){.status = 200};
    assert_false(port_answer_starved(&http));
}

static const char *words_of(const struct http_result *http, bool quoted)
{
    static char words[512];
    struct secrets secrets = {0};
    secrets_add(&secrets, slice_of("hunter2-hunter2"), 1);
    port_answer_describe(http, quoted, &secrets, words, sizeof words);
    secrets_clear(&secrets);
    return words;
}

static void a_refusal_is_quoted_without_secrets(void **state)
{
    (void)state;
    struct http_result http = {.status = 422, .body = slice_of("no hunter2-hunter2 here")};
    assert_string_equal(words_of(&http, true), "Port answered 422: no *** here");
    assert_string_equal(words_of(&http, false), "Port answered 422");
    http.body = (struct slice){NULL, 0};
    assert_string_equal(words_of(&http, true), "Port answered 422");
    http = (struct http_result){.status = 503, .body = slice_of("busy")};
    assert_string_equal(words_of(&http, true), "Port answered 503");
    http = (struct http_result){.status = 404, .body_cut = HTTP_CUT_NO_ROOM, .body = slice_of("a")};
    assert_string_equal(words_of(&http, true),
                        "Port answered 404; there was no memory for the rest of it: a");
}

static void a_long_refusal_is_cut(void **state)
{
    (void)state;
    static char body[400];
    memset(body, 'x', sizeof body);
    struct http_result http = {.status = 400, .body = {body, sizeof body}};
    assert_int_equal(strlen(words_of(&http, true)), strlen("Port answered 400: ") + 200);
}

static void what_failed_on_the_way_is_said_without_secrets(void **state)
{
    (void)state;
    struct http_result http = {.failure = HTTP_DNS, .status = 200};
    snprintf(http.reason, sizeof http.reason, "https://hunter2-hunter2: host name not found");
    assert_string_equal(words_of(&http, true), "https://***: host name not found");
    http = (struct http_result){.failure = HTTP_REDIRECT, .status = 302, .reason = "redirect 302 to /login"};
    assert_string_equal(words_of(&http, true), "redirect 302 to /login; is PORT_API_BASE_URL right?");
    http = (struct http_result){.status = 200, .body = SLICE_LITERAL("<html>sign in</html>")};
    assert_string_equal(words_of(&http, true),
                        "a page came in place of Port's answer (status 200): is a proxy or a login on the "
                        "way, and is PORT_API_BASE_URL right?");
}

static void words_end_where_their_room_does(void **state)
{
    (void)state;
    struct secrets secrets = {0};
    struct http_result http = {.status = 422, .body = slice_of("abcdef")};
    char words[22];
    port_answer_describe(&http, true, &secrets, words, sizeof words);
    assert_string_equal(words, "Port answered 422: ab");
    secrets_clear(&secrets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_an_acceptance_a_refusal_or_tried_again),
        cmocka_unit_test(what_has_no_answer_is_tried_again),
        cmocka_unit_test(a_page_in_ports_place_is_no_acceptance),
        cmocka_unit_test(an_answer_that_there_was_no_room_for_is_tried_again),
        cmocka_unit_test(a_lack_of_memory_or_descriptors_is_known),
        cmocka_unit_test(a_refusal_is_quoted_without_secrets),
        cmocka_unit_test(a_long_refusal_is_cut),
        cmocka_unit_test(what_failed_on_the_way_is_said_without_secrets),
        cmocka_unit_test(words_end_where_their_room_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
