/* A small HTTP/1.1 server on loopback: requests with Content-Length (what libcurl sends), keep-alive, bounded
 * sizes. For subcommands and tests. */
#include "server.h"
#include "base/buffer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

enum { HEAD_MAX = 65536, BODY_MAX = 64 << 20 };

struct connection;

struct http_exchange {
    /** NULL: the client has gone. */
    struct connection *connection;
    uv_timer_t timer;
    struct buffer answer;
};

struct connection {
    LIST_ENTRY(connection) open;
    struct http_server *server;
    uv_tcp_t tcp;
    struct buffer in;
    size_t head_len, body_len;
    /** Waiting for its answer. */
    struct http_exchange *exchange;
    char chunk[65536];
};

struct http_server {
    uv_loop_t *loop;
    uv_tcp_t listener;
    http_server_handler *handler;
    void *ctx;
    int port;
    /** Open ones. */
    LIST_HEAD(connections, connection) connections;
    bool closing;
    size_t handles;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void handle_gone(struct http_server *server)
{
    if (--server->handles > 0 || !server->closing)
        return;
    void (*closed)(void *) = server->closed;
    void *ctx = server->closed_ctx;
    free(server);
    if (closed)
        closed(ctx);
}

static void exchange_closed(uv_handle_t *handle)
{
    struct http_exchange *exchange = handle->data;
    buffer_clear(&exchange->answer);
    free(exchange);
}

static void connection_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct http_server *server = connection->server;
    buffer_clear(&connection->in);
    free(connection);
    handle_gone(server);
}

static void connection_close(struct connection *connection)
{
    if (uv_is_closing((uv_handle_t *)&connection->tcp))
        return;
    LIST_REMOVE(connection, open);
    if (connection->exchange) {
        struct http_exchange *exchange = connection->exchange;
        exchange->connection = NULL;
        if (uv_is_active((uv_handle_t *)&exchange->timer)) {
            uv_timer_stop(&exchange->timer);
            uv_close((uv_handle_t *)&exchange->timer, exchange_closed);
        }
    }
    uv_close((uv_handle_t *)&connection->tcp, connection_closed);
}

static struct slice header(struct slice head, const char *name)
{
    size_t name_len = strlen(name);
    const char *end = head.ptr + head.len;
    const char *line = memchr(head.ptr, '\n', head.len);
    while (line && ++line < end) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        size_t len = (size_t)((next ? next : end) - line);
        if (len > name_len && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0)
            return slice_trim((struct slice){line + name_len + 1, len - name_len - 1});
        line = next;
    }
    return (struct slice){NULL, 0};
}

struct slice http_exchange_header(const struct http_exchange *exchange, const char *name)
{
    const struct connection *connection = exchange->connection;
    return connection ? header((struct slice){connection->in.ptr, connection->head_len}, name)
                      : (struct slice){NULL, 0};
}

struct slice http_exchange_headers(const struct http_exchange *exchange)
{
    const struct connection *connection = exchange->connection;
    const char *head = connection ? connection->in.ptr : NULL;
    const char *line = head ? memchr(head, '\n', connection->head_len) : NULL;
    if (!line)
        return (struct slice){NULL, 0};
    size_t first = (size_t)(line - head) + 1;
    return (struct slice){head + first, connection->head_len - first - 2};
}

/** Length of the head with its blank line, or 0 while it is not whole. */
static size_t head_length(const struct buffer *in)
{
    const char *end = in->len >= 4 ? memmem(in->ptr, in->len, "\r\n\r\n", 4) : NULL;
    return end ? (size_t)(end - in->ptr) + 4 : 0;
}

static bool body_length(struct slice head, size_t *len)
{
    struct slice value = header(head, "Content-Length");
    *len = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9' || *len > BODY_MAX)
            return false;
        *len = *len * 10 + (size_t)(value.ptr[i] - '0');
    }
    return *len <= BODY_MAX && slice_is_null(header(head, "Transfer-Encoding"));
}

static void serve(struct connection *connection)
{
    struct http_exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange) {
        connection_close(connection);
        return;
    }
    exchange->connection = connection;
    uv_timer_init(connection->server->loop, &exchange->timer);
    exchange->timer.data = exchange;
    connection->exchange = exchange;
    struct slice head = {connection->in.ptr, connection->head_len};
    const char *space = memchr(head.ptr, ' ', head.len);
    const char *second = space ? memchr(space + 1, ' ', (size_t)(head.ptr + head.len - space - 1)) : NULL;
    struct http_server_request request = {
        .exchange = exchange, .body = {connection->in.ptr + connection->head_len, connection->body_len}};
    if (second) {
        request.method = (struct slice){head.ptr, (size_t)(space - head.ptr)};
        request.target = (struct slice){space + 1, (size_t)(second - space - 1)};
    }
    connection->server->handler(connection->server->ctx, exchange, &request);
}

