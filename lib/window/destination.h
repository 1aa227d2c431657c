/* Destinations: what is known of each, and what waits there. */
#pragma once
#include "window/breaker.h"
#include "window/due.h"
#include "window/queue.h"
#include "window/recent.h"
#include <sys/queue.h>

struct destinations;
TAILQ_HEAD(kept_ring, destination);

/** A scheme, host and port. */
struct destination {
    char *name;
    struct destinations *all;
    struct queue ready;
    unsigned in_flight, limit;
    /** Its last attempt was answered, in time. */
    bool answers;
    /** Its last attempt timed out. */
    bool silent;
    /** Its last attempt had no answer. */
    bool failed;
    /** Something is ready or in flight. */
    bool active;
    /** Of answers, smoothed; 0: there was none. */
    double latency_ms;
    struct recent recent;
    /** Nothing has been heard of it since, while something was in flight. */
    int64_t quiet_since_ms;
    /** When its breaker opened; counts while that is not closed. */
    int64_t open_since_ms;
    /** Of its last failure, in words, cut to fit; "": it has not failed yet. */
    char cause[200];
    /** What to look at after it; NULL: the cause says all. */
    const char *hint;
    /** A person holds it: no attempt starts. */
    bool paused;
    struct breaker breaker;
    /** The breaker's interval is over. */
    struct due due;
    /** Slots that go there. */
    size_t references;
    /** It is in the round, before the next one. */
    bool in_turn;
    struct destination *next_turn;
    /** What its slots hold of the memory for records. */
    size_t held;
    /** Slots whose records are not in memory, and that wait to be recalled. */
    struct queue kept;
    bool in_kept_ring;
    TAILQ_ENTRY(destination) kept_turn;
    /** It is among those that are remembered, though it may be in use again. */
    bool remembered;
    TAILQ_ENTRY(destination) memory;
};
TAILQ_HEAD(destination_list, destination);

enum { DESTINATIONS_REMEMBERED = 2048 };

/** All of them. */
struct destinations {
    /** A tsearch(3) tree. */
    void *tree;
    /** Recently idle, kept for what is known of them, DESTINATIONS_REMEMBERED at most: the one that has been
     * idle for longest comes first. */
    struct destination_list idle;
    size_t idle_count;
    struct schedule *schedule;
    unsigned breakers_open;
};

/** There are no destinations yet. */
void destinations_open(struct destinations *all, struct schedule *schedule);
/** The destination of that name, made with `limit` if there is none. NULL: out of memory. */
PA_MUST_USE struct destination *destination_find(struct destinations *all, const char *name, unsigned limit);
/** It may be idle: then it is remembered, and forgotten when too many others have been idle since. */
void destination_settle(struct destination *destination);
/** The breaker is closed, and its interval no longer matters. */
void destination_close_breaker(struct destination *destination);
/** Every one of them, in the order of their names. */
void destinations_each(const struct destinations *all,
                       void (*each)(void *ctx, const struct destination *destination), void *ctx);
void destinations_free(struct destinations *all);
