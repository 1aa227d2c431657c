/* See server.h. libmicrohttpd watches its sockets with an epoll of its own, which the loop watches in turn.
 */
#include "admin/server.h"
#include "admin/socket.h"
#include "admin/stream.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CLIENTS = 16,
    CLIENTS_OF_ONE_ADDRESS = 8,
    /** Of a connection: the request's line and headers, and what is written at a time. */
    CLIENT_BYTES = 16384,
    CLIENT_MS = 10000,
    STREAM_MS = 250,
    SWEEP_MS = 1000,
    /** Until the next try, where no connection can be accepted. */
    PAUSE_MS = 200
};

struct client {
    /** -1: the place is free. */
    int fd;
    /** By the loop's time. */
    uint64_t deadline_ms;
};

struct admin_server {
    struct admin_server_options options;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    /** Active while somebody watches. */
    uv_timer_t ticker;
    struct streams streams;
    struct client clients[CLIENTS];
    unsigned connected;
    /** Connections that began or ended in this turn. */
    unsigned changes;
    unsigned open_handles;
};

/* What is asked */

static bool is_loopback(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    if (address->ss_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    if (address->ss_family != AF_INET6)
        return false;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
}

static bool both_ends_are_loopback(int fd)
{
    struct sockaddr_storage ours = {0}, theirs = {0};
    socklen_t our_size = sizeof ours, their_size = sizeof theirs;
    return getsockname(fd, (struct sockaddr *)&ours, &our_size) == 0 &&
           getpeername(fd, (struct sockaddr *)&theirs, &their_size) == 0 && is_loopback(&ours) &&
           is_loopback(&theirs);
}

/** An address or "localhost": a page of another site that had its name point here would send that name. */
static bool host_is_plain(const char *host)
{
    char name[64];
    unsigned char address[16];
    const char *colon = strrchr(host, ':');
    bool port = colon && !strchr(colon, ']') && (strchr(host, ':') == colon || *host == '[');
    size_t len = port ? (size_t)(colon - host) : strlen(host);
    if (len == 0 || len >= sizeof name)
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    if (*name == '[' && name[len - 1] == ']') {
        name[len - 1] = '\0';
        return inet_pton(AF_INET6, name + 1, address) == 1;
    }
    return strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, address) == 1;
}

struct headers {
    const char *host, *authorization, *accept, *last_event_id;
    unsigned hosts;
    bool body;
    /** By a browser: for a page of another site, for its address bar. */
    bool foreign, navigates;
};

static enum MHD_Result note_header(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct headers *headers = ctx;
    struct slice key = slice_of(name);
    (void)kind;
    value = value ? value : "";
    if (slice_equal_text_ignore_case(key, "Host")) {
        headers->host = value;
        headers->hosts++;
    } else if (slice_equal_text_ignore_case(key, "Authorization")) {
        headers->authorization = value;
    } else if (slice_equal_text_ignore_case(key, "Accept")) {
        headers->accept = value;
    } else if (slice_equal_text_ignore_case(key, "Last-Event-ID")) {
        headers->last_event_id = value;
    } else if (slice_equal_text_ignore_case(key, "Sec-Fetch-Site")) {
        headers->foreign = strcmp(value, "same-origin") != 0 && strcmp(value, "none") != 0;
    } else if (slice_equal_text_ignore_case(key, "Sec-Fetch-Mode")) {
        headers->navigates = strcmp(value, "navigate") == 0;
    } else if (slice_equal_text_ignore_case(key, "Content-Length")) {
        headers->body |= strcmp(value, "0") != 0;
    } else if (slice_equal_text_ignore_case(key, "Transfer-Encoding")) {
        headers->body = true;
    }
    return MHD_YES;
}

static bool has_token(const struct admin_server *server, const struct headers *headers)
{
    static const char scheme[] = "Bearer ";
    struct slice given = slice_of(headers->authorization), token = server->options.token;
    bool bearer = given.len >= sizeof scheme - 1 &&
                  slice_equal_text_ignore_case((struct slice){given.ptr, sizeof scheme - 1}, scheme);
    if (token.len == 0 || !bearer)
        return false;
    given = slice_trim((struct slice){given.ptr + sizeof scheme - 1, given.len - (sizeof scheme - 1)});
    return given.len == token.len && CRYPTO_memcmp(given.ptr, token.ptr, token.len) == 0;
}

static int descriptor_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

void admin_answer_text(struct admin_answer *answer, unsigned status, const char *text)
{
    answer->status = status;
    answer->content_type = NULL;
    buffer_clear(&answer->body);
    buffer_append_text(&answer->body, text);
    buffer_append_char(&answer->body, '\n');
}

