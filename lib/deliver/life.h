/* A delivery's states, and the one table of its moves from one to the next. docs/architecture.md draws it. */
#pragma once
#include "base/must_use.h"
#include <stdbool.h>

struct deliver;
struct delivery;
struct kept;
struct slot;

enum life_state {
    /** Its event is being looked at; it stays so for no longer than that. */
    LIFE_TAKEN,
    /** Its mapping is being evaluated, or waits for memory; it has its place in its lane already. */
    LIFE_MAPPING,
    /** Its request is known; another is first in its lane. */
    LIFE_QUEUED,
    /** First in its lane: at its destination, until that has its turn. */
    LIFE_READY,
    /** Under way: its body is being signed, or it is sent. It holds a slot of the window. */
    LIFE_SENDING,
    /** For its next attempt, holding its lane and no slot; or, refused, for its report's turn. */
    LIFE_WAITING,
    /** It failed for good, and its dead letter is being written. */
    LIFE_WRITING_LETTER,
    /** What its mapping reports is being evaluated. */
    LIFE_MAPPING_REPORT,
    /** Its result is not in Port's queue yet: withdrawn now, the record must be delivered again. */
    LIFE_REPORT_OWED,
    /** Its result is in Port's queue. */
    LIFE_REPORTING,
    /** Its record is given back as done. */
    LIFE_DONE,
    /** Its record is given back undone. Withdrawn, it comes here from wherever it is. */
    LIFE_DROPPED,
    /** Only a reference is kept: its record is read again later, and begins anew. */
    LIFE_KEPT
};
enum { LIFE_STATES = LIFE_KEPT + 1 };

/** In capitals, as in the document; lives for ever. */
PA_MUST_USE const char *life_state_name(enum life_state state);
/** May a delivery move from the one to the other? */
PA_MUST_USE bool life_may_move(enum life_state from, enum life_state to);
/** It has its last answer, or has failed without one: what is left is to tell of it. */
PA_MUST_USE bool life_is_answered(enum life_state state);
/** It is being sent, or is answered. */
PA_MUST_USE bool life_is_under_way(enum life_state state);

/** The one way to another state; asserts the table. At DEBUG a line tells of it. */
void life_enter(struct delivery *delivery, enum life_state state);

/* What it holds, and its ends */

/** Charges what the delivery holds now. */
void delivery_charge(struct delivery *delivery);
/** Frees it, and gives its record back as done. */
void delivery_done(struct delivery *delivery);
/** It is addressed and it is its turn in its lane: queues it at its destination. The caller pumps. */
void delivery_ready(struct delivery *delivery);
/** The lane goes on without this delivery: the next in it may be ready by that, and the caller pumps. */
void delivery_leave_lane(struct delivery *delivery);
/** Ends a delivery that may be the head of its lane, and whose report may be open: its record is not done,
 * and whoever owns the partition next delivers it again. The caller pumps. */
void delivery_leave(struct delivery *delivery);

/* Keeping by reference */

/** Ends the delivery, which has not started or waits for another attempt, and keeps a reference in its place:
 * kept.h. False: it stays, because its record cannot be read again, or there is no space. */
PA_MUST_USE bool delivery_keep(struct delivery *delivery);
/** Gives up a reference whose ticket is somebody else's: out of its lane, and freed. The caller pumps. */
void kept_leave(struct deliver *deliver, struct kept *kept);
