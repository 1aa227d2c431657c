/* The port that a server listens on. No name is looked up: that could block. */
#include "admin/server.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 64 };

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse_port(const char *text, in_port_t *port)
{
    size_t digits = strspn(text, "0123456789");
    long value = digits > 0 && digits < 6 && !text[digits] ? strtol(text, NULL, 10) : -1;
    *port = htons((uint16_t)value);
    return value >= 0 && value <= 65535;
}

/** The length of the address; 0: the text is no address. */
static socklen_t parse_address(const char *text, union address *out)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : sizeof host;
    in_port_t port;
    if (len >= sizeof host || !parse_port(colon + 1, &port))
        return 0;
    memcpy(host, text, len);
    host[len] = '\0';
    *out = (union address){0};
    if (len == 0 || strcmp(host, "[::]") == 0) {
        out->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
        return sizeof out->v6;
    }
    if (strcmp(host, "localhost") == 0)
        memcpy(host, "127.0.0.1", sizeof "127.0.0.1");
    if (*host == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        out->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
        return inet_pton(AF_INET6, host + 1, &out->v6.sin6_addr) == 1 ? sizeof out->v6 : 0;
    }
    out->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
    return inet_pton(AF_INET, host, &out->v4.sin_addr) == 1 ? sizeof out->v4 : 0;
}

bool admin_address_is_valid(const char *address)
{
    union address parsed;
    return parse_address(address, &parsed) > 0;
}

static int listen_on(const union address *address, socklen_t len)
{
    int yes = 1, no = 0;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (address->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (bind(fd, &address->any, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int failed = errno;
    close(fd);
    errno = failed;
    return -1;
}

int admin_listen(const char *text, struct error *err)
{
    union address address;
    socklen_t len = parse_address(text, &address);
    if (len == 0)
        return error_set(err, PA_ERR_INVALID, "'%s' is no address to listen on", text), -1;
    int fd = listen_on(&address, len);
    bool everywhere = address.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr);
    if (fd < 0 && errno == EAFNOSUPPORT && everywhere) { /* a system without IPv6 */
        in_port_t port = address.v6.sin6_port;
        address = (union address){.v4 = {.sin_family = AF_INET, .sin_port = port}};
        fd = listen_on(&address, sizeof address.v4);
    }
    if (fd < 0)
        error_set(err, PA_ERR_IO, "%s: %s", text, strerror(errno));
    return fd;
}
