/* URLs as events and mappings give them: what is taken, where it goes, and what of it may be logged. */
#include "../edge.h"
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
        {"http://svc/?0123456789abcde&0123456789abcdef&c=", "http://svc:80",
         "http://svc/?0123456789abcde&***&c=***"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url_parts parts;
        struct error err = {0};
        if (url_parse(edge_of(cases[i][0]), &parts, &err) != 0)
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
        {"  ", "there is no URL"},
        {"http:\\\\svc/", "the URL is not http:// or https://"},
        {"http:///svc/", "not a URL: there is no host name"},
        {"http://:80/", "not a URL: there is no host name"},
        {"http://u:p@/", "not a URL: there is no host name"},
        {"http://svc:8a/", "not a URL: its port is not a number"},
        {"http://svc:1:2/", "not a URL: its port is not a number"},
        {"http://svc:99999/", "not a URL: "},
        {"http://[::1/", "not a URL: "},
        {"http://[::1]x/", "not a URL: "},
        {"http://svc\tx/", "not a URL: "},
        {"http://svc\x01/", "not a URL: "},
        {"http://s%2fc/", "not a URL: "},
        {"http://[fe80::1%25\xc3\xab]/", "not a URL: a character in its host name has no place there"},
        {"http://s%00c/", "not a URL: "},
        {"http://a\xc3/", "not a URL: its host name cannot be used: "},
        {"http://\xe2\x98\x83\xef\xbc\x8f.example/",
         "not a URL: its host name cannot be used"}, /* U+2603, U+FF0F */
        {"http://good.example\xef\xbc\x8f.evil.example/", "not a URL: its host name cannot be used"},
        {"http://corp\\me:pw@svc/", "not a URL: there is a backslash before its last @"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url_parts parts;
        struct error err = {0};
        assert_int_equal(url_parse(edge_of(cases[i][0]), &parts, &err), PA_ERR_INVALID);
        if (strncmp(err.message, cases[i][1], strlen(cases[i][1])) != 0)
            fail_msg("%s: '%s', expected '%s'", cases[i][0], err.message, cases[i][1]);
        assert_null(parts.destination);
        assert_null(parts.redacted);
    }
}

static void a_url_is_sent_without_what_http_has_no_place_for(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"http://svc/vm", "http://svc/vm"},
        {"http://svc", "http://svc/"},
        {"HTTP://SVC.Internal:8080", "http://svc.internal:8080/"},
        {"http://AZ@AZ/AZ", "http://AZ@az/AZ"},
        {"http://svc?a=b%20c", "http://svc/?a=b%20c"},
        {"http://svc/?e=^", "http://svc/?e=%5E"},
        {"http://svc/?name=Zo\xc3\xab", "http://svc/?name=Zo%C3%AB"},
        {"http://svc/\xf0\x9f\x9a\x80/\xff", "http://svc/%F0%9F%9A%80/%FF"},
        {"http://svc/a b\"<>`{|}\\^?a b\"<>`{|}\\^",
         "http://svc/a%20b%22%3C%3E%60%7B%7C%7D%5C%5E?a%20b%22%3C%3E%60%7B%7C%7D%5C%5E"},
        {"http://svc/a\r\nX: 1\t\x01\x7f?\r\n", "http://svc/a%0D%0AX:%201%09%01%7F?"},
        {"http://svc/-._~!$&'()*+,;=:@[]?-._~!$&'()*+,;=:@[]/?",
         "http://svc/-._~!$&'()*+,;=:@[]?-._~!$&'()*+,;=:@[]/?"},
        {"http://svc/%41%7e%c3%A9?%2f", "http://svc/%41%7e%c3%A9?%2f"},
        {"http://svc/100%?50%&%zz&%4&%%41&%", "http://svc/100%25?50%25&%25zz&%254&%25%41&%25"},
        {"http://svc/p?", "http://svc/p?"},
        {"http://svc/p?#f", "http://svc/p?"},
        {"http://svc/p#f?g", "http://svc/p"},
        {"http://svc#f", "http://svc/"},
        {"http://svc/a/../b/./c?q=/../", "http://svc/b/c?q=/../"},
        {"http://svc/../..//a/b/..", "http://svc//a/"},
        {"http://svc/a/%2e%2e/b/...", "http://svc/a/%2e%2e/b/..."},
        {"http://svc//p//q/", "http://svc//p//q/"},
        {"http://svc\\path", "http://svc/%5Cpath"},
        {"http://me@corp.example:pw@svc/", "http://me%40corp.example:pw@svc/"},
        {"http://a@b@c:d@e@svc:81/x@y", "http://a%40b%40c:d%40e@svc:81/x@y"},
        {"http://u%40x:p%2Fw%@svc/", "http://u%40x:p%2Fw%25@svc/"},
        {"http://u [:p\xc3\xa4@svc/", "http://u%20%5B:p%C3%A4@svc/"},
        {"http://@svc/", "http://svc/"},
        {"http://:@svc/", "http://svc/"},
        {"http://token@svc/", "http://token@svc/"},
        {"http://svc:/p", "http://svc/p"},
        {"http://zo\xc3\xab.example/", "http://xn--zo-ija.example/"},
        {"http://ZO\xc3\x8b.EXAMPLE:81/", "http://xn--zo-ija.example:81/"},
        {"http://zo%C3%AB.example/", "http://xn--zo-ija.example/"},
        {"http://s%76c/", "http://svc/"},
        {"http://[::1]:8080/?", "http://[::1]:8080/?"},
        {"http://[fe80::1%25Lo]/vm", "http://[fe80::1%25Lo]/vm"},
        {" http://svc/p ", "http://svc/p"},
        {"\t\r\n\x0b\x0c\x1c\x1d\x1e\x1f http://svc/p\n", "http://svc/p"},
        {"\xc2\xa0\xe2\x80\x83\xe3\x80\x80\xe1\x9a\x80http://svc/"
         "p\xe2\x80\xaf\xc2\x85\xe2\x81\x9f\xe2\x80\xa8",
         "http://svc/p"},
        {"http://svc\xc2\xa0", "http://svc/"},
        {"http://svc/p\xe2\x80\x8b", "http://svc/p%E2%80%8B"}, /* of no width, and no white space */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url_parts parts, again;
        struct error err = {0};
        if (url_parse(edge_of(cases[i][0]), &parts, &err) != 0)
            fail_msg("%s: %s", cases[i][0], err.message);
        assert_string_equal(parts.url, cases[i][1]);
        assert_int_equal(url_parse(edge_of(parts.url), &again, NULL), 0);
        assert_string_equal(again.url, parts.url);
        url_parts_clear(&again);
        url_parts_clear(&parts);
    }
}

