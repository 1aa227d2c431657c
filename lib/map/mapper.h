/* The mappings, from the loop's side: events go to the mappings' process in order, fields come back. What
 * takes long waits for a second evaluator, and only there, so that others' mapping goes on. Nothing here
 * waits. */
#pragma once
#include "map/mapping.h"
#include "map/process.h"
#include <uv.h>

struct mapper;
struct map_call;
/** A mapping file as it was at one time, compiled: a report is made by that which made its request. */
struct map_generation;

/** `fields` (mapping.h) are borrowed until it returns; null: there are no fields, and `failure` says why. */
typedef void map_done(void *ctx, struct slice fields, const char *failure);

struct mapper_options {
    uv_loop_t *loop;
    /** Taken over, with its end. */
    struct map_process process;
    /** The process died for good: nothing will be answered any more. From the loop. */
    void (*lost)(void *ctx);
    /** Evaluators end again and again before they have answered anything, so that their calls wait; `reason`
     * says why in words, with how to mend it. NULL: they answer again. May be NULL. From the loop. */
    void (*barren)(void *ctx, const char *reason);
    void *ctx;
};

/** NULL: out of memory, or the socket cannot be watched (the process is ended then). */
PA_MUST_USE struct mapper *mapper_new(const struct mapper_options *options);
/** Ends the process; calls without an answer are dropped (done never runs). `closed` (may be NULL) runs from
 * the loop. */
void mapper_close(struct mapper *mapper, void (*closed)(void *ctx), void *ctx);

/** Asks for an event's request. `event` is borrowed until done has run or the call is forgotten. NULL: out of
 * memory. done runs once, from the loop, in the order of the calls, except those that need more time or
 * memory than the first evaluator has, and those of mappings that ran out of time lately: they are overtaken.
 */
PA_MUST_USE struct map_call *mapper_request(struct mapper *mapper, struct slice event, map_done *done,
                                            void *ctx);
/** The same for the report of mapping `index` (from 1) of that generation, which is held; `context` as in
 * mappings_report. */
PA_MUST_USE struct map_call *mapper_report(struct map_generation *generation, size_t index,
                                           struct slice context, map_done *done, void *ctx);
/** The caller no longer waits for the call: done will not run. Valid until done has run. */
void map_call_forget(struct map_call *call);

/** The generation that answers the call, to be held beyond it; from within done only. */
PA_MUST_USE struct map_generation *map_call_hold(const struct map_call *call);
/** NULL is allowed. */
void map_generation_release(struct map_generation *generation);
/** Requests go to this compiler (map_process_compile) from now on, those included that no evaluator has yet.
 * The socket is taken over. False: out of memory, or it cannot be watched; all stays as it was. */
PA_MUST_USE bool mapper_renew(struct mapper *mapper, int compiler);
/** Where compilers are asked for (map_process.nursery); the mapper's. */
PA_MUST_USE int mapper_nursery(const struct mapper *mapper);
/** How many there are: the present one, and former ones that somebody holds, or that have something to
 * answer. Each has processes of its own. */
size_t mapper_generations(const struct mapper *mapper);
