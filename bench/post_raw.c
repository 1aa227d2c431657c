/* The limit: a socket a request in flight, one send and one receive each. It knows the sink's answers and
 * nothing else of HTTP, and no TLS: no client that has to understand its peer can be cheaper. */
#include "event/signature.h"
#include "post.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { REQUEST_MAX = 64 << 10, ANSWER_MAX = 4096 };

static struct {
    int epoll;
    int *fds;         /* of each request; 0: not connected yet */
    size_t *requests; /* by descriptor */
    size_t in_flight;
} poster;

void post_open(int epoll, size_t in_flight, const char *ca)
{
    if (ca)
        die("raw", "no TLS");
    poster.epoll = epoll;
    poster.in_flight = in_flight;
    poster.fds = calloc(in_flight, sizeof *poster.fds);
    poster.requests = calloc(in_flight + 1024, sizeof *poster.requests);
    if (!poster.fds || !poster.requests)
        die("raw", "out of memory");
}

/** `authority`: an IPv4 address and a port. */
static int connected(struct slice authority)
{
    char host[64] = "";
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(host, sizeof host, "%.*s", (int)authority.len, authority.ptr);
    char *colon = strchr(host, ':');
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (!colon)
        die("raw", "the URL has no port");
    *colon = '\0';
    address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    if (fd < 0 || inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("raw", "cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void watch(size_t number, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if ((size_t)fd >= poster.in_flight + 1024)
        die("raw", "too many descriptors");
    poster.fds[number] = fd;
    poster.requests[fd] = number;
    epoll_ctl(poster.epoll, EPOLL_CTL_ADD, fd, &event);
}

void post_start(size_t number, struct slice url, struct slice body, const char *stamp, const char *signature)
{
    static char request[REQUEST_MAX];
    static const char scheme[] = "http://";
    const char *authority = url.ptr + sizeof scheme - 1;
    const char *path = memchr(authority, '/', url.len - (sizeof scheme - 1));
    if (!path)
        die("raw", "the URL has no path");
    struct slice from = {authority, (size_t)(path - authority)};
    int path_len = (int)(url.ptr + url.len - path);
    if (poster.fds[number] == 0)
        watch(number, connected(from));
    int head = snprintf(
        request, sizeof request,
        "POST %.*s HTTP/1.1\r\nHost: %.*s\r\nContent-Type: application/json\r\nX-Port-Timestamp: %s\r\n"
        "X-Port-Signature: %s\r\nContent-Length: %zu\r\n\r\n",
        path_len, path, (int)from.len, from.ptr, stamp, signature, body.len);
    size_t len = (size_t)head + body.len;
    if (len > sizeof request)
        die("raw", "too large a request");
    memcpy(request + head, body.ptr, body.len);
    if (send(poster.fds[number], request, len, MSG_NOSIGNAL) != (ssize_t)len)
        die("raw", "cannot send");
}

void post_ready(int fd, uint32_t events)
{
    static const char ok[] = "HTTP/1.1 200";
    char answer[ANSWER_MAX];
    (void)events;
    ssize_t got = recv(fd, answer, sizeof answer, 0);
    if (got < (ssize_t)sizeof ok || memcmp(answer, ok, sizeof ok - 1) != 0)
        die("raw", "another answer than 200, or none");
    post_answered(poster.requests[fd]);
}

int64_t post_due_at_ns(void)
{
    return -1;
}

void post_due(void)
{
}
