/* The demo's events: what each of them should come to, and what it came to. */
#pragma once
#include "observe/observe.h"
#include "show.h"
#include "world.h"

enum { SCRIPT_MAX = 16, LATENCIES_MAX = 4096 };

struct expectation {
    const char *what;
    struct demo_event event;
    enum observed_end end;
    /** What Port must have been told; "" for nothing. */
    const char *status;
    /** Requests at the receiver. */
    unsigned attempts;
    bool seen;
};

struct script {
    struct demo_world *world;
    struct demo_show *show;
    struct expectation events[SCRIPT_MAX];
    size_t count;
    unsigned delivered, failed, refused, skipped;
    int64_t latencies[LATENCIES_MAX];
    size_t latency_count;
};

/** World and show are borrowed. */
void script_init(struct script *script, struct demo_world *world, struct demo_show *show);
/** Produces all of them. */
void script_produce(struct script *script);
/** Prints what became of an event, and remembers it. */
void script_told(struct script *script, const struct observed *observed);
/** Everything that should have happened has, Port's side included. */
PA_MUST_USE bool script_complete(const struct script *script);
/** Compares what the receiver saw with what it should have seen. */
void script_check(struct script *script);
/** Names the events that nothing was heard of. */
void script_tell_missing(struct script *script);
/** One request and one report, whole. */
void script_print_example(const struct script *script);
/** How many of each, and how long they took; `complete`: all that there is to show was shown. */
void script_print_totals(struct script *script, bool complete);
