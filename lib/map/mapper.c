/* Generations of mappings: a compiler with its evaluators each. The present one has the requests; a former
 * one has the reports that belong to requests of its own, and ends when nobody needs it. */
#include "map/mapper_internal.h"
#include <stdlib.h>
#include <unistd.h>

static void flush(uv_prepare_t *handle);
static void generation_end(struct map_generation *generation);
static struct map_generation *generation_new(struct mapper *mapper, int compiler);

bool map_generation_is_lost(const struct map_generation *generation)
{
    return generation->lost || generation->mapper->lost;
}

void mapper_flush_soon(struct mapper *mapper)
{
    if (!mapper->lost)
        uv_prepare_start(&mapper->flush, flush);
}

void map_generation_lose(struct map_generation *generation)
{
    struct mapper *mapper = generation->mapper;
    if (map_generation_is_lost(generation))
        return;
    generation->lost = true;
    for (int which = 0; which < MAP_EVALUATORS; which++)
        uv_timer_stop(&generation->workers[which].pause);
    uv_poll_stop(&generation->control);
    mapper_flush_soon(mapper);
    if (generation != mapper->present)
        return;
    mapper->lost = true;
    uv_prepare_stop(&mapper->flush);
    mapper->options.lost(mapper->options.ctx);
}

/** Those that no evaluator has yet, or all. */
static void move_requests(struct worker *from, struct worker *to, bool all)
{
    struct map_call *previous = NULL, *next;
    for (struct map_call *call = from->first; call; call = next) {
        next = call->next;
        if (call->what != 0 || (call->sent > 0 && !all)) {
            previous = call;
            continue;
        }
        worker_unlink(from, previous, call);
        worker_queue(to, call);
    }
}

/** Reports fail, and requests begin anew. */
static void leave_calls(struct map_generation *generation)
{
    for (int which = 0; which < MAP_EVALUATORS; which++) {
        struct worker *worker = &generation->workers[which];
        move_requests(worker, &generation->mapper->present->workers[MAP_QUICK], true);
        while (worker->first)
            worker_answer_first(worker, (struct slice){NULL, 0},
                                SLICE_LITERAL("the process of the former mapping file died"));
    }
}

static bool is_needed(const struct map_generation *generation)
{
    bool has_calls = false;
    for (int which = 0; which < MAP_EVALUATORS; which++)
        has_calls |= generation->workers[which].first != NULL;
    return generation == generation->mapper->present || generation->holds > 0 || has_calls;
}

static void flush_generation(struct map_generation *generation)
{
    if (generation->lost)
        leave_calls(generation);
    for (int which = 0; which < MAP_EVALUATORS; which++)
        worker_pump(&generation->workers[which]);
    if (!is_needed(generation))
        generation_end(generation);
}

static void flush(uv_prepare_t *handle)
{
    struct mapper *mapper = handle->data;
    struct map_generation *generation, *next;
    do {
        uv_prepare_stop(handle);
        for (generation = LIST_FIRST(&mapper->generations); generation; generation = next) {
            next = LIST_NEXT(generation, all);
            flush_generation(generation);
        }
    } while (uv_is_active((uv_handle_t *)handle)); /* the loop sleeps next */
}

static struct map_call *start(struct map_generation *generation, uint32_t what, struct slice input,
                              map_done *done, void *ctx)
{
    struct map_call *call = input.len < UINT32_MAX ? calloc(1, sizeof *call) : NULL;
    if (!call)
        return NULL;
    *call = (struct map_call){.what = what, .input = input, .done = done, .ctx = ctx};
    worker_queue(&generation->workers[MAP_QUICK], call);
    return call;
}

struct map_call *mapper_request(struct mapper *mapper, struct slice event, map_done *done, void *ctx)
{
    return start(mapper->present, 0, event, done, ctx);
}

struct map_call *mapper_report(struct map_generation *generation, size_t index, struct slice context,
                               map_done *done, void *ctx)
{
    return start(generation, (uint32_t)index, context, done, ctx);
}

void map_call_forget(struct map_call *call)
{
    struct map_call *previous = NULL;
    call->done = NULL;
    if (call->sent > 0) /* its answer still comes, and counts */
        return;
    for (struct map_call *at = call->worker->first; at != call; at = at->next)
        previous = at;
    worker_unlink(call->worker, previous, call);
    mapper_flush_soon(call->worker->generation->mapper);
    free(call);
}

/* Generations */

