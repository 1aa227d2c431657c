/* What the demo shows beside its events, with the agent in processes of their own, as people run it: a
 * mapping, a breaker, a dead letter that is replayed, and a `kill -9` that loses nothing. All go on side by
 * side from the start; what came of them is printed in this order, each once it is over. */
#pragma once
#include "child.h"
#include "show.h"
#include "world.h"

/** The agent is killed when so many events have arrived. */
enum { RESTART_KILLED_AT = 28 };
enum act_name { ACT_MAPPING, ACT_BREAKER, ACT_LETTER, ACT_RESTART, ACTS };

struct acts {
    struct demo_world *world;
    struct demo_show *show;
    /** Of mapping and breaker; of the restart; and `dead-letters replay`. */
    struct child agent, restarted, replay;
    /** In memory: there may be no file system to write to. -1: none. */
    int mapping_file;
    /** How far each is; the meaning is the act's. */
    unsigned phase[ACTS];
    bool over[ACTS];
    /** How many were printed. */
    size_t printed;
    /** The events of the demo are all done. */
    bool script_over;
    /** It cannot go on: said already. */
    bool failed;
    /** Of the restart, when the agent was killed: the time (0: not yet), the events that had arrived, and
     * those that Port was told of. */
    int64_t killed_ms;
    unsigned arrived, told;
};

/** World and show are borrowed until acts_close. What cannot begin is told: all is left out then. */
void acts_start(struct acts *acts, struct demo_world *world, struct demo_show *show);
/** For whoever calls it every few milliseconds; `script_over`: the demo's own events are done, and what is
 * over may be printed. */
void acts_go_on(struct acts *acts, bool script_over);
/** All were printed, or it cannot go on; and no process is left. */
PA_MUST_USE bool acts_over(const struct acts *acts);
/** Names those that are not over. */
void acts_tell_missing(struct acts *acts);
/** Ends every process that is left; acts_start need not have been called. */
void acts_close(struct acts *acts);

/* Each of them: begins (0, or PA_ERR_* with the cause), goes on until it sets `over`, and is printed and
 * checked. */

PA_MUST_USE int act_mapping_begin(struct acts *acts, struct error *err);
void act_mapping_go_on(struct acts *acts);
void act_mapping_print(struct acts *acts);
PA_MUST_USE int act_breaker_begin(struct acts *acts, struct error *err);
void act_breaker_go_on(struct acts *acts);
void act_breaker_print(struct acts *acts);
PA_MUST_USE int act_letter_begin(struct acts *acts, struct error *err);
void act_letter_go_on(struct acts *acts);
void act_letter_print(struct acts *acts);
PA_MUST_USE int act_restart_begin(struct acts *acts, struct error *err);
void act_restart_go_on(struct acts *acts);
void act_restart_print(struct acts *acts);

/** Produces `count` events, whose runs are named run_id and a number from 1. 0, or PA_ERR_* with the cause.
 */
PA_MUST_USE int acts_produce(struct acts *acts, struct demo_event event, unsigned count, struct error *err);
/** It cannot go on, for this reason. */
void acts_fail(struct acts *acts, const struct error *err);
/** How many of those runs Port was told the success of. */
PA_MUST_USE unsigned acts_succeeded(const struct acts *acts, const char *run_id, unsigned count);
