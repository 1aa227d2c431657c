/* See port_stub.h. */
#include "port_stub.h"
#include "base/buffer.h"

static void port_called(void *ctx, struct http_exchange *exchange, const struct http_server_request *request)
{
    struct port_stub *stub = ctx;
    bool token = slice_equal_text(request->target, "/v1/auth/access_token");
    if (!token)
        stub->told(stub->ctx, request->method, request->target, request->body);
    http_server_answer(exchange, 200, "application/json", NULL,
                       token ? SLICE_LITERAL("{\"ok\":true,\"accessToken\":\"none\",\"expiresIn\":10800,"
                                             "\"tokenType\":\"Bearer\"}")
                             : SLICE_LITERAL("{\"ok\":true}"),
                       0);
}

int port_stub_open(struct port_stub *stub, uv_loop_t *loop, struct error *err)
{
    stub->server = http_server_new(loop, 0, port_called, stub, err);
    return stub->server ? 0 : err->kind;
}

char *port_stub_url(const struct port_stub *stub)
{
    struct buffer url = {0};
    size_t len;
    buffer_appendf(&url, "http://127.0.0.1:%d", http_server_port(stub->server));
    return buffer_take(&url, &len);
}

void port_stub_close(struct port_stub *stub)
{
    if (stub->server)
        http_server_close(stub->server, NULL, NULL);
    stub->server = NULL;
}
