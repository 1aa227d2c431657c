/* For each evaluator a queue of calls, a bounded part of which is with it, and its life. A call that the
 * quick evaluator died of is queued for the patient one; one that the patient evaluator died of fails; the
 * calls behind it are sent to the next evaluator. */
#include "map/mapper.h"
#include "map/link.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { WINDOW_CALLS = 64, WINDOW_BYTES = 256 * 1024, PAUSE_MS = 100 };
/* Evaluators in a row without an answer: after so many it is told; each pause is twice the one before it, up
 * to so many times. */
enum { BARREN_TOLD = 3, BARREN_DOUBLINGS = 6 };

struct worker;

struct map_call {
    struct map_call *next;
    struct worker *worker;
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

/** One evaluator after another, of one kind, and the calls for them. */
struct worker {
    struct mapper *mapper;
    enum map_evaluator which;
    enum evaluator_state evaluator;
    /** While RUNNING or TOLD. */
    struct map_link *link;
    /** Valid in the state TOLD. */
    struct map_end end;
    /** The wait after which what failed for lack of memory or files is tried again. */
    uv_timer_t pause;
    /** Oldest first. */
    struct map_call *first, *last;
    /** The first of them that is not sent. */
    struct map_call *unsent;
    size_t sent_calls, sent_bytes;
    /** The present evaluator has. */
    bool has_answered;
    /** Evaluators in a row that ended without an answer, for no mapping's reason. */
    unsigned barren;
};

struct mapper {
    struct mapper_options options;
    /** Once a turn of the loop: what came together goes in one write. */
    uv_prepare_t flush;
    uv_poll_t control;
    /** By enum map_evaluator. */
    struct worker workers[MAP_EVALUATORS];
    bool lost;
    unsigned handles;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void pump(struct worker *worker);
static void flush(uv_prepare_t *handle);

static void lose(struct mapper *mapper)
{
    if (mapper->lost)
        return;
    mapper->lost = true;
    uv_prepare_stop(&mapper->flush);
    for (int which = 0; which < MAP_EVALUATORS; which++)
        uv_timer_stop(&mapper->workers[which].pause);
    uv_poll_stop(&mapper->control);
    mapper->options.lost(mapper->options.ctx);
}

static void flush_soon(struct mapper *mapper)
{
    if (!mapper->lost)
        uv_prepare_start(&mapper->flush, flush);
}

/* Answers */

/** Takes a call out of the list, which `previous` is before; NULL: it is the first. */
static void unlink_call(struct worker *worker, struct map_call *previous, struct map_call *call)
{
    if (previous)
        previous->next = call->next;
    else
        worker->first = call->next;
    if (worker->last == call)
        worker->last = previous;
    if (worker->unsent == call)
        worker->unsent = call->next;
    if (call->sent > 0) {
        worker->sent_calls--;
        worker->sent_bytes -= call->sent;
    }
}

static void queue_call(struct worker *worker, struct map_call *call)
{
    call->worker = worker;
    call->next = NULL;
    call->sent = 0;
    if (worker->last)
        worker->last->next = call;
    else
        worker->first = call;
    worker->last = call;
    if (!worker->unsent)
        worker->unsent = call;
    flush_soon(worker->mapper);
}

/** Ends the oldest call; `failure` is null where there are fields. */
static void answer_first(struct worker *worker, struct slice fields, struct slice failure)
{
    struct map_call *call = worker->first;
    unlink_call(worker, NULL, call);
    if (call->done && slice_is_null(failure)) {
        call->done(call->ctx, fields, NULL);
    } else if (call->done) {
        char *reason = slice_to_text(failure);
        call->done(call->ctx, (struct slice){NULL, 0}, reason ? reason : "out of memory");
        free(reason);
    }
    free(call);
}

/** The oldest call needs more time or memory than this evaluator has. */
static void exceed_first(struct worker *worker, struct slice reason)
{
    struct map_call *call = worker->first;
    if (worker->which == MAP_PATIENT || !call->done) {
        answer_first(worker, (struct slice){NULL, 0}, reason);
        return;
    }
    unlink_call(worker, NULL, call);
    queue_call(&worker->mapper->workers[MAP_PATIENT], call);
}

static void pause_over(uv_timer_t *timer)
{
    pump(timer->data);
}

static void pause_a_little(struct worker *worker)
{
    unsigned doublings = worker->barren < BARREN_DOUBLINGS ? worker->barren : BARREN_DOUBLINGS;
    if (!worker->mapper->lost)
        uv_timer_start(&worker->pause, pause_over, (uint64_t)PAUSE_MS << doublings, 0);
}

/* Evaluators */

/** What was sent and not answered is to be sent again; what nobody waits for any more is not. */
static void take_back(struct worker *worker)
{
    struct map_call *previous = NULL, *next;
    for (struct map_call *call = worker->first; call; call = next) {
        next = call->next;
        if (call->done) {
            call->sent = 0;
            previous = call;
        } else {
            unlink_call(worker, previous, call);
            free(call);
        }
    }
    worker->sent_calls = worker->sent_bytes = 0;
    worker->unsent = worker->first;
}

static void tell_barren(struct worker *worker, const char *reason)
{
    const struct mapper_options *options = &worker->mapper->options;
    if (worker->barren >= BARREN_TOLD && options->barren)
        options->barren(options->ctx, reason);
}

/** The evaluator has answered, or a mapping was its end: there are evaluators. */
static void is_fertile(struct worker *worker)
{
    tell_barren(worker, NULL);
    worker->barren = 0;
}

/** The evaluator is gone without an answer, and no mapping was the cause. */
static void is_barren(struct worker *worker, const struct map_end *end)
{
    static const char killed[] =
        "another process kills them: give the agent more memory, or lower MAPPING_MAX_MEMORY";
    worker->barren++;
    tell_barren(worker, end->how == MAP_END_KILLED    ? killed
                        : end->how == MAP_END_RETIRED ? "they end by themselves"
                                                      : end->reason);
}

/** The evaluator has ended, and what it wrote has been read: so it was at the oldest call. */
static void conclude(struct worker *worker)
{
    struct map_end end = worker->end;
    bool at_call = worker->first && worker->first->sent > 0;
    bool killed = at_call && end.how == MAP_END_KILLED;
    worker->evaluator = NONE;
    if (at_call && end.how == MAP_END_BOUND)
        exceed_first(worker, slice_of(end.reason));
    else if ((at_call && end.how == MAP_END_FAILED) || (killed && worker->first->bereaved))
        answer_first(worker, (struct slice){NULL, 0}, slice_of(end.reason));
    else if (killed)
        worker->first->bereaved = true;
    take_back(worker);
    if (end.how == MAP_END_BOUND || end.how == MAP_END_FAILED)
        is_fertile(worker);
    else if (!worker->has_answered && (at_call || end.how == MAP_END_UNFIT))
        is_barren(worker, &end);
    if (worker->barren > 0 || end.how == MAP_END_KILLED || end.how == MAP_END_UNFIT)
        pause_a_little(worker); /* whatever kills may not be through yet */
    else
        pump(worker);
}

static void frame_came(void *ctx, uint32_t what, struct slice bytes)
{
    struct worker *worker = ctx;
    if (!worker->first || worker->first->sent == 0) { /* nobody asked */
        lose(worker->mapper);
        return;
    }
    worker->has_answered = true;
    is_fertile(worker);
    if (what == 0)
        answer_first(worker, bytes, (struct slice){NULL, 0});
    else
        exceed_first(worker, bytes);
    if (worker->unsent)
        flush_soon(worker->mapper);
}

static void mapper_handle_closed(struct mapper *mapper);

static void link_closed(void *ctx)
{
    mapper_handle_closed(ctx);
}

static void link_gone(void *ctx, bool by_itself)
{
    struct worker *worker = ctx;
    bool is_told = worker->evaluator == TOLD;
    if (!by_itself)
        pause_a_little(worker);
    map_link_close(worker->link, link_closed, worker->mapper);
    worker->link = NULL;
    worker->evaluator = GONE;
    if (is_told && !worker->mapper->lost)
        conclude(worker);
}

static void told(uv_poll_t *handle, int status, int events)
{
    struct mapper *mapper = handle->data;
    struct map_end end;
    (void)events;
    ssize_t got = status < 0 ? 0 : recv(mapper->options.process.fd, &end, sizeof end, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    struct worker *worker = got == (ssize_t)sizeof end && (unsigned)end.which < (unsigned)MAP_EVALUATORS
                                ? &mapper->workers[end.which]
                                : NULL;
    if (!worker || (worker->evaluator != RUNNING && worker->evaluator != GONE)) {
        lose(mapper);
        return;
    }
    end.reason[sizeof end.reason - 1] = '\0';
    worker->end = end;
    if (worker->evaluator == GONE)
        conclude(worker);
    else
        worker->evaluator = TOLD;
}

/** False: not now. */
static bool ask_for_evaluator(struct worker *worker)
{
    struct mapper *mapper = worker->mapper;
    struct map_link_options options = {
        .loop = mapper->options.loop, .frame = frame_came, .gone = link_gone, .ctx = worker};
    if (map_process_evaluator(&mapper->options.process, worker->which, &options.fd) != 0)
        return false;
    worker->has_answered = false;
    worker->link = map_link_open(&options);
    mapper->handles += worker->link != NULL;
    worker->evaluator = worker->link ? RUNNING : GONE; /* one without a socket ends at once */
    return worker->link != NULL;
}

/* Sending */

static void send_calls(struct worker *worker)
{
    while (worker->unsent && worker->sent_calls < WINDOW_CALLS &&
           (worker->sent_bytes < WINDOW_BYTES || worker->sent_calls == 0)) {
        struct map_call *call = worker->unsent;
        if (!map_link_put(worker->link, call->what, call->input)) {
            pause_a_little(worker);
            break;
        }
        call->sent = sizeof(struct map_frame) + call->input.len;
        worker->sent_calls++;
        worker->sent_bytes += call->sent;
        worker->unsent = call->next;
    }
    map_link_flush(worker->link);
}

/** Sends what may be sent, to an evaluator that is made for it if need be. */
static void pump(struct worker *worker)
{
    if (worker->mapper->lost || !worker->unsent || uv_is_active((uv_handle_t *)&worker->pause))
        return;
    if (worker->evaluator == NONE && !ask_for_evaluator(worker))
        pause_a_little(worker);
    else if (worker->evaluator == RUNNING)
        send_calls(worker);
}

static void flush(uv_prepare_t *handle)
{
    struct mapper *mapper = handle->data;
    uv_prepare_stop(handle);
    for (int which = 0; which < MAP_EVALUATORS; which++)
        pump(&mapper->workers[which]);
}

static struct map_call *start(struct mapper *mapper, uint32_t what, struct slice input, map_done *done,
                              void *ctx)
{
    struct map_call *call = input.len < UINT32_MAX ? calloc(1, sizeof *call) : NULL;
    if (!call)
        return NULL;
    *call = (struct map_call){.what = what, .input = input, .done = done, .ctx = ctx};
    queue_call(&mapper->workers[MAP_QUICK], call);
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
    for (struct map_call *at = call->worker->first; at != call; at = at->next)
        previous = at;
    unlink_call(call->worker, previous, call);
    free(call);
}

/* Life */

static void mapper_handle_closed(struct mapper *mapper)
{
    if (--mapper->handles > 0)
        return;
    for (int which = 0; which < MAP_EVALUATORS; which++) {
        struct map_call *next;
        for (struct map_call *call = mapper->workers[which].first; call; call = next) {
            next = call->next;
            free(call);
        }
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

static void pause_closed(uv_handle_t *handle)
{
    mapper_handle_closed(((struct worker *)handle->data)->mapper);
}

void mapper_close(struct mapper *mapper, void (*closed)(void *ctx), void *ctx)
{
    mapper->closed = closed;
    mapper->closed_ctx = ctx;
    mapper->lost = true;
    uv_close((uv_handle_t *)&mapper->flush, uv_handle_closed);
    uv_close((uv_handle_t *)&mapper->control, uv_handle_closed);
    for (int which = 0; which < MAP_EVALUATORS; which++) {
        struct worker *worker = &mapper->workers[which];
        uv_close((uv_handle_t *)&worker->pause, pause_closed);
        if (worker->link)
            map_link_close(worker->link, link_closed, mapper);
        worker->link = NULL;
    }
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
    mapper->handles = 2 + MAP_EVALUATORS;
    mapper->flush.data = mapper->control.data = mapper;
    uv_prepare_init(options->loop, &mapper->flush);
    for (int which = 0; which < MAP_EVALUATORS; which++) {
        struct worker *worker = &mapper->workers[which];
        worker->mapper = mapper;
        worker->which = (enum map_evaluator)which;
        worker->pause.data = worker;
        uv_timer_init(options->loop, &worker->pause);
    }
    if (uv_poll_start(&mapper->control, UV_READABLE, told) == 0)
        return mapper;
    mapper_close(mapper, NULL, NULL);
    return NULL;
}
