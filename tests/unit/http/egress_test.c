/* Where requests may go. */
#include "http/egress.h"
#include "http/egress_address.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct egress *policy(const char *allow, const char *deny)
{
    struct error err = {0};
    struct egress *egress = egress_new(allow, deny, &err);
    if (!egress)
        fail_msg("'%s' '%s': %s", allow, deny, err.message);
    return egress;
}

struct socket_address {
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } of;
};

static struct socket_address socket_address(const char *text, int port)
{
    struct socket_address address = {0};
    if (inet_pton(AF_INET, text, &address.of.ipv4.sin_addr) == 1) {
        address.of.ipv4.sin_family = AF_INET;
        address.of.ipv4.sin_port = htons((uint16_t)port);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &address.of.ipv6.sin6_addr), 1);
        address.of.ipv6.sin6_family = AF_INET6;
        address.of.ipv6.sin6_port = htons((uint16_t)port);
    }
    return address;
}

/** What is said of a name that leads to this address. */
static bool connects(const struct egress *egress, const char *host, const char *address, int port, char *why)
{
    const struct egress_target target = {.host = host, .port = port};
    struct socket_address to = socket_address(address, port);
    *why = '\0';
    return egress_lets(egress, &target, &to.of.any, why);
}

/** What is said of a URL before anything is looked up. */
static bool goes(const struct egress *egress, const char *host, int port, bool proxied, char *why)
{
    const struct egress_target target = {.host = host, .port = port, .proxied = proxied};
    *why = '\0';
    return egress_lets(egress, &target, NULL, why);
}

struct address_case {
    const char *address;
    const char *rule; /* in its words; NULL: allowed */
};

