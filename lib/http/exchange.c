/* See exchange.h.
 *
 * One send and one receive are what a delivery costs. What comes on an idle connection belongs to nobody, and
 * ends it; so that nothing that came just before a request is taken for its answer, the connection is looked
 * at once more before it is used again.
 *
 * libcurl takes a connection for idle until something has been sent or received through it, and may close it
 * then; so the first bytes always go through libcurl. For plain TCP the socket itself is used from then on,
 * and for TLS OpenSSL itself (tls_bytes.h) once the first response has come. */
#include "http/exchange.h"
#include "http/idle.h"
#include "http/request.h"
#include "http/tls_bytes.h"
#include "http/url.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/** Bodies up to this size are copied behind their heads. */
enum { HEAD_BYTES = 1024, COPIED_BODY_BYTES = 16 * 1024, SHARED_OUT_MAX = 32 * 1024 };
/** In one turn of the loop, of one answer: and the piece that passes them. */
enum { TURN_BYTES = 64 * 1024 };

static struct exchanges *exchanges_of(const struct connection *connection)
{
    return connection->connections->ctx;
}

/* Bytes */

static enum moved send_by_libcurl(struct connection *connection, struct slice bytes, size_t *sent)
{
    CURLcode code = curl_easy_send(connection->easy, bytes.ptr, bytes.len, sent);
    connection->attached |= code == CURLE_OK || code == CURLE_AGAIN;
    if (code == CURLE_OK && *sent > 0)
        return MOVED;
    return code == CURLE_OK || code == CURLE_AGAIN ? MOVED_NOTHING : MOVED_LOST;
}

