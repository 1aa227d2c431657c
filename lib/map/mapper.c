/* The queue of calls, a bounded part of which is with the evaluator, and the evaluator's life. A call that an
 * evaluator died of fails; the calls behind it are sent to the next evaluator. */
#include "map/mapper.h"
#include "map/link.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { WINDOW_CALLS = 64, WINDOW_BYTES = 256 * 1024, PAUSE_MS = 100 };

struct map_call {
    struct map_call *next;
    struct mapper *mapper;
    uint32_t what;
    /** Until it is answered or forgotten: another evaluator may need it. */
    struct slice input;
    /** NULL: the call was forgotten. */
    map_done *done;
    void *ctx;
    /** Bytes; 0: not sent. */
    size_t sent;
    /** An evaluator was killed over it. */
    bool bereaved;
};

/* An evaluator's life: asked for when there is something to evaluate; its socket ends, and the process tells
 * how it ended, in either order; then the next one may be asked for.
 *
 *     NONE ──asked for──▶ RUNNING ──socket's end──▶ GONE ──told──▶ NONE
 *                            └───────told──────────▶ TOLD ──socket's end──▶ NONE
 */
enum evaluator_state { NONE, RUNNING, GONE, TOLD };

struct mapper {
    struct mapper_options options;
    /** Once a turn of the loop: what came together goes in one write. */
    uv_prepare_t flush;
    /** The wait after which what failed for lack of memory or files is tried again. */
    uv_timer_t pause;
    uv_poll_t control;
    enum evaluator_state evaluator;
    /** While RUNNING or TOLD. */
    struct map_link *link;
    /** Valid in the state TOLD. */
    struct map_end end;
    bool lost;
    /** Oldest first. */
    struct map_call *first, *last;
    /** The first of them that is not sent. */
    struct map_call *unsent;
    size_t sent_calls, sent_bytes;
    unsigned handles;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void pump(struct mapper *mapper);
static void flush(uv_prepare_t *handle);

static void lose(struct mapper *mapper)
{
    if (mapper->lost)
        return;
    mapper->lost = true;
    uv_prepare_stop(&mapper->flush);
    uv_timer_stop(&mapper->pause);
    uv_poll_stop(&mapper->control);
    mapper->options.lost(mapper->options.ctx);
}

/* Answers */

/** Takes a call out of the list, which `previous` is before; NULL: it is the first. */
static void unlink_call(struct mapper *mapper, struct map_call *previous, struct map_call *call)
{
    if (previous)
        previous->next = call->next;
    else
        mapper->first = call->next;
    if (mapper->last == call)
        mapper->last = previous;
    if (mapper->unsent == call)
        mapper->unsent = call->next;
    if (call->sent > 0) {
        mapper->sent_calls--;
        mapper->sent_bytes -= call->sent;
    }
}

/** Ends the oldest call; `failure` is null where there are fields. */
static void answer_first(struct mapper *mapper, struct slice fields, struct slice failure)
{
    struct map_call *call = mapper->first;
    unlink_call(mapper, NULL, call);
    if (call->done && slice_is_null(failure)) {
        call->done(call->ctx, fields, NULL);
    } else if (call->done) {
        char *reason = slice_to_text(failure);
        call->done(call->ctx, (struct slice){NULL, 0}, reason ? reason : "out of memory");
        free(reason);
    }
    free(call);
}

static void pause_over(uv_timer_t *timer)
{
    pump(timer->data);
}

static void pause_a_little(struct mapper *mapper)
{
    if (!mapper->lost)
        uv_timer_start(&mapper->pause, pause_over, PAUSE_MS, 0);
}

/* Evaluators */

/** What was sent and not answered is to be sent again; what nobody waits for any more is not. */
static void take_back(struct mapper *mapper)
{
    struct map_call *previous = NULL, *next;
    for (struct map_call *call = mapper->first; call; call = next) {
        next = call->next;
        if (call->done) {
            call->sent = 0;
            previous = call;
        } else {
            unlink_call(mapper, previous, call);
            free(call);
        }
    }
    mapper->sent_calls = mapper->sent_bytes = 0;
    mapper->unsent = mapper->first;
}

/** The evaluator has ended, and what it wrote has been read: so it was at the oldest call. */
static void conclude(struct mapper *mapper)
{
    struct map_end end = mapper->end;
    bool at_call = mapper->first && mapper->first->sent > 0;
    bool failed =
        at_call && (end.how == MAP_END_FAILED || (end.how == MAP_END_KILLED && mapper->first->bereaved));
    mapper->evaluator = NONE;
    if (failed)
        answer_first(mapper, (struct slice){NULL, 0}, slice_of(end.reason));
    else if (at_call)
        mapper->first->bereaved |= end.how == MAP_END_KILLED;
    take_back(mapper);
    if (end.how == MAP_END_KILLED)
        pause_a_little(mapper); /* whatever kills may not be through yet */
    else
        pump(mapper);
}

static void frame_came(void *ctx, uint32_t what, struct slice bytes)
{
    struct mapper *mapper = ctx;
    if (!mapper->first || mapper->first->sent == 0) { /* nobody asked */
        lose(mapper);
        return;
    }
    answer_first(mapper, bytes, what == 0 ? (struct slice){NULL, 0} : bytes);
    if (mapper->unsent && !mapper->lost)
        uv_prepare_start(&mapper->flush, flush);
}

static void mapper_handle_closed(struct mapper *mapper);

static void link_closed(void *ctx)
{
    mapper_handle_closed(ctx);
}

static void link_gone(void *ctx, bool by_itself)
{
    struct mapper *mapper = ctx;
    bool mapper_told = mapper->evaluator == TOLD;
    if (!by_itself)
        pause_a_little(mapper);
    map_link_close(mapper->link, link_closed, mapper);
    mapper->link = NULL;
    mapper->evaluator = GONE;
    if (mapper_told && !mapper->lost)
        conclude(mapper);
}

static void told(uv_poll_t *handle, int status, int events)
{
    struct mapper *mapper = handle->data;
    (void)events;
    ssize_t got =
        status < 0 ? 0 : recv(mapper->options.process.fd, &mapper->end, sizeof mapper->end, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got != (ssize_t)sizeof mapper->end || (mapper->evaluator != RUNNING && mapper->evaluator != GONE)) {
        lose(mapper);
        return;
    }
    mapper->end.reason[sizeof mapper->end.reason - 1] = '\0';
    if (mapper->evaluator == GONE)
        conclude(mapper);
    else
        mapper->evaluator = TOLD;
}

/** False: not now. */
static bool ask_for_evaluator(struct mapper *mapper)
{
    struct map_link_options options = {
        .loop = mapper->options.loop, .frame = frame_came, .gone = link_gone, .ctx = mapper};
    if (map_process_evaluator(&mapper->options.process, &options.fd) != 0)
        return false;
    mapper->link = map_link_open(&options);
    mapper->handles += mapper->link != NULL;
    mapper->evaluator = mapper->link ? RUNNING : GONE; /* one without a socket ends at once */
    return mapper->link != NULL;
}

/* Sending */

static void send_calls(struct mapper *mapper)
{
    while (mapper->unsent && mapper->sent_calls < WINDOW_CALLS &&
           (mapper->sent_bytes < WINDOW_BYTES || mapper->sent_calls == 0)) {
        struct map_call *call = mapper->unsent;
        if (!map_link_put(mapper->link, call->what, call->input)) {
            pause_a_little(mapper);
            break;
        }
        call->sent = sizeof(struct map_frame) + call->input.len;
        mapper->sent_calls++;
        mapper->sent_bytes += call->sent;
        mapper->unsent = call->next;
    }
    map_link_flush(mapper->link);
}

/** Sends what may be sent, to an evaluator that is made for it if need be. */
static void pump(struct mapper *mapper)
{
    if (mapper->lost || !mapper->unsent || uv_is_active((uv_handle_t *)&mapper->pause))
        return;
    if (mapper->evaluator == NONE && !ask_for_evaluator(mapper))
        pause_a_little(mapper);
    else if (mapper->evaluator == RUNNING)
        send_calls(mapper);
}

static void flush(uv_prepare_t *handle)
{
    uv_prepare_stop(handle);
    pump(handle->data);
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

void map_call_forget(struct map_call *call)
{
    struct map_call *previous = NULL;
    call->done = NULL;
    if (call->sent > 0) /* its answer still comes, and counts */
        return;
    for (struct map_call *at = call->mapper->first; at != call; at = at->next)
        previous = at;
    unlink_call(call->mapper, previous, call);
    free(call);
}

/* Life */

static void mapper_handle_closed(struct mapper *mapper)
{
    if (--mapper->handles > 0)
        return;
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

static void uv_handle_closed(uv_handle_t *handle)
{
    mapper_handle_closed(handle->data);
}

void mapper_close(struct mapper *mapper, void (*closed)(void *ctx), void *ctx)
{
    mapper->closed = closed;
    mapper->closed_ctx = ctx;
    mapper->lost = true;
    uv_close((uv_handle_t *)&mapper->flush, uv_handle_closed);
    uv_close((uv_handle_t *)&mapper->pause, uv_handle_closed);
    uv_close((uv_handle_t *)&mapper->control, uv_handle_closed);
    if (mapper->link)
        map_link_close(mapper->link, link_closed, mapper);
    mapper->link = NULL;
    map_process_end(&mapper->options.process);
}

struct mapper *mapper_new(const struct mapper_options *options)
{
    struct map_process process = options->process;
    struct mapper *mapper = calloc(1, sizeof *mapper);
    if (!mapper || uv_poll_init(options->loop, &mapper->control, process.fd) != 0) {
        map_process_end(&process);
        free(mapper);
        return NULL;
    }
    mapper->options = *options;
    mapper->handles = 3;
    mapper->flush.data = mapper->pause.data = mapper->control.data = mapper;
    uv_prepare_init(options->loop, &mapper->flush);
    uv_timer_init(options->loop, &mapper->pause);
    if (uv_poll_start(&mapper->control, UV_READABLE, told) == 0)
        return mapper;
    mapper_close(mapper, NULL, NULL);
    return NULL;
}
