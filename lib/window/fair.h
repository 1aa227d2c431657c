/* How much of the memory for records a destination and a lane may hold, and which destination's turn it is to
 * have something read again that was kept by reference. */
#pragma once
#include "window/destination.h"
#include "window/lane.h"

/** The memory for records as a whole; all zero at first, except `bytes`. */
struct fair {
    const struct clock *clock;
    /** All that there is; 0: nobody has a share. */
    size_t bytes;
    /** Held for destinations that do not answer. */
    size_t unproven_held;
    /** Destinations with something kept: those that do not answer, those that do. */
    struct kept_ring kept[2];
};

void fair_open(struct fair *fair, const struct clock *clock, size_t bytes);
/** The slot holds so many bytes now: they count for its lane and its destination. */
void fair_hold(struct fair *fair, struct slot *slot, size_t bytes);
/** See window_address: what the slot holds moves to `destination`, which may be NULL. */
void fair_move(struct fair *fair, struct slot *slot, struct destination *destination);
/** Whether the destination answers changes, and is told before it does. */
void fair_answers(struct fair *fair, struct destination *destination, bool answers);
/** As window_is_beyond_share. */
PA_MUST_USE bool fair_is_beyond(const struct fair *fair, const struct slot *slot, bool pressed);
/** As window_lane_is_full. */
PA_MUST_USE bool fair_lane_is_full(const struct fair *fair, const struct slot *slot);
/** As window_is_held_back. */
PA_MUST_USE bool fair_is_held_back(const struct fair *fair, const struct slot *slot);
/** As window_has_used_share. */
PA_MUST_USE bool fair_has_used_share(const struct fair *fair, const struct slot *slot);
/** As window_keep. */
void fair_keep(struct fair *fair, struct slot *slot, bool tried);
/** As window_recall. */
PA_MUST_USE struct slot *fair_recall(struct fair *fair);