static void what_is_asked_for_begins_behind_the_host(void **state)
{
    (void)state;
    assert_string_equal(url_target("http://svc/vm?a=1"), "/vm?a=1");
    assert_string_equal(url_target("https://u:p@[::1]:8443/"), "/");
}

static void a_path_that_is_a_secret_is_hidden_with_its_query(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"https://user:passw0rd@svc:8443/T0/secret?b=c", "https://svc:8443/***"},
        {"http://a?b", "http://a/***"},
        {"http://a", "http://a/***"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url_parts parts;
        struct error err = {0};
        assert_int_equal(url_parse(edge_of(cases[i][0]), &parts, &err), 0);
        assert_true(url_hide_path(&parts));
        assert_string_equal(parts.redacted, cases[i][1]);
        url_parts_clear(&parts);
    }
}

static void a_url_may_have_64_kib(void **state)
{
    (void)state;
    struct buffer text = {0};
    struct url_parts parts;
    struct error err = {0};
    buffer_append_text(&text, " http://svc/");
    while (text.len < URL_MAX + 1)
        buffer_append_char(&text, '"');
    assert_int_equal(url_parse(buffer_slice(&text), &parts, &err), 0);
    assert_int_equal(strlen(parts.url), strlen("http://svc/") + 3 * (URL_MAX - strlen("http://svc/")));
    url_parts_clear(&parts);
    buffer_append_char(&text, 'x');
    assert_int_equal(url_parse(buffer_slice(&text), &parts, &err), PA_ERR_INVALID);
    assert_string_equal(err.message, "the URL is longer than 65536 bytes");
    buffer_clear(&text);
}

static void a_nul_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    static const struct slice urls[] = {SLICE_LITERAL("http://svc/a\0b"), SLICE_LITERAL("http://svc\0.evil/"),
                                        SLICE_LITERAL("http://svc:8\0/"), SLICE_LITERAL("http://u\0@svc/"),
                                        SLICE_LITERAL("http://svc/?\0")};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct url_parts parts;
        struct error err = {0};
        assert_int_equal(url_parse(urls[i], &parts, &err), PA_ERR_INVALID);
        assert_string_equal(err.message, "the URL holds a NUL");
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
        struct slice found = url_user_info(edge_of(cases[i][0]));
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
        url_credentials(edge_of(cases[i][0]), &plain, &basic);
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
                                           {"https://collector/v1?api-key=hush", "https://collector/v1?***"},
                                           {"collector?hush", "collector?***"},
                                           {"?hush?hush", "?***"},
                                           {"", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer out = {0};
        url_append_shown(&out, edge_of(cases[i][0]));
        assert_string_equal(buffer_text(&out), cases[i][1]);
        buffer_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_has_a_destination_and_a_form_for_logs),
        cmocka_unit_test(only_http_and_https_are_taken),
        cmocka_unit_test(a_url_is_sent_without_what_http_has_no_place_for),
        cmocka_unit_test(what_is_asked_for_begins_behind_the_host),
        cmocka_unit_test(a_path_that_is_a_secret_is_hidden_with_its_query),
        cmocka_unit_test(a_url_may_have_64_kib),
        cmocka_unit_test(a_nul_is_refused_wherever_it_stands),
        cmocka_unit_test(a_zone_is_left_to_libcurl),
        cmocka_unit_test(the_user_info_of_a_url_is_found),
        cmocka_unit_test(credentials_are_told_as_they_are_sent),
        cmocka_unit_test(a_shown_url_has_no_user_info_however_it_is_written),
    };
    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