static void connection_parse(struct connection *connection)
{
    if (connection->exchange)
        return;
    size_t head = head_length(&connection->in), body;
    if (head == 0) {
        if (connection->in.len > HEAD_MAX)
            connection_close(connection);
        return;
    }
    if (!body_length((struct slice){connection->in.ptr, head}, &body)) {
        connection_close(connection);
        return;
    }
    connection->head_len = head;
    connection->body_len = body;
    if (connection->in.len >= head + body)
        serve(connection);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct connection *connection = handle->data;
    (void)suggested;
    *buf = uv_buf_init(connection->chunk, sizeof connection->chunk);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct connection *connection = stream->data;
    if (got < 0 || connection->in.failed || connection->in.len > HEAD_MAX + BODY_MAX) {
        connection_close(connection);
        return;
    }
    buffer_append(&connection->in, buf->base, (size_t)got);
    connection_parse(connection);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_server *server = listener->data;
    struct connection *connection = status == 0 ? calloc(1, sizeof *connection) : NULL;
    if (!connection)
        return;
    connection->server = server;
    uv_tcp_init(server->loop, &connection->tcp);
    connection->tcp.data = connection;
    server->handles++;
    LIST_INSERT_HEAD(&server->connections, connection, open);
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) != 0) {
        connection_close(connection);
        return;
    }
    uv_tcp_nodelay(&connection->tcp, 1);
    uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read);
}

/* Answers */

struct sending {
    uv_write_t write;
    char *bytes;
};

static void on_sent(uv_write_t *write, int status)
{
    struct sending *sending = write->data;
    (void)status;
    free(sending->bytes);
    free(sending);
}

static void answer_now(uv_timer_t *timer)
{
    struct http_exchange *exchange = timer->data;
    struct connection *connection = exchange->connection;
    struct sending *sending = connection ? calloc(1, sizeof *sending) : NULL;
    if (sending) {
        size_t len;
        sending->bytes = buffer_take(&exchange->answer, &len);
        sending->write.data = sending;
        uv_buf_t buf = uv_buf_init(sending->bytes, (unsigned)len);
        if (uv_write(&sending->write, (uv_stream_t *)&connection->tcp, &buf, 1, on_sent) != 0)
            on_sent(&sending->write, 0);
        size_t used = connection->head_len + connection->body_len;
        memmove(connection->in.ptr, connection->in.ptr + used, connection->in.len - used);
        connection->in.len -= used;
        connection->exchange = NULL;
    }
    uv_close((uv_handle_t *)timer, exchange_closed);
    if (sending)
        connection_parse(connection);
}

void http_server_answer(struct http_exchange *exchange, int status, const char *content_type,
                        const char *extra_headers, struct slice body, int64_t delay_ms)
{
    buffer_appendf(&exchange->answer,
                   "HTTP/1.1 %d Status\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n", status,
                   content_type, body.len, extra_headers ? extra_headers : "");
    buffer_append_slice(&exchange->answer, body);
    uv_timer_start(&exchange->timer, answer_now, (uint64_t)delay_ms, 0);
}

void http_server_abort(struct http_exchange *exchange)
{
    struct connection *connection = exchange->connection;
    if (connection) {
        connection->exchange = NULL;
        connection_close(connection);
    }
    uv_close((uv_handle_t *)&exchange->timer, exchange_closed);
}

struct http_server *http_server_new(uv_loop_t *loop, int port, http_server_handler *handler, void *ctx,
                                    struct error *err)
{
    struct http_server *server = calloc(1, sizeof *server);
    struct sockaddr_in address;
    struct sockaddr_storage bound;
    int len = sizeof bound;
    if (!server) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    server->loop = loop;
    server->handler = handler;
    server->ctx = ctx;
    server->handles = 1;
    uv_tcp_init(loop, &server->listener);
    server->listener.data = server;
    uv_ip4_addr("127.0.0.1", port, &address);
    int code = uv_tcp_bind(&server->listener, (const struct sockaddr *)&address, 0);
    if (code == 0)
        code = uv_listen((uv_stream_t *)&server->listener, 511, on_connection);
    if (code == 0)
        code = uv_tcp_getsockname(&server->listener, (struct sockaddr *)&bound, &len);
    if (code != 0) {
        error_set(err, PA_ERR_IO, "cannot listen on 127.0.0.1:%d: %s", port, uv_strerror(code));
        http_server_close(server, NULL, NULL);
        return NULL;
    }
    server->port = ntohs(((struct sockaddr_in *)(void *)&bound)->sin_port);
    return server;
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

static void listener_closed(uv_handle_t *handle)
{
    handle_gone(handle->data);
}

void http_server_close(struct http_server *server, void (*closed)(void *ctx), void *ctx)
{
    server->closing = true;
    server->closed = closed;
    server->closed_ctx = ctx;
    while (!LIST_EMPTY(&server->connections))
        connection_close(LIST_FIRST(&server->connections));
    uv_close((uv_handle_t *)&server->listener, listener_closed);
}