static const struct address_case ADDRESSES[] = {
    {"169.254.169.254", "169.254.169.254 is a metadata address"},
    {"169.254.170.2", "a metadata address"},
    {"169.254.170.23", "a metadata address"},
    {"168.63.129.16", "a metadata address"},
    {"100.100.100.200", "a metadata address"},
    {"fd00:ec2::254", "fd00:ec2::254 is a metadata address"},
    {"fd20:ce::254", "a metadata address"},
    {"fe80::a9fe:a9fe", "a metadata address"},
    {"169.254.0.0", "a link-local address"},
    {"169.254.0.1", "a link-local address"},
    {"169.254.255.255", "a link-local address"},
    {"fe80::1", "a link-local address"},
    {"febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "a link-local address"},
    {"0.0.0.0", "an unspecified address"},
    {"0.255.255.255", "an unspecified address"},
    {"::", "an unspecified address"},
    {"224.0.0.1", "a multicast address"},
    {"239.255.255.255", "a multicast address"},
    {"ff02::1", "a multicast address"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "a multicast address"},
    {"255.255.255.255", "the broadcast address"},
    /* the same within others */
    {"::ffff:169.254.169.254", "169.254.169.254 is a metadata address"},
    {"::ffff:0.0.0.0", "an unspecified address"},
    {"::169.254.169.254", "::169.254.169.254 stands for 169.254.169.254, which is a metadata address"},
    {"::ffff:0:169.254.169.254", "stands for 169.254.169.254, which is a metadata address"},
    {"::0.0.0.2", "stands for 0.0.0.2, which is an unspecified address"},
    {"64:ff9b::169.254.169.254",
     "64:ff9b::a9fe:a9fe stands for 169.254.169.254, which is a metadata address"},
    {"64:ff9b::169.254.1.1", "which is a link-local address"},
    {"64:ff9b::255.255.255.255", "which is the broadcast address"},
    {"64:ff9b:1::169.254.169.254", "which is a metadata address"},
    {"64:ff9b:1:a9fe:a9:fe00::", "stands for 169.254.169.254, which is a metadata address"},
    {"64:ff9b:1:a9fe:a9:fe00:0:1", "stands for 169.254.169.254, which is a metadata address"},
    {"64:ff9b:1:aaa9:fe:a9fe::", "stands for 169.254.169.254, which is a metadata address"},
    {"64:ff9b:1:aabb:a9:fea9:fe00:0", "stands for 169.254.169.254, which is a metadata address"},
    {"64:ff9b:1:aabb:a9:fe01:100::", "stands for 169.254.1.1, which is a link-local address"},
    {"2002:a9fe:a9fe::", "stands for 169.254.169.254, which is a metadata address"},
    {"2002:a9fe:101:1::5", "which is a link-local address"},
    {"2002:e000:1::1", "which is a multicast address"},
    {"2001:0:a9fe:a9fe::", "stands for 169.254.169.254"},
    {"2001:0:1:2:3:4:5601:5601", "stands for 169.254.169.254"},
    {"2001:db8::5efe:169.254.169.254", "stands for 169.254.169.254"},
    {"2001:db8::200:5efe:a9fe:a9fe", "stands for 169.254.169.254"},
    /* what the agent is for */
    {"127.0.0.1", NULL},
    {"127.255.255.255", NULL},
    {"::1", NULL},
    {"::ffff:127.0.0.1", NULL},
    {"10.0.0.1", NULL},
    {"172.16.0.1", NULL},
    {"192.168.1.1", NULL},
    {"100.64.0.1", NULL},
    {"100.100.100.201", NULL},
    {"fd00::1", NULL},
    {"fd00:ec2::253", NULL},
    {"64:ff9b::10.0.0.1", NULL},
    {"2002:a00:1::1", NULL},
    {"64:ff9b:1::10.0.0.1", NULL},
    {"64:ff9b:1:a00:0:100::", NULL},
    {"64:ff9b:1:aa0a:0:1::", NULL},
    {"64:ff9b:1:aabb:a:0:100:0", NULL},
    {"64:ff9b:1:ae0:0:500::", NULL},
    {"64:ff9b:1:5::10.0.0.1", NULL},
    {"64:ff9b:1::a:0:e000:0", NULL},
    /* just outside */
    {"169.253.255.255", NULL},
    {"169.255.0.0", NULL},
    {"168.63.129.15", NULL},
    {"168.63.129.17", NULL},
    {"1.0.0.0", NULL},
    {"223.255.255.255", NULL},
    {"240.0.0.1", NULL},
    {"255.255.255.254", NULL},
    {"fe7f:ffff::1", NULL},
    {"fec0::1", NULL},
    {"feff::1", NULL},
    {"2001:4860:4860::8888", NULL},
    {"93.184.216.34", NULL},
};

static void each_address_gets_its_answer_whatever_its_name(void **state)
{
    (void)state;
    struct egress *egress = policy("", NULL);
    for (size_t i = 0; i < sizeof ADDRESSES / sizeof *ADDRESSES; i++) {
        char why[EGRESS_WORDS];
        bool lets = connects(egress, "harmless.example", ADDRESSES[i].address, 80, why);
        if (lets != !ADDRESSES[i].rule || (!lets && !strstr(why, ADDRESSES[i].rule)))
            fail_msg("%s: %s", ADDRESSES[i].address, lets ? "allowed" : why);
    }
    egress_free(egress);
}

static void a_literal_is_refused_in_every_form_that_somebody_may_read_it_in(void **state)
{
    (void)state;
    static const char *const refused[] = {"169.254.169.254",
                                          "169.254.169.254.",
                                          "169.254.169.254..",
                                          "0xa9.0xfe.0xa9.0xfe",
                                          "0xA9FEA9FE",
                                          "2852039166",
                                          "0251.0376.0251.0376",
                                          "169.254.43518",
                                          "169.16689662",
                                          "0xa9.254.0251.254",
                                          "000251.0376.0251.0000376",
                                          "[::ffff:169.254.169.254]",
                                          "[::ffff:a9fe:a9fe]",
                                          "[64:ff9b::a9fe:a9fe]",
                                          "[2002:a9fe:a9fe::1]",
                                          "[::169.254.169.254]",
                                          "[fe80::1]",
                                          "[fe80::1%25eth0]",
                                          "[fe80::1%eth0]",
                                          "[fd00:ec2::254]",
                                          "[FD00:0EC2:0:0:0:0:0:254]",
                                          "0",
                                          "0x0",
                                          "0.0.0.0",
                                          "[::]",
                                          "[0:0:0:0:0:0:0:0]",
                                          "[ff02::1]",
                                          "4294967295",
                                          "0xe0000001",
                                          "[::0.0.0.0]",
                                          "[0000::00]"};
    static const char *const allowed[] = {
        "127.0.0.1", "0x7f.1", "127.1", "2130706433", "[::1]", "10.1.2.3", "[::ffff:127.0.0.1]"};
    struct egress *egress = policy(NULL, NULL);
    for (int proxied = 0; proxied < 2; proxied++) {
        char why[EGRESS_WORDS];
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
            if (goes(egress, refused[i], 80, proxied, why) || !strstr(why, "address"))
                fail_msg("%s: '%s'", refused[i], why);
        for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
            if (!goes(egress, allowed[i], 80, proxied, why))
                fail_msg("%s: '%s'", allowed[i], why);
    }
    egress_free(egress);
}

static void port_0_is_refused_and_the_port_that_counts_is_the_one_connected_to(void **state)
{
    (void)state;
    char why[EGRESS_WORDS];
    struct egress *egress = policy("*", NULL);
    assert_false(goes(egress, "svc.internal", 0, false, why));
    assert_string_equal(why, "port 0 is never connected to");
    assert_false(goes(egress, "svc.internal", 0, true, why));
    assert_false(connects(egress, "svc.internal", "127.0.0.1", 0, why));
    const struct egress_target target = {.host = "svc.internal", .port = 80};
    struct socket_address other = socket_address("127.0.0.1", 0);
    assert_false(egress_lets(egress, &target, &other.of.any, why));
    egress_free(egress);
}

static void an_address_of_another_kind_is_refused(void **state)
{
    (void)state;
    char why[EGRESS_WORDS];
    struct egress *egress = policy(NULL, NULL);
    const struct egress_target target = {.host = "svc.internal", .port = 80};
    struct socket_address local = {.of.ipv4 = {.sin_family = AF_UNIX, .sin_port = htons(80)}};
    assert_false(egress_lets(egress, &target, &local.of.any, why));
    egress_free(egress);
}

static void a_proxy_is_not_asked_for_names_of_metadata_nor_numbers_that_are_no_address(void **state)
{
    (void)state;
    static const char *const refused[] = {"metadata.google.internal",
                                          "METADATA.google.internal.",
                                          "metadata.goog",
                                          "425.510.425.510",
                                          "1.2.3.4.5",
                                          "0x1ffffffff",
                                          "256.1",
                                          "a.0xfe"};
    char why[EGRESS_WORDS];
    struct egress *egress = policy(NULL, NULL);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (goes(egress, refused[i], 80, true, why) || !*why)
            fail_msg("%s is allowed", refused[i]);
        assert_true(goes(egress, refused[i], 80, false, why)); /* what it leads to decides */
    }
    assert_true(goes(egress, "metadata.svc.internal", 80, true, why));
    assert_true(goes(egress, "10.example", 80, true, why));
    egress_free(egress);
}

