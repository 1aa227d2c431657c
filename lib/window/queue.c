/* A doubly linked list, so that a slot leaves from anywhere without a walk. */
#include "window/queue.h"

void queue_push(struct queue *queue, struct slot *slot)
{
    slot->queue = queue;
    slot->next = NULL;
    slot->previous = queue->last;
    if (queue->last)
        queue->last->next = slot;
    else
        queue->first = slot;
    queue->last = slot;
}

void queue_push_front(struct queue *queue, struct slot *slot)
{
    slot->queue = queue;
    slot->previous = NULL;
    slot->next = queue->first;
    if (queue->first)
        queue->first->previous = slot;
    else
        queue->last = slot;
    queue->first = slot;
}

void queue_remove(struct slot *slot)
{
    struct queue *queue = slot->queue;
    if (slot->previous)
        slot->previous->next = slot->next;
    else
        queue->first = slot->next;
    if (slot->next)
        slot->next->previous = slot->previous;
    else
        queue->last = slot->previous;
    slot->queue = NULL;
}

struct slot *queue_pop(struct queue *queue)
{
    struct slot *slot = queue->first;
    if (slot)
        queue_remove(slot);
    return slot;
}

void queue_replace(struct slot *from, struct slot *to)
{
    struct queue *queue = from->queue;
    to->queue = queue;
    to->previous = from->previous;
    to->next = from->next;
    if (to->previous)
        to->previous->next = to;
    else
        queue->first = to;
    if (to->next)
        to->next->previous = to;
    else
        queue->last = to;
    from->queue = NULL;
}
