/* libcurl's sockets on the loop, and those of connections that the exchange (exchange.h) has taken over.
 * libcurl asks to watch a connection when a request waits for its answer and to stop when it has come, for
 * every request. Connections are kept alive, so what the kernel watches is left as it is until the connection
 * closes, or says something that nobody waits for: two system calls less a request. Sockets that libcurl did
 * not open through us (its resolver's) are watched just as long as it says.
 */
#include "http/client_internal.h"
#include "http/interim.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct socket_watch {
    uv_poll_t poll;
    struct http_sockets *sockets;
    curl_socket_t fd;
    /** Opened and closed through us. */
    bool connection;
    /** libcurl has waited for something to read. */
    bool read;
    struct interim interim;
    /** Whoever has taken it over; NULL: libcurl has it. */
    void *owner;
    /** Its number must not come again: see sockets_spoil. */
    bool spoilt;
    /** By libcurl: UV_READABLE, UV_WRITABLE. */
    int wanted;
    /** What the kernel watches for. */
    int watched;
};

static void watch_free(uv_handle_t *handle)
{
    free(handle->data);
}

static struct socket_watch *watch_find(const struct http_sockets *sockets, curl_socket_t fd)
{
    return (size_t)fd < sockets->room ? sockets->watches[fd] : NULL;
}

bool socket_is_wanted(const struct http_sockets *sockets, curl_socket_t fd)
{
    const struct socket_watch *watch = watch_find(sockets, fd);
    return watch && watch->wanted;
}

static bool make_room(struct http_sockets *sockets, curl_socket_t fd)
{
    size_t room = sockets->room < 64 ? 64 : sockets->room;
    while (room <= (size_t)fd)
        room *= 2;
    if (room == sockets->room)
        return true;
    struct socket_watch **grown = realloc(sockets->watches, room * sizeof(struct socket_watch *));
    if (!grown)
        return false;
    memset(grown + sockets->room, 0, (room - sockets->room) * sizeof(struct socket_watch *));
    sockets->watches = grown;
    sockets->room = room;
    return true;
}

