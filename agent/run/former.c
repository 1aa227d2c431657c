/* See former.h. */
#include "former.h"
#include "http/authorities.h"
#include "http/client.h"
#include "http/client_certificates.h"
#include <stdlib.h>

/** How often it is looked at whether the last call has ended. */
enum { LOOK_MS = 50, CLIENTS = 3 };

struct former_clients {
    uv_timer_t timer;
    /** Empty: none, or they are closing. */
    struct client_set clients;
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

static void list(const struct client_set *set, struct http_client *out[CLIENTS])
{
    out[0] = set->webhooks;
    out[1] = set->port;
    out[2] = set->collector;
}

static void close_clients(struct former_clients *former)
{
    struct http_client *clients[CLIENTS];
    uv_timer_stop(&former->timer);
    list(&former->clients, clients);
    former->clients = (struct client_set){0};
    for (size_t i = 0; i < CLIENTS; i++)
        if (clients[i])
            http_client_close(clients[i], client_is_closed, former);
}

static void look(uv_timer_t *timer)
{
    struct former_clients *former = timer->data;
    struct http_client *clients[CLIENTS];
    size_t active = 0;
    list(&former->clients, clients);
    for (size_t i = 0; i < CLIENTS; i++)
        active += clients[i] ? http_client_active(clients[i]) : 0;
    if (active == 0)
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
    return former->clients.webhooks;
}

void former_clients_take(struct former_clients *former, const struct client_set *set,
                         struct client_files *files)
{
    struct http_client *clients[CLIENTS];
    list(set, clients);
    for (size_t i = 0; i < CLIENTS; i++) {
        if (clients[i])
            http_client_retire(clients[i]);
        former->open += clients[i] != NULL;
    }
    former->clients = *set;
    former->files = *files;
    *files = (struct client_files){0};
    uv_timer_start(&former->timer, look, LOOK_MS, LOOK_MS);
}

void former_clients_close(struct former_clients *former, void (*closed)(void *ctx), void *ctx)
{
    former->closing = true;
    former->closed = closed;
    former->ctx = ctx;
    close_clients(former);
    if (former->open == 0)
        uv_close((uv_handle_t *)&former->timer, former_closed);
}
