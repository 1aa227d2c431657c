/* A lane exists only while something is in it. */
#include "window/lane.h"
#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare_lanes(const void *a, const void *b)
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

struct lane *lane_find(struct lanes *lanes, struct slice name)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        return NULL;
    lane->name = slice_to_text(name);
    lane->name_len = name.len;
    struct lane **found = lane->name ? tsearch(lane, &lanes->tree, compare_lanes) : NULL;
    if (!found || *found != lane)
        lane_free(lane);
    return found ? *found : NULL;
}

void lane_enter(struct lane *lane, struct slot *slot)
{
    slot->lane = lane;
    lane->held += slot->held;
    if (lane->head)
        queue_push(&lane->waiting, slot);
    else
        lane->head = slot;
}

struct slot *lane_leave(struct lanes *lanes, struct slot *slot)
{
    struct lane *lane = slot->lane;
    slot->lane = NULL;
    lane->held -= slot->held;
    if (lane->head != slot) {
        if (slot->queue) /* it may have been withdrawn from there */
            queue_remove(slot);
        return NULL;
    }
    lane->head = queue_pop(&lane->waiting);
    if (lane->head)
        return lane->head;
    tdelete(lane, &lanes->tree, compare_lanes);
    lane_free(lane);
    return NULL;
}

static void node_free(void *node)
{
    lane_free(node);
}

void lanes_free(struct lanes *lanes)
{
    tdestroy(lanes->tree, node_free);
    lanes->tree = NULL;
}
