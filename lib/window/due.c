/* The heap of what is due: a pairing heap, whose nodes are part of their owners. */
#include "window/due.h"
#include <stdlib.h>

static struct due *meld(struct due *a, struct due *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->at_ms < a->at_ms) {
        struct due *later = a;
        a = b;
        b = later;
    }
    b->previous = a; /* the first child's previous is its parent */
    b->sibling = a->child;
    if (b->sibling)
        b->sibling->previous = b;
    a->child = b;
    return a;
}

/** Melds a list of siblings: two by two on the way there, into one on the way back. */
static struct due *meld_siblings(struct due *first)
{
    struct due *pairs = NULL, *heap = NULL;
    while (first) {
        struct due *a = first, *b = a->sibling;
        first = b ? b->sibling : NULL;
        a->sibling = a->previous = NULL;
        if (b)
            b->sibling = b->previous = NULL;
        a = meld(a, b);
        a->sibling = pairs;
        pairs = a;
    }
    while (pairs) {
        struct due *next = pairs->sibling;
        pairs->sibling = NULL;
        heap = meld(heap, pairs);
        pairs = next;
    }
    return heap;
}

static void cut(struct schedule *schedule, struct due *due)
{
    struct due *children = meld_siblings(due->child);
    if (due == schedule->first) {
        schedule->first = children;
    } else {
        if (due->previous->child == due)
            due->previous->child = due->sibling;
        else
            due->previous->sibling = due->sibling;
        if (due->sibling)
            due->sibling->previous = due->previous;
        schedule->first = meld(schedule->first, children);
    }
    *due = (struct due){.at_ms = due->at_ms};
}

static void timer_fired(uv_timer_t *timer);

static void arm(struct schedule *schedule)
{
    if (!schedule->first) {
        uv_timer_stop(schedule->timer);
        return;
    }
    int64_t left_ms = schedule->first->at_ms - clock_monotonic_ms(schedule->clock);
    uv_timer_start(schedule->timer, timer_fired, left_ms > 0 ? (uint64_t)left_ms : 0, 0);
}

void schedule_fire(struct schedule *schedule)
{
    int64_t now_ms = clock_monotonic_ms(schedule->clock);
    while (schedule->first && schedule->first->at_ms <= now_ms) {
        struct due *due = schedule->first;
        void (*fired)(struct due *) = due->fired;
        cut(schedule, due);
        fired(due);
    }
}

static void timer_fired(uv_timer_t *timer)
{
    struct schedule *schedule = timer->data;
    schedule_fire(schedule);
    arm(schedule);
}

void schedule_add(struct schedule *schedule, struct due *due, int64_t at_ms, void (*fired)(struct due *due))
{
    *due = (struct due){.at_ms = at_ms, .fired = fired};
    schedule->first = meld(schedule->first, due);
    if (schedule->first == due)
        arm(schedule);
}

void schedule_remove(struct schedule *schedule, struct due *due)
{
    if (due->fired)
        cut(schedule, due);
}

bool schedule_open(struct schedule *schedule, uv_loop_t *loop, const struct clock *clock)
{
    schedule->clock = clock;
    schedule->timer = calloc(1, sizeof *schedule->timer);
    if (!schedule->timer)
        return false;
    uv_timer_init(loop, schedule->timer);
    schedule->timer->data = schedule;
    return true;
}

static void schedule_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void schedule_close(struct schedule *schedule)
{
    uv_close((uv_handle_t *)schedule->timer, schedule_timer_closed);
}
