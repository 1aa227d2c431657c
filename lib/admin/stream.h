/* Answers without an end: somebody watches. Used by server.c alone. A watcher's next piece is asked for when
 * the one before has been handed to the system, a few times a second; between pieces its connection is
 * suspended. So whoever reads slowly is asked for less, and holds no more than one piece; whoever does not
 * read at all is cut off. Must never wait for a watcher. */
#pragma once
#include "admin/server.h"
#include <microhttpd.h>

enum {
    /** What the system holds of one; it doubles that. */
    STREAM_SOCKET_BYTES = 32768
};

/** A place for a watcher. */
struct stream_place {
    struct streams *streams;
    /** NULL: the place is free. */
    struct MHD_Connection *connection;
    struct admin_stream stream;
    /** The piece that is on its way, and how much of that is handed over. */
    struct buffer piece;
    size_t sent;
    bool suspended;
    /** Out of memory: it ends. */
    bool over;
    /** Its connection's, by the loop's time. */
    uint64_t *deadline_ms;
};

struct streams {
    /** Borrowed. */
    uv_loop_t *loop;
    /** How long a watcher may take to read what was sent. */
    uint64_t patient_ms;
    struct stream_place places[ADMIN_STREAMS_MAX];
};

/** The response for a connection whose deadline is there (borrowed while it lives). NULL: every place is
 * taken, or out of memory; `ended` has been called then. */
PA_MUST_USE struct MHD_Response *streams_begin(struct streams *streams, struct MHD_Connection *connection,
                                               const struct admin_stream *stream, uint64_t *deadline_ms);
/** Asks for the next pieces; false: nobody watches. */
PA_MUST_USE bool streams_go_on(struct streams *streams);
/** Before the daemon is stopped: it may have no suspended connections then. */
void streams_release(struct streams *streams);
