/* For each evaluator a queue of calls, a bounded part of which is with it, and its life. A call that the
 * quick evaluator died of is queued for the patient one; one that the patient evaluator died of fails; the
 * calls behind it are sent to the next evaluator. A call whose mapping ran out of time lately waits behind
 * the others of its evaluator. */
#include "map/mapper_internal.h"
#include "map/pace.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { WINDOW_CALLS = 64, WINDOW_BYTES = 256 * 1024, PAUSE_MS = 100 };
/* Evaluators in a row without an answer: after so many it is told; each pause is twice the one before it, up
 * to so many times. */
enum { BARREN_TOLD = 3, BARREN_DOUBLINGS = 6 };
/* One that waits behind the others has its turn after so many of them. */
static const unsigned TURN_AFTER[] = {[MAP_QUICK] = 1000, [MAP_PATIENT] = 8};

/* Which mapping is slow */

static uint64_t failing_bit(uint32_t mapping)
{
    return mapping > 0 ? UINT64_C(1) << (mapping - 1) % PACE_MAPPINGS : 0;
}

/** How its mapping did with this evaluator. */
static void learn(struct worker *worker, uint32_t mapping, bool ran_out)
{
    if (ran_out)
        worker->failing |= failing_bit(mapping);
    else
        worker->failing &= ~failing_bit(mapping);
}

/* Answers */

void worker_unlink(struct worker *worker, struct map_call *previous, struct map_call *call)
{
    if (previous)
        previous->next = call->next;
    else
        worker->first = call->next;
    if (worker->last == call)
        worker->last = previous;
    if (worker->front == call)
        worker->front = previous;
    if (worker->unsent == call)
        worker->unsent = call->next;
    if (call->sent > 0) {
        worker->sent_calls--;
        worker->sent_bytes -= call->sent;
    }
}

/** Behind `previous`; NULL: first. */
static void link_call(struct worker *worker, struct map_call *previous, struct map_call *call)
{
    call->next = previous ? previous->next : worker->first;
    if (previous)
        previous->next = call;
    else
        worker->first = call;
    if (worker->last == previous)
        worker->last = call;
    if (!worker->unsent || worker->unsent == call->next)
        worker->unsent = call;
}

static void queue_call(struct worker *worker, struct map_call *call, bool deferred)
{
    call->worker = worker;
    call->sent = 0;
    call->deferred = deferred;
    link_call(worker, deferred ? worker->last : worker->front, call);
    if (!deferred)
        worker->front = call;
    mapper_flush_soon(worker->generation->mapper);
}

void worker_queue(struct worker *worker, struct map_call *call)
{
    queue_call(worker, call, false);
}

void worker_answer_first(struct worker *worker, struct slice fields, struct slice failure)
{
    struct map_call *call = worker->first;
    worker_unlink(worker, NULL, call);
    if (call->done && slice_is_null(failure)) {
        call->done(call->ctx, fields, NULL);
    } else if (call->done) {
        char *reason = slice_to_text(failure);
        call->done(call->ctx, (struct slice){NULL, 0}, reason ? reason : "out of memory");
        free(reason);
    }
    free(call);
    if (worker->generation != worker->generation->mapper->present)
        mapper_flush_soon(worker->generation->mapper); /* it may have been the last */
}

/** The oldest call needs more time or memory than this evaluator has. */
static void exceed_first(struct worker *worker, struct slice reason)
{
    struct map_call *call = worker->first;
    if (worker->which == MAP_PATIENT || !call->done) {
        worker_answer_first(worker, (struct slice){NULL, 0}, reason);
        return;
    }
    worker_unlink(worker, NULL, call);
    worker_queue(&worker->generation->workers[MAP_PATIENT], call);
}

/** The oldest call's mapping ran out of time lately, and the evaluator has not begun it. */
static void defer_first(struct worker *worker, struct slice mapping)
{
    struct map_call *call = worker->first;
    if (mapping.len == sizeof call->mapping)
        memcpy(&call->mapping, mapping.ptr, mapping.len);
    worker_unlink(worker, NULL, call);
    if (call->done)
        queue_call(worker, call, true);
    else
        free(call);
}

static void pause_over(uv_timer_t *timer)
{
    worker_pump(timer->data);
}

static void pause_a_little(struct worker *worker)
{
    unsigned doublings = worker->barren < BARREN_DOUBLINGS ? worker->barren : BARREN_DOUBLINGS;
    if (!map_generation_is_lost(worker->generation))
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
            worker_unlink(worker, previous, call);
            free(call);
        }
    }
    worker->sent_calls = worker->sent_bytes = 0;
    worker->unsent = worker->first;
}

static void tell_barren(struct worker *worker, const char *reason)
{
    const struct mapper_options *options = &worker->generation->mapper->options;
    if (worker->barren >= BARREN_TOLD && options->barren)
        options->barren(options->ctx, reason);
}