static bool again(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static enum moved send_some(struct connection *connection, struct slice bytes, size_t *sent)
{
    if (connection->ssl)
        return tls_send(connection->ssl, bytes, sent, connection->error);
    if (connection->tls || !connection->attached)
        return send_by_libcurl(connection, bytes, sent);
    ssize_t count = send(connection->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0)
        return again() ? MOVED_NOTHING : MOVED_LOST;
    *sent = (size_t)count;
    return MOVED;
}

/** Has TLS said that the connection ends? What libcurl says of it depends on its version. */
static bool said_goodbye(const struct connection *connection)
{
    struct curl_tlssessioninfo *session = NULL;
    if (curl_easy_getinfo(connection->easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || !session ||
        session->backend != CURLSSLBACKEND_OPENSSL || !session->internals)
        return false;
    return SSL_get_shutdown((const SSL *)session->internals) & SSL_RECEIVED_SHUTDOWN;
}

static enum moved receive_by_libcurl(struct connection *connection, char *bytes, size_t room, size_t *got)
{
    CURLcode code = curl_easy_recv(connection->easy, bytes, room, got);
    if (code == CURLE_AGAIN)
        return MOVED_NOTHING;
    if (code == CURLE_OK && *got > 0)
        return MOVED;
    if (code == CURLE_OK)
        return said_goodbye(connection) ? MOVED_END : MOVED_CUT;
    return strstr(connection->error, "unexpected eof") ? MOVED_CUT : MOVED_LOST;
}

static enum moved receive_some(struct connection *connection, char *bytes, size_t room, size_t *got)
{
    if (connection->ssl)
        return tls_receive(connection->ssl, bytes, room, got, connection->error);
    if (connection->tls)
        return receive_by_libcurl(connection, bytes, room, got);
    ssize_t count = recv(connection->fd, bytes, room, MSG_DONTWAIT);
    if (count < 0)
        return again() ? MOVED_NOTHING : MOVED_LOST;
    *got = (size_t)count;
    return count > 0 ? MOVED : MOVED_END;
}

/** May more be sent or received? Not while a part of the response is held back, which comes first. */
static bool goes_on(const struct http_call *call)
{
    return !call->exchange.over && !call->exchange.due && !call->exchange.unread && !call->waiting;
}

/** Nothing has come on it, nor has it ended. */
static bool is_silent(struct connection *connection)
{
    char byte;
    size_t got = 0;
    if (connection->ssl)
        return tls_is_silent(connection->ssl, connection->fd, connection->error);
    if (connection->tls)
        return receive_by_libcurl(connection, &byte, 1, &got) == MOVED_NOTHING;
    return recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && again();
}

/* Connections */

static struct connection_key key_of(const struct http_call *call)
{
    /* User info makes a key of its own, which is rare and right too. */
    return (struct connection_key){
        {call->url, (size_t)(url_target(call->url) - call->url)}, call->proxy, call->certificate};
}

static void give(struct http_call *call, struct connection *connection)
{
    connection->call = call;
    connection->error[0] = '\0';
    call->easy = connection->easy;
    call->exchange.connection = connection;
    call->exchange.reused = connection->used;
}

static bool take_idle(struct exchanges *exchanges, struct http_call *call)
{
    struct connection_key key = key_of(call);
    int64_t now = clock_monotonic_ms(exchanges->clock);
    struct connection *connection;
    while ((connection = connections_take(&exchanges->connections, &key)) != NULL) {
        if (now - connection->idle_since_ms < CONNECTION_IDLE_MAX_MS) {
            give(call, connection);
            return true;
        }
        exchanges_drop(exchanges, connection);
    }
    return false;
}

/** Out of the queue that it waits in for its turn, if it does. */
static void take_off(struct exchanges *exchanges, struct http_call *call)
{
    if (call->exchange.due)
        TAILQ_REMOVE(&exchanges->due, call, exchange.queue);
    if (call->exchange.unread)
        TAILQ_REMOVE(&exchanges->unread, call, exchange.queue);
    call->exchange.due = call->exchange.unread = false;
}

/** From now on libcurl is not asked for the bytes of a connection that has carried an exchange, unless its
 * TLS runs within that of a proxy. */
static void take_tls(const struct exchanges *exchanges, struct connection *connection,
                     const struct proxy *proxy)
{
    bool within = proxy && strncmp(proxy->url, "https:", 6) == 0;
    if (connection->tls && !connection->ssl && !within && exchanges->tls_sockets)
        connection->ssl = tls_take(exchanges->tls_sockets, connection->easy, connection->fd);
}

void exchange_release(struct exchanges *exchanges, struct http_call *call, bool keep)
{
    struct connection *connection = call->exchange.connection;
    take_off(exchanges, call);
    if (!connection)
        return;
    call->exchange.connection = NULL;
    if (keep && connection->ssl && SSL_has_pending(connection->ssl)) /* of which the kernel does not know */
        keep = is_silent(connection);
    if (keep) {
        int64_t now = clock_monotonic_ms(exchanges->clock);
        call->easy = NULL;
        take_tls(exchanges, connection, call->proxy);
        connection_is_idle(connection, now);
        socket_watch_for(exchanges->sockets, connection->fd, UV_READABLE);
        exchanges_close_idle(exchanges, 0, now);
        return;
    }
    memcpy(call->curl_error, connection->error, sizeof call->curl_error);
    exchanges_leave_multi(exchanges, connection);
    connection_free(connection);
}

/* What comes */

static void finish(struct http_call *call, enum http_failure failure, bool keep)
{
    struct exchanges *exchanges = exchanges_of(call->exchange.connection);
    take_off(exchanges, call);
    call->exchange.over = true;
    call->exchange.failure = failure;
    call->exchange.keep = keep;
    exchanges->over(exchanges->ctx, call);
}

/** A failure in words of ours. */
static void fail(struct http_call *call, enum http_failure failure, const char *words)
{
    struct connection *connection = call->exchange.connection;
    if (words)
        snprintf(connection->error, sizeof connection->error, "%s", words);
    finish(call, failure, false);
}

static bool request_is_sent(const struct http_call *call)
{
    const struct exchange *exchange = &call->exchange;
    return exchange->out_sent == exchange->out.len && exchange->body_sent == call->body.len;
}

static void head_came(struct http_call *call)
{
    struct slice lines = buffer_slice(&call->exchange.response.head), line;
    call->response_headers.len = 0;
    while (call->keep_headers && response_next_line(&lines, &line))
        call_keep_header(call, line);
    response_unfold(&call->exchange.response);
}

static void hold_back(struct http_call *call, struct slice in)
{
    struct buffer *held = &call->exchange.in, again = {0};
    buffer_append_slice(&again, in);
    buffer_clear(held);
    *held = again;
    socket_watch_for(call->sockets, call->exchange.connection->fd, 0);
    if (held->failed)
        fail(call, HTTP_MEMORY, NULL);
}

/** True: the call goes on, and may read more. */
static bool feed(struct http_call *call, struct slice in)
{
    struct response *response = &call->exchange.response;
    struct slice body;
    for (;;) {
        switch (response_read(response, &in, &body)) {
        case RESPONSE_MORE:
            return true;
        case RESPONSE_HEAD:
            head_came(call);
            if (response->strange_coding) {
                call->cut = HTTP_CUT_UNREADABLE;
                finish(call, HTTP_OK, false);
                return false;
            }
            break;
        case RESPONSE_BODY:
            switch (body_take(call, body)) {
            case BODY_TAKEN:
                response_take(response, &in, body.len);
                break;
            case BODY_HELD_BACK:
                hold_back(call, in);
                return false;
            case BODY_ENDED:
                finish(call, HTTP_OK, false);
                return false;
            }
            break;
        case RESPONSE_END:
            finish(call, HTTP_OK, response->keeps_alive && in.len == 0 && request_is_sent(call));
            return false;
        case RESPONSE_BROKEN:
            fail(call, strcmp(response->why, "out of memory") == 0 ? HTTP_MEMORY : HTTP_PROTOCOL,
                 response->why);
            return false;
        }
    }
}

/** The connection ended before the response did. */
static void lost(struct http_call *call, enum moved how)
{
    struct connection *connection = call->exchange.connection;
    struct exchanges *exchanges = exchanges_of(connection);
    bool sent = request_is_sent(call);
    if (connection->used && !call->exchange.anything_came && call->sends == 1 &&
        !call->shared->options.never_resends) {
        exchange_release(exchanges, call, false);
        exchanges->spare(exchanges->ctx, call->easy);
        call->easy = NULL;
        exchanges->connect(exchanges->ctx, call);
    } else if (how != MOVED_LOST && response_ends_here(&call->exchange.response)) {
        if (how == MOVED_CUT)
            call->cut = HTTP_CUT_UNSURE;
        finish(call, HTTP_OK, false);
    } else {
        memcpy(call->curl_error, connection->error, sizeof call->curl_error);
        bool refused =
            !call->exchange.anything_came && (alert_came_for_an_answer(call) || handshake_was_cut_off(call));
        fail(call, refused ? HTTP_TLS : sent ? HTTP_RESET : HTTP_SEND, NULL);
    }
}

static void receive_on(struct http_call *call);

static void go_on_unread(uv_idle_t *next_turn)
{
    struct exchanges *exchanges = next_turn->data;
    struct http_call *call;
    size_t count = 0;
    uv_idle_stop(next_turn);
    TAILQ_FOREACH(call, &exchanges->unread, exchange.queue)
    count++;
    for (; count > 0 && (call = TAILQ_FIRST(&exchanges->unread)); count--) {
        take_off(exchanges, call);
        receive_on(call);
    }
}

static void receive_in_next_turn(struct exchanges *exchanges, struct http_call *call)
{
    call->exchange.unread = true;
    TAILQ_INSERT_TAIL(&exchanges->unread, call, exchange.queue);
    uv_idle_start(&exchanges->next_turn, go_on_unread);
}

static void receive_on(struct http_call *call)
{
    struct connection *connection = call->exchange.connection;
    struct exchanges *exchanges = exchanges_of(connection);
    enum moved moved = MOVED;
    size_t got = sizeof exchanges->in, in_turn = 0;
    /* TLS may have bytes that the kernel does not know of; the kernel tells of all others. */
    while (moved == MOVED && (connection->tls || call->exchange.send_failed || got == sizeof exchanges->in)) {
        if (in_turn >= TURN_BYTES) {
            receive_in_next_turn(exchanges, call);
            return;
        }
        moved = receive_some(connection, exchanges->in, sizeof exchanges->in, &got);
        in_turn += moved == MOVED ? got : 0;
        call->exchange.anything_came |= moved == MOVED;
        if (moved == MOVED && !feed(call, (struct slice){exchanges->in, got}))
            return;
    }
    if (moved == MOVED || moved == MOVED_NOTHING)
        socket_watch_for(exchanges->sockets, connection->fd,
                         UV_READABLE |
                             (request_is_sent(call) || call->exchange.send_failed ? 0 : UV_WRITABLE));
    else
        lost(call, moved);
}

void exchange_go_on(struct http_call *call)
{
    struct buffer in = call->exchange.in;
    if (call->exchange.over)
        return;
    call->exchange.in = (struct buffer){0};
    if (feed(call, buffer_slice(&in)))
        receive_on(call);
    buffer_clear(&in);
}

/* What goes */

/** The next bytes that are to go, always the same until some have gone. */
static struct slice next_out(const struct http_call *call)
{
    const struct exchange *exchange = &call->exchange;
    if (exchange->out_sent < exchange->out.len)
        return (struct slice){exchange->out.ptr + exchange->out_sent, exchange->out.len - exchange->out_sent};
    return (struct slice){call->body.ptr ? call->body.ptr + exchange->body_sent : NULL,
                          call->body.len - exchange->body_sent};
}

static void count_sent(struct http_call *call, size_t sent)
{
    struct exchange *exchange = &call->exchange;
    exchange->sent += sent;
    if (exchange->out_sent < exchange->out.len)
        exchange->out_sent += sent;
    else
        exchange->body_sent += sent;
}

/** Sends what it can. A connection that takes nothing more may have the answer all the same, which is read
 * first. */
static void send_on(struct http_call *call)
{
    struct connection *connection = call->exchange.connection;
    while (!request_is_sent(call)) {
        size_t sent = 0;
        enum moved moved = send_some(connection, next_out(call), &sent);
        if (moved == MOVED_LOST) {
            call->exchange.send_failed = true;
            receive_on(call);
            return;
        }
        count_sent(call, sent);
        if (moved == MOVED_NOTHING)
            break;
    }
    socket_watch_for(call->sockets, connection->fd, UV_READABLE | (request_is_sent(call) ? 0 : UV_WRITABLE));
}

/** Most requests go in one piece, and the next one is written into the same memory. */
static void borrow_out(struct exchanges *exchanges, struct exchange *exchange)
{
    buffer_clear(&exchange->out);
    exchange->out = exchanges->out;
    exchanges->out = (struct buffer){0};
    exchange->out.len = exchange->out_sent = exchange->body_sent = 0;
}

/** A call whose request has gone needs it no more. */
static void return_out(struct exchanges *exchanges, struct http_call *call)
{
    struct exchange *exchange = &call->exchange;
    if (!request_is_sent(call))
        return;
    if (exchange->out.cap <= SHARED_OUT_MAX && !exchanges->out.ptr)
        exchanges->out = exchange->out;
    else
        buffer_clear(&exchange->out);
    exchange->out = (struct buffer){0};
    exchange->out_sent = 0;
}

static void send_request(struct http_call *call)
{
    struct exchange *exchange = &call->exchange;
    struct exchanges *exchanges = exchanges_of(exchange->connection);
    const struct request_parts parts = {.method = call->method,
                                        .url = call->url,
                                        .headers = buffer_slice(&call->headers.lines),
                                        .host_line = call->headers.host_line,
                                        .authorization = call->headers.authorization,
                                        .accept = call->headers.accept,
                                        .body = call->body};
    bool copied = call->body.len <= COPIED_BODY_BYTES;
    borrow_out(exchanges, exchange);
    exchange->send_failed = exchange->anything_came = exchange->over = false;
    response_begin(&exchange->response, strcmp(call->method, "HEAD") == 0);
    /* Most requests fit, and need no second allocation. */
    PA_IGNORE(buffer_reserve(&exchange->out, HEAD_BYTES + (copied ? call->body.len : 0)));
    request_write_head(&parts, &exchange->out);
    if (copied)
        buffer_append_slice(&exchange->out, call->body);
    if (exchange->out.failed) {
        fail(call, HTTP_MEMORY, NULL);
        return;
    }
    exchange->body_sent = copied ? call->body.len : 0;
    call->sends++;
    call->resent |= call->sends > 1;
    send_on(call);
    return_out(exchanges, call);
}

static void send_due(uv_prepare_t *prepare)
{
    struct exchanges *exchanges = prepare->data;
    struct http_call *call;
    uv_prepare_stop(prepare);
    while ((call = TAILQ_FIRST(&exchanges->due)) != NULL) {
        take_off(exchanges, call);
        bool has = true;
        while (has && !is_silent(call->exchange.connection)) {
            exchange_release(exchanges, call, false);
            exchanges->spare(exchanges->ctx, call->easy);
            call->easy = NULL;
            has = take_idle(exchanges, call);
        }
        if (has)
            send_request(call);
        else
            exchanges->connect(exchanges->ctx, call);
    }
}

bool exchange_reuse(struct exchanges *exchanges, struct http_call *call)
{
    if (!take_idle(exchanges, call))
        return false;
    if (TAILQ_EMPTY(&exchanges->due))
        uv_prepare_start(&exchanges->flush, send_due);
    TAILQ_INSERT_TAIL(&exchanges->due, call, exchange.queue);
    call->exchange.due = true;
    return true;
}

/* New connections */

bool exchange_is_possible(const struct http_call *call)
{
    bool tls = strncasecmp(call->url, "https:", 6) == 0;
    return !asks_proxy(call) && !(tls && call->shared->options.http2);
}

void exchange_prepare(struct http_call *call)
{
    curl_easy_setopt(call->easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(call->easy, CURLOPT_FORBID_REUSE, 0L);
    curl_easy_setopt(call->easy, CURLOPT_PREREQFUNCTION, NULL);
}

void exchange_connected(struct exchanges *exchanges, struct http_call *call)
{
    struct connection_key key = key_of(call);
    struct connection *connection = connection_new(&exchanges->connections, &key);
    if (connection) {
        curl_easy_getinfo(call->easy, CURLINFO_ACTIVESOCKET, &connection->fd);
        connection->easy = call->easy;
        connection->tls = strncasecmp(call->url, "https:", 6) == 0;
        curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, connection->error);
        curl_easy_setopt(call->easy, CURLOPT_PRIVATE, NULL);
        give(call, connection);
    }
    if (!connection || !socket_take(exchanges->sockets, connection->fd, connection)) {
        call->exchange.over = true;
        call->exchange.failure = HTTP_MEMORY;
        exchanges->over(exchanges->ctx, call);
        return;
    }
    send_request(call);
}

/* Life */

static void ready(void *owner, int events)
{
    struct connection *connection = owner;
    struct exchanges *exchanges = exchanges_of(connection);
    struct http_call *call = connection->call;
    if (!call) {
        if (is_silent(connection))
            return; /* TLS has had something to say for itself */
        connection_in_use(connection);
        exchanges_drop(exchanges, connection);
        return;
    }
    if (!goes_on(call))
        return;
    exchanges->reading = true;
    if (events & UV_READABLE)
        receive_on(call);
    if ((events & UV_WRITABLE) && call->exchange.connection == connection && goes_on(call) &&
        !request_is_sent(call))
        send_on(call);
    exchanges->reading = false;
}

void exchanges_open(struct exchanges *exchanges, const struct http_client_options *options)
{
    exchanges->max_connections = options->max_connections;
    exchanges->more_connections = options->more_connections;
    exchanges->idle_bytes = options->idle_bytes;
    exchanges->clock = options->clock;
    connections_init(&exchanges->connections, exchanges);
    TAILQ_INIT(&exchanges->due);
    TAILQ_INIT(&exchanges->unread);
    uv_idle_init(options->loop, &exchanges->next_turn);
    exchanges->next_turn.data = exchanges;
    exchanges->tls_sockets = tls_sockets();
    uv_prepare_init(options->loop, &exchanges->flush);
    exchanges->flush.data = exchanges;
    exchanges->sockets->taken_ready = ready;
}

void exchanges_close(struct exchanges *exchanges)
{
    exchanges_close_all_idle(exchanges);
    buffer_clear(&exchanges->out);
}

void exchanges_free(struct exchanges *exchanges)
{
    BIO_meth_free(exchanges->tls_sockets);
    exchanges->tls_sockets = NULL;
}
