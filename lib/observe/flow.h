/* What happened last, one delivery after another, for whoever watches: a fixed ring of copies, numbered
 * 1, 2, 3 … A listener of this room. Who watches remembers the last number it has seen, so a slow watcher
 * costs nothing and finds out how much it has missed. Bounded: FLOW_MAX of them, texts cut to fit. No
 * payloads and no answers of endpoints; URLs and causes as log lines show them. */
#pragma once
#include "base/clock.h"
#include "observe/observe.h"

enum { FLOW_MAX = 512 };

struct flow_entry {
    /** 0: the place is free. */
    uint64_t number;
    /** Of those that flow_shows. */
    enum observed_kind kind;
    /** Wall clock. */
    int64_t at_ms;
    /** The record's own timestamp; -1: none. */
    int64_t record_ms;
    /** Of the last attempt, and what it or the next one waited for; 0: not known. */
    int64_t duration_ms, wait_ms;
    int64_t offset;
    int32_t partition;
    unsigned attempt;
    /** 0: no answer. */
    int status;
    /** "": not known, or none. */
    char run_id[132];
    char topic[96];
    char method[12];
    /** "" too where there were secrets in it and nobody watched. */
    char url[160];
    char error_type[32];
    char cause[160];
    /** What to look at after a failure; NULL: the cause says all. Lives for ever. */
    const char *hint;
    /** The status of the run's result; "": none is reported. */
    char reported[12];
};

struct flow;

/** `clock` is borrowed. NULL: out of memory. */
PA_MUST_USE struct flow *flow_new(const struct clock *clock);
void flow_free(struct flow *flow);
/** Somebody begins to watch, or watches no more. */
void flow_watch(struct flow *flow, bool watches);
/** Is such a thing kept here? An end, an attempt that failed, or a result that Port refused. */
PA_MUST_USE bool flow_shows(const struct observed *observed);
void flow_note(struct flow *flow, const struct observed *observed);
/** The number of the newest; 0: there is none yet. */
PA_MUST_USE uint64_t flow_newest(const struct flow *flow);
/** NULL: it has made room for a newer one, or has not happened yet. Borrowed until the loop goes on. */
PA_MUST_USE const struct flow_entry *flow_find(const struct flow *flow, uint64_t number);
