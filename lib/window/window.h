/* The window: how many webhooks are under way at once, whose turn is next, and what must not go now. It knows
 * slots, the names of lanes and of destinations, and time; never what is sent, or why an attempt went as it
 * did.
 *
 * A slot's way: window_enter_lane (perhaps), window_address, window_push when it is the first in its lane,
 * window_next hands it out, window_ended when its attempt is over; then window_push again for another
 * attempt, or window_leave_lane; at its end window_forget. */
#pragma once
#include "base/clock.h"
#include "base/slice.h"
#include "window/due.h"

struct window;
struct lane;
struct destination;
struct destination_view;
struct queue;

/** What the window keeps of a delivery, which embeds it, all zero at first. Only this room touches it. */
struct slot {
    struct slot *previous, *next;
    /** The queue that the slot waits in; NULL: none. */
    struct queue *queue;
    /** NULL: none. */
    struct lane *lane;
    /** NULL: not known yet. */
    struct destination *destination;
    /** When it came to its destination (see window_push). */
    int64_t queued_ms;
    /** Bytes of the memory for records (see window_hold); 4 GiB less one stand for more. */
    uint32_t held;
    /** Bytes that a kept slot held before, and holds again with its record. */
    uint32_t needs;
    /** Its record is not in memory (see window_take_place). */
    bool kept;
    /** It was kept, and its record has been read again. */
    bool recalled;
};

/** How an attempt ended. */
enum slot_end {
    /** In time, and not with the destination's own failure. */
    SLOT_ANSWERED,
    /** In time, and the answer is the destination's own failure (5xx). */
    SLOT_FAILED,
    /** No answer, though not because time was over: the connection was refused, or broke. */
    SLOT_REFUSED,
    /** No answer in time. */
    SLOT_SILENT,
    /** Cancelled by us, or never begun: it says nothing of the destination. */
    SLOT_CANCELLED,
    /** The agent's own failure (no memory): it says nothing of the destination either. */
    SLOT_OURS
};

struct window_options {
    /** Borrowed. */
    struct schedule *schedule;
    /** Borrowed. */
    const struct clock *clock;
    /** Slots: attempts under way at once. */
    unsigned slots;
    /** Of them, for one destination; 0: no bound of its own. */
    unsigned slots_per_destination;
    /** Of the memory for records, of which everybody has a share; 0: nobody has. */
    size_t bytes;
    /** Failed attempts in a row, after which a destination is only probed; 0: never. */
    unsigned breaker_failures;
    /** window_next may have something again; called from the loop. */
    void (*ready)(void *ctx);
    /** A destination only fails, and is probed from now on (`broken`), or answers again. NULL: nobody is
     * told.
     */
    void (*circuit)(void *ctx, const struct destination_view *view);
    void *ctx;
};

/** NULL: out of memory. */
PA_MUST_USE struct window *window_new(const struct window_options *options);
/** No slot may be in it any more. NULL is allowed. */
void window_free(struct window *window);

/* Order */

/** The slot goes into the lane of that name, behind those that are there. False: out of memory. */
PA_MUST_USE bool window_enter_lane(struct window *window, struct slot *slot, struct slice name);
PA_MUST_USE bool window_is_in_lane(const struct slot *slot);
/** The first of its lane, or itself where it has none. */
PA_MUST_USE struct slot *window_first_in_lane(struct slot *slot);
/** It is its turn in its lane, or it has none. */
PA_MUST_USE bool window_is_first(const struct slot *slot);
/** The lane goes on without the slot, wherever in it the slot stood: returns the one whose turn has come by
 * that; NULL: nobody's. */
PA_MUST_USE struct slot *window_leave_lane(struct window *window, struct slot *slot);

/* Turns */

/** Where the slot's attempts go: scheme, host and port as a name. False: out of memory. */
PA_MUST_USE bool window_address(struct window *window, struct slot *slot, const char *destination);
/** The slot waits at its destination, behind what waits there. One that was tried before goes in front, for
 * it is older; while a breaker holds it back, unless the window is pressed, it has its wait anew. */
void window_push(struct window *window, struct slot *slot, bool tried);
/** The slot no longer waits, neither in its lane nor at its destination. */
void window_withdraw(struct window *window, struct slot *slot);
/** The next slot whose attempt may begin, in turn, which is under way from now on; NULL: none. */
PA_MUST_USE struct slot *window_next(struct window *window);
/** The slot's attempt is over. `ms`: how long it took; read only where it was answered. */
void window_ended(struct window *window, struct slot *slot, enum slot_end end, int64_t ms);
/** The name of the slot's destination; NULL: not known yet. Good until the slot is forgotten. */
const char *window_destination_of(const struct slot *slot);
/** The slot goes nowhere any more; it is in no lane, waits nowhere, and is not under way. */
void window_forget(struct window *window, struct slot *slot);

