/* See stream.h.
 *
 *     a piece on its way ──handed over──▶ suspended ──the next piece──▶ a piece on its way
 */
#include "admin/stream.h"
#include <string.h>
#include <sys/socket.h>

static void reset_deadline(const struct stream_place *place)
{
    *place->deadline_ms = uv_now(place->streams->loop) + place->streams->patient_ms;
}

static void next_piece(struct stream_place *place)
{
    place->piece.len = place->sent = 0;
    place->stream.more(place->stream.ctx, &place->piece);
    place->over = place->piece.failed;
}

/** Called by MHD while the socket can be written. */
static ssize_t read_piece(void *ctx, uint64_t position, char *out, size_t size)
{
    struct stream_place *place = ctx;
    size_t left = place->piece.len - place->sent;
    (void)position;
    if (place->over)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (left == 0) {
        MHD_suspend_connection(place->connection);
        place->suspended = true;
        *place->deadline_ms = UINT64_MAX;
        return 0;
    }
    left = left < size ? left : size;
    memcpy(out, place->piece.ptr + place->sent, left);
    place->sent += left;
    reset_deadline(place);
    return (ssize_t)left;
}

static void watcher_left(void *ctx)
{
    struct stream_place *place = ctx;
    place->stream.ended(place->stream.ctx);
    buffer_clear(&place->piece);
    place->connection = NULL;
}

/** Otherwise the system would hold megabytes of what is no longer news. */
static void bound_socket(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const int bytes = STREAM_SOCKET_BYTES;
    if (info) /* a failure leaves the system's own bound */
        (void)!setsockopt(info->connect_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

struct MHD_Response *streams_begin(struct streams *streams, struct MHD_Connection *connection,
                                   const struct admin_stream *stream, uint64_t *deadline_ms)
{
    struct MHD_Response *response = NULL;
    size_t at = 0;
    while (at < ADMIN_STREAMS_MAX && streams->places[at].connection)
        at++;
    if (at < ADMIN_STREAMS_MAX)
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_piece, &streams->places[at],
                                                     watcher_left);
    if (!response) {
        stream->ended(stream->ctx);
        return NULL;
    }
    struct stream_place *place = &streams->places[at];
    *place = (struct stream_place){
        .streams = streams, .connection = connection, .stream = *stream, .deadline_ms = deadline_ms};
    bound_socket(connection);
    reset_deadline(place);
    next_piece(place);
    return response;
}

static void resume(struct stream_place *place)
{
    place->suspended = false;
    reset_deadline(place);
    MHD_resume_connection(place->connection);
}

bool streams_go_on(struct streams *streams)
{
    bool watched = false;
    for (size_t i = 0; i < ADMIN_STREAMS_MAX; i++) {
        struct stream_place *place = &streams->places[i];
        watched |= place->connection != NULL;
        if (!place->connection || !place->suspended)
            continue;
        next_piece(place);
        if (place->over || place->piece.len > 0)
            resume(place);
    }
    return watched;
}

void streams_release(struct streams *streams)
{
    for (size_t i = 0; i < ADMIN_STREAMS_MAX; i++)
        if (streams->places[i].connection && streams->places[i].suspended)
            resume(&streams->places[i]);
}
