/* What stands: deliveries as they are now, for whoever asks. Changes nothing but a person's brake. */
#include "deliver/attempt.h"
#include "deliver/shared.h"

/** Of what is its turn as soon as its destination lets it. */
static const char *waits_at(const struct window *window, const struct slot *slot)
{
    if (window_is_held(window, slot))
        return "its turn at the destination, which the operator has paused";
    if (window_is_broken(slot))
        return "its turn at the destination, which only fails: its circuit is open";
    return "its turn at the destination";
}

/** In words. */
static const char *waits_for(const struct delivery *delivery)
{
    static const char *const words[LIFE_STATES] = {
        [LIFE_MAPPING] = "its mapping",
        [LIFE_QUEUED] = "the delivery before it with the same key",
        [LIFE_SENDING] = "the endpoint's answer",
        [LIFE_WAITING] = "the time of its next attempt",
        [LIFE_WRITING_LETTER] = "its dead letter to be written",
        [LIFE_MAPPING_REPORT] = "its mapping's report",
        [LIFE_REPORT_OWED] = "memory for its result",
        [LIFE_REPORTING] = "Port to accept its result",
    };
    if (delivery->writing)
        return "its answer to be written for Port";
    if (delivery->state == LIFE_READY)
        return waits_at(delivery->deliver->window, &delivery->slot);
    return words[delivery->state] ? words[delivery->state] : "nothing";
}

/** What to look at where a slot waits at its destination. */
static const char *hint_at(const struct window *window, const struct slot *slot)
{
    if (window_is_held(window, slot))
        return "'port-agent resume' lets deliveries go on";
    if (window_is_broken(slot))
        return "look at the endpoint, with 'port-agent check --destination URL'; deliveries go on when it "
               "answers";
    return NULL;
}

static const char *why_at(const struct window *window, const struct slot *slot)
{
    return window_is_broken(slot) && !window_is_held(window, slot) ? window_cause(slot) : "";
}

static int64_t due_in_ms(const struct due *due, int64_t now_ms)
{
    if (!due || !due->fired)
        return -1;
    return due->at_ms > now_ms ? due->at_ms - now_ms : 0;
}

static const char *kept_waits_for(const struct kept *kept)
{
    if (kept->wanted)
        return "its record, which is being read again";
    if (kept_waits_for_its_time(kept))
        return "the time of its next attempt";
    if (!window_is_first(&kept->slot))
        return "the delivery before it with the same key";
    return kept->slot.destination ? "those before it at the destination, to be read again then"
                                  : "memory, to be read again then";
}

static void each_kept(const struct deliver *deliver, int64_t now_ms,
                      void (*each)(void *ctx, const struct delivery_view *delivery), void *ctx)
{
    const struct kept *kept;
    LIST_FOREACH(kept, &deliver->kept.list, all)
    {
        const struct kept_past *past = kept->past;
        const struct delivery_view view = {.run_id = *kept->run_id ? slice_of(kept->run_id)
                                                                   : (struct slice){NULL, 0},
                                           .topic = deliver->kept.names[kept->change],
                                           .partition = kept->partition,
                                           .offset = kept->offset,
                                           .record_ms = -1,
                                           .taken_ms = kept->taken_ms,
                                           .state = life_state_name(LIFE_KEPT),
                                           .waits_for = kept_waits_for(kept),
                                           .destination = window_destination_of(&kept->slot),
                                           .attempts = past ? past->attempt : 0,
                                           .due_in_ms = due_in_ms(past ? &past->due : NULL, now_ms),
                                           .why = why_at(deliver->window, &kept->slot),
                                           .hint = hint_at(deliver->window, &kept->slot)};
        each(ctx, &view);
    }
}

void deliver_each(const struct deliver *deliver,
                  void (*each)(void *ctx, const struct delivery_view *delivery), void *ctx)
{
    int64_t now_ms = clock_monotonic_ms(deliver->options.clock);
    const struct delivery *delivery;
    LIST_FOREACH(delivery, &deliver->deliveries, all)
    {
        const struct target *target = delivery->target;
        const struct delivery_view view = {
            .run_id = delivery->event.run_id,
            .topic = delivery->topic,
            .partition = delivery->partition,
            .offset = delivery->offset,
            .record_ms = delivery->record_ms,
            .taken_ms = delivery->taken_ms,
            .state = life_state_name(delivery->state),
            .waits_for = waits_for(delivery),
            .destination = target ? target->parts.destination : NULL,
            .url = target && delivery->request.secret_count == 0 ? target->parts.redacted : NULL,
            .attempts = delivery->attempt,
            .due_in_ms = due_in_ms(&delivery->due, now_ms),
            .status = delivery->outcome.status,
            .cause = buffer_slice(&delivery->outcome.cause),
            .why = delivery->state == LIFE_READY ? why_at(deliver->window, &delivery->slot) : "",
            .hint = delivery->state == LIFE_READY ? hint_at(deliver->window, &delivery->slot) : NULL,
            .at_letter = delivery->state == LIFE_WRITING_LETTER,
            .at_port = delivery->state == LIFE_REPORTING};
        each(ctx, &view);
    }
    each_kept(deliver, now_ms, each, ctx);
}

const struct window *deliver_window(const struct deliver *deliver)
{
    return deliver->window;
}

bool deliver_pause(struct deliver *deliver, const char *destination, bool paused)
{
    return window_pause(deliver->window, destination, paused);
}
