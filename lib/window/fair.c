/* Shares of the memory for records. What waits for a destination that does not drain would fill it, and then
 * nobody's records would be taken any more. So what is beyond a share is kept by reference (by whoever owns
 * the slots), and read again when there is space in that share:
 *
 *   - A destination that does not answer (it is new, or its last attempt had no answer) may hold a sixteenth,
 *     and all such destinations together half.
 *   - The first record for a destination that is not known yet goes, as long as there is space at all.
 *   - One that answers may hold what it can, for it drains; but a sixteenth once the slot in front of its
 *     queue has waited for a second: it is slow, or paused, or its breaker holds it back. Under pressure a
 *     slot that waits for its next attempt counts so too: an endpoint may ask for another attempt each time
 *     (429).
 *   - A lane may hold a sixteenth. Slots behind a first one that does not go on before long have no share
 *     under pressure, whatever their destination: they cannot go before that first one.
 *   - While there is no space for anybody (`pressed`), the shares are half of that. So they are, for what
 *     comes anew for one that does not answer, while anything is kept for such a destination: what comes
 *     later would take the space that others wait for.
 *
 * A slot that is alone in its share is never beyond it, or a record larger than the share would never go.
 * Smaller ones that come without an end would keep such a record from coming back, so two things differ for
 * it: what comes anew for its destination goes behind it (unless that drains), and beside it all that do not
 * answer may hold three quarters together. Where not even that is enough, nothing waits behind it.
 * Shares are refilled up to half, and by what fits into them, so that what is read again is not at once too
 * much; for a destination that answers, and is not slow, up to a quarter of the memory, or its part of the
 * window would not be full. */
#include "window/fair.h"

enum { SHARE_PART = 16, UNPROVEN_PART = 2, ANSWERING_PART = 4, SLOW_MS = 1000, SCAN_MAX = 64 };

void fair_open(struct fair *fair, const struct clock *clock, size_t bytes)
{
    *fair = (struct fair){.clock = clock, .bytes = bytes};
    TAILQ_INIT(&fair->kept[false]);
    TAILQ_INIT(&fair->kept[true]);
}

/* What is held */

static void destination_held(struct fair *fair, struct destination *destination, size_t less, size_t more)
{
    destination->held += more - less;
    if (!destination->answers)
        fair->unproven_held += more - less;
}

void fair_hold(struct fair *fair, struct slot *slot, size_t bytes)
{
    bytes = bytes < UINT32_MAX ? bytes : UINT32_MAX;
    if (slot->lane)
        slot->lane->held += bytes - slot->held;
    if (slot->destination)
        destination_held(fair, slot->destination, slot->held, bytes);
    slot->held = (uint32_t)bytes;
}

void fair_move(struct fair *fair, struct slot *slot, struct destination *destination)
{
    if (slot->destination)
        destination_held(fair, slot->destination, slot->held, 0);
    slot->destination = destination;
    if (destination)
        destination_held(fair, destination, 0, slot->held);
}

static void leave_ring(struct fair *fair, struct destination *destination)
{
    TAILQ_REMOVE(&fair->kept[destination->answers], destination, kept_turn);
    destination->in_kept_ring = false;
}

static void enter_ring(struct fair *fair, struct destination *destination)
{
    if (destination->in_kept_ring || !destination->kept.first)
        return;
    TAILQ_INSERT_TAIL(&fair->kept[destination->answers], destination, kept_turn);
    destination->in_kept_ring = true;
}

void fair_answers(struct fair *fair, struct destination *destination, bool answers)
{
    if (answers == destination->answers)
        return;
    if (destination->in_kept_ring)
        leave_ring(fair, destination);
    fair->unproven_held += answers ? 0 - destination->held : destination->held;
    destination->answers = answers;
    enter_ring(fair, destination);
}

/* What is too much */

static bool is_slow(const struct fair *fair, const struct destination *destination)
{
    const struct slot *oldest = destination->ready.first;
    return oldest && clock_monotonic_ms(fair->clock) - oldest->queued_ms > SLOW_MS;
}

static bool is_large(const struct fair *fair, size_t bytes)
{
    return bytes > fair->bytes / SHARE_PART;
}

/** What all that do not answer may hold together beside a large record. */
static size_t beside_a_large_one(const struct fair *fair)
{
    return fair->bytes / 4 * 3;
}

