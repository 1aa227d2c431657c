/* What is kept by reference: where each waits, and when there is space for it again. */
#include "deliver/kept.h"
#include "base/container_of.h"
#include "deliver/shared.h"
#include "observe/conditions.h"
#include <stdlib.h>
#include <string.h>

enum {
    /** What a reference takes beside its own bytes: its source's ticket, and what the allocator adds. */
    OVERHEAD = 80
};

/** With an id of so many bytes, which begins within the last word. */
static size_t own_bytes(size_t id_len)
{
    size_t bytes = offsetof(struct kept, run_id) + id_len + 1;
    return bytes > sizeof(struct kept) ? bytes : sizeof(struct kept);
}

static size_t kept_bytes(const struct kept *kept)
{
    return own_bytes(strlen(kept->run_id)) + OVERHEAD + (kept->past ? sizeof *kept->past : 0);
}

bool kept_has_room(const struct deliver *deliver)
{
    return deliver->kept.bytes + sizeof(struct kept) + OVERHEAD <= 2 * deliver->options.max_bytes;
}

/** It stands until an eighth is free again. */
static void tell_full(struct deliver *deliver, bool full)
{
    struct kept_all *all = &deliver->kept;
    struct conditions *conditions = deliver->options.conditions;
    if (!conditions)
        return;
    if (full)
        condition_met(conditions, CONDITION_REFERENCES_FULL, NULL, (int64_t)all->count,
                      "more waits for destinations than there is memory for");
    else if (all->full && all->bytes <= deliver->options.max_bytes / 4 * 7)
        condition_ended(conditions, CONDITION_REFERENCES_FULL, NULL, (int64_t)all->count);
    else
        return;
    all->full = full;
}

/** False: out of memory. */
static bool know_topic(struct kept_all *all, const char *topic, bool change)
{
    if (!all->names[change])
        all->names[change] = slice_to_text(slice_of(topic));
    return all->names[change] != NULL;
}

struct kept *kept_new(struct deliver *deliver, const char *topic, bool change, struct slice run_id)
{
    struct kept_all *all = &deliver->kept;
    if (!kept_has_room(deliver)) {
        tell_full(deliver, true);
        return NULL;
    }
    struct kept *kept = know_topic(all, topic, change) ? calloc(1, own_bytes(run_id.len)) : NULL;
    if (!kept)
        return NULL;
    kept->change = change;
    if (run_id.len > 0)
        memcpy(kept->run_id, run_id.ptr, run_id.len);
    LIST_INSERT_HEAD(&all->list, kept, all);
    all->count++;
    all->bytes += kept_bytes(kept);
    deliver->memory.kept = all->count;
    return kept;
}

bool kept_add_past(struct deliver *deliver, struct kept *kept)
{
    kept->past = calloc(1, sizeof *kept->past);
    if (!kept->past)
        return false;
    kept->past->deliver = deliver;
    kept->past->kept = kept;
    deliver->kept.bytes += sizeof *kept->past;
    return true;
}

struct run_report *kept_report(const struct kept *kept)
{
    return kept->past ? kept->past->report : NULL;
}

bool kept_waits_for_its_time(const struct kept *kept)
{
    return kept->past && kept->past->due.fired;
}

static void may_be_tried(struct due *due)
{
    const struct kept_past *past = CONTAINER_OF(due, struct kept_past, due);
    kept_queue(past->deliver, past->kept);
    memory_look_again(&past->deliver->memory);
}

void kept_wait(struct kept *kept, int64_t at_ms)
{
    schedule_add(&kept->past->deliver->schedule, &kept->past->due, at_ms, may_be_tried);
}

void kept_queue(struct deliver *deliver, struct kept *kept)
{
    if (!window_is_first(&kept->slot) || kept_waits_for_its_time(kept))
        return;
    if (kept->slot.destination)
        window_keep(deliver->window, &kept->slot, kept->past && kept->past->attempt > 0);
    else
        queue_push(&deliver->kept.topics[kept->change], &kept->slot);
}

void kept_is_first(struct deliver *deliver, struct kept *kept)
{
    if (kept->wanted)
        return;
    if (kept->slot.destination)
        window_keep(deliver->window, &kept->slot, false);
    else
        queue_push(&deliver->kept.lanes, &kept->slot);
    memory_look_again(&deliver->memory);
}

/** The topics take turns: neither fills the memory with what it left behind. */
static struct slot *next_of_topics(struct kept_all *all)
{
    all->changes_turn = !all->changes_turn;
    struct slot *slot = queue_pop(&all->topics[all->changes_turn]);
    return slot ? slot : queue_pop(&all->topics[!all->changes_turn]);
}

struct kept *kept_next(struct deliver *deliver)
{
    struct memory *memory = &deliver->memory;
    if (!memory_is_free_by(memory, 4))
        return NULL;
    struct slot *slot = queue_pop(&deliver->kept.lanes);
    if (!slot)
        slot = window_recall(deliver->window);
    if (!slot && memory_is_free_by(memory, 3))
        slot = next_of_topics(&deliver->kept);
    return slot ? kept_of_slot(slot) : NULL;
}

void kept_reserve(struct deliver *deliver, struct kept *kept)
{
    kept->wanted = true;
    memory_reserve(&deliver->memory, kept->slot.needs);
    window_hold(deliver->window, &kept->slot, kept->slot.needs);
}

void kept_again(struct deliver *deliver, struct kept *kept)
{
    if (kept->wanted) {
        memory_unreserve(&deliver->memory, kept->slot.needs);
        window_hold(deliver->window, &kept->slot, 0);
    }
    kept->wanted = false;
    kept_queue(deliver, kept);
}

void kept_free(struct deliver *deliver, struct kept *kept)
{
    struct kept_all *all = &deliver->kept;
    if (kept->past)
        schedule_remove(&deliver->schedule, &kept->past->due);
    if (kept->wanted)
        memory_unreserve(&deliver->memory, kept->slot.needs);
    LIST_REMOVE(kept, all);
    all->count--;
    all->bytes -= kept_bytes(kept);
    deliver->memory.kept = all->count;
    free(kept->past);
    free(kept);
    tell_full(deliver, false);
}

void kept_close(struct deliver *deliver)
{
    free(deliver->kept.names[false]);
    free(deliver->kept.names[true]);
}
