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
    [LIFE_TAKEN] = TO(MAPPING) | TO(QUEUED) | TO(READY) | TO(WAITING) | TO(REPORTING) | TO(KEPT) | OVER,
    [LIFE_MAPPING] = TO(MAPPING) | TO(QUEUED) | TO(READY) | TO(KEPT) | OVER,
    [LIFE_QUEUED] = TO(READY) | TO(KEPT) | OVER,
    [LIFE_READY] = TO(SENDING) | TO(MAPPING_REPORT) | TO(KEPT) | OVER,
    [LIFE_SENDING] = TO(WAITING) | TO(MAPPING_REPORT) | OVER,
    [LIFE_WAITING] = TO(READY) | TO(MAPPING_REPORT) | TO(KEPT) | OVER,
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
    [LIFE_KEPT] = "KEPT",
};

const char *life_state_name(enum life_state state)
{
    return names[state];
}

bool life_may_move(enum life_state from, enum life_state to)
{
    const unsigned ends = TO(DONE) | TO(DROPPED) | TO(KEPT);
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
    waits_move(delivery, state);
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
    /* JSON that is being written counts when it is whole: until then it belongs to the thread pool, which
     * writes few answers at a time. */
    size_t answer = delivery->context.cap + outcome->response.cap + outcome->answer.cap +
                    outcome->summary.cap + outcome->detail.cap;
    size_t bytes = MEMORY_OVERHEAD + delivery->event.payload.cap + delivery->event.texts.cap +
                   delivery->key.cap + delivery->value.cap + delivery->mapped.cap + answer;
    window_hold(delivery->deliver->window, &delivery->slot, bytes);
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
    map_generation_release(delivery->generation);
    outcome_clear(&delivery->outcome);
    buffer_clear(&delivery->mapped);
    buffer_clear(&delivery->context);
    buffer_clear(&delivery->key);
    buffer_clear(&delivery->value);
    event_clear(&delivery->event);
    free(delivery->tracestate);
    memory_charge(&deliver->memory, &delivery->charge, (struct charge){0});
    free(delivery);
}

void delivery_done(struct delivery *delivery)
{
    struct ticket *ticket = delivery->ticket;
    if (*delivery->trace.span)
        delivery_tell_done(delivery);
    delivery_tell_ended(delivery, delivery->ending.port_result ? delivery->ending.port_result : "none");
    life_enter(delivery, LIFE_DONE);
    release(delivery);
    source_ticket_done(ticket);
}

static void drop(struct delivery *delivery)
{
    struct ticket *ticket = delivery->ticket;
    delivery_tell_ended(delivery, "waiting");
    delivery_tell(delivery, OBSERVED_DROPPED);
    life_enter(delivery, LIFE_DROPPED);
    release(delivery);
    source_ticket_drop(ticket);
}

void delivery_ready(struct delivery *delivery)
{
    life_enter(delivery, LIFE_READY);
    delivery->waits.at_breaker = window_is_broken(&delivery->slot);
    if (delivery->waits.at_breaker)
        delivery_tell_waits(delivery, "its destination's circuit is open");
    window_push(delivery->deliver->window, &delivery->slot, delivery->attempt > 0);
}

/** It is that slot's turn in its lane; NULL: nobody's. */
static void slot_is_first(struct deliver *deliver, struct slot *slot)
{
    if (!slot)
        return;
    if (slot->kept)
        kept_is_first(deliver, kept_of_slot(slot));
    else if (delivery_of_slot(slot)->addressed)
        delivery_ready(delivery_of_slot(slot));
}

void delivery_leave_lane(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    slot_is_first(deliver, window_leave_lane(deliver->window, &delivery->slot));
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

/* Keeping by reference */

static bool has_past(const struct delivery *delivery)
{
    return delivery->attempt > 0 || delivery->report || delivery->trace.serial > 0 || delivery->due.fired;
}

/** False: out of memory. */
static bool keep_past(const struct delivery *delivery, struct kept *kept)
{
    if (!kept_add_past(delivery->deliver, kept))
        return false;
    kept->past->report = delivery->report;
    kept->past->trace_serial = delivery->trace.serial;
    kept->past->started_ms = delivery->started_ms;
    kept->past->attempt = delivery->attempt;
    kept->past->start_told = delivery->start_told;
    if (delivery->due.fired)
        kept_wait(kept, delivery->due.at_ms);
    return true;
}

bool delivery_keep(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    if (!source_ticket_can_read_again(delivery->ticket))
        return false;
    struct kept *kept =
        kept_new(deliver, delivery->topic, delivery->event.kind == EVENT_CHANGE_LOG, delivery->event.run_id);
    if (!kept)
        return false;
    if (has_past(delivery) && !keep_past(delivery, kept)) {
        kept_free(deliver, kept);
        return false;
    }
    delivery_tell_waits(delivery, "memory: its record is read again later");
    kept->ticket = delivery->ticket;
    kept->taken_ms = delivery->taken_ms;
    kept->wait_told = delivery->waits.told;
    kept->assignment = delivery->assignment;
    kept->content = delivery->content;
    kept->partition = delivery->partition;
    kept->offset = delivery->offset;
    window_take_place(deliver->window, &delivery->slot, &kept->slot, true);
    life_enter(delivery, LIFE_KEPT);
    release(delivery);
    kept_queue(deliver, kept);
    return true;
}

void kept_leave(struct deliver *deliver, struct kept *kept)
{
    struct window *window = deliver->window;
    window_withdraw(window, &kept->slot);
    slot_is_first(deliver, window_leave_lane(window, &kept->slot));
    window_hold(window, &kept->slot, 0);
    window_forget(window, &kept->slot);
    if (kept_report(kept))
        run_report_cancel(kept_report(kept));
    kept_free(deliver, kept);
}