static void answer_asked(struct admin_server *server, struct MHD_Connection *connection, const char *method,
                         const char *path, struct admin_answer *answer)
{
    struct headers headers = {.host = "", .accept = "", .last_event_id = ""};
    int fd = descriptor_of(connection);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, note_header, &headers);
    if (server->options.local && !admin_socket_trusts_client(fd))
        admin_answer_text(answer, 403, "this is another user's agent");
    else if (headers.hosts != 1)
        admin_answer_text(answer, 400, "the request has no Host, or more than one");
    else if (headers.body)
        admin_answer_text(answer, 413, "no request here has a body");
    if (answer->status > 0)
        return;
    bool token = has_token(server, &headers);
    bool near = !server->options.local && both_ends_are_loopback(fd) && host_is_plain(headers.host) &&
                (!headers.foreign || headers.navigates);
    const struct admin_request request = {
        .method = strcmp(method, "HEAD") == 0 ? "GET" : method,
        .path = path,
        .target = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "target"),
        .accept = headers.accept,
        .last_event_id = headers.last_event_id,
        .may_see = server->options.local || token || near,
        .may_change = server->options.local || token};
    server->options.answer(server->options.ctx, &request, answer);
}

/* What is answered */

/** CLIENTS: there is none. */
static size_t place_of(const struct admin_server *server, int fd)
{
    size_t place = 0;
    while (place < CLIENTS && server->clients[place].fd != fd)
        place++;
    return place;
}

static void add_headers(struct MHD_Response *response, const struct admin_answer *answer)
{
    const char *type = answer->content_type ? answer->content_type : "text/plain; charset=utf-8";
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "X-Frame-Options", "DENY");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    MHD_add_response_header(response, "Content-Security-Policy",
                            answer->policy ? answer->policy : "default-src 'none'; frame-ancestors 'none'");
    MHD_add_response_header(response, "Connection", "close");
    if (answer->allow)
        MHD_add_response_header(response, "Allow", answer->allow);
}

static struct MHD_Response *response_of(struct admin_answer *answer)
{
    bool owned = answer->body.ptr != NULL;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer->body.len, owned ? answer->body.ptr : "",
                                        owned ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!response)
        buffer_clear(&answer->body);
    return response;
}

static void time_to_tell(uv_timer_t *ticker);

/** NULL: too many watch; then that is the answer. */
static struct MHD_Response *begin_stream(struct admin_server *server, struct MHD_Connection *connection,
                                         struct admin_answer *answer)
{
    size_t place = place_of(server, descriptor_of(connection));
    struct MHD_Response *response = NULL;
    if (place < CLIENTS)
        response =
            streams_begin(&server->streams, connection, &answer->stream, &server->clients[place].deadline_ms);
    else
        answer->stream.ended(answer->stream.ctx);
    if (!response) {
        admin_answer_text(answer, 503, "too many watch already");
    } else if (!uv_is_active((const uv_handle_t *)&server->ticker)) {
        uint64_t every_ms = server->options.stream_ms > 0 ? (uint64_t)server->options.stream_ms : STREAM_MS;
        uv_timer_start(&server->ticker, time_to_tell, every_ms, every_ms);
    }
    return response;
}

static enum MHD_Result reply(struct admin_server *server, struct MHD_Connection *connection,
                             struct admin_answer *answer)
{
    struct MHD_Response *response = NULL;
    if (answer->status == 0)
        admin_answer_text(answer, 404, "there is nothing here");
    bool failed = answer->body.failed;
    if (failed)
        buffer_clear(&answer->body);
    if (answer->stream.more)
        response = begin_stream(server, connection, answer);
    if (!response)
        response = response_of(answer);
    if (!response)
        return MHD_NO;
    add_headers(response, answer);
    enum MHD_Result queued = MHD_queue_response(connection, failed ? 503 : answer->status, response);
    MHD_destroy_response(response);
    return queued;
}

/** Called when the headers are there; answered at once, so it is called no more. */
static enum MHD_Result asked(void *ctx, struct MHD_Connection *connection, const char *path,
                             const char *method, const char *version, const char *data, size_t *data_size,
                             void **own)
{
    struct admin_answer answer = {0};
    (void)version;
    (void)data;
    (void)data_size;
    (void)own;
    answer_asked(ctx, connection, method, path, &answer);
    return reply(ctx, connection, &answer);
}

/* Clients */

static void connection_changed(void *ctx, struct MHD_Connection *connection, void **own,
                               enum MHD_ConnectionNotificationCode what)
{
    struct admin_server *server = ctx;
    int fd = descriptor_of(connection), wanted = what == MHD_CONNECTION_NOTIFY_STARTED ? -1 : fd;
    (void)own;
    size_t place = place_of(server, wanted);
    server->changes++;
    server->connected += what == MHD_CONNECTION_NOTIFY_STARTED ? 1u : -1u;
    if (place < CLIENTS)
        server->clients[place] =
            (struct client){.fd = what == MHD_CONNECTION_NOTIFY_STARTED ? fd : -1,
                            .deadline_ms = uv_now(server->options.loop) + server->streams.patient_ms};
}