struct map_generation *map_call_hold(const struct map_call *call)
{
    call->worker->generation->holds++;
    return call->worker->generation;
}

void map_generation_release(struct map_generation *generation)
{
    if (generation && --generation->holds == 0)
        mapper_flush_soon(generation->mapper);
}

int mapper_nursery(const struct mapper *mapper)
{
    return mapper->options.process.nursery;
}

size_t mapper_generations(const struct mapper *mapper)
{
    const struct map_generation *generation;
    size_t count = 0;
    LIST_FOREACH(generation, &mapper->generations, all)
    {
        count++;
    }
    return count;
}

bool mapper_renew(struct mapper *mapper, int compiler)
{
    struct map_generation *former = mapper->present, *generation = generation_new(mapper, compiler);
    if (!generation)
        return false;
    mapper->present = generation;
    for (int which = 0; which < MAP_EVALUATORS; which++)
        move_requests(&former->workers[which], &generation->workers[MAP_QUICK], false);
    mapper_flush_soon(mapper);
    return true;
}

/* Life */

static void mapper_handle_closed(struct mapper *mapper)
{
    if (--mapper->handles > 0)
        return;
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

void map_generation_handle_closed(struct map_generation *generation)
{
    struct mapper *mapper = generation->mapper;
    if (--generation->handles > 0)
        return;
    for (int which = 0; which < MAP_EVALUATORS; which++) {
        struct map_call *next;
        for (struct map_call *call = generation->workers[which].first; call; call = next) {
            next = call->next;
            free(call);
        }
    }
    free(generation);
    mapper_handle_closed(mapper);
}

static void control_closed(uv_handle_t *handle)
{
    map_generation_handle_closed(handle->data);
}

static void pause_closed(uv_handle_t *handle)
{
    map_generation_handle_closed(((struct worker *)handle->data)->generation);
}

/** Its processes end with its sockets. */
static void generation_end(struct map_generation *generation)
{
    LIST_REMOVE(generation, all);
    generation->lost = true;
    uv_close((uv_handle_t *)&generation->control, control_closed);
    for (int which = 0; which < MAP_EVALUATORS; which++) {
        struct worker *worker = &generation->workers[which];
        uv_close((uv_handle_t *)&worker->pause, pause_closed);
        if (worker->link)
            map_link_close(worker->link, worker_link_closed, generation);
        worker->link = NULL;
        worker_forget_barren(worker);
    }
    close(generation->compiler);
    generation->compiler = -1;
}

/** NULL: out of memory, or the socket cannot be watched; it is closed then. */
static struct map_generation *generation_new(struct mapper *mapper, int compiler)
{
    uv_loop_t *loop = mapper->options.loop;
    struct map_generation *generation = calloc(1, sizeof *generation);
    if (!generation || uv_poll_init(loop, &generation->control, compiler) != 0) {
        close(compiler);
        free(generation);
        return NULL;
    }
    generation->mapper = mapper;
    generation->compiler = compiler;
    generation->control.data = generation;
    generation->handles = 1 + MAP_EVALUATORS;
    for (int which = 0; which < MAP_EVALUATORS; which++) {
        struct worker *worker = &generation->workers[which];
        worker->generation = generation;
        worker->which = (enum map_evaluator)which;
        worker->pause.data = worker;
        uv_timer_init(loop, &worker->pause);
    }
    LIST_INSERT_HEAD(&mapper->generations, generation, all);
    mapper->handles++;
    if (uv_poll_start(&generation->control, UV_READABLE, worker_told) == 0)
        return generation;
    generation_end(generation);
    return NULL;
}

void mapper_close(struct mapper *mapper, void (*closed)(void *ctx), void *ctx)
{
    struct map_generation *generation;
    mapper->closed = closed;
    mapper->closed_ctx = ctx;
    mapper->lost = true;
    mapper->options.barren = NULL; /* whoever is told may be gone */
    uv_close((uv_handle_t *)&mapper->flush, uv_handle_closed);
    while ((generation = LIST_FIRST(&mapper->generations)))
        generation_end(generation);
    map_process_end(&mapper->options.process);
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
    mapper->options.process.fd = -1; /* the generation's */
    mapper->handles = 1;
    mapper->flush.data = mapper;
    LIST_INIT(&mapper->generations);
    uv_prepare_init(options->loop, &mapper->flush);
    mapper->present = generation_new(mapper, process.fd);
    if (mapper->present)
        return mapper;
    mapper_close(mapper, NULL, NULL);
    return NULL;
}
