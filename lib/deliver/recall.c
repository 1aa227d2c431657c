/* What is beyond its share goes out of memory, and comes back: it is read, verified and mapped again, in its
 * old place and with the attempts that it has had. Where its record is gone by then, it fails. */
#include "deliver/recall.h"
#include "base/container_of.h"
#include "deliver/attempt.h"
#include "deliver/conclusion.h"
#include "deliver/intake.h"
#include "deliver/mapping.h"
#include "deliver/reading.h"
#include "deliver/report.h"
#include "deliver/shared.h"
#include "deliver/telling.h"
#include "source/record_id.h"
#include <string.h>

enum {
    /** The least time between two searches for what may go out: each looks at all deliveries. */
    EVICT_EVERY_MS = 250,
    /** Records asked for in one turn of the loop, and those behind the first of a lane. */
    ASK_MAX = 64,
    LANE_MAX = 32
};

/* Out */

/** The first of its lane is another delivery, which does not go on before long. */
static bool waits_behind_another(struct delivery *delivery)
{
    struct slot *first = window_first_in_lane(&delivery->slot);
    return first != &delivery->slot && (first->kept || delivery_of_slot(first)->state == LIFE_WAITING ||
                                        window_is_held_back(delivery->deliver->window, first));
}

static bool may_be_evicted(struct delivery *delivery)
{
    const struct window *window = delivery->deliver->window;
    enum life_state state = delivery->state;
    if (!delivery->addressed || (state != LIFE_READY && state != LIFE_QUEUED && state != LIFE_WAITING))
        return false;
    return window_is_beyond_share(window, &delivery->slot, true) || waits_behind_another(delivery) ||
           (state == LIFE_WAITING && window_has_used_share(window, &delivery->slot));
}

void deliver_evict(struct deliver *deliver)
{
    int64_t now_ms = clock_monotonic_ms(deliver->options.clock);
    if (now_ms - deliver->evicted_ms < EVICT_EVERY_MS)
        return;
    deliver->evicted_ms = now_ms;
    struct delivery *next;
    for (struct delivery *delivery = LIST_FIRST(&deliver->deliveries);
         delivery && !memory_is_free_by(&deliver->memory, 4); delivery = next) {
        next = LIST_NEXT(delivery, all);
        if (may_be_evicted(delivery) && !delivery_keep(delivery))
            return;
    }
}

/* Back */

/** A delivery in its place, its record's event taken over. NULL: out of memory, and the record is left. */
static struct delivery *put_back(struct deliver *deliver, const struct record *record, struct event *event,
                                 struct kept *kept)
{
    static const struct kept_past no_past;
    const struct kept_past past = kept->past ? *kept->past : no_past;
    bool cancelled = kept->cancelled;
    struct delivery *delivery = intake_delivery(deliver, record, event, kept->ticket);
    if (!delivery) {
        kept_leave(deliver, kept);
        return NULL;
    }
    window_take_place(deliver->window, &kept->slot, &delivery->slot, false);
    intake_trace(delivery, record, past.trace_serial);
    delivery->attempt = past.attempt;
    delivery->started_ms = past.started_ms;
    delivery->start_told = past.start_told;
    delivery->waits.told = kept->wait_told;
    delivery->waits.ms[WAIT_MEMORY] = (uint32_t)(delivery->taken_ms - kept->taken_ms);
    delivery->taken_ms = kept->taken_ms;
    delivery->report = past.report;
    kept_free(deliver, kept);
    delivery_charge(delivery);
    if (cancelled && intake_keep_record(delivery, record)) {
        delivery_fail_unsent(delivery, "cancelled", "cancelled by the operator");
        deliver_pump(deliver);
        return NULL;
    }
    return delivery;
}

/** Its run hears of it. */
static void fail_gone(struct deliver *deliver, const struct record *record, struct kept *kept)
{
    struct event event;
    event_init(&event);
    event.kind = record->kind;
    buffer_append_text(&event.texts, kept->run_id);
    event.run_id = event.texts.len > 0 ? buffer_slice(&event.texts) : (struct slice){NULL, 0};
    kept->cancelled = false;
    struct delivery *delivery = put_back(deliver, record, &event, kept);
    if (!delivery)
        return;
    delivery_tell(delivery, OBSERVED_GONE);
    delivery_fail_unsent(delivery, "record_gone", "no longer in the topic");
    deliver_pump(deliver);
}

