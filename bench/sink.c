/* The other end of a benchmark: webhook endpoints and Port's API in one process. One thread, epoll, HTTP/1.1
 * kept alive. It must cost little and never be what is measured, so it understands only what libcurl sends:
 * requests with Content-Length, one at a time. It listens on every address, so 127.0.0.x are as many
 * destinations.
 *
 *   /v1/auth/access_token   a token; /v1/…: {"ok":true}; neither is ever delayed
 *   /stats                  what came since the last reset, as JSON
 *   /reset?delay_ms=N&per_second=M&close_every=K
 *                           forgets what came; from now on webhooks are answered after N ms, M of them a
 *                           second at most (0: as many as come), and each connection ends with its K-th (0:
 *                           none does)
 *   /never                  a webhook that is not answered; counted as silent, and as nothing else
 *   anything else           a webhook, answered 200; "sent_ns":N in its body is when it was sent
 *                           (CLOCK_REALTIME). How the path starts may change the answer: /status/CODE; /busy
 *                           (429 with Retry-After: 1 to the first attempt); /delay/MS (so much later);
 *                           /large/BYTES (so large a body)
 *
 * Usage: sink [--tls CERTIFICATE KEY]. Prints its port first, that of TLS in the next line, and its
 * statistics on SIGUSR1 and SIGTERM. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    FIRST_BYTES = 16 * 1024,
    REQUEST_MAX = 4 << 20,
    ANSWER_MAX = 1 << 20,
    BACKLOG = 1024,
    EVENTS = 256,
    SAMPLES_MAX = 1 << 20
};

struct reply {
    int status;
    const char *header; /* whole lines */
    size_t body_len;    /* 0: a small object */
};

struct connection {
    int fd;
    SSL *tls;   /* NULL: plain TCP */
    bool heard; /* its first bytes have come */
    uint64_t served;
    size_t len, cap;
    char *bytes;
    bool waiting; /* its answer is due later */
    int64_t due_ns;
    struct reply reply;
    struct connection *previous, *next; /* those that wait, the first due in front */
};

struct request {
    struct connection *from;
    const char *head, *path;
    const char *body;
    size_t body_len;
};

static struct {
    int epoll, listener, tls_listener, signals;
    SSL_CTX *tls;
    uint64_t close_every;      /* answers of a connection; 0: it stays */
    int64_t delay_ns, pace_ns; /* pace: between two answers; 0: none */
    int64_t next_answer_ns;
    struct connection *first, *last; /* waiting */
    uint64_t webhooks, silent, port_calls, tokens, connections, resumed;
    int64_t first_ns, last_ns; /* of webhooks, CLOCK_REALTIME */
    uint32_t *samples_us;
    size_t samples;
} sink;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Statistics */

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static uint32_t percentile(unsigned hundredths)
{
    return sink.samples == 0 ? 0 : sink.samples_us[(sink.samples - 1) * hundredths / 100];
}

static int print_stats(char *out, size_t size)
{
    qsort(sink.samples_us, sink.samples, sizeof *sink.samples_us, compare);
    return snprintf(out, size,
                    "{\"webhooks\":%llu,\"silent\":%llu,\"port_calls\":%llu,\"tokens\":%llu,\"connections\":%"
                    "llu,\"resumed\":%llu,"
                    "\"first_ns\":%lld,\"last_ns\":%lld,\"now_ns\":%lld,"
                    "\"latency_us\":{\"count\":%zu,\"p50\":%u,\"p99\":%u,\"max\":%u}}",
                    (unsigned long long)sink.webhooks, (unsigned long long)sink.silent,
                    (unsigned long long)sink.port_calls, (unsigned long long)sink.tokens,
                    (unsigned long long)sink.connections, (unsigned long long)sink.resumed,
                    (long long)sink.first_ns, (long long)sink.last_ns, (long long)now_ns(CLOCK_REALTIME),
                    sink.samples, percentile(50), percentile(99), percentile(100));
}

