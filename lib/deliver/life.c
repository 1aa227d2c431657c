/* A delivery's states and ends. */
#include "deliver/internal.h"
#include <stdlib.h>

void delivery_enter(struct delivery *delivery, enum delivery_state state)
{
    delivery->deliver->in_state[delivery->state]--;
    delivery->deliver->in_state[state]++;
    delivery->state = state;
}

void delivery_free(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    LIST_REMOVE(delivery, all);
    deliver->in_state[delivery->state]--;
    deliver->counters.bytes_held -= delivery->bytes;
    deliver->answer_bytes -= delivery->answer_bytes;
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
    free(delivery);
    memory_check(deliver);
}

void delivery_done(struct delivery *delivery)
{
    struct ticket *ticket = delivery->ticket;
    delivery_free(delivery);
    source_ticket_done(ticket);
}

static void drop(struct delivery *delivery)
{
    struct ticket *ticket = delivery->ticket;
    delivery->deliver->counters.dropped++;
    delivery_free(delivery);
    source_ticket_drop(ticket);
}

void delivery_leave_lane(struct delivery *delivery)
{
    struct slot *next = window_leave_lane(delivery->deliver->window, &delivery->slot);
    if (next && delivery_of_slot(next)->addressed)
        delivery_queue(delivery_of_slot(next));
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
