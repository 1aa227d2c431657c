/* Proxies' addresses and the forms of NO_PROXY. */
#include "http/proxy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void an_address_gets_its_scheme_and_port_and_hides_its_password(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"http://proxy.internal:3128", "http://proxy.internal:3128/", "http://proxy.internal:3128"},
        {"proxy.internal:3128", "http://proxy.internal:3128/", "http://proxy.internal:3128"},
        {"ftp.internal:3128", "http://ftp.internal:3128/", "http://ftp.internal:3128"},
        {"http://proxy.internal", "http://proxy.internal:80/", "http://proxy.internal:80"},
        {"https://proxy.internal/", "https://proxy.internal:443/", "https://proxy.internal:443"},
        {"socks5h://proxy.internal", "socks5h://proxy.internal:1080/", "socks5h://proxy.internal:1080"},
        {"http://us%40er:pa%3Ass@[::1]:8080", "http://us%40er:pa%3Ass@[::1]:8080/", "http://[::1]:8080"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct proxy proxy;
        struct error err = {0};
        assert_int_equal(proxy_parse(cases[i][0], &proxy, &err), 0);
        assert_string_equal(proxy.url, cases[i][1]);
        assert_string_equal(proxy.shown, cases[i][2]);
        proxy_clear(&proxy);
    }
}

static void nothing_is_no_proxy_and_nonsense_is_an_error(void **state)
{
    (void)state;
    struct proxy proxy;
    struct error err = {0};
    assert_int_equal(proxy_parse("", &proxy, &err), 0);
    assert_null(proxy.url);
    assert_int_equal(proxy_parse(NULL, &proxy, &err), 0);
    assert_null(proxy.url);
    static const char *const wrong[] = {"http://user:pa55word@:3128", "http://user:pa55word@host:99999",
                                        "http://user:pa55word@host:port", "http://user:pa55word@ho st:1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        err = (struct error){0};
        if (proxy_parse(wrong[i], &proxy, &err) != PA_ERR_INVALID)
            fail_msg("'%s' was taken", wrong[i]);
        assert_true(err.message[0] != '\0');
        assert_null(strstr(err.message, "pa55word"));
        assert_null(proxy.url);
    }
}

static void what_could_be_a_password_is_not_shown(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"http://host:3128", "http://host:3128"},
                                           {"http://host:99999/", "http://host:99999/"},
                                           {"http://", "http://"},
                                           {"", ""},
                                           {"//h", "//h"},
                                           {"http://host:", "http://host:"},
                                           {"http://user:pa55@host:x", "http://***@host:x"},
                                           {"user:pa/5@5@host:1", "***@host:1"},
                                           {"http://user:pa55word", "http://user:***"},
                                           {"user:1234567", "user:***"},
                                           {"user:12pa55", "user:***"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer shown = {0};
        proxy_append_shown(&shown, slice_of(cases[i][0]));
        assert_string_equal(buffer_text(&shown), cases[i][1]);
        buffer_clear(&shown);
    }
}

struct bypass_case {
    const char *list, *host;
    int port;
    bool bypassed;
};

static void no_proxy_lists(void **state)
{
    (void)state;
    static const struct bypass_case cases[] = {{NULL, "svc.internal", 80, false},
                                               {"", "svc.internal", 80, false},
                                               {" , ,", "svc.internal", 80, false},
                                               {"*", "svc.internal", 80, true},
                                               {"other,*", "10.0.0.1", 80, true},
                                               {"svc.internal", "svc.internal", 80, true},
                                               {"SVC.Internal", "svc.iNTERNAL", 80, true},
                                               {"svc.internal", "svc.internal.", 80, true},
                                               {"svc.internal.", "svc.internal", 80, true},
                                               {"internal", "svc.internal", 80, true},
                                               {".internal", "svc.internal", 80, true},
                                               {"*.internal", "svc.internal", 80, true},
                                               {".svc.internal", "svc.internal", 80, true},
                                               {"vc.internal", "svc.internal", 80, false},
                                               {"a.svc.internal", "svc.internal", 80, false},
                                               {"*vc.internal", "svc.internal", 80, false},
                                               {"one two\tsvc.internal", "svc.internal", 80, true},
                                               {"one,svc.internal:8443", "svc.internal", 8443, true},
                                               {"svc.internal:8443", "svc.internal", 443, false},
                                               {".internal:8443", "svc.internal", 8443, true},
                                               {"svc.internal:", "svc.internal", 443, false},
                                               {"svc.internal:x", "svc.internal", 443, false},
                                               {"10.1.2.3", "10.1.2.3", 80, true},
                                               {"10.1.2.3:8080", "10.1.2.3", 80, false},
                                               {"10.1.2.3:8080", "10.1.2.3", 8080, true},
                                               {"0.1.2.3", "10.1.2.3", 80, false},
                                               {"10.0.0.0/8", "10.200.2.3", 80, true},
                                               {"10.0.0.0/8", "11.0.0.1", 80, false},
                                               {"10.128.0.0/9", "10.127.0.1", 80, false},
                                               {"10.128.0.0/9", "10.129.0.1", 80, true},
                                               {"10.1.2.3/32", "10.1.2.3", 80, true},
                                               {"10.1.2.3/32", "10.1.2.2", 80, false},
                                               {"0.0.0.0/0", "192.168.1.1", 80, true},
                                               {"0.0.0.0/0", "svc.internal", 80, false},
                                               {"10.0.0.0/33", "10.0.0.1", 80, false},
                                               {"10.0.0.0/", "10.0.0.1", 80, false},
                                               {"10.0.0.0/8x", "10.0.0.1", 80, false},
                                               {"10.0.0.0/-1", "10.0.0.1", 80, false},
                                               {"::1", "[::1]", 80, true},
                                               {"[::1]", "[::1]", 80, true},
                                               {"0:0::1", "::1", 80, true},
                                               {"[::1]:8080", "[::1]", 8080, true},
                                               {"[::1]:8080", "[::1]", 80, false},
                                               {"fd00::/8", "[fd12::3]", 80, true},
                                               {"fd00::/8", "[fe12::3]", 80, false},
                                               {"::/0", "10.0.0.1", 80, false},
                                               {"fd00::/128", "[fd00::]", 80, true},
                                               {".", "svc.internal", 80, false},
                                               {"*.", "svc.internal", 80, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (proxy_bypassed(cases[i].list, cases[i].host, cases[i].port) != cases[i].bypassed)
            fail_msg("NO_PROXY '%s', host %s port %d: expected %d", cases[i].list, cases[i].host,
                     cases[i].port, cases[i].bypassed);
}

static void an_entry_longer_than_any_name_is_passed_over(void **state)
{
    (void)state;
    char list[1200];
    memset(list, 'a', sizeof list);
    snprintf(list + 1000, sizeof list - 1000, ",svc.internal");
    assert_true(proxy_bypassed(list, "svc.internal", 80));
    assert_false(proxy_bypassed(list, "other.internal", 80));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_gets_its_scheme_and_port_and_hides_its_password),
        cmocka_unit_test(nothing_is_no_proxy_and_nonsense_is_an_error),
        cmocka_unit_test(what_could_be_a_password_is_not_shown),
        cmocka_unit_test(no_proxy_lists),
        cmocka_unit_test(an_entry_longer_than_any_name_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