/** It is known of no source where it was. */
static void fail_unread(struct deliver *deliver, struct kept *kept)
{
    char id[RECORD_ID_SIZE];
    const char *topic = deliver->kept.names[kept->change];
    const struct record record = {.kind = kept->change ? EVENT_CHANGE_LOG : EVENT_RUN,
                                  .id = record_id(id, topic, kept->partition, kept->offset),
                                  .topic = topic,
                                  .partition = kept->partition,
                                  .offset = kept->offset,
                                  .timestamp_ms = -1,
                                  .assignment = kept->assignment};
    fail_gone(deliver, &record, kept);
}

static void take_read_again(struct deliver *deliver, struct record_read *read)
{
    const struct record *record = read->record;
    struct event *event = &read->event;
    struct kept *kept = read->reader;
    if (read->failed == PA_ERR_MEMORY) {
        event_clear(event);
        kept_again(deliver, kept);
        return;
    }
    bool same =
        read->failed == 0 && read->refusal == REFUSAL_NONE && dedup_content(record, event) == kept->content;
    if (!same) { /* another record stands there now */
        event_clear(event);
        fail_gone(deliver, record, kept);
        return;
    }
    record_tell(deliver, record, event, OBSERVED_READ_AGAIN);
    struct delivery *delivery = put_back(deliver, record, event, kept);
    if (!delivery)
        return;
    if (!intake_keep_record(delivery, record)) {
        delivery_leave(delivery);
        return;
    }
    delivery_charge(delivery);
    delivery_map(delivery);
}

void deliver_take_again(void *ctx, const struct record *record, void *reader)
{
    struct deliver *deliver = ctx;
    struct kept *kept = reader;
    struct record_read read = {.record = record, .ticket = kept->ticket, .reader = kept};
    if (record->gone) {
        fail_gone(deliver, record, kept);
        return;
    }
    event_init(&read.event);
    if (!reading_start(deliver, &read, take_read_again))
        kept_again(deliver, kept);
}

static enum source_reading read_again(struct deliver *deliver, struct kept *kept)
{
    enum source_reading reading = source_ticket_read_again(kept->ticket, kept);
    if (reading == READING_COMES)
        kept_reserve(deliver, kept);
    return reading;
}

/** Those behind the first of a lane will have their turns soon; where they go is not known yet. */
static void ask_ahead(struct deliver *deliver, const struct kept *kept)
{
    struct slot *slot = kept->slot.destination ? NULL : window_next_in_lane(&kept->slot);
    for (int count = 1; slot && slot->kept && count < LANE_MAX; count++) {
        struct kept *behind = kept_of_slot(slot);
        if (!behind->wanted && !slot->destination)
            PA_IGNORE(read_again(deliver, behind)); /* it is asked for again when it is first */
        slot = window_next_in_lane(slot);
    }
}

static void recall_again(struct due *due)
{
    struct deliver *deliver = CONTAINER_OF(due, struct deliver, recall_due);
    deliver_recall(deliver);
    deliver_pump(deliver);
}

static void recall_in(struct deliver *deliver, int64_t ms)
{
    if (!deliver->recall_due.fired)
        schedule_add(&deliver->schedule, &deliver->recall_due,
                     clock_monotonic_ms(deliver->options.clock) + ms, recall_again);
}

/** Deliveries in memory may wait for those that are kept, and the source need not ask for space: then nobody
 * else would make any. */
static void make_space(struct deliver *deliver)
{
    if (deliver->stopped || deliver->kept.count == 0 || memory_is_free_by(&deliver->memory, 4))
        return;
    deliver_evict(deliver);
    recall_in(deliver, EVICT_EVERY_MS);
}

void deliver_recall(struct deliver *deliver)
{
    struct kept *kept;
    make_space(deliver);
    for (int asked = 0; asked < ASK_MAX && !deliver->stopped && (kept = kept_next(deliver)); asked++) {
        switch (read_again(deliver, kept)) {
        case READING_COMES:
            ask_ahead(deliver, kept);
            break;
        case READING_GONE:
            fail_unread(deliver, kept);
            break;
        default: /* out of memory: perhaps nothing else is under way that would come by here */
            kept_again(deliver, kept);
            recall_in(deliver, MEMORY_WAIT_MS);
            return;
        }
    }
}