struct list_case {
    const char *allow, *deny;
    const char *host, *address; /* NULL: not known, a proxy looks it up */
    int port;
    const char *why; /* NULL: allowed */
};

static const struct list_case LISTS[] = {
    /* names */
    {"svc.internal", NULL, "svc.internal", "10.0.0.1", 80, NULL},
    {"svc.internal", NULL, "SVC.Internal.", "10.0.0.1", 80, NULL},
    {"SVC.internal.", NULL, "svc.internal", "10.0.0.1", 80, NULL},
    {"svc.internal", NULL, "a.svc.internal", "10.0.0.1", 80,
     "a.svc.internal:80 (10.0.0.1) is not in EGRESS_ALLOW"},
    {"svc.internal", NULL, "svc.internal.evil", "10.0.0.1", 80, "EGRESS_ALLOW"},
    {"svc.internal", NULL, "xsvc.internal", "10.0.0.1", 80, "EGRESS_ALLOW"},
    {"*.svc.internal", NULL, "a.b.svc.internal", "10.0.0.1", 80, NULL},
    {"*.svc.internal", NULL, "svc.internal", "10.0.0.1", 80, "EGRESS_ALLOW"},
    {"*.svc.internal", NULL, "xsvc.internal", "10.0.0.1", 80, "EGRESS_ALLOW"},
    {"api-*.corp", NULL, "api-7.corp", "10.0.0.1", 80, NULL},
    {"a*b*c", NULL, "axxbyybzc", "10.0.0.1", 80, NULL},
    {"a*b*c", NULL, "axxbyybz", "10.0.0.1", 80, "EGRESS_ALLOW"},
    {"*a*a*a*a*a*a*a*b", NULL, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "10.0.0.1", 80,
     "EGRESS_ALLOW"},
    {"*.1.2.3.x", NULL, "10.1.2.3", "10.1.2.3", 80, "10.1.2.3:80 is not in EGRESS_ALLOW"},
    /* a name that is allowed leads nowhere that is not */
    {"svc.internal", NULL, "svc.internal", "169.254.169.254", 80, "a metadata address"},
    {"*", NULL, "svc.internal", "169.254.1.1", 80, "a link-local address"},
    {"svc.internal", NULL, NULL, "169.254.169.254", 80, "a metadata address"},
    /* networks */
    {"10.0.0.0/8", NULL, "svc.internal", "10.255.0.1", 80, NULL},
    {"10.0.0.0/8", NULL, "svc.internal", "11.0.0.1", 80, "svc.internal:80 (11.0.0.1) is not in EGRESS_ALLOW"},
    {"10.0.0.0/8", NULL, "svc.internal", "::ffff:10.0.0.1", 80, NULL},
    {"10.0.0.0/8", NULL, "svc.internal", "64:ff9b::10.0.0.1", 80, "EGRESS_ALLOW"},
    {"10.1.2.3", NULL, "10.1.2.3", "10.1.2.3", 80, NULL},
    {"10.1.2.3", NULL, "10.1.2.3", "10.1.2.4", 80, "EGRESS_ALLOW"},
    {"::ffff:10.0.0.0/104", NULL, "svc.internal", "10.0.0.1", 80, NULL},
    {"0.0.0.0/0", NULL, "svc.internal", "8.8.8.8", 80, NULL},
    {"0.0.0.0/0", NULL, "svc.internal", "2001:db8::1", 80, "EGRESS_ALLOW"},
    {"::/0", NULL, "svc.internal", "2001:db8::1", 80, NULL},
    {"::/0", NULL, "svc.internal", "8.8.8.8", 80, "EGRESS_ALLOW"},
    {"fd00::/8", NULL, "svc.internal", "fd12::1", 80, NULL},
    {"172.16.0.0/12", NULL, "svc.internal", "172.31.255.255", 80, NULL},
    {"172.16.0.0/12", NULL, "svc.internal", "172.32.0.0", 80, "EGRESS_ALLOW"},
    {NULL, "127.0.0.0/8", "localhost", "127.0.0.1", 80,
     "localhost:80 (127.0.0.1) is in EGRESS_DENY (127.0.0.0/8)"},
    {NULL, "127.0.0.0/8", "127.0.0.1", "127.0.0.1", 80, "127.0.0.1:80 is in EGRESS_DENY (127.0.0.0/8)"},
    {NULL, "127.0.0.0/8", "localhost", "::1", 80, NULL},
    {NULL, "127.0.0.0/8", "localhost", "::ffff:127.0.0.1", 80, "EGRESS_DENY"},
    {NULL, "127.0.0.0/8", "localhost", "::127.0.0.1", 80, "EGRESS_DENY"},
    {NULL, "10.0.0.0/8", "svc.internal", "64:ff9b::10.0.0.1", 80, "EGRESS_DENY"},
    {NULL, "10.0.0.0/8", "svc.internal", "2002:a00:1::", 80, "EGRESS_DENY"},
    {NULL, "127.0.0.2", "localhost", "127.0.0.1", 80, NULL},
    /* ports */
    {"443", NULL, "svc.internal", "10.0.0.1", 443, NULL},
    {"443", NULL, "svc.internal", "10.0.0.1", 80, "EGRESS_ALLOW"},
    {":443", NULL, "svc.internal", "10.0.0.1", 443, NULL},
    {"*:443", NULL, "svc.internal", "10.0.0.1", 80, "EGRESS_ALLOW"},
    {"8000-8099", NULL, "svc.internal", "10.0.0.1", 8000, NULL},
    {"8000-8099", NULL, "svc.internal", "10.0.0.1", 8099, NULL},
    {"8000-8099", NULL, "svc.internal", "10.0.0.1", 8100, "EGRESS_ALLOW"},
    {"svc.internal:443", NULL, "svc.internal", "10.0.0.1", 443, NULL},
    {"svc.internal:443", NULL, "svc.internal", "10.0.0.1", 80, "EGRESS_ALLOW"},
    {"10.0.0.0/8:443", NULL, "svc.internal", "10.0.0.1", 443, NULL},
    {"10.0.0.0/8:443", NULL, "svc.internal", "10.0.0.1", 444, "EGRESS_ALLOW"},
    {"[fd00::/8]:443", NULL, "svc.internal", "fd00::1", 443, NULL},
    {"[fd00::1]:8000-8099", NULL, "svc.internal", "fd00::1", 80, "EGRESS_ALLOW"},
    {"[fd00::1]", NULL, "svc.internal", "fd00::1", 80, NULL},
    {NULL, "22", "svc.internal", "10.0.0.1", 22, "svc.internal:22 (10.0.0.1) is in EGRESS_DENY (22)"},
    {NULL, "*", "svc.internal", "10.0.0.1", 80, "EGRESS_DENY (*)"},
    /* both */
    {"10.0.0.0/8", "10.1.0.0/16", "svc.internal", "10.1.0.1", 80, "EGRESS_DENY (10.1.0.0/16)"},
    {"10.0.0.0/8", "10.1.0.0/16", "svc.internal", "10.2.0.1", 80, NULL},
    {"svc.internal", "*.internal", "svc.internal", "10.0.0.1", 80, "EGRESS_DENY"},
    {"a.internal, b.internal\n10.0.0.0/8\tc.internal", NULL, "c.internal", "1.2.3.4", 80, NULL},
    /* an address by itself lifts the rule, a network or a name does not */
    {"169.254.10.10", NULL, "svc.internal", "169.254.10.10", 80, NULL},
    {"169.254.10.10/32", NULL, "169.254.10.10", "169.254.10.10", 80, NULL},
    {"169.254.10.10", NULL, "svc.internal", "::ffff:169.254.10.10", 80, NULL},
    {"169.254.10.10", NULL, "svc.internal", "169.254.10.11", 80, "a link-local address"},
    {"169.254.10.10", NULL, "svc.internal", "64:ff9b::169.254.10.10", 80, "a link-local address"},
    {"64:ff9b::a9fe:a0a", NULL, "svc.internal", "64:ff9b::169.254.10.10", 80, NULL},
    {"169.254.0.0/16", NULL, "svc.internal", "169.254.10.10", 80, "a link-local address"},
    {"169.254.10.10:80", NULL, "svc.internal", "169.254.10.10", 80, NULL},
    {"169.254.10.10:80,*", NULL, "svc.internal", "169.254.10.10", 81, "a link-local address"},
    {"100.100.100.200", NULL, "svc.internal", "100.100.100.200", 80, NULL},
    {"fe80::1", NULL, "svc.internal", "fe80::1", 80, NULL},
    {"0.0.0.0", NULL, "svc.internal", "0.0.0.0", 80, NULL},
    {"169.254.10.10", "169.254.0.0/16", "svc.internal", "169.254.10.10", 80, "EGRESS_DENY"},
    /* except for the metadata that clouds have */
    {"169.254.169.254", NULL, "169.254.169.254", "169.254.169.254", 80, "a metadata address"},
    {"169.254.170.2", NULL, "svc.internal", "169.254.170.2", 80, "a metadata address"},
    {"fd00:ec2::254", NULL, "svc.internal", "fd00:ec2::254", 80, "a metadata address"},
    {"168.63.129.16", NULL, "svc.internal", "168.63.129.16", 80, "a metadata address"},
    {"::ffff:169.254.169.254", NULL, "svc.internal", "169.254.169.254", 80, "a metadata address"},
    {"64:ff9b::a9fe:a9fe", NULL, "svc.internal", "64:ff9b::a9fe:a9fe", 80, "a metadata address"},
    {"2002:a9fe:a9fe::1", NULL, "svc.internal", "2002:a9fe:a9fe::1", 80, "a metadata address"},
};

