/* Events that are kept by reference: their records are not in memory, and are read again when it is their
 * turn. In the window each has its place like a delivery (order, shares). This file knows no delivery. */
#pragma once
#include "base/container_of.h"
#include "source/source.h"
#include "window/due.h"
#include "window/queue.h"
#include "window/window.h"
#include <sys/queue.h>

struct deliver;
struct run_report;

/** What only those have that were tried, or have a trace or a report; the others are many more. */
struct kept_past {
    /** When its next attempt may begin, scheduled. */
    struct due due;
    struct deliver *deliver;
    struct kept *kept;
    /** Open where it was tried; NULL: none. */
    struct run_report *report;
    /** As in struct delivery. */
    uint64_t trace_serial;
    int64_t started_ms;
    unsigned attempt;
    bool start_told;
};

/** What is left of a delivery, in as few bytes as may be. */
struct kept {
    LIST_ENTRY(kept) all;
    struct slot slot;
    struct ticket *ticket;
    const void *assignment;
    /** NULL: none. */
    struct kept_past *past;
    /** As in struct delivery. */
    uint64_t content;
    int64_t taken_ms, offset;
    int32_t partition;
    bool wait_told : 1;
    /** It is of the change log. */
    bool change : 1;
    /** Its record is being read again, and the bytes for it are reserved. */
    bool wanted : 1;
    /** Its run was cancelled. */
    bool cancelled : 1;
    /** With a NUL; "": none. */
    char run_id[];
};

/** All of them; all zero at first. */
struct kept_all {
    LIST_HEAD(kept_list, kept) list;
    /** Those that wait for their turn and whose destination is not known: first in their lanes behind others;
     * and, by topic (runs, changes), those for which there was no space at all. */
    struct queue lanes, topics[2];
    /** The topics' names; NULL: not known yet. */
    char *names[2];
    size_t count, bytes;
    /** Whose turn it is of the two topics. */
    bool changes_turn;
    /** The condition that there are too many stands. */
    bool full;
};

static inline struct kept *kept_of_slot(struct slot *slot)
{
    return CONTAINER_OF(slot, struct kept, slot);
}

/** Is there space for another reference? */
PA_MUST_USE bool kept_has_room(const struct deliver *deliver);
/** Made, and not filled in yet: `run_id` is copied. NULL: out of memory, or too many are kept. */
PA_MUST_USE struct kept *kept_new(struct deliver *deliver, const char *topic, bool change,
                                  struct slice run_id);
/** Gives it a past, all zero, to be filled in. False: out of memory. */
PA_MUST_USE bool kept_add_past(struct deliver *deliver, struct kept *kept);
/** Its next attempt may begin at `at_ms`; it has a past. */
void kept_wait(struct kept *kept, int64_t at_ms);
/** That time has not come. */
PA_MUST_USE bool kept_waits_for_its_time(const struct kept *kept);
/** Its report, which stays its own; NULL: none. */
PA_MUST_USE struct run_report *kept_report(const struct kept *kept);
/** Its slot is in its place: it waits for its turn, if it is first in its lane. */
void kept_queue(struct deliver *deliver, struct kept *kept);
/** It is first in its lane now, by another's leaving it. */
void kept_is_first(struct deliver *deliver, struct kept *kept);
/** The next whose record may be read again, which waits nowhere then; NULL: none, for now. */
PA_MUST_USE struct kept *kept_next(struct deliver *deliver);
/** Its record was asked for: reserves the memory. */
void kept_reserve(struct deliver *deliver, struct kept *kept);
/** Its record could not be taken, because the agent is out of memory: it waits for its turn again. */
void kept_again(struct deliver *deliver, struct kept *kept);
/** The memory is given back. Its slot must be out of the window, and its report and ticket another's. */
void kept_free(struct deliver *deliver, struct kept *kept);
void kept_close(struct deliver *deliver);
