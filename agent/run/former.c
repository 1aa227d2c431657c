/* See former.h. */
#include "former.h"
#include "http/authorities.h"
#include "http/client.h"
#include "http/client_certificates.h"
#include <stdlib.h>

/** How often it is looked at whether the last call has ended. */
enum { LOOK_MS = 50 };

struct former_clients {
    uv_timer_t timer;
    /** NULL: none, or they are closing. */
    struct http_client *webhooks, *port;
    struct client_files files;
    /** Clients that are not closed yet. */
    unsigned open;
    bool closing;
    void (*closed)(void *ctx);
    void *ctx;
};

void client_files_free(struct client_files *files)
{
    authorities_free(files->authorities);
    client_certificates_free(files->webhooks);
    client_certificates_free(files->port);
    *files = (struct client_files){0};
}

static void former_closed(uv_handle_t *handle)
{
    struct former_clients *former = handle->data;
    void (*closed)(void *) = former->closed;
    void *ctx = former->ctx;
    free(former);
    if (closed)
        closed(ctx);
}

static void client_is_closed(void *ctx)
{
    struct former_clients *former = ctx;
    if (--former->open > 0)
        return;
    client_files_free(&former->files); /* the clients borrowed them */
    if (former->closing)
        uv_close((uv_handle_t *)&former->timer, former_closed);
}

static void close_clients(struct former_clients *former)
{
    uv_timer_stop(&former->timer);
    http_client_close(former->webhooks, client_is_closed, former);
    http_client_close(former->port, client_is_closed, former);
    former->webhooks = former->port = NULL;
}

static void look(uv_timer_t *timer)
{
    struct former_clients *former = timer->data;
    if (http_client_active(former->webhooks) == 0 && http_client_active(former->port) == 0)
        close_clients(former);
}

struct former_clients *former_clients_new(uv_loop_t *loop)
{
    struct former_clients *former = calloc(1, sizeof *former);
    if (!former)
        return NULL;
    uv_timer_init(loop, &former->timer);
    former->timer.data = former;
    return former;
}

bool former_clients_there(const struct former_clients *former)
{
    return former->open > 0;
}

struct http_client *former_clients_webhooks(const struct former_clients *former)
{
    return former->webhooks;
}

void former_clients_take(struct former_clients *former, struct http_client *webhooks,
                         struct http_client *port, struct client_files *files)
{
    http_client_retire(webhooks);
    http_client_retire(port);
    former->webhooks = webhooks;
    former->port = port;
    former->files = *files;
    former->open = 2;
    *files = (struct client_files){0};
    uv_timer_start(&former->timer, look, LOOK_MS, LOOK_MS);
}

void former_clients_close(struct former_clients *former, void (*closed)(void *ctx), void *ctx)
{
    former->closing = true;
    former->closed = closed;
    former->ctx = ctx;
    if (former->webhooks)
        close_clients(former);
    if (former->open == 0)
        uv_close((uv_handle_t *)&former->timer, former_closed);
}
