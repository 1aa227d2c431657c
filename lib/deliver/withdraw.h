/* Deliveries that are taken back. */
#pragma once
#include <stdbool.h>

struct deliver;

struct withdrawal {
    /** Of this one alone; NULL: of all. */
    const void *assignment;
    /** What has started as well. */
    bool started;
    /** What nobody gets again as well. */
    bool unrepeatable;
};

/** Withdraws what matches. Leaving a lane may start the next in it, so those that have not started go first,
 * the last of a lane before the first: the list has the newest in front. */
void withdraw_matching(struct deliver *deliver, const struct withdrawal *what);
void deliver_withdraw(void *ctx, const void *assignment, bool cancel_started);
