/* Proxies' addresses and the forms of NO_PROXY. */
#include "../edge.h"
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
        {"http://proxy.internal:3128", "http://proxy.internal:3128", NULL},
        {"proxy.internal:3128", "http://proxy.internal:3128", NULL},
        {"ftp.internal:3128", "http://ftp.internal:3128", NULL},
        {"http://proxy.internal", "http://proxy.internal:80", NULL},
        {"HTTPS://proxy.internal/", "https://proxy.internal:443", NULL},
        {"socks5h://proxy.internal", "socks5h://proxy.internal:1080", NULL},
        {"http://proxy.internal:3128/path?and#more", "http://proxy.internal:3128", NULL},
        {"http://us%40er:pa%3Ass@[::1]:8080", "http://[::1]:8080", "us%40er:pa%3Ass"},
        {"http://[fe80::1%25eth0]:8080", "http://[fe80::1%25eth0]:8080", NULL},
        {"us-er:pa55@proxy_1:65535", "http://proxy_1:65535", "us%2Der:pa55"},
        {"http://me@corp.example:p@ss@proxy:1", "http://proxy:1", "me%40corp%2Eexample:p%40ss"},
        {"us:p://x@proxy:1", NULL, NULL}, /* "us:p:" has no port */
        {"us:p%3A%2F%2fx@proxy:1", "http://proxy:1", "us:p%3A%2F%2Fx"},
        {"http://us:a:b;c\\d@proxy:1", "http://proxy:1", "us:a%3Ab%3Bc%5Cd"},
        {"http://us:100%25%C3%A4@proxy:1", "http://proxy:1", "us:100%25%C3%A4"},
        {"http://user@proxy:1", "http://proxy:1", "user:"},
        {"http://:pa55@proxy:1", "http://proxy:1", ":pa55"},
        {"http://@proxy:1", "http://proxy:1", NULL},
        {"socks4a://user@proxy", "socks4a://proxy:1080", "user:"},
        {"socks5://us%3Aer:p@proxy", "socks5://proxy:1080", "us%3Aer:p"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct proxy proxy;
        struct error err = {0};
        assert_int_equal(proxy_parse(cases[i][0], &proxy, &err), cases[i][1] ? 0 : PA_ERR_INVALID);
        if (!cases[i][1])
            continue;
        assert_string_equal(proxy.url, cases[i][1]);
        if (cases[i][2])
            assert_string_equal(proxy.credentials, cases[i][2]);
        else
            assert_null(proxy.credentials);
        proxy_clear(&proxy);
    }
}

/** libcurl itself would pass over some of them, and ask the server without a proxy. */
static void what_cannot_be_used_as_it_is_written_is_an_error(void **state)
{
    (void)state;
    struct proxy proxy;
    struct error err = {0};
    assert_int_equal(proxy_parse("", &proxy, &err), 0);
    assert_null(proxy.url);
    assert_int_equal(proxy_parse(NULL, &proxy, &err), 0);
    assert_null(proxy.url);
    char over[64 + 256], longer[1100];
    snprintf(over, sizeof over, "socks5://user:%0256d@proxy", 0);
    snprintf(longer, sizeof longer, "http://user:%01080d@proxy", 0);
    const char *const wrong[] = {"http://user:pa55word@:3128",
                                 "http://user:pa55word@",
                                 "http://user:pa55word@host:99999",
                                 "http://user:pa55word@host:0",
                                 "http://user:pa55word@host:000080",
                                 "http://user:pa55word@host:+80",
                                 "http://user:pa55word@host:",
                                 "http://user:pa55word@host:port",
                                 "http://user:pa55word@host:80:80",
                                 "http://user:pa55word@ho st:1",
                                 "http://user:pa55word@%20:1",
                                 "http://user:pa55word@ho%73t:1",
                                 "http://user:pa55word@.:1",
                                 "http://user:pa55word@[::1:1",
                                 "http://user:pa55word@[::g]:1",
                                 "http://user:pa55word@h,http://other:1",
                                 "http://user:pa55word%0a@host:1",
                                 "http://us%0Der:pa55word@host:1",
                                 "http://user:pa55word%00@host:1",
                                 "http://user:pa55word%7f@host:1",
                                 "http://user:pa55word%1f@host:1",
                                 "http://user:pa55word\n@host:1",
                                 "http://user:pa55word\x7f@host:1",
                                 "http://user:pa55word\xc3\xa4@host:1",
                                 "http://user:pa55word%@host:1",
                                 "http://user:pa55word%4@host:1",
                                 "http://user:pa55word%zz@host:1",
                                 "http://us%er:pa55word@host:1",
                                 "http://us%3Aer:pa55word@host:1",
                                 "http://user:12/pa55word@host:1",
                                 "http://user:12?pa55word@host:1",
                                 "http://user:12#pa55word@host:1",
                                 "http://host:1\n",
                                 "ftp://user:pa55word@host:1",
                                 "socks://user:pa55word@host:1",
                                 "https2://host:1",
                                 "://host:1",
                                 "http:///host:1",
                                 "http:/host:1",
                                 "http:host:1",
                                 "http:",
                                 "//host",
                                 "http://http://host:1",
                                 "socks4://user:pa55word@host",
                                 over,
                                 longer};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        err = (struct error){0};
        if (proxy_parse(wrong[i], &proxy, &err) != PA_ERR_INVALID)
            fail_msg("'%s' was taken", wrong[i]);
        assert_true(err.message[0] != '\0');
        assert_null(strstr(err.message, "pa55word"));
        assert_null(proxy.url);
        assert_null(proxy.credentials);
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
                                           {"us:hu://sh@host:1", "***@host:1"},
                                           {"http://us:1/2@host:1", "http://***@host:1"},
                                           {"user:12pa55", "user:***"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer shown = {0};
        proxy_append_shown(&shown, edge_of(cases[i][0]));
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
                                               {"one\r\nsvc.internal\n", "svc.internal", 80, true},
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
        cmocka_unit_test(what_cannot_be_used_as_it_is_written_is_an_error),
        cmocka_unit_test(what_could_be_a_password_is_not_shown),
        cmocka_unit_test(no_proxy_lists),
        cmocka_unit_test(an_entry_longer_than_any_name_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
