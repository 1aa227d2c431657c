/* HTTP for whoever asks a running agent something: on its Unix socket, and on a port where one is set. One
 * request a connection, read and answered on the loop by libmicrohttpd; what is asked and answered is the
 * caller's.
 *
 * Clients may be hostile: connections, their bytes and their time are bounded, no body is read, nothing waits
 * for a client, and no answer has a header that lets another site's page read it. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include <stdbool.h>
#include <uv.h>

struct admin_server;

/** What is asked. Borrowed until `answer` returns. */
struct admin_request {
    /** "GET" (HEAD is asked as GET) or "POST". */
    const char *method;
    /** Decoded, without the query. */
    const char *path;
    /** The value of `target` in the query, decoded; NULL: there is none. */
    const char *target;
    /** "" where there is none. */
    const char *accept;
    /** It may see what is not everybody's: it came over the Unix socket, it has the token, or both ends are
     * loopback and it names no other host. */
    bool may_see;
    /** It may change something: over the Unix socket, or with the token. */
    bool may_change;
};

/** What is answered. Zero-initialised. */
struct admin_answer {
    /** 0: 404. */
    unsigned status;
    /** Lives for ever; NULL: text/plain. */
    const char *content_type;
    /** The methods that there are, for 405; lives for ever. */
    const char *allow;
    /** Taken over. */
    struct buffer body;
};

struct admin_server_options {
    /** Borrowed until closed. */
    uv_loop_t *loop;
    /** Listens already, and is taken over, with success or without. */
    int fd;
    /** It is a Unix socket. */
    bool local;
    /** Borrowed until closed; empty: none has it. */
    struct slice token;
    /** From the loop; must not block. */
    void (*answer)(void *ctx, const struct admin_request *request, struct admin_answer *answer);
    void *ctx;
    /** How long a client may take; 0: ten seconds. */
    int64_t client_ms;
};

/** NULL with the cause in err. */
PA_MUST_USE struct admin_server *admin_server_new(const struct admin_server_options *options,
                                                  struct error *err);
/** Ends every connection at once; the handles close on the loop, and then it is freed. NULL is allowed. */
void admin_server_close(struct admin_server *server);

/** A descriptor that listens on "host:port", "[::]:port" (both families) or ":port", not blocking; -1 with
 * the cause in err. */
PA_MUST_USE int admin_listen(const char *address, struct error *err);
/** Is it an address as admin_listen takes it? A host is an IP address or "localhost". */
PA_MUST_USE bool admin_address_is_valid(const char *address);