static void lists_narrow_what_is_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof LISTS / sizeof *LISTS; i++) {
        const struct list_case *one = &LISTS[i];
        char why[EGRESS_WORDS];
        struct egress *egress = policy(one->allow, one->deny);
        bool lets = connects(egress, one->host ? one->host : "svc.internal", one->address, one->port, why);
        if (lets != !one->why || (!lets && !strstr(why, one->why)))
            fail_msg("allow '%s', deny '%s', %s at %s:%d: '%s'", one->allow ? one->allow : "",
                     one->deny ? one->deny : "", one->host ? one->host : "", one->address, one->port, why);
        egress_free(egress);
    }
}

static void what_a_url_decides_alone_is_decided_before_its_name_is_looked_up(void **state)
{
    (void)state;
    static const struct {
        const char *allow, *deny, *host;
        int port;
        bool direct, proxied; /* whether it may go on */
    } cases[] = {
        {NULL, NULL, "svc.internal", 80, true, true},
        {NULL, "svc.internal", "svc.internal", 80, false, false},
        {NULL, "svc.internal:443", "svc.internal", 80, true, true},
        {NULL, "80", "svc.internal", 80, false, false},
        {NULL, "10.0.0.0/8", "svc.internal", 80, true, true}, /* who looks it up decides */
        {NULL, "10.0.0.0/8", "10.1.2.3", 80, false, false},
        {NULL, "10.0.0.0/8", "0x0a010203", 80, false, false},
        {"other.internal", NULL, "svc.internal", 80, false, false},
        {"svc.internal", NULL, "svc.internal", 80, true, true},
        {"10.0.0.0/8", NULL, "svc.internal", 80, true, false},
        {"10.0.0.0/8:443", NULL, "svc.internal", 80, false, false},
        {"10.0.0.0/8", NULL, "10.1.2.3", 80, true, true},
        {"10.0.0.0/8", NULL, "11.1.2.3", 80, false, false},
        {"10.0.0.0/8", NULL, "[::1]", 80, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[EGRESS_WORDS];
        struct egress *egress = policy(cases[i].allow, cases[i].deny);
        if (goes(egress, cases[i].host, cases[i].port, false, why) != cases[i].direct)
            fail_msg("case %zu, straight: '%s'", i, why);
        if (goes(egress, cases[i].host, cases[i].port, true, why) != cases[i].proxied)
            fail_msg("case %zu, proxied: '%s'", i, why);
        egress_free(egress);
    }
}

struct told {
    char text[1024];
    size_t wrong, useless;
};

static void told(void *ctx, enum egress_note note, struct slice entry, const char *words)
{
    struct told *told = ctx;
    size_t len = strlen(told->text);
    *(note == EGRESS_ENTRY_WRONG ? &told->wrong : &told->useless) += 1;
    snprintf(told->text + len, sizeof told->text - len, "'%.*s' %s\n", (int)entry.len, entry.ptr, words);
}

static void entries_that_are_none_are_told_each(void **state)
{
    (void)state;
    static const struct {
        const char *entry, *words;
    } wrong[] = {{"10.0.0.0/33", "prefix"},
                 {"10.0.0.0/", "prefix"},
                 {"10.0.0.0/-1", "prefix"},
                 {"fd00::/129", "prefix"},
                 {"10.1.2.3/8", "beyond its prefix"},
                 {"fd00::1/64", "beyond its prefix"},
                 {"0.0.0.1/0", "beyond its prefix"},
                 {"10.1", "four decimal numbers"},
                 {"0x7f000001", "four decimal numbers"},
                 {"0177.0.0.1x.0x1", "four decimal numbers"},
                 {"256.1.1.1", "four decimal numbers"},
                 {"10.*", "10.0.0.0/8"},
                 {"svc.internal/8", "10.0.0.0/8"},
                 {".svc.internal", "*.svc.internal"},
                 {"svc..internal", "write a host's name"},
                 {"svc.internal:0", "port"},
                 {"svc.internal:65536", "port"},
                 {"svc.internal:http", "port"},
                 {"svc.internal:", "port"},
                 {"0", "port"},
                 {"65536", "port"},
                 {"90-80", "port"},
                 {"80-", "port"},
                 {"-443", "port"},
                 {"-", "port"},
                 {"https://svc.internal", "port"},
                 {"svc.internal/path", "10.0.0.0/8"},
                 {"user@svc.internal", "write a host's name"},
                 {"b\xc3\xbc"
                  "cher.example",
                  "write a host's name"},
                 {"[10.0.0.1]:80", "write a host's name"},
                 {"[fd00::1", "write a host's name"},
                 {"[fd00::1]80", "write a host's name"},
                 {"[fd00::]/8", "write a host's name"},
                 {"fe80::1%eth0", "write a host's name"},
                 {"1::2::3", "write a host's name"},
                 {"!svc.internal", "write a host's name"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char list[128];
        struct told heard = {{0}, 0, 0};
        struct error err = {0};
        snprintf(list, sizeof list, "good.internal, %s,10.0.0.0/8", wrong[i].entry);
        egress_check(list, true, told, &heard);
        if (heard.wrong != 1 || !strstr(heard.text, wrong[i].entry) || !strstr(heard.text, wrong[i].words))
            fail_msg("%s: %zu told: %s", wrong[i].entry, heard.wrong, heard.text);
        assert_null(egress_new(list, NULL, &err));
        assert_int_equal(err.kind, PA_ERR_INVALID);
        assert_null(egress_new(NULL, list, &err));
    }
    struct told both = {{0}, 0, 0}, nothing = {{0}, 0, 0};
    egress_check("10.1.2.3/8 svc.internal:0", false, told, &both);
    assert_int_equal(both.wrong, 2);
    egress_check(" , ", true, told, &nothing);
    assert_int_equal(nothing.wrong, 1);
}

static void an_entry_that_is_too_long_is_none(void **state)
{
    (void)state;
    char list[2000];
    struct told heard = {{0}, 0, 0};
    memset(list, 'a', sizeof list - 1);
    list[sizeof list - 1] = '\0';
    egress_check(list, true, told, &heard);
    assert_int_equal(heard.wrong, 1);
}

static void allowing_what_stays_refused_is_told(void **state)
{
    (void)state;
    struct told heard = {{0}, 0, 0}, denied = {{0}, 0, 0};
    static const char list[] = "169.254.169.254,169.254.170.2:80,[fd00:ec2::254]:80,168.63.129.16/32,"
                               "64:ff9b::a9fe:a9fe,169.254.1.1,169.254.0.0/16,100.100.100.200";
    egress_check(list, true, told, &heard);
    assert_int_equal(heard.wrong, 0);
    assert_int_equal(heard.useless, 5);
    egress_check(list, false, told, &denied);
    assert_int_equal(denied.wrong + denied.useless, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_gets_its_answer_whatever_its_name),
        cmocka_unit_test(a_literal_is_refused_in_every_form_that_somebody_may_read_it_in),
        cmocka_unit_test(port_0_is_refused_and_the_port_that_counts_is_the_one_connected_to),
        cmocka_unit_test(an_address_of_another_kind_is_refused),
        cmocka_unit_test(a_proxy_is_not_asked_for_names_of_metadata_nor_numbers_that_are_no_address),
        cmocka_unit_test(lists_narrow_what_is_allowed),
        cmocka_unit_test(what_a_url_decides_alone_is_decided_before_its_name_is_looked_up),
        cmocka_unit_test(entries_that_are_none_are_told_each),
        cmocka_unit_test(an_entry_that_is_too_long_is_none),
        cmocka_unit_test(allowing_what_stays_refused_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
