/* A uv_pipe_t with a buffer each way. Frames that the other side sent before it went are still handed out. */
#include "map/link.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024 };

struct map_link {
    struct map_link_options options;
    uv_pipe_t pipe;
    uv_write_t writing;
    bool is_writing, broken;
    /** To be written; being written. */
    struct buffer out, written;
    struct buffer in;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* Writing */

bool map_link_put(struct map_link *link, uint32_t what, struct slice bytes)
{
    struct map_frame head = {(uint32_t)bytes.len, what};
    if (buffer_reserve(&link->out, sizeof head + bytes.len) != 0) {
        link->out.failed = false; /* what is in it is whole */
        return false;
    }
    buffer_append(&link->out, &head, sizeof head);
    buffer_append_slice(&link->out, bytes);
    return true;
}

static void written(uv_write_t *request, int status)
{
    struct map_link *link = request->data;
    link->is_writing = false;
    buffer_clear(&link->written);
    if (status == 0) /* else its end will be read, or it is being closed */
        map_link_flush(link);
}

void map_link_flush(struct map_link *link)
{
    if (link->is_writing || link->broken || link->out.len == 0)
        return;
    uv_buf_t bytes = uv_buf_init(link->out.ptr, (unsigned)link->out.len);
    int put = uv_try_write((uv_stream_t *)&link->pipe, &bytes, 1);
    if (put == (int)link->out.len) {
        link->out.len = 0;
        return;
    }
    size_t done = put > 0 ? (size_t)put : 0;
    link->written = link->out;
    link->out = (struct buffer){0};
    bytes = uv_buf_init(link->written.ptr + done, (unsigned)(link->written.len - done));
    link->is_writing = uv_write(&link->writing, (uv_stream_t *)&link->pipe, &bytes, 1, written) == 0;
}

/* Reading */

/** Gives every whole frame of `in` to its owner. */
static void take_frames(struct map_link *link)
{
    struct slice rest = buffer_slice(&link->in);
    struct map_frame head;
    while (!link->broken && rest.len >= sizeof head) {
        memcpy(&head, rest.ptr, sizeof head);
        if (rest.len - sizeof head < head.len)
            break;
        link->options.frame(link->options.ctx, head.what, (struct slice){rest.ptr + sizeof head, head.len});
        rest.ptr += sizeof head + head.len;
        rest.len -= sizeof head + head.len;
    }
    if (rest.len > 0 && rest.ptr != link->in.ptr)
        memmove(link->in.ptr, rest.ptr, rest.len);
    link->in.len = rest.len;
    if (rest.len == 0 && link->in.cap > (size_t)4 * READ_BYTES)
        buffer_clear(&link->in);
}

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct map_link *link = handle->data;
    (void)suggested;
    bool reserved = buffer_reserve(&link->in, READ_BYTES) == 0;
    *out = uv_buf_init(reserved ? link->in.ptr + link->in.len : NULL, reserved ? READ_BYTES : 0);
}

static void received(uv_stream_t *stream, ssize_t got, const uv_buf_t *bytes)
{
    struct map_link *link = stream->data;
    (void)bytes;
    if (got < 0) {
        link->broken = true;
        uv_read_stop(stream);
        link->options.gone(link->options.ctx, got == UV_EOF || got == UV_ECONNRESET);
        return;
    }
    link->in.len += (size_t)got;
    take_frames(link);
}

/* Life */

static void pipe_closed(uv_handle_t *handle)
{
    struct map_link *link = handle->data;
    void (*closed)(void *ctx) = link->closed;
    void *ctx = link->closed_ctx;
    buffer_clear(&link->out);
    buffer_clear(&link->written);
    buffer_clear(&link->in);
    free(link);
    closed(ctx);
}

void map_link_close(struct map_link *link, void (*closed)(void *ctx), void *ctx)
{
    link->broken = true;
    link->closed = closed;
    link->closed_ctx = ctx;
    uv_close((uv_handle_t *)&link->pipe, pipe_closed);
}

static void nothing(void *ctx)
{
    (void)ctx;
}

struct map_link *map_link_open(const struct map_link_options *options)
{
    struct map_link *link = calloc(1, sizeof *link);
    if (!link) {
        close(options->fd);
        return NULL;
    }
    link->options = *options;
    link->pipe.data = link->writing.data = link;
    uv_pipe_init(options->loop, &link->pipe, 0);
    int failed = uv_pipe_open(&link->pipe, options->fd);
    if (failed)
        close(options->fd);
    else
        failed = uv_read_start((uv_stream_t *)&link->pipe, allocate, received);
    if (!failed)
        return link;
    map_link_close(link, nothing, NULL);
    return NULL;
}
