/* What stands: deliveries as they are now, for whoever asks. Changes nothing but a person's brake. */
#include "deliver/attempt.h"
#include "deliver/shared.h"

/** In words. */
static const char *waits_for(const struct delivery *delivery)
{
    static const char *const words[LIFE_STATES] = {
        [LIFE_MAPPING] = "its mapping",
        [LIFE_QUEUED] = "the delivery before it with the same key",
        [LIFE_READY] = "its turn at the destination",
        [LIFE_SENDING] = "the endpoint's answer",
        [LIFE_WAITING] = "the time of its next attempt",
        [LIFE_WRITING_LETTER] = "its dead letter to be written",
        [LIFE_MAPPING_REPORT] = "its mapping's report",
        [LIFE_REPORT_OWED] = "memory for its result",
        [LIFE_REPORTING] = "Port to accept its result",
    };
    return words[delivery->state] ? words[delivery->state] : "nothing";
}

static int64_t due_in_ms(const struct delivery *delivery, int64_t now_ms)
{
    if (!delivery->due.fired)
        return -1;
    return delivery->due.at_ms > now_ms ? delivery->due.at_ms - now_ms : 0;
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
            .due_in_ms = due_in_ms(delivery, now_ms),
            .status = delivery->outcome.status,
            .cause = buffer_slice(&delivery->outcome.cause)};
        each(ctx, &view);
    }
}

const struct window *deliver_window(const struct deliver *deliver)
{
    return deliver->window;
}

bool deliver_pause(struct deliver *deliver, const char *destination, bool paused)
{
    return window_pause(deliver->window, destination, paused);
}