void worker_forget_barren(struct worker *worker)
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
    if (at_call && end.mapping > 0) {
        worker->first->mapping = end.mapping;
        learn(worker, end.mapping, true);
    }
    if (at_call && end.how == MAP_END_BOUND)
        exceed_first(worker, slice_of(end.reason));
    else if ((at_call && end.how == MAP_END_FAILED) || (killed && worker->first->bereaved))
        worker_answer_first(worker, (struct slice){NULL, 0}, slice_of(end.reason));
    else if (killed)
        worker->first->bereaved = true;
    take_back(worker);
    if (end.how == MAP_END_BOUND || end.how == MAP_END_FAILED)
        worker_forget_barren(worker);
    else if (!worker->has_answered && (at_call || end.how == MAP_END_UNFIT))
        is_barren(worker, &end);
    if (worker->barren > 0 || end.how == MAP_END_KILLED || end.how == MAP_END_UNFIT)
        pause_a_little(worker); /* whatever kills may not be through yet */
    else
        worker_pump(worker);
    if (!worker->first && worker->generation != worker->generation->mapper->present)
        mapper_flush_soon(worker->generation->mapper);
}

static void frame_came(void *ctx, uint32_t what, struct slice bytes)
{
    struct worker *worker = ctx;
    if (!worker->first || worker->first->sent == 0) { /* nobody asked */
        map_generation_lose(worker->generation);
        return;
    }
    worker->has_answered = true;
    worker_forget_barren(worker);
    if (what == 0) {
        learn(worker, worker->first->mapping, false);
        worker_answer_first(worker, bytes, (struct slice){NULL, 0});
    } else if (what == 2)
        defer_first(worker, bytes);
    else
        exceed_first(worker, bytes);
    if (worker->unsent)
        mapper_flush_soon(worker->generation->mapper);
}

void worker_link_closed(void *ctx)
{
    map_generation_handle_closed(ctx);
}

static void link_gone(void *ctx, bool by_itself)
{
    struct worker *worker = ctx;
    bool is_told = worker->evaluator == TOLD;
    if (!by_itself)
        pause_a_little(worker);
    map_link_close(worker->link, worker_link_closed, worker->generation);
    worker->link = NULL;
    worker->evaluator = GONE;
    if (is_told && !map_generation_is_lost(worker->generation))
        conclude(worker);
}

void worker_told(uv_poll_t *handle, int status, int events)
{
    struct map_generation *generation = handle->data;
    struct map_end end;
    (void)events;
    ssize_t got = status < 0 ? 0 : recv(generation->compiler, &end, sizeof end, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    struct worker *worker = got == (ssize_t)sizeof end && (unsigned)end.which < (unsigned)MAP_EVALUATORS
                                ? &generation->workers[end.which]
                                : NULL;
    if (!worker || (worker->evaluator != RUNNING && worker->evaluator != GONE)) {
        map_generation_lose(generation);
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
    struct map_generation *generation = worker->generation;
    struct map_link_options options = {
        .loop = generation->mapper->options.loop, .frame = frame_came, .gone = link_gone, .ctx = worker};
    if (map_process_evaluator(generation->compiler, worker->which, &options.fd) != 0)
        return false;
    worker->has_answered = false;
    worker->link = map_link_open(&options);
    generation->handles += worker->link != NULL;
    worker->evaluator = worker->link ? RUNNING : GONE; /* one without a socket ends at once */
    return worker->link != NULL;
}

/* Sending */

/** Those that the patient evaluator ran out of time for last wait behind the others. */
static void defer_failing(struct worker *worker)
{
    struct map_call *call;
    while ((call = worker->first) && !call->deferred && (worker->failing & failing_bit(call->mapping))) {
        worker_unlink(worker, NULL, call);
        queue_call(worker, call, true);
    }
}

/** The first that is deferred has its turn before those that are not. */
static void promote(struct worker *worker)
{
    struct map_call *previous = worker->front, *call = previous ? previous->next : worker->first;
    worker_unlink(worker, previous, call);
    link_call(worker, NULL, call);
}

/** The next that may be sent; NULL: none for now. One that is deferred goes alone: what was sent cannot be
 * overtaken any more. */
static struct map_call *next_to_send(struct worker *worker)
{
    bool idle = worker->sent_calls == 0;
    if (!worker->unsent || (!idle && (worker->which == MAP_PATIENT || worker->first->deferred)))
        return NULL;
    if (worker->which == MAP_PATIENT)
        defer_failing(worker);
    bool any_deferred = worker->front != worker->last;
    bool turn = any_deferred && worker->overtaken >= TURN_AFTER[worker->which];
    if (turn && idle && worker->front)
        promote(worker);
    if ((turn || worker->unsent->deferred) && !idle)
        return NULL;
    worker->overtaken = any_deferred && !worker->unsent->deferred ? worker->overtaken + 1 : 0;
    return worker->unsent;
}

static void send_calls(struct worker *worker)
{
    struct map_call *call;
    while (worker->sent_calls < WINDOW_CALLS &&
           (worker->sent_bytes < WINDOW_BYTES || worker->sent_calls == 0) && (call = next_to_send(worker))) {
        if (!map_link_put(worker->link, call->what | (call->deferred ? MAP_WHATEVER : 0), call->input)) {
            pause_a_little(worker);
            break;
        }
        call->sent = sizeof(struct map_frame) + call->input.len;
        worker->sent_calls++;
        worker->sent_bytes += call->sent;
        worker->unsent = call->next;
        if (worker->front == NULL || worker->front->next == call)
            worker->front = call;
    }
    map_link_flush(worker->link);
}

void worker_pump(struct worker *worker)
{
    if (map_generation_is_lost(worker->generation) || !worker->unsent ||
        uv_is_active((uv_handle_t *)&worker->pause))
        return;
    if (worker->evaluator == NONE && !ask_for_evaluator(worker))
        pause_a_little(worker);
    else if (worker->evaluator == RUNNING)
        send_calls(worker);
}