static struct socket_watch *watch_new(struct http_sockets *sockets, curl_socket_t fd, bool connection)
{
    struct socket_watch *watch = make_room(sockets, fd) ? calloc(1, sizeof *watch) : NULL;
    if (!watch || uv_poll_init_socket(sockets->loop, &watch->poll, fd) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->sockets = sockets;
    watch->fd = fd;
    watch->connection = connection;
    sockets->watches[fd] = watch;
    return watch;
}

static void watch_close(struct socket_watch *watch)
{
    watch->sockets->watches[watch->fd] = NULL;
    uv_close((uv_handle_t *)&watch->poll, watch_free);
}

static void watch_stop(struct socket_watch *watch)
{
    uv_poll_stop(&watch->poll);
    watch->watched = 0;
}

static void watch_for(struct socket_watch *watch, int events);

static bool something_came(curl_socket_t fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
    struct socket_watch *watch = poll->data;
    const struct http_sockets *sockets = watch->sockets;
    curl_socket_t fd = watch->fd;
    int flags = 0;
    if (status < 0)
        watch->watched = 0; /* libuv has stopped it */
    if (watch->owner) {
        watch->sockets->taken_ready(watch->owner, status < 0 ? UV_READABLE : events);
        return;
    }
    if (!watch->wanted) {
        watch_stop(watch); /* the peer has closed it; libcurl sees that when it would reuse it */
        return;
    }
    /* What came is read first, before an error is met, and before more is sent: that may fail, and leaves
     * the rest unread. */
    if (status < 0)
        events = watch->wanted;
    else if (events == UV_WRITABLE && (watch->wanted & UV_READABLE) && something_came(fd))
        events |= UV_READABLE;
    if (status == 0 && (events & UV_READABLE) && !interim_take(&watch->interim, watch->fd))
        return;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    watch->sockets->ready(watch->sockets->ctx, watch->fd, flags);
    if (status < 0 && watch_find(sockets, fd) == watch)
        watch_for(watch, watch->wanted);
}

static void watch_for(struct socket_watch *watch, int events)
{
    if (events != watch->watched && events == 0)
        uv_poll_stop(&watch->poll);
    else if (events != watch->watched)
        uv_poll_start(&watch->poll, events, socket_ready);
    watch->watched = events;
}

void sockets_take_interim(struct http_sockets *sockets)
{
    for (size_t fd = 0; sockets->tunnels && fd < sockets->room; fd++) {
        struct socket_watch *watch = sockets->watches[fd];
        if (watch && watch->interim.expected)
            interim_take_so_far(&watch->interim, watch->fd);
    }
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct http_sockets *sockets = ctx;
    struct socket_watch *watch = watch_find(sockets, fd);
    (void)socket_ctx;
    if (watch && watch->owner)
        return 0;
    if (what == CURL_POLL_REMOVE) {
        if (watch && !watch->connection) {
            watch_close(watch);
        } else if (watch) {
            /* One that still connects may be closed without telling us (libcurl before 8.5), and libuv ends
             * the process when it is to watch what is closed. */
            if (watch->wanted != UV_READABLE)
                watch_stop(watch);
            watch->wanted = 0;
        }
        return 0;
    }
    if (!watch)
        watch = watch_new(sockets, fd, false);
    if (!watch) {
        struct http_call *call = call_of(easy);
        if (call)
            sockets->unwatched(call);
        return 0;
    }
    if ((what & CURL_POLL_IN) && watch->connection && !watch->read) {
        watch->read = true;
        if (asks_for_tunnel(call_of(easy))) {
            interim_expect(&watch->interim, fd);
            sockets->tunnels = true;
        }
    }
    watch->wanted = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    watch_for(watch, watch->wanted);
    return 0;
}

bool socket_take(struct http_sockets *sockets, curl_socket_t fd, void *owner)
{
    struct socket_watch *watch = watch_find(sockets, fd);
    if (!watch)
        return false;
    watch->owner = owner;
    watch->wanted = 0;
    return true;
}

void socket_give_back(struct http_sockets *sockets, curl_socket_t fd)
{
    struct socket_watch *watch = watch_find(sockets, fd);
    if (!watch || !watch->owner)
        return;
    watch->owner = NULL;
    watch_stop(watch);
}

void socket_watch_for(struct http_sockets *sockets, curl_socket_t fd, int events)
{
    struct socket_watch *watch = watch_find(sockets, fd);
    if (watch && watch->owner)
        watch_for(watch, events);
}

void sockets_spoil(struct http_sockets *sockets)
{
    for (size_t i = 0; i < sockets->room; i++) {
        struct socket_watch *watch = sockets->watches[i];
        if (watch && watch->connection && !watch->wanted && !watch->owner)
            watch->spoilt = true;
    }
}

/** The same socket with a number that is not spoilt; -1: there is none. */
static int unspoilt(const struct http_sockets *sockets, int fd)
{
    const struct socket_watch *watch;
    while (fd >= 0 && (watch = watch_find(sockets, fd)) && watch->spoilt) {
        int next = fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
        close(fd);
        fd = next;
    }
    return fd;
}

static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_call *call = ctx;
    struct http_sockets *sockets = call->sockets;
    (void)purpose;
    /* libcurl goes on with the name's next address */
    if (!call_may_connect(call, &address->addr))
        return CURL_SOCKET_BAD;
    int fd = unspoilt(sockets, socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol));
    if (fd < 0) {
        call->no_socket = errno;
        return CURL_SOCKET_BAD;
    }
    /* A number that the kernel gives out again is free, whoever closed it. */
    struct socket_watch *before = watch_find(sockets, fd);
    if (before)
        watch_close(before);
    if (!watch_new(sockets, fd, true)) {
        call->no_socket = ENOMEM;
        close(fd);
        return CURL_SOCKET_BAD;
    }
    call->tunnelled = false;
    if (asks_for_tunnel(call))
        interim_hold_request(fd);
    return fd;
}

static int on_close(void *ctx, curl_socket_t fd)
{
    struct socket_watch *watch = watch_find(ctx, fd);
    if (watch)
        watch_close(watch);
    return close(fd);
}

void sockets_open(struct http_sockets *sockets, uv_loop_t *loop, CURLM *multi, socket_is_ready *ready,
                  socket_is_unwatched *unwatched, void *ctx)
{
    *sockets = (struct http_sockets){.loop = loop, .ready = ready, .unwatched = unwatched, .ctx = ctx};
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, sockets);
}

void sockets_prepare(struct http_sockets *sockets, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, sockets);
}

void sockets_close(struct http_sockets *sockets)
{
    for (size_t i = 0; i < sockets->room; i++)
        if (sockets->watches[i])
            watch_close(sockets->watches[i]);
    free(sockets->watches);
    *sockets = (struct http_sockets){0};
}
