/* URLs as events and mappings give them: what is taken, where it goes, and what of it may be logged. */
#include "http/url.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void a_url_has_a_destination_and_a_form_for_logs(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"http://svc.internal/vm", "http://svc.internal:80", "http://svc.internal/vm"},
        {"HTTPS://SVC.Internal", "https://svc.internal:443", "https://svc.internal/"},
        {"https://user:passw0rd@svc:8443/a?token=secret&b#frag", "https://svc:8443",
         "https://svc:8443/a?token=***&b"},
        {"http://[::1]:8080/?", "http://[::1]:8080", "http://[::1]:8080/"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url_parts parts;
        struct error err = {0};
        if (url_parse(slice_of(cases[i][0]), &parts, &err) != 0)
            fail_msg("%s: %s", cases[i][0], err.message);
        assert_string_equal(parts.destination, cases[i][1]);
        assert_string_equal(parts.redacted, cases[i][2]);
        url_parts_clear(&parts);
    }
}

static void only_http_and_https_are_taken(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "there is no URL"},
        {"ftp://x/", "the URL is not http:// or https://"},
        {"svc.internal/vm", "the URL is not http:// or https://"},
        {"httpx://x", "the URL is not http:// or https://"},
        {"http:/x", "the URL is not http:// or https://"},
        /* libcurl reads this one as host "S" with a path: one slash will do for it */
        {"HTTP:/S://user:password@host/", "the URL is not http:// or https://"},
        {"http://", "not a URL: "},
        {"http://a b/", "not a URL: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url_parts parts;
        struct error err = {0};
        assert_int_equal(url_parse(slice_of(cases[i][0]), &parts, &err), PA_ERR_INVALID);
        if (strncmp(err.message, cases[i][1], strlen(cases[i][1])) != 0)
            fail_msg("%s: '%s', expected '%s'", cases[i][0], err.message, cases[i][1]);
        assert_null(parts.destination);
        assert_null(parts.redacted);
    }
}

static void a_url_is_parsed_once_for_what_is_asked_for(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"http://svc/vm", "/vm"},
        {"http://svc", "/"},
        {"http://svc?a=b%20c", "/?a=b%20c"},
        {"http://svc/a/../b?", "/b?"},
        {"http://svc/\xc3\xa4", "/%c3%a4"},
        {"http://u:p@svc/vm#there", "/vm"},
        {"http://[::1]:8080/vm", "/vm"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url_parts parts;
        struct buffer with = {0}, without = {0};
        assert_int_equal(url_parse(slice_of(cases[i][0]), &parts, NULL), 0);
        assert_non_null(parts.parsed);
        url_target(cases[i][0], parts.parsed, &with);
        url_target(cases[i][0], NULL, &without);
        assert_string_equal(buffer_text(&with), cases[i][1]);
        assert_string_equal(buffer_text(&without), cases[i][1]);
        buffer_clear(&with);
        buffer_clear(&without);
        url_parts_clear(&parts);
    }
}

static void a_zone_is_left_to_libcurl(void **state)
{
    (void)state;
    struct url_parts parts;
    assert_int_equal(url_parse(SLICE_LITERAL("http://[fe80::1%25lo]/vm"), &parts, NULL), 0);
    assert_null(parts.parsed);
    url_parts_clear(&parts);
}

static void the_user_info_of_a_url_is_found(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"http://u:p@x/", "u:p"}, {"http://a@b@x", "a@b"},
                                           {"http://x/a@b", NULL},   {"http://x?a@b", NULL},
                                           {"http://", NULL},        {"", NULL},
                                           {"no url", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice found = url_user_info(slice_of(cases[i][0]));
        assert_true(slice_is_null(found) == !cases[i][1]);
        assert_true(!cases[i][1] || slice_equal_text(found, cases[i][1]));
    }
}

static void credentials_are_told_as_they_are_sent(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"http://u:p%40ss%3Aw@x/", "u:p@ss:w", "dTpwQHNzOnc="}, /* the base64 is coreutils' */
        {"http://token@x/", "token:", "dG9rZW46"},
        {"http://@x/", ":", "Og=="},
        {"http://x/u:p@y", "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer plain = {0}, basic = {0};
        url_credentials(slice_of(cases[i][0]), &plain, &basic);
        assert_string_equal(buffer_text(&plain), cases[i][1]);
        assert_string_equal(buffer_text(&basic), cases[i][2]);
        buffer_clear(&plain);
        buffer_clear(&basic);
    }
}

static void a_shown_url_has_no_user_info_however_it_is_written(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"https://api.getport.io", "https://api.getport.io"},
                                           {"http://u:p@127.0.0.1:9/x", "http://***@127.0.0.1:9/x"},
                                           {"http://u:a/b@c?d@host", "http://***@host"},
                                           {"u:p@host", "***@host"},
                                           {"", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer out = {0};
        url_append_shown(&out, slice_of(cases[i][0]));
        assert_string_equal(buffer_text(&out), cases[i][1]);
        buffer_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_has_a_destination_and_a_form_for_logs),
        cmocka_unit_test(only_http_and_https_are_taken),
        cmocka_unit_test(a_url_is_parsed_once_for_what_is_asked_for),
        cmocka_unit_test(a_zone_is_left_to_libcurl),
        cmocka_unit_test(the_user_info_of_a_url_is_found),
        cmocka_unit_test(credentials_are_told_as_they_are_sent),
        cmocka_unit_test(a_shown_url_has_no_user_info_however_it_is_written),
    };
    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
