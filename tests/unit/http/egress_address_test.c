/* Addresses: which texts are some, which lie within others, and which a network has. */
#include "http/egress_address.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct egress_address address_of(const char *text)
{
    struct egress_address address;
    if (!egress_address_parse(text, &address))
        fail_msg("%s is no address", text);
    return address;
}

static void a_host_may_be_an_address_in_many_forms(void **state)
{
    (void)state;
    static const struct {
        const char *host, *address; /* NULL: it is none */
        bool numeric;
    } cases[] = {{"127.0.0.1", "127.0.0.1", true},
                 {"127.0.0.1.", "127.0.0.1", true},
                 {"127.0.0.1..", "127.0.0.1", true},
                 {"127.1", "127.0.0.1", true},
                 {"2130706433", "127.0.0.1", true},
                 {"0x7f000001", "127.0.0.1", true},
                 {"0x7f.1", "127.0.0.1", true},
                 {"0177.0.0.1", "127.0.0.1", true},
                 {"127.0.0.0x1", "127.0.0.1", true},
                 {"127.0.0.0X1", "127.0.0.1", true},
                 {"::1", "::1", true},
                 {"[::1]", "::1", true},
                 {"[fe80::1%25eth0]", "fe80::1", false},
                 {"[::ffff:127.0.0.1]", "127.0.0.1", true},
                 {"256.0.0.1", NULL, true},
                 {"1.2.3.4.5", NULL, true},
                 {"0x", NULL, true},
                 {"0xg", NULL, false},
                 {"svc.0xfg", NULL, false},
                 {"svc.12", NULL, true},
                 {"svc.1a", NULL, false},
                 {"svc", NULL, false},
                 {"svc.", NULL, false},
                 {"127.0.0.1 x", NULL, false},
                 {"127.0.0.1\tx", NULL, false},
                 {"", NULL, false},
                 {".", NULL, false},
                 {"[]", NULL, false},
                 {"[", NULL, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct egress_address address;
        char text[EGRESS_ADDRESS_TEXT] = "none";
        if (egress_address_of_host(cases[i].host, &address))
            egress_address_write(&address, text);
        if (strcmp(text, cases[i].address ? cases[i].address : "none") != 0)
            fail_msg("'%s' is %s", cases[i].host, text);
        if (!strchr(cases[i].host, ':') && egress_is_numeric(cases[i].host) != cases[i].numeric)
            fail_msg("'%s': numeric %d", cases[i].host, !cases[i].numeric);
    }
    char longest[300];
    memset(longest, '1', sizeof longest);
    longest[255] = '\0';
    assert_true(egress_is_numeric(longest));
    longest[255] = '1';
    longest[256] = '\0';
    assert_false(egress_is_numeric(longest)); /* no address is that long */
}

static void a_socket_has_the_address_it_says(void **state)
{
    (void)state;
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct egress_address address;
    char text[EGRESS_ADDRESS_TEXT];
    inet_pton(AF_INET, "10.1.2.3", &ipv4.sin_addr);
    inet_pton(AF_INET6, "2001:db8::9", &ipv6.sin6_addr);
    assert_true(egress_address_of_socket((const struct sockaddr *)&ipv4, &address));
    assert_true(egress_address_is_ipv4(&address));
    egress_address_write(&address, text);
    assert_string_equal(text, "10.1.2.3");
    assert_true(egress_address_of_socket((const struct sockaddr *)&ipv6, &address));
    assert_false(egress_address_is_ipv4(&address));
    egress_address_write(&address, text);
    assert_string_equal(text, "2001:db8::9");
    assert_false(egress_address_of_socket(&other, &address));
}

static void addresses_lie_within_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *address, *within[3];
    } cases[] = {{"1.2.3.4", {NULL}},
                 {"::", {NULL}},
                 {"::1", {NULL}},
                 {"::2", {"0.0.0.2"}},
                 {"::0.0.1.0", {"0.0.1.0"}},
                 {"::1.2.3.4", {"1.2.3.4"}},
                 {"::ffff:0:1.2.3.4", {"1.2.3.4"}},
                 {"::fffe:0:1.2.3.4", {NULL}},
                 {"64:ff9b::1.2.3.4", {"1.2.3.4"}},
                 {"64:ff9b:0:0:0:1::", {NULL}},
                 {"64:ff9b:1::1.2.3.4", {"1.2.3.4"}},
                 {"64:ff9b:1:102:3:400::", {"1.2.3.4"}},
                 {"64:ff9b:1:102:3:400:506:708", {"5.6.7.8", "1.2.3.4", "3.4.0.5"}},
                 {"64:ff9b:1:1:2:304::", {"1.2.3.4"}},
                 {"64:ff9b:1::1:203:400:0", {"1.2.3.4"}},
                 {"64:ff9b:1::", {NULL}},
                 {"64:ff9b:2::1.2.3.4", {NULL}},
                 {"2002:102:304::", {"1.2.3.4"}},
                 {"2003:102:304::", {NULL}},
                 {"2001:0:102:304:0:0:faf9:f8f7", {"1.2.3.4", "5.6.7.8"}},
                 {"2001:1:102:304::", {NULL}},
                 {"fe80::5efe:1.2.3.4", {"1.2.3.4"}},
                 {"2001:db8::200:5efe:1.2.3.4", {"1.2.3.4"}},
                 {"fe80::100:5efe:1.2.3.4", {NULL}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct egress_address address = address_of(cases[i].address), forms[EGRESS_FORMS_MAX];
        size_t count = egress_address_forms(&address, forms);
        size_t expected = 1;
        while (expected <= 3 && cases[i].within[expected - 1])
            expected++;
        if (count != expected || memcmp(&forms[0], &address, sizeof address) != 0)
            fail_msg("%s has %zu forms", cases[i].address, count);
        for (size_t form = 1; form < count; form++) {
            char text[EGRESS_ADDRESS_TEXT];
            egress_address_write(&forms[form], text);
            assert_string_equal(text, cases[i].within[form - 1]);
        }
    }
}

