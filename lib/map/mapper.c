#include "map/mapper.h"
#include <stdlib.h>
#include <string.h>

enum { WINDOW_CALLS = 64, WINDOW_BYTES = 256 * 1024, READ_BYTES = 64 * 1024 };

struct map_call {
    struct map_call *next;
    struct mapper *mapper;
    uint32_t what;
    struct slice input; /* until it is sent */
    map_done *done;     /* NULL: forgotten */
    void *ctx;
    size_t sent; /* bytes; 0: not sent */
};

struct mapper {
    struct mapper_options options;
    uv_pipe_t pipe;
    uv_prepare_t flush; /* once a turn of the loop: what came together goes in one write */
    uv_write_t writing;
    bool is_writing, lost;
    struct buffer out, written; /* to be written; being written */
    struct buffer in;
    struct map_call *first, *last; /* oldest first */
    struct map_call *unsent;       /* the first of them that is not sent */
    size_t sent_calls, sent_bytes;
    unsigned handles;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void lose(struct mapper *mapper)
{
    if (mapper->lost)
        return;
    mapper->lost = true;
    uv_read_stop((uv_stream_t *)&mapper->pipe);
    uv_prepare_stop(&mapper->flush);
    mapper->options.lost(mapper->options.ctx);
}

/* Sending */

static void send_calls(struct mapper *mapper)
{
    while (mapper->unsent && mapper->sent_calls < WINDOW_CALLS &&
           (mapper->sent_bytes < WINDOW_BYTES || mapper->sent_calls == 0)) {
        struct map_call *call = mapper->unsent;
        struct map_frame head = {(uint32_t)call->input.len, call->what};
        buffer_append(&mapper->out, &head, sizeof head);
        buffer_append_slice(&mapper->out, call->input);
        call->sent = sizeof head + call->input.len;
        mapper->sent_calls++;
        mapper->sent_bytes += call->sent;
        mapper->unsent = call->next;
    }
}

static void write_out(struct mapper *mapper);

static void written(uv_write_t *request, int status)
{
    struct mapper *mapper = request->data;
    mapper->is_writing = false;
    buffer_clear(&mapper->written);
    if (status == UV_ECANCELED)
        return;
    if (status != 0)
        lose(mapper);
    else
        write_out(mapper);
}

static void write_out(struct mapper *mapper)
{
    send_calls(mapper);
    if (mapper->is_writing || mapper->lost || mapper->out.len == 0)
        return;
    if (mapper->out.failed) { /* a frame may be cut: there is no going on */
        lose(mapper);
        return;
    }
    uv_buf_t bytes = uv_buf_init(mapper->out.ptr, (unsigned)mapper->out.len);
    int put = uv_try_write((uv_stream_t *)&mapper->pipe, &bytes, 1);
    if (put < 0 && put != UV_EAGAIN) {
        lose(mapper);
        return;
    }
    if (put == (int)mapper->out.len) {
        mapper->out.len = 0;
        return;
    }
    size_t done = put > 0 ? (size_t)put : 0;
    mapper->written = mapper->out;
    mapper->out = (struct buffer){0};
    bytes = uv_buf_init(mapper->written.ptr + done, (unsigned)(mapper->written.len - done));
    mapper->is_writing = uv_write(&mapper->writing, (uv_stream_t *)&mapper->pipe, &bytes, 1, written) == 0;
    if (!mapper->is_writing)
        lose(mapper);
}

static void flush(uv_prepare_t *handle)
{
    struct mapper *mapper = handle->data;
    uv_prepare_stop(handle);
    write_out(mapper);
}

static struct map_call *start(struct mapper *mapper, uint32_t what, struct slice input, map_done *done,
                              void *ctx)
{
    struct map_call *call = input.len < UINT32_MAX ? calloc(1, sizeof *call) : NULL;
    if (!call)
        return NULL;
    *call = (struct map_call){.mapper = mapper, .what = what, .input = input, .done = done, .ctx = ctx};
    if (mapper->last)
        mapper->last->next = call;
    else
        mapper->first = call;
    mapper->last = call;
    if (!mapper->unsent)
        mapper->unsent = call;
    if (!mapper->lost)
        uv_prepare_start(&mapper->flush, flush);
    return call;
}

struct map_call *mapper_request(struct mapper *mapper, struct slice event, map_done *done, void *ctx)
{
    return start(mapper, 0, event, done, ctx);
}

struct map_call *mapper_report(struct mapper *mapper, size_t index, struct slice context, map_done *done,
                               void *ctx)
{
    return start(mapper, (uint32_t)index, context, done, ctx);
}

/** Takes a call that was not sent out of the list. */
static void unlink_call(struct mapper *mapper, struct map_call *call)
{
    struct map_call *previous = NULL, *at = mapper->first;
    while (at != call) {
        previous = at;
        at = at->next;
    }
    if (previous)
        previous->next = call->next;
    else
        mapper->first = call->next;
    if (mapper->last == call)
        mapper->last = previous;
    if (mapper->unsent == call)
        mapper->unsent = call->next;
    free(call);
}

void map_call_forget(struct map_call *call)
{
    if (call->sent > 0)
        call->done = NULL; /* its answer still comes, and counts */
    else
        unlink_call(call->mapper, call);
}

/* Receiving */

static void answered(struct mapper *mapper, uint32_t what, struct slice bytes)
{
    struct map_call *call = mapper->first;
    if (!call || call->sent == 0) { /* nobody asked */
        lose(mapper);
        return;
    }
    mapper->first = call->next;
    if (!mapper->first)
        mapper->last = NULL;
    mapper->sent_calls--;
    mapper->sent_bytes -= call->sent;
    if (call->done && what == 0) {
        call->done(call->ctx, bytes, NULL);
    } else if (call->done) {
        char *reason = slice_to_text(bytes);
        call->done(call->ctx, (struct slice){NULL, 0}, reason ? reason : "out of memory");
        free(reason);
    }
    free(call);
}

/** Gives every whole frame of `in` to its caller. */
static void take_frames(struct mapper *mapper)
{
    struct slice rest = buffer_slice(&mapper->in);
    struct map_frame head;
    while (!mapper->lost && rest.len >= sizeof head) {
        memcpy(&head, rest.ptr, sizeof head);
        if (rest.len - sizeof head < head.len)
            break;
        answered(mapper, head.what, (struct slice){rest.ptr + sizeof head, head.len});
        rest.ptr += sizeof head + head.len;
        rest.len -= sizeof head + head.len;
    }
    if (rest.len > 0 && rest.ptr != mapper->in.ptr)
        memmove(mapper->in.ptr, rest.ptr, rest.len);
    mapper->in.len = rest.len;
    if (rest.len == 0 && mapper->in.cap > (size_t)4 * READ_BYTES)
        buffer_clear(&mapper->in);
}

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct mapper *mapper = handle->data;
    (void)suggested;
    bool reserved = buffer_reserve(&mapper->in, READ_BYTES) == 0;
    *out = uv_buf_init(reserved ? mapper->in.ptr + mapper->in.len : NULL, reserved ? READ_BYTES : 0);
}