static void count_webhook(const struct request *request)
{
    static const char member[] = "\"sent_ns\":";
    int64_t now = now_ns(CLOCK_REALTIME);
    sink.webhooks++;
    if (sink.first_ns == 0)
        sink.first_ns = now;
    sink.last_ns = now;
    const char *found = memmem(request->body, request->body_len, member, sizeof member - 1);
    int64_t sent_ns = found ? strtoll(found + sizeof member - 1, NULL, 10) : 0;
    if (sent_ns > 0 && sink.samples < SAMPLES_MAX)
        sink.samples_us[sink.samples++] = (uint32_t)((now - sent_ns) / 1000);
}

/* Answers */

static ssize_t put(const struct connection *connection, const char *bytes, size_t len)
{
    return connection->tls ? SSL_write(connection->tls, bytes, (int)len)
                           : send(connection->fd, bytes, len, MSG_NOSIGNAL);
}

static void stop_waiting(struct connection *connection)
{
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        sink.first = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    else
        sink.last = connection->previous;
    connection->waiting = false;
}

static void connection_close(struct connection *connection)
{
    if (connection->waiting)
        stop_waiting(connection);
    SSL_free(connection->tls);
    close(connection->fd);
    free(connection->bytes);
    free(connection);
}

/** One answer at a time, and small: it fits into the socket's buffer. A peer that is gone is seen when its
 * connection is read. */
static void answer(const struct connection *connection, const char *body)
{
    char text[1024];
    int len = snprintf(text, sizeof text,
                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       strlen(body), body);
    ssize_t sent = put(connection, text, (size_t)len);
    if (sent >= 0 && sent != len)
        die("short answer");
}

