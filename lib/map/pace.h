/* How long the steps of each mapping took lately. A mapping that has run out of the quick evaluator's time
 * lately is not begun there while others wait: its events would cost that evaluator its whole time, and its
 * life, each. Bounded, and in memory that evaluators share with the process that forks them. Private to the
 * map room. */
#pragma once
#include "base/error.h"
#include "map/process.h"
#include <stdatomic.h>
#include <stddef.h>

enum pace_step { PACE_ENABLED, PACE_REQUEST, PACE_REPORT };
enum {
    PACE_STEPS = PACE_REPORT + 1,
    /** Mappings that are told apart; those further on share their places. */
    PACE_MAPPINGS = 64
};

/** All zero at first. */
struct pace {
    /** Processor time of late, in µs: half of it is the last time. 0: it has not run out of time lately, and
     * is not measured. */
    _Atomic uint32_t recent_us[PACE_MAPPINGS][PACE_STEPS];
    /** What each evaluator is at. */
    struct {
        /** From 1. */
        _Atomic uint32_t mapping;
        _Atomic uint32_t step;
    } at[MAP_EVALUATORS];
};

/** One evaluator's view. */
struct pacing {
    /** NULL: nothing is measured, and nothing refused. */
    struct pace *pace;
    enum map_evaluator which;
    /** Of one evaluation, in µs; 0: no bound. */
    int64_t bound_us;
    /** When the present step began, in µs of processor time; -1: it is not measured. */
    int64_t began_us;
    /** It begins whatever it is asked for. */
    bool insists;
    /** The mapping (from 1) that was not begun; 0: none. */
    size_t refused;
};

/** A step of mapping `number` (from 1) begins. False: it was too slow lately, and `refused` says so. `pacing`
 * may be NULL. */
PA_MUST_USE bool pacing_begin(struct pacing *pacing, size_t number, enum pace_step step);
/** The step that began last is over. `pacing` may be NULL. */
void pacing_end(struct pacing *pacing);
/** An evaluator of this kind, with this much time, has died of the step that it was at. Returns the mapping;
 * 0: it was at none. */
PA_MAY_IGNORE uint32_t pace_ran_out(struct pace *pace, enum map_evaluator which, int64_t cpu_ms);
