/* HTTP clients in whose place others have come, with what they trust and show. Their calls go on; when the
 * last one has ended, the clients are closed and their files given up. One set at a time. Must never end a
 * call that its owner has not given up. */
#pragma once
#include "base/must_use.h"
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct authorities;
struct client_certificates;
struct former_clients;
struct http_client;

/** What clients trust and show. All is owned; NULL: none. */
struct client_files {
    struct authorities *authorities;
    struct client_certificates *webhooks, *port;
};

/** Clients that go by the same files. NULL: there is none. */
struct client_set {
    struct http_client *webhooks, *port, *collector;
};

/** Frees them; all are NULL afterwards. */
void client_files_free(struct client_files *files);

/** `loop` is borrowed until former_clients_close's callback. NULL: out of memory. */
PA_MUST_USE struct former_clients *former_clients_new(uv_loop_t *loop);
/** Is there a set? Then another one cannot be taken yet. */
PA_MUST_USE bool former_clients_there(const struct former_clients *former);
/** Takes the clients over, of which one at least is there, and what they go by, which becomes empty. */
void former_clients_take(struct former_clients *former, const struct client_set *clients,
                         struct client_files *files);
/** The client for webhooks, while calls of the set are under way; NULL: there is none. */
PA_MUST_USE struct http_client *former_clients_webhooks(const struct former_clients *former);
/** Cancels what is still under way; `closed` (may be NULL) runs from the loop when all is gone. */
void former_clients_close(struct former_clients *former, void (*closed)(void *ctx), void *ctx);
