/* The table of states, and a delivery's ends. */
#include "deliver/life.h"
#include "base/log.h"
#include "deliver/shared.h"
#include "deliver/telling.h"
#include <assert.h>
#include <stdlib.h>

/* The table */

#define TO(state_) (1u << LIFE_##state_)
/** Whatever state it failed in for good, nothing being under way for it: a letter, a result, or neither is
 * owed. */
#define OVER (TO(WRITING_LETTER) | TO(REPORT_OWED) | TO(DONE))

/** Where each state may lead, being withdrawn aside. */
static const unsigned moves[LIFE_STATES] = {
    [LIFE_TAKEN] = TO(MAPPING) | TO(QUEUED) | TO(READY) | TO(WAITING) | TO(REPORTING) | OVER,
    [LIFE_MAPPING] = TO(MAPPING) | TO(QUEUED) | TO(READY) | OVER,
    [LIFE_QUEUED] = TO(READY) | OVER,
    [LIFE_READY] = TO(SENDING) | TO(MAPPING_REPORT) | OVER,
    [LIFE_SENDING] = TO(WAITING) | TO(MAPPING_REPORT) | OVER,
    [LIFE_WAITING] = TO(READY) | TO(MAPPING_REPORT) | OVER,
    [LIFE_WRITING_LETTER] = TO(MAPPING_REPORT) | TO(REPORT_OWED) | TO(DONE),
    [LIFE_MAPPING_REPORT] = TO(REPORT_OWED),
    [LIFE_REPORT_OWED] = TO(REPORT_OWED) | TO(MAPPING_REPORT) | TO(REPORTING),
    [LIFE_REPORTING] = TO(DONE),
};

static const char *const names[LIFE_STATES] = {
    [LIFE_TAKEN] = "TAKEN",
    [LIFE_MAPPING] = "MAPPING",
    [LIFE_QUEUED] = "QUEUED",
    [LIFE_READY] = "READY",
    [LIFE_SENDING] = "SENDING",
    [LIFE_WAITING] = "WAITING",
    [LIFE_WRITING_LETTER] = "WRITING_LETTER",
    [LIFE_MAPPING_REPORT] = "MAPPING_REPORT",
    [LIFE_REPORT_OWED] = "REPORT_OWED",
    [LIFE_REPORTING] = "REPORTING",
    [LIFE_DONE] = "DONE",
    [LIFE_DROPPED] = "DROPPED",
};

const char *life_state_name(enum life_state state)
{
    return names[state];
}

bool life_may_move(enum life_state from, enum life_state to)
{
    const unsigned ends = TO(DONE) | TO(DROPPED);
    unsigned allowed = to == LIFE_DROPPED ? ~ends >> from : moves[from] >> to;
    return allowed & 1;
}

bool life_is_answered(enum life_state state)
{
    const unsigned answered = TO(WRITING_LETTER) | TO(MAPPING_REPORT) | TO(REPORT_OWED) | TO(REPORTING);
    return (answered >> state) & 1;
}

bool life_is_under_way(enum life_state state)
{
    return state == LIFE_SENDING || life_is_answered(state);
}

void life_enter(struct delivery *delivery, enum life_state state)
{
    struct deliver *deliver = delivery->deliver;
    enum life_state from = delivery->state;
    assert(life_may_move(from, state));
    if (log_enabled(LOG_DEBUG))
        delivery_tell_move(delivery, life_state_name(from), life_state_name(state));
    deliver->in_state[from]--;
    deliver->in_state[state]++;
    deliver->memory.under_way += life_is_under_way(state);
    deliver->memory.under_way -= life_is_under_way(from);
    delivery->state = state;
}

/* What it holds, and its ends */

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
    life_enter(delivery, LIFE_DONE);
    release(delivery);
    source_ticket_done(ticket);
}

static void drop(struct delivery *delivery)
{
    struct ticket *ticket = delivery->ticket;
    delivery_tell(delivery, OBSERVED_DROPPED);
    life_enter(delivery, LIFE_DROPPED);
    release(delivery);
    source_ticket_drop(ticket);
}

void delivery_ready(struct delivery *delivery)
{
    life_enter(delivery, LIFE_READY);
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
