/* Order: a lane lets one slot at a time through. */
#pragma once
#include "window/queue.h"

/** Slots that go one after another. */
struct lane {
    char *name;
    size_t name_len;
    /** The one whose turn it is. */
    struct slot *head;
    struct queue waiting;
    /** What its slots hold. */
    size_t held;
};

/** All lanes; all zero: none. */
struct lanes {
    /** A tsearch(3) tree. */
    void *tree;
};

/** The lane of that name, made if there is none. NULL: out of memory. */
PA_MUST_USE struct lane *lane_find(struct lanes *lanes, struct slice name);
/** Behind those that are in it. */
void lane_enter(struct lane *lane, struct slot *slot);
/** The slot is through, or dropped, and out of its lane: the next one if it was the head; NULL: it was not,
 * or the lane is empty and gone. */
PA_MUST_USE struct slot *lane_leave(struct lanes *lanes, struct slot *slot);
void lanes_free(struct lanes *lanes);