/** Who takes too long, however busily, is cut off. */
static void sweep(const struct admin_server *server)
{
    for (size_t i = 0; i < CLIENTS; i++)
        if (server->clients[i].fd >= 0 && server->clients[i].deadline_ms <= uv_now(server->options.loop))
            shutdown(server->clients[i].fd, SHUT_RDWR);
}

/* The loop */

static void ready(uv_poll_t *poll, int status, int events);
static void time_is_up(uv_timer_t *timer);

static void turn(struct admin_server *server)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = SWEEP_MS, sweep_ms = SWEEP_MS;
    if (server->options.client_ms > 0 && server->options.client_ms < SWEEP_MS)
        sweep_ms = (MHD_UNSIGNED_LONG_LONG)server->options.client_ms;
    server->changes = 0;
    MHD_run(server->daemon);
    /* Not by the timer alone, which begins anew with each turn; behind what could be done at once, so that
     * nobody pays for a loop that stood still. */
    sweep(server);
    if (MHD_get_timeout(server->daemon, &wait_ms) != MHD_YES || wait_ms > sweep_ms)
        wait_ms = sweep_ms;
    if (server->changes > 0)
        wait_ms = 0; /* where every place was taken, MHD listens again in its next turn */
    if (server->connected > 0 || server->changes > 0)
        uv_timer_start(&server->timer, time_is_up, wait_ms, 0);
    else
        uv_timer_stop(&server->timer);
}

static void ready(uv_poll_t *poll, int status, int events)
{
    struct admin_server *server = poll->data;
    (void)status;
    (void)events;
    turn(server);
    if (server->connected > 0 || server->changes > 0)
        return;
    /* Somebody knocks, or has gone again, and nothing came of it: perhaps there is no descriptor left. */
    uv_poll_stop(poll);
    uv_timer_start(&server->timer, time_is_up, PAUSE_MS, 0);
}

static void time_is_up(uv_timer_t *timer)
{
    struct admin_server *server = timer->data;
    if (!uv_is_active((const uv_handle_t *)&server->poll))
        uv_poll_start(&server->poll, UV_READABLE, ready);
    turn(server);
}

static void time_to_tell(uv_timer_t *ticker)
{
    struct admin_server *server = ticker->data;
    if (!streams_go_on(&server->streams))
        uv_timer_stop(ticker);
    turn(server);
}

/* Life */

static void handle_closed(uv_handle_t *handle)
{
    struct admin_server *server = handle->data;
    if (--server->open_handles == 0)
        free(server);
}

void admin_server_use_token(struct admin_server *server, struct slice token)
{
    if (server)
        server->options.token = token;
}

void admin_server_close(struct admin_server *server)
{
    if (!server)
        return;
    uv_close((uv_handle_t *)&server->poll, handle_closed);
    uv_close((uv_handle_t *)&server->timer, handle_closed);
    uv_close((uv_handle_t *)&server->ticker, handle_closed);
    streams_release(&server->streams);
    MHD_stop_daemon(server->daemon);
}

/** -1: there is none. */
static int epoll_of(struct MHD_Daemon *daemon)
{
    const union MHD_DaemonInfo *info = daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    return info ? info->epoll_fd : -1;
}

static struct admin_server *cannot_serve(struct admin_server *server, int fd, struct error *err)
{
    error_set(err, PA_ERR_IO, "the server cannot be started: %s", strerror(errno));
    if (server && server->daemon)
        MHD_stop_daemon(server->daemon);
    else
        close(fd);
    free(server);
    return NULL;
}

struct admin_server *admin_server_new(const struct admin_server_options *options, struct error *err)
{
    struct admin_server *server = calloc(1, sizeof *server);
    if (!server)
        return cannot_serve(server, options->fd, err);
    server->options = *options;
    server->streams.loop = options->loop;
    server->streams.patient_ms = (uint64_t)(options->client_ms > 0 ? options->client_ms : CLIENT_MS);
    for (size_t i = 0; i < CLIENTS; i++)
        server->clients[i].fd = -1;
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, asked, server, MHD_OPTION_LISTEN_SOCKET,
        options->fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CLIENTS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)(options->local ? 0 : CLIENTS_OF_ONE_ADDRESS), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CLIENT_BYTES, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, server, MHD_OPTION_END);
    int epoll = epoll_of(server->daemon);
    if (epoll < 0 || uv_poll_init(options->loop, &server->poll, epoll) != 0)
        return cannot_serve(server, options->fd, err);
    uv_timer_init(options->loop, &server->timer);
    uv_timer_init(options->loop, &server->ticker);
    server->poll.data = server->timer.data = server->ticker.data = server;
    server->open_handles = 3;
    uv_poll_start(&server->poll, UV_READABLE, ready);
    uv_unref((uv_handle_t *)&server->poll);
    uv_unref((uv_handle_t *)&server->timer);
    uv_unref((uv_handle_t *)&server->ticker);
    return server;
}
