/* Deliveries are taken back: by a source that loses their records, when the agent stops, when time is up. */
#include "deliver/withdraw.h"
#include "deadletter/dead_letter.h"
#include "deliver/attempt.h"
#include "deliver/reading.h"
#include "deliver/shared.h"
#include "deliver/writing.h"

/** Ends what is under way for it. */
static void interrupt(struct delivery *delivery)
{
    if (delivery->map_call)
        map_call_forget(delivery->map_call);
    delivery->map_call = NULL;
    if (delivery->writing)
        writing_forget(delivery->writing, &delivery->outcome.answer);
    delivery->writing = NULL;
    if (delivery->state == LIFE_SENDING)
        delivery_cancel_attempt(delivery);
}

static void withdraw_delivery(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    bool concluded = life_is_answered(delivery->state);
    interrupt(delivery);
    if (delivery->burial)
        dead_letter_write_forget(delivery->burial);
    delivery->burial = NULL;
    /* A result that is on its way goes on from there if the record comes back. */
    if (concluded && (delivery->state != LIFE_REPORTING || !dedup_keep_report(&deliver->dedup, delivery)))
        dedup_forget(&deliver->dedup, delivery);
    delivery_leave(delivery);
}

/** References, none of which has started. */
static void drop_kept(struct deliver *deliver, const struct withdrawal *what)
{
    struct kept *next;
    for (struct kept *kept = LIST_FIRST(&deliver->kept.list); kept; kept = next) {
        next = LIST_NEXT(kept, all);
        if (what->assignment && kept->assignment != what->assignment)
            continue;
        struct ticket *ticket = kept->ticket;
        observe(deliver->options.observer, &(struct observed){.kind = OBSERVED_DROPPED,
                                                              .topic = deliver->kept.names[kept->change],
                                                              .partition = kept->partition,
                                                              .offset = kept->offset,
                                                              .record_ms = -1,
                                                              .run_id = slice_of(kept->run_id)});
        kept_leave(deliver, kept);
        source_ticket_drop(ticket);
    }
}

/** Withdraws what matches. Leaving a lane may start the next in it, so those that have not started go first,
 * the last of a lane before the first: the list has the newest in front. */
void withdraw_matching(struct deliver *deliver, const struct withdrawal *what)
{
    struct delivery *next;
    readings_withdraw(deliver, what);
    deliver->withdrawing = true;
    drop_kept(deliver, what);
    for (struct delivery *delivery = LIST_FIRST(&deliver->deliveries); delivery; delivery = next) {
        next = LIST_NEXT(delivery, all); // NOLINT(clang-analyzer-unix.Malloc): only `delivery` is freed below
        bool matches = !what->assignment || delivery->assignment == what->assignment;
        bool kept = (!what->started && life_is_under_way(delivery->state)) ||
                    (!what->unrepeatable && delivery->unrepeatable);
        if (matches && !kept)
            withdraw_delivery(delivery);
    }
    deliver->withdrawing = false;
}

void deliver_withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    struct deliver *deliver = ctx;
    struct withdrawal what = {.assignment = assignment, .unrepeatable = true};
    withdraw_matching(deliver, &what);
    what.started = cancel_started;
    if (cancel_started)
        withdraw_matching(deliver, &what);
    deliver_pump(deliver);
}

void deliver_stop_starting(struct deliver *deliver)
{
    deliver->stopped = true;
    withdraw_matching(deliver, &(struct withdrawal){0});
    deliver_pump(deliver);
}

/** The first that may be given up; NULL: none. */
static struct delivery *unanswered(const struct deliver *deliver)
{
    struct delivery *delivery = LIST_FIRST(&deliver->deliveries);
    while (delivery && !(delivery->unrepeatable && !life_is_answered(delivery->state)))
        delivery = LIST_NEXT(delivery, all);
    return delivery;
}

static void fail_now(struct delivery *delivery, const char *unsent, const char *without_answer)
{
    interrupt(delivery);
    window_withdraw(delivery->deliver->window, &delivery->slot);
    schedule_remove(&delivery->deliver->schedule, &delivery->due);
    delivery_give_up(delivery, unsent, without_answer);
}

size_t deliver_give_up(struct deliver *deliver)
{
    static const char stopped_first[] = "the agent was stopped first";
    struct delivery *delivery;
    size_t count = readings_give_up(deliver, stopped_first);
    deliver->withdrawing = true;
    while ((delivery = unanswered(deliver))) {
        fail_now(delivery, stopped_first, "the agent was stopped before the endpoint had answered");
        count++;
    }
    deliver->withdrawing = false;
    return count;
}

/** Its event was refused: what it waits for is to say so. */
static bool is_refused(const struct delivery *delivery)
{
    return delivery->state == LIFE_WAITING && delivery->attempt == 0 && delivery->event.payload.len == 0;
}

/** The last in the list, and so the first of its lane, of that run that may be cancelled; NULL: none. Counts
 * those that may not. */
static struct delivery *cancellable(const struct deliver *deliver, struct slice run_id, size_t *answered)
{
    struct delivery *delivery, *found = NULL;
    *answered = 0;
    LIST_FOREACH(delivery, &deliver->deliveries, all)
    {
        if (!delivery->is_run || !slice_equal(delivery->event.run_id, run_id))
            continue;
        if (life_is_answered(delivery->state) || is_refused(delivery))
            ++*answered;
        else
            found = delivery;
    }
    return found;
}

/** Those of the run that are kept by reference end when their records are here. Returns how many. */
static size_t cancel_kept(struct deliver *deliver, struct slice run_id)
{
    struct kept *kept;
    size_t count = 0;
    LIST_FOREACH(kept, &deliver->kept.list, all)
    {
        if (kept->cancelled || !slice_equal_text(run_id, kept->run_id))
            continue;
        kept->cancelled = true;
        count++;
    }
    return count;
}

size_t deliver_cancel_run(struct deliver *deliver, struct slice run_id, size_t *answered)
{
    struct delivery *delivery;
    size_t count = 0, concluding;
    deliver->withdrawing = true;
    for (; (delivery = cancellable(deliver, run_id, &concluding)); count++) {
        if (count == 0)
            *answered = concluding;
        fail_now(delivery, "cancelled by the operator",
                 "cancelled by the operator before the endpoint had answered");
    }
    if (count == 0)
        *answered = concluding;
    count += cancel_kept(deliver, run_id);
    deliver->withdrawing = false;
    deliver_pump(deliver);
    return count;
}