/* Memory, and what is kept by reference */

/** The slot holds so many bytes of the memory for records. */
void window_hold(struct window *window, struct slot *slot, size_t bytes);
/** Its destination, or all that do not answer, hold more than their share. `pressed`: there is no space for
 * anybody. */
PA_MUST_USE bool window_is_beyond_share(const struct window *window, const struct slot *slot, bool pressed);
/** Its lane holds more than its share, or the slot before it is kept already. */
PA_MUST_USE bool window_lane_is_full(const struct window *window, const struct slot *slot);
/** Its destination does not answer, or is slow: it does not go on before long. */
PA_MUST_USE bool window_is_held_back(const struct window *window, const struct slot *slot);
/** Its destination holds more than its share where there is no space for anybody, whether it answers or not.
 */
PA_MUST_USE bool window_has_used_share(const struct window *window, const struct slot *slot);
/** `to`, all zero, takes the place of `from` in its lane and at its destination, and holds nothing; `from`
 * must not be under way, and is all zero then. `kept`: the record of `to` is not in memory. */
void window_take_place(struct window *window, struct slot *from, struct slot *to, bool kept);
/** A kept slot that knows its destination waits there to be recalled. It must be first in its lane. `tried`:
 * in front, unless a breaker holds it back. */
void window_keep(struct window *window, struct slot *slot, bool tried);
/** The next kept slot whose destination has space in its share, in turn; it waits nowhere then, and whoever
 * reads its record again holds the bytes at once. NULL: none, for now. */
PA_MUST_USE struct slot *window_recall(struct window *window);
/** The slot behind this one in its lane; NULL: none. */
PA_MUST_USE struct slot *window_next_in_lane(const struct slot *slot);

/* How much */

/** Too much waits (true), or no longer: what does not answer gives way sooner, or gets more of what is free.
 */
void window_press(struct window *window, bool pressed);
/** No more than are under way now can be: the window narrows to those, and widens again step by step. Returns
 * how many slots there are now. */
unsigned window_narrow(struct window *window);
/** As many attempts are under way as there are slots. */
PA_MUST_USE bool window_is_full(const struct window *window);
/** The slot's destination is known, only fails, and is probed. */
PA_MUST_USE bool window_is_broken(const struct slot *slot);
/** Destinations whose breaker is not closed. */
unsigned window_breakers_open(const struct window *window);

/* What stands */

/** A destination as it stands; its texts are borrowed. */
struct destination_view {
    const char *name;
    /** Slots that wait there for their turn, and those under way. */
    size_t waiting;
    unsigned in_flight;
    /** It only fails, and is probed, since then (monotonic). */
    bool broken;
    int64_t broken_since_ms;
    unsigned failures_in_row;
    bool paused;
    /** Smoothed, of answers; 0: there was none. */
    double latency_ms;
    /** What half and 99 % of the answers of the last minutes took at most; -1: there were none. */
    int64_t p50_ms, p99_ms;
    /** Of its last failure; "": none. */
    const char *cause;
    /** What to look at after it; NULL: the cause says all. */
    const char *hint;
};
/** Every destination that is known, in the order of their names. */
void window_each_destination(const struct window *window,
                             void (*each)(void *ctx, const struct destination_view *view), void *ctx);
/** Why the slot's attempt failed, in words: kept of its destination, cut to fit. `hint`: what to look at,
 * which has to live for ever; NULL: the cause says all. */
void window_note_cause(const struct slot *slot, struct slice cause, const char *hint);
/** The cause of its destination's last failure; "": it has not failed yet, or is not known. Borrowed. */
const char *window_cause(const struct slot *slot);
/** A person holds its destination, or all of them. */
PA_MUST_USE bool window_is_held(const struct window *window, const struct slot *slot);

/* A person's brake */

enum { WINDOW_PAUSED_MAX = 64 };

/** No attempt starts any more at that destination (NULL: at any), known or not, or again (`paused` false;
 * NULL then: at all that were paused). False: more than WINDOW_PAUSED_MAX destinations, or out of memory. */
PA_MUST_USE bool window_pause(struct window *window, const char *destination, bool paused);
/** Everything is paused, not only some destinations. */
PA_MUST_USE bool window_is_paused(const struct window *window);
/** The destinations that are paused by name: the first for 0; NULL after the last. Borrowed. */
const char *window_paused(const struct window *window, size_t index);
