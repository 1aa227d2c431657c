/* What is remembered of runs: the last ones that something was told of, for whoever asks where a run is. A
 * listener of this room. Bounded: RUNS_MAX of them, texts cut to fit; must never allocate after
 * run_memory_new. */
#pragma once
#include "base/clock.h"
#include "observe/observe.h"

enum { RUNS_MAX = 1000, RUN_TRIES_MAX = 4, RUNS_PASSED_MAX = 500 };

/** A failed attempt that was followed by another, or by the end. */
struct run_try {
    /** Wall clock. */
    int64_t at_ms;
    /** 0: no answer. */
    int status;
    /** With the mapping's warning behind it, where that made no request. */
    char cause[200];
};

/** A run as it was told of last. */
struct run_seen {
    char run_id[132];
    /** Redacted; "": not known, or there are secrets in it. */
    char url[160];
    /** The record's own timestamp; -1: none. */
    int64_t record_ms;
    /** Wall clock: when its last answer was there, or it failed without one; 0: it is tried again. */
    int64_t ended_ms;
    /** Of the last attempt. */
    int64_t duration_ms;
    unsigned attempts;
    /** 0: no answer. */
    int status;
    bool delivered;
    /** Port refused its result for good, and why ("": not known). */
    bool refused;
    char refusal[200];
    /** Port's word on its result, as its log line has it; "": none yet, or nothing is reported. */
    char port_result[12];
    /** What to look at after its last failure; NULL: nothing. Lives for ever. */
    const char *hint;
    /** The status of the run's result; "": none is reported. */
    char reported[12];
    /** The last of its failed attempts, oldest first, and how many there were. */
    struct run_try tries[RUN_TRIES_MAX];
    unsigned failed_tries;
};

/** A run of which nothing was sent, and nobody was told: no mapping wants it, or its event is not to be
 * believed, and then its id is not either. */
struct run_passed {
    char run_id[132];
    /** Wall clock. */
    int64_t at_ms;
    /** Nobody is to believe its event; else no mapping wants it. */
    bool refused;
    /** The log's words, and what to look at. Live for ever. */
    const char *why, *hint;
};

struct run_memory;

/** `clock` is borrowed. NULL: out of memory. */
PA_MUST_USE struct run_memory *run_memory_new(const struct clock *clock);
void run_memory_free(struct run_memory *runs);
void run_memory_note(struct run_memory *runs, const struct observed *observed);
/** NULL: it is not remembered. Borrowed until the loop goes on. */
const struct run_seen *run_memory_find(const struct run_memory *runs, struct slice run_id);
/** The same, of the last RUNS_PASSED_MAX that were passed: they make no room among the others. */
const struct run_passed *run_memory_passed(const struct run_memory *runs, struct slice run_id);
/** Those that have failed for good, or whose result Port refused, the newest first, one after another: the
 * first for NULL; NULL after the last. Borrowed until the loop goes on. */
const struct run_seen *run_memory_failed(const struct run_memory *runs, const struct run_seen *before);
/** The same of those whose events are not to be believed. */
const struct run_passed *run_memory_refused(const struct run_memory *runs, const struct run_passed *before);