static bool has(const char *base, unsigned bits, const char *text)
{
    struct egress_network network = {.base = address_of(base), .bits = (uint8_t)bits};
    struct egress_address address = address_of(text);
    return egress_network_has(&network, &address);
}

static void a_network_has_what_begins_as_it_does(void **state)
{
    (void)state;
    enum { IPV4 = 96 };
    assert_true(has("10.0.0.0", IPV4 + 8, "10.255.255.255"));
    assert_false(has("10.0.0.0", IPV4 + 8, "11.0.0.0"));
    assert_true(has("172.16.0.0", IPV4 + 12, "172.31.255.255"));
    assert_false(has("172.16.0.0", IPV4 + 12, "172.32.0.0"));
    assert_false(has("172.16.0.0", IPV4 + 12, "172.15.255.255"));
    assert_true(has("1.2.3.4", IPV4 + 32, "1.2.3.4"));
    assert_false(has("1.2.3.4", IPV4 + 32, "1.2.3.5"));
    assert_true(has("1.2.3.4", IPV4 + 31, "1.2.3.5"));
    assert_false(has("1.2.3.4", IPV4 + 31, "1.2.3.6"));
    assert_true(has("0.0.0.0", IPV4, "255.255.255.255"));
    assert_false(has("0.0.0.0", IPV4, "::1"));
    assert_true(has("::", 0, "ffff::"));
    assert_false(has("::", 0, "1.2.3.4"));
    assert_true(has("fe80::", 10, "febf:ffff::"));
    assert_false(has("fe80::", 10, "fec0::"));
    assert_true(has("::1", 128, "::1"));
    assert_false(has("::1", 128, "::2"));
    assert_false(has("::1", 128, "::3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_may_be_an_address_in_many_forms),
        cmocka_unit_test(a_socket_has_the_address_it_says),
        cmocka_unit_test(addresses_lie_within_addresses),
        cmocka_unit_test(a_network_has_what_begins_as_it_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