static void received(uv_stream_t *stream, ssize_t got, const uv_buf_t *bytes)
{
    struct mapper *mapper = stream->data;
    (void)bytes;
    if (got < 0) {
        lose(mapper);
        return;
    }
    mapper->in.len += (size_t)got;
    take_frames(mapper);
    if (!mapper->lost)
        write_out(mapper);
}

/* Life */

static void handle_closed(uv_handle_t *handle)
{
    struct mapper *mapper = handle->data;
    if (--mapper->handles > 0)
        return;
    buffer_clear(&mapper->out);
    buffer_clear(&mapper->written);
    buffer_clear(&mapper->in);
    while (mapper->first) {
        struct map_call *call = mapper->first;
        mapper->first = call->next;
        free(call);
    }
    void (*closed)(void *ctx) = mapper->closed;
    void *ctx = mapper->closed_ctx;
    free(mapper);
    if (closed)
        closed(ctx);
}

void mapper_close(struct mapper *mapper, void (*closed)(void *ctx), void *ctx)
{
    mapper->closed = closed;
    mapper->closed_ctx = ctx;
    mapper->lost = true;
    map_process_end(&mapper->options.process);
    uv_close((uv_handle_t *)&mapper->flush, handle_closed);
    uv_close((uv_handle_t *)&mapper->pipe, handle_closed);
}

struct mapper *mapper_new(const struct mapper_options *options)
{
    struct map_process process = options->process;
    struct mapper *mapper = calloc(1, sizeof *mapper);
    if (!mapper) {
        map_process_end(&process);
        return NULL;
    }
    mapper->options = *options;
    mapper->handles = 2;
    mapper->pipe.data = mapper->flush.data = mapper->writing.data = mapper;
    uv_prepare_init(options->loop, &mapper->flush);
    uv_pipe_init(options->loop, &mapper->pipe, 0);
    int failed = uv_pipe_open(&mapper->pipe, process.fd);
    if (!failed) {
        mapper->options.process.fd = -1; /* the loop's now */
        failed = uv_read_start((uv_stream_t *)&mapper->pipe, allocate, received);
    }
    if (failed) {
        mapper_close(mapper, NULL, NULL);
        return NULL;
    }
    return mapper;
}
