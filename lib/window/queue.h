/* Slots that wait, one behind another. */
#pragma once
#include "window/window.h"

struct queue {
    struct slot *first, *last;
};

void queue_push(struct queue *queue, struct slot *slot);
void queue_push_front(struct queue *queue, struct slot *slot);
/** The first, which is out of it then; NULL: it is empty. */
PA_MUST_USE struct slot *queue_pop(struct queue *queue);
/** Out of the queue it is in. */
void queue_remove(struct slot *slot);
/** `to` takes its place in the queue it is in. */
void queue_replace(struct slot *from, struct slot *to);
