/* A delivery's states and ends. */
#include "deliver/internal.h"
#include <stdlib.h>

void delivery_enter(struct delivery *delivery, enum delivery_state state)
{
    struct deliver *deliver = delivery->deliver;
    deliver->in_state[delivery->state]--;
    deliver->in_state[state]++;
    deliver->memory.under_way += life_is_under_way(state);
    deliver->memory.under_way -= life_is_under_way(delivery->state);
    delivery->state = state;
}

bool life_is_answered(enum delivery_state state)
{
    return state >= DELIVERY_BURYING;
}

bool life_is_under_way(enum delivery_state state)
{
    return state == DELIVERY_SENDING || life_is_answered(state);
}

void delivery_charge(struct delivery *delivery)
{
    const struct outcome *outcome = &delivery->outcome;
    size_t answer =
        delivery->context.cap + outcome->response.cap + outcome->summary.cap + outcome->detail.cap;
    size_t bytes = MEMORY_OVERHEAD + delivery->event.payload.cap + delivery->event.texts.cap +
                   delivery->key.cap + delivery->value.cap + delivery->mapped.cap + answer;
    memory_charge(&delivery->deliver->memory, &delivery->charge,
                  (struct charge){.bytes = bytes, .answer_bytes = answer});
}

static void release(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    LIST_REMOVE(delivery, all);
    deliver->in_state[delivery->state]--;
    deliver->memory.under_way -= life_is_under_way(delivery->state);
    schedule_remove(&deliver->schedule, &delivery->due);
    target_release(delivery->target);
    window_forget(deliver->window, &delivery->slot);
    mapped_request_clear(&delivery->request);
    outcome_clear(&delivery->outcome);
    buffer_clear(&delivery->mapped);
    buffer_clear(&delivery->context);
    buffer_clear(&delivery->key);
    buffer_clear(&delivery->value);
    event_clear(&delivery->event);
    memory_charge(&deliver->memory, &delivery->charge, (struct charge){0});
    free(delivery);
}

void delivery_done(struct delivery *delivery)
{
    struct ticket *ticket = delivery->ticket;
    release(delivery);
    source_ticket_done(ticket);
}

static void drop(struct delivery *delivery)
{
    struct ticket *ticket = delivery->ticket;
    delivery_tell(delivery, OBSERVED_DROPPED);
    release(delivery);
    source_ticket_drop(ticket);
}

void delivery_ready(struct delivery *delivery)
{
    delivery_enter(delivery, DELIVERY_QUEUED);
    window_push(delivery->deliver->window, &delivery->slot, delivery->attempt > 0);
}

void delivery_leave_lane(struct delivery *delivery)
{
    struct slot *next = window_leave_lane(delivery->deliver->window, &delivery->slot);
    if (next && delivery_of_slot(next)->addressed)
        delivery_ready(delivery_of_slot(next));
}

void delivery_leave(struct delivery *delivery)
{
    window_withdraw(delivery->deliver->window, &delivery->slot);
    delivery_leave_lane(delivery);
    if (delivery->report)
        run_report_cancel(delivery->report);
    delivery->report = NULL;
    drop(delivery);
}
