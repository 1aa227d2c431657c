/* Shared by the two files of the mapper only: worker.c (the calls of one kind of evaluator, and its life) and
 * mapper.c (generations, and what is asked from outside). */
#pragma once
#include "map/link.h"
#include "map/mapper.h"
#include <sys/queue.h>

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
    /** Which mapping is slow for it, from 1; 0: not known. */
    uint32_t mapping;
    /** It waits behind the others: its mapping ran out of time lately. */
    bool deferred;
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
    struct map_generation *generation;
    enum map_evaluator which;
    enum evaluator_state evaluator;
    /** While RUNNING or TOLD. */
    struct map_link *link;
    /** Valid in the state TOLD. */
    struct map_end end;
    /** The wait after which what failed for lack of memory or files is tried again. */
    uv_timer_t pause;
    /** Oldest first; those that are deferred last. */
    struct map_call *first, *last;
    /** The last of them that is sent, or not deferred; NULL: there is none. */
    struct map_call *front;
    /** The first of them that is not sent. */
    struct map_call *unsent;
    size_t sent_calls, sent_bytes;
    /** The present evaluator has. */
    bool has_answered;
    /** Evaluators in a row that ended without an answer, for no mapping's reason. */
    unsigned barren;
    /** The mappings that ran out of this evaluator's time when they had it last; a bit each, as in pace.h. */
    uint64_t failing;
    /** Calls that were sent since the last deferred one was. */
    unsigned overtaken;
};

struct map_generation {
    LIST_ENTRY(map_generation) all;
    struct mapper *mapper;
    /** The compiler's socket; -1: it is closed, and the generation ends. */
    int compiler;
    uv_poll_t control;
    /** By enum map_evaluator. */
    struct worker workers[MAP_EVALUATORS];
    /** By map_call_hold. */
    size_t holds;
    /** The compiler died. */
    bool lost;
    unsigned handles;
};

struct mapper {
    struct mapper_options options;
    /** Once a turn of the loop: what came together goes in one write. */
    uv_prepare_t flush;
    LIST_HEAD(map_generations, map_generation) generations;
    struct map_generation *present;
    /** The present one's compiler died, or all is closed. */
    bool lost;
    unsigned handles;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* mapper.c */
/** Nothing of it is evaluated any more. */
PA_MUST_USE bool map_generation_is_lost(const struct map_generation *generation);
/** Its compiler died: a former one's calls fail; without the present one nothing goes on. */
void map_generation_lose(struct map_generation *generation);
void map_generation_handle_closed(struct map_generation *generation);
/** What may be sent, or is over, is seen to at the end of this turn of the loop. */
void mapper_flush_soon(struct mapper *mapper);

/* worker.c */
void worker_queue(struct worker *worker, struct map_call *call);
/** Takes a call out of the list, which `previous` is before; NULL: it is the first. */
void worker_unlink(struct worker *worker, struct map_call *previous, struct map_call *call);
/** Ends the oldest call; `failure` is null where there are fields. */
void worker_answer_first(struct worker *worker, struct slice fields, struct slice failure);
/** Sends what may be sent, to an evaluator that is made for it if need be. */
void worker_pump(struct worker *worker);
/** Its evaluators' silence is nobody's trouble any more. */
void worker_forget_barren(struct worker *worker);
/** Of a link, with the generation as ctx. */
void worker_link_closed(void *ctx);
/** The compiler tells of the end of an evaluator: its socket's callback, with the generation as data. */
void worker_told(uv_poll_t *handle, int status, int events);