/** A large record waits there, for nothing but that its destination holds nothing else. */
static bool large_one_is_first(const struct fair *fair, const struct destination *destination)
{
    const struct slot *first = destination->kept.first;
    if (!first || !is_large(fair, first->needs))
        return false;
    if (destination->answers)
        return is_slow(fair, destination);
    return fair->unproven_held - destination->held + first->needs <= beside_a_large_one(fair);
}

/** Of so many bytes in all. */
static bool is_over(const struct slot *slot, size_t bytes)
{
    const struct destination *destination = slot->destination;
    return destination->held > slot->held && destination->held > bytes / SHARE_PART;
}

bool fair_has_used_share(const struct fair *fair, const struct slot *slot)
{
    return fair->bytes > 0 && is_over(slot, fair->bytes / 2);
}

bool fair_is_beyond(const struct fair *fair, const struct slot *slot, bool pressed)
{
    const struct destination *destination = slot->destination;
    if (fair->bytes == 0)
        return false;
    if (!slot->recalled && large_one_is_first(fair, destination))
        return true;
    bool comes_later = !slot->recalled && !destination->answers && !TAILQ_EMPTY(&fair->kept[false]);
    size_t bytes = pressed || comes_later ? fair->bytes / 2 : fair->bytes;
    bool over = is_over(slot, bytes);
    if (destination->answers)
        return over && is_slow(fair, destination);
    if (!destination->failed && !pressed && destination->held == slot->held)
        return false; /* unknown: whether it answers is soon seen */
    bool alone_and_large = slot->recalled && !over && is_large(fair, slot->held);
    size_t all = alone_and_large ? beside_a_large_one(fair) : bytes / UNPROVEN_PART;
    return over || (fair->unproven_held > slot->held && fair->unproven_held > all);
}

bool fair_lane_is_full(const struct fair *fair, const struct slot *slot)
{
    const struct lane *lane = slot->lane;
    if (!lane || lane->head == slot || fair->bytes == 0)
        return false;
    return (slot->previous && slot->previous->kept) || lane->held > fair->bytes / SHARE_PART;
}

bool fair_is_held_back(const struct fair *fair, const struct slot *slot)
{
    const struct destination *destination = slot->destination;
    return destination && (!destination->answers || is_slow(fair, destination));
}

/* What is kept */

void fair_keep(struct fair *fair, struct slot *slot, bool tried)
{
    struct destination *destination = slot->destination;
    if (tried && destination->breaker.state == BREAKER_CLOSED)
        queue_push_front(&destination->kept, slot);
    else
        queue_push(&destination->kept, slot);
    enter_ring(fair, destination);
}

/** Once it is in memory again: then it would be kept again, and read again, without an end. */
static bool would_be_beyond(struct fair *fair, struct slot *slot)
{
    slot->recalled = true;
    fair_hold(fair, slot, slot->needs);
    bool beyond = fair_is_beyond(fair, slot, false);
    fair_hold(fair, slot, 0);
    return beyond;
}

/** Of the destination whose turn it is; NULL: it has none, or no space. */
static struct slot *recall_of(struct fair *fair, struct destination *destination)
{
    leave_ring(fair, destination);
    size_t part = destination->answers && !is_slow(fair, destination) ? ANSWERING_PART : SHARE_PART * 2;
    struct slot *slot = destination->kept.first;
    bool fits = slot && destination->held < fair->bytes / part && !would_be_beyond(fair, slot);
    slot = fits ? queue_pop(&destination->kept) : NULL;
    if (destination->kept.first)
        enter_ring(fair, destination);
    else if (!slot)
        destination_settle(destination);
    return slot;
}

static struct slot *recall_from(struct fair *fair, bool answers)
{
    struct slot *slot = NULL;
    struct kept_ring *ring = &fair->kept[answers];
    for (int scanned = 0; !slot && scanned < SCAN_MAX && !TAILQ_EMPTY(ring); scanned++) {
        if (!answers && fair->unproven_held > fair->bytes / UNPROVEN_PART / 4 * 3)
            break;
        slot = recall_of(fair, TAILQ_FIRST(ring));
    }
    return slot;
}

struct slot *fair_recall(struct fair *fair)
{
    struct slot *slot = recall_from(fair, true);
    return slot ? slot : recall_from(fair, false);
}