/** A large one may have to wait for its reader, which reads: that is its business. */
static void answer_large(struct connection *connection, size_t body_len)
{
    char head[256];
    static char body[ANSWER_MAX];
    int head_len =
        snprintf(head, sizeof head,
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", body_len);
    if (body[0] == '\0')
        memset(body, 'x', sizeof body);
    int flags = fcntl(connection->fd, F_GETFL);
    fcntl(connection->fd, F_SETFL, flags & ~O_NONBLOCK);
    if (put(connection, head, (size_t)head_len) == head_len)
        put(connection, body, body_len);
    fcntl(connection->fd, F_SETFL, flags);
}

static void answer_webhook(struct connection *connection)
{
    static const char body[] = "{\"ok\":true}";
    const struct reply *reply = &connection->reply;
    char text[512];
    if (reply->body_len > 0) {
        answer_large(connection, reply->body_len);
        return;
    }
    bool last = sink.close_every > 0 && ++connection->served % sink.close_every == 0;
    int len =
        snprintf(text, sizeof text,
                 "HTTP/1.1 %d S\r\nContent-Type: application/json\r\n%s%sContent-Length: %zu\r\n\r\n%s",
                 reply->status, reply->header, last ? "Connection: close\r\n" : "", sizeof body - 1, body);
    ssize_t sent = put(connection, text, (size_t)len);
    if (sent >= 0 && sent != len)
        die("short answer");
    if (last && connection->tls)
        SSL_shutdown(connection->tls);
    if (last)
        shutdown(connection->fd, SHUT_WR);
}

static void answer_at(struct connection *connection, int64_t due_ns)
{
    struct connection *before = sink.last;
    while (before && before->due_ns > due_ns)
        before = before->previous;
    connection->waiting = true;
    connection->due_ns = due_ns;
    connection->previous = before;
    connection->next = before ? before->next : sink.first;
    if (connection->next)
        connection->next->previous = connection;
    else
        sink.last = connection;
    if (before)
        before->next = connection;
    else
        sink.first = connection;
}

/** Answers what is due, and says how long nothing else will be; NULL: for ever. */
static struct timespec *answer_due(struct timespec *left)
{
    int64_t now = sink.first ? now_ns(CLOCK_MONOTONIC) : 0;
    while (sink.first && sink.first->due_ns <= now) {
        struct connection *connection = sink.first;
        stop_waiting(connection);
        answer_webhook(connection);
    }
    if (!sink.first)
        return NULL;
    int64_t wait = sink.first->due_ns - now;
    *left = (struct timespec){.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
    return left;
}

/* Requests */

static int64_t number_after(const char *text, const char *name)
{
    const char *found = strstr(text, name);
    return found ? strtoll(found + strlen(name), NULL, 10) : 0;
}

static void reset(const char *path)
{
    while (sink.first) {
        struct connection *connection = sink.first;
        stop_waiting(connection);
        answer_webhook(connection);
    }
    int64_t per_second = number_after(path, "per_second=");
    sink.delay_ns = number_after(path, "delay_ms=") * 1000000;
    sink.pace_ns = per_second > 0 ? 1000000000 / per_second : 0;
    sink.close_every = (uint64_t)number_after(path, "close_every=");
    sink.webhooks = sink.silent = sink.port_calls = sink.tokens = sink.connections = sink.resumed = 0;
    sink.first_ns = sink.last_ns = 0;
    sink.samples = 0;
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/** What its path asks for; *later_ns: beyond what every webhook waits. */
static struct reply reply_to(const struct request *request, int64_t *later_ns)
{
    struct reply reply = {.status = 200, .header = ""};
    *later_ns = 0;
    if (starts_with(request->path, "/status/")) {
        reply.status = (int)number_after(request->path, "/status/");
    } else if (starts_with(request->path, "/busy")) {
        bool first = strcasestr(request->head, "\r\nX-Port-Attempt: 1\r\n");
        reply.status = first ? 429 : 200;
        reply.header = first ? "Retry-After: 1\r\n" : "";
    } else if (starts_with(request->path, "/delay/")) {
        *later_ns = number_after(request->path, "/delay/") * 1000000;
    } else if (starts_with(request->path, "/large/")) {
        int64_t size = number_after(request->path, "/large/");
        reply.body_len = size < ANSWER_MAX ? (size_t)size : ANSWER_MAX;
    }
    return reply;
}

static void serve_webhook(const struct request *request)
{
    int64_t later_ns, now = now_ns(CLOCK_MONOTONIC);
    struct connection *connection = request->from;
    count_webhook(request);
    connection->reply = reply_to(request, &later_ns);
    int64_t due_ns = now + sink.delay_ns + later_ns;
    if (sink.pace_ns > 0) {
        sink.next_answer_ns = (sink.next_answer_ns > now ? sink.next_answer_ns : now) + sink.pace_ns;
        due_ns = sink.next_answer_ns + sink.delay_ns + later_ns;
    }
    if (due_ns > now)
        answer_at(connection, due_ns);
    else
        answer_webhook(connection);
}

static void serve(const struct request *request)
{
    char text[512];
    if (starts_with(request->path, "/v1/auth/access_token")) {
        sink.tokens++;
        answer(request->from, "{\"ok\":true,\"accessToken\":\"t\",\"expiresIn\":10800}");
    } else if (starts_with(request->path, "/v1/")) {
        sink.port_calls++;
        answer(request->from, "{\"ok\":true}");
    } else if (starts_with(request->path, "/stats")) {
        print_stats(text, sizeof text);
        answer(request->from, text);
    } else if (starts_with(request->path, "/reset")) {
        reset(request->path);
        answer(request->from, "{\"ok\":true}");
    } else if (starts_with(request->path, "/never")) {
        sink.silent++;
    } else {
        serve_webhook(request);
    }
}

/** The value of Content-Length in a head that ends in NUL; 0 without one. */
static size_t content_length(const char *head)
{
    static const char name[] = "\r\nContent-Length:";
    const char *found = strcasestr(head, name);
    return found ? strtoul(found + sizeof name - 1, NULL, 10) : 0;
}

static bool make_room(struct connection *connection, size_t size)
{
    if (size <= connection->cap)
        return true;
    char *bytes = size <= REQUEST_MAX ? realloc(connection->bytes, size + 1) : NULL;
    if (!bytes)
        return false;
    connection->bytes = bytes;
    connection->cap = size;
    return true;
}

/** Serves a whole request from the front of what was read. False: there is none yet, or none that can be. */
static bool take_request(struct connection *connection, bool *bad)
{
    connection->bytes[connection->len] = '\0';
    char *end = strstr(connection->bytes, "\r\n\r\n");
    if (!end) {
        *bad = connection->len >= FIRST_BYTES;
        return false;
    }
    size_t head_len = (size_t)(end - connection->bytes) + 4;
    end[2] = '\0'; /* the last header keeps its line's end */
    size_t body_len = content_length(connection->bytes), size = head_len + body_len;
    *bad = size > REQUEST_MAX;
    if (size > connection->len) {
        end[2] = '\r';
        *bad |= !make_room(connection, size);
        return false;
    }
    char *space = strchr(connection->bytes, ' ');
    const char *path = space ? space + 1 : connection->bytes;
    struct request request = {connection, connection->bytes, path, end + 4, body_len};
    serve(&request);
    memmove(connection->bytes, connection->bytes + size, connection->len - size);
    connection->len -= size;
    return connection->len > 0;
}

/** Like recv(2); over TLS the handshake is part of the first. */
static ssize_t get(struct connection *connection)
{
    char *room = connection->bytes + connection->len;
    size_t size = connection->cap - connection->len;
    if (!connection->tls)
        return recv(connection->fd, room, size, 0);
    int got = SSL_read(connection->tls, room, (int)size);
    if (got > 0 && !connection->heard) {
        connection->heard = true;
        sink.resumed += SSL_session_reused(connection->tls) == 1;
    }
    if (got > 0)
        return got;
    errno = EAGAIN;
    return SSL_get_error(connection->tls, got) == SSL_ERROR_WANT_READ ? -1 : 0;
}

static void readable(struct connection *connection)
{
    bool bad = false;
    do {
        ssize_t got = get(connection);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got > 0) {
            connection->len += (size_t)got;
            while (take_request(connection, &bad))
                ;
        }
        if (got <= 0 || bad) {
            connection_close(connection);
            return;
        }
    } while (connection->tls && SSL_pending(connection->tls) > 0);
}

static void watch(int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    if (epoll_ctl(sink.epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

static void accept_all(int listener)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = calloc(1, sizeof *connection);
        if (!connection || !make_room(connection, FIRST_BYTES))
            die("malloc");
        connection->fd = fd;
        if (listener == sink.tls_listener) {
            connection->tls = SSL_new(sink.tls);
            if (!connection->tls || SSL_set_fd(connection->tls, fd) != 1)
                die("TLS");
            SSL_set_accept_state(connection->tls);
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        sink.connections++;
        watch(fd, connection);
    }
}

/* Life */

static bool signalled(void)
{
    struct signalfd_siginfo info;
    char text[512];
    if (read(sink.signals, &info, sizeof info) != sizeof info)
        return true;
    print_stats(text, sizeof text);
    puts(text);
    fflush(stdout);
    return info.ssi_signo == SIGUSR1;
}

static void open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sink.signals = signalfd(-1, &set, SFD_CLOEXEC);
    watch(sink.signals, &sink.signals);
}

/** Listens on a free port of every address, and prints the port. */
static void open_listener(int *place)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t size = sizeof address;
    int fd = *place = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        die("listen");
    watch(fd, place);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void open_tls(const char *certificate, const char *key)
{
    sink.tls = SSL_CTX_new(TLS_server_method());
    if (!sink.tls || SSL_CTX_use_certificate_chain_file(sink.tls, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(sink.tls, key, SSL_FILETYPE_PEM) != 1)
        die(certificate);
    open_listener(&sink.tls_listener);
}

int main(int argc, char **argv)
{
    bool tls = argc == 4 && strcmp(argv[1], "--tls") == 0;
    if (argc != 1 && !tls) {
        fputs("Usage: sink [--tls CERTIFICATE KEY]\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    sink.samples_us = malloc(SAMPLES_MAX * sizeof *sink.samples_us);
    sink.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!sink.samples_us || sink.epoll < 0)
        die("start");
    open_signals();
    open_listener(&sink.listener);
    if (tls)
        open_tls(argv[2], argv[3]);
    for (;;) {
        struct epoll_event events[EVENTS];
        struct timespec left;
        int count = epoll_pwait2(sink.epoll, events, EVENTS, answer_due(&left), NULL);
        for (int i = 0; i < count; i++) {
            void *what = events[i].data.ptr;
            if (what == &sink.listener || what == &sink.tls_listener)
                accept_all(*(int *)what);
            else if (what != &sink.signals)
                readable(what);
            else if (!signalled())
                return 0;
        }
    }
}
