/* Order. A lane lets one delivery at a time through; it exists only while something is in it. */
#include "deliver/internal.h"
#include <search.h>
#include <stdlib.h>
#include <string.h>

void list_push(struct delivery_list *list, struct delivery *delivery)
{
    delivery->queue = list;
    delivery->queue_next = NULL;
    delivery->queue_previous = list->last;
    if (list->last)
        list->last->queue_next = delivery;
    else
        list->first = delivery;
    list->last = delivery;
}

void list_push_front(struct delivery_list *list, struct delivery *delivery)
{
    delivery->queue = list;
    delivery->queue_previous = NULL;
    delivery->queue_next = list->first;
    if (list->first)
        list->first->queue_previous = delivery;
    else
        list->last = delivery;
    list->first = delivery;
}

void list_remove(struct delivery *delivery)
{
    struct delivery_list *list = delivery->queue;
    if (delivery->queue_previous)
        delivery->queue_previous->queue_next = delivery->queue_next;
    else
        list->first = delivery->queue_next;
    if (delivery->queue_next)
        delivery->queue_next->queue_previous = delivery->queue_previous;
    else
        list->last = delivery->queue_previous;
    delivery->queue = NULL;
}

struct delivery *list_pop(struct delivery_list *list)
{
    struct delivery *delivery = list->first;
    if (delivery)
        list_remove(delivery);
    return delivery;
}

static int compare(const void *a, const void *b)
{
    const struct lane *left = a, *right = b;
    if (left->name_len != right->name_len)
        return left->name_len < right->name_len ? -1 : 1;
    return memcmp(left->name, right->name, left->name_len);
}

static void lane_free(struct lane *lane)
{
    free(lane->name);
    free(lane);
}

struct lane *lane_find(struct deliver *deliver, struct slice name)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        return NULL;
    lane->name = slice_to_text(name);
    lane->name_len = name.len;
    struct lane **found = lane->name ? tsearch(lane, &deliver->lanes, compare) : NULL;
    if (!found || *found != lane)
        lane_free(lane);
    return found ? *found : NULL;
}

bool lane_enter(struct lane *lane, struct delivery *delivery)
{
    delivery->lane = lane;
    if (lane->head) {
        list_push(&lane->waiting, delivery);
        return false;
    }
    lane->head = delivery;
    return true;
}

struct delivery *lane_leave(struct deliver *deliver, struct lane *lane)
{
    lane->head = list_pop(&lane->waiting);
    if (lane->head)
        return lane->head;
    tdelete(lane, &deliver->lanes, compare);
    lane_free(lane);
    return NULL;
}

static void node_free(void *node)
{
    lane_free(node);
}

void lanes_free(struct deliver *deliver)
{
    tdestroy(deliver->lanes, node_free);
    deliver->lanes = NULL;
}
