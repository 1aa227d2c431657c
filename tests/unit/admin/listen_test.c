/* Addresses to listen on: which are one, and what is listened on then. */
#include "admin/server.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/** A host of 64 characters, for which there is no space, and a port. */
#define LONG_HOST "0123456789.0123456789.0123456789.0123456789.0123456789.012345678:1"

static void addresses_are_numbers_with_a_port(void **state)
{
    (void)state;
    static const char *const valid[] = {
        ":0",          ":1",           ":65535",       ":00080",      "[::]:80",           "[::1]:80",
        "127.0.0.1:0", "localhost:80", "[fe80::1]:80", "0.0.0.0:123", "[::ffff:1.2.3.4]:9"};
    static const char *const wrong[] = {
        "",          ":",          "80",          "127.0.0.1",     "127.0.0.1:",  "127.0.0.1:x",
        ":-1",       ":+1",        ": 1",         ":1 ",           ":65536",      ":99999",
        ":000080",   "host:80",    "Localhost:1", "localhost.:80", "::1:80",      "[::1]",
        "[::1:80",   "::1]:80",    "[]:80",       "[:80",          "]:80",        "[127.0.0.1]:80",
        "1.2.3:80",  "1.2.3.4.:1", "1.2.3.256:1", "[::g]:80",      "[::1%lo]:80", " 127.0.0.1:80",
        "[::1] :80", "*:80",       ":0x50",       LONG_HOST};
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++)
        if (!admin_address_is_valid(valid[i]))
            fail_msg("'%s' is refused", valid[i]);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (admin_address_is_valid(wrong[i]))
            fail_msg("'%s' is taken", wrong[i]);
}

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void each_address_is_listened_on_as_it_says(void **state)
{
    (void)state;
    static const struct {
        const char *text, *bound;
        int family;
    } cases[] = {{"127.0.0.1:0", "127.0.0.1", AF_INET},
                 {"localhost:0", "127.0.0.1", AF_INET},
                 {"[::1]:0", "::1", AF_INET6},
                 {"[::]:0", "::", AF_INET6},
                 {":0", "::", AF_INET6}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases && (cases[i].family == AF_INET || has_ipv6()); i++) {
        struct error err = {0};
        union {
            struct sockaddr any;
            struct sockaddr_in v4;
            struct sockaddr_in6 v6;
        } address = {0};
        socklen_t len = sizeof address;
        char bound[64], again[96];
        int fd = admin_listen(cases[i].text, &err);
        assert_true(fd >= 0);
        assert_int_equal(getsockname(fd, &address.any, &len), 0);
        assert_int_equal(address.any.sa_family, cases[i].family);
        bool six = cases[i].family == AF_INET6;
        inet_ntop(cases[i].family, six ? (void *)&address.v6.sin6_addr : (void *)&address.v4.sin_addr, bound,
                  sizeof bound);
        assert_string_equal(bound, cases[i].bound);
        assert_int_equal(option_of(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
        assert_int_equal(option_of(fd, SOL_SOCKET, SO_REUSEADDR), 1);
        if (strcmp(cases[i].bound, "::") == 0)
            assert_int_equal(option_of(fd, IPPROTO_IPV6, IPV6_V6ONLY), 0); /* IPv4 is heard too */
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        snprintf(again, sizeof again, "%.*s:%d", (int)(strrchr(cases[i].text, ':') - cases[i].text),
                 cases[i].text, ntohs(six ? address.v6.sin6_port : address.v4.sin_port));
        assert_int_equal(admin_listen(again, &err), -1);
        assert_memory_equal(err.message, again, strlen(again));
        assert_non_null(strstr(err.message, ": Address already in use"));
        close(fd);
    }
    struct error err = {0};
    assert_int_equal(admin_listen("host:80", &err), -1);
    assert_string_equal(err.message, "'host:80' is no address to listen on");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_numbers_with_a_port),
        cmocka_unit_test(each_address_is_listened_on_as_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
