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
    const char *accept, *last_event_id;
    /** It may see what is not everybody's: it came over the Unix socket, it has the token, or both ends are
     * loopback, it names no other host, and no page of another site asks. */
    bool may_see;
    /** It may change something: over the Unix socket, or with the token. */
    bool may_change;
};

enum {
    /** Who watch at a time, on one server. */
    ADMIN_STREAMS_MAX = 4
};

/** An answer without an end, in pieces. Both functions come from the loop, and must not block. */
struct admin_stream {
    /** Appends what there is to say now, if anything: a few times a second at most, and not before the piece
     * before has been handed to the system. NULL: it is no stream. */
    void (*more)(void *ctx, struct buffer *out);
    /** Called once, and then `more` no more: the watcher has gone, or found no place. */
    void (*ended)(void *ctx);
    void *ctx;
};

/** What is answered. Zero-initialised. */
struct admin_answer {
    /** 0: 404. */
    unsigned status;
    /** Lives for ever; NULL: text/plain. */
    const char *content_type;
    /** The methods that there are, for 405; lives for ever. */
    const char *allow;
    /** The Content-Security-Policy of a page; lives for ever. NULL: nothing is allowed. */
    const char *policy;
    /** Taken over. */
    struct buffer body;
    /** In the place of a body; answered with 503 where too many watch. */
    struct admin_stream stream;
};

/** Answers with a line of plain text, in the place of whatever the body had. */
void admin_answer_text(struct admin_answer *answer, unsigned status, const char *text);

struct admin_server_options {
    /** Borrowed until closed. */
    uv_loop_t *loop;
    /** Listens already, and is taken over, with success or without. */
    int fd;
    /** It is a Unix socket. */
    bool local;
    /** Borrowed until closed, or until there is another; empty: none has it. */
    struct slice token;
    /** From the loop; must not block. */
    void (*answer)(void *ctx, const struct admin_request *request, struct admin_answer *answer);
    void *ctx;
    /** How long a client may take, and how often a stream goes on; 0: ten seconds, and four times a second.
     */
    int64_t client_ms, stream_ms;
};

/** NULL with the cause in err. */
PA_MUST_USE struct admin_server *admin_server_new(const struct admin_server_options *options,
                                                  struct error *err);
/** Whoever asks from now on is let in by this token, and by no other; borrowed as the option. NULL is allowed
 * for the server. */
void admin_server_use_token(struct admin_server *server, struct slice token);
/** Ends every connection at once; the handles close on the loop, and then it is freed. NULL is allowed. */
void admin_server_close(struct admin_server *server);

/** A descriptor that listens on "host:port", "[::]:port" (both families) or ":port", not blocking; -1 with
 * the cause in err. */
PA_MUST_USE int admin_listen(const char *address, struct error *err);
/** Is it an address as admin_listen takes it? A host is an IP address or "localhost". */
PA_MUST_USE bool admin_address_is_valid(const char *address);
