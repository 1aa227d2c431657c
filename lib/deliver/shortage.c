/* The system gives the agent no connection: it has no file descriptor left, most of the time. That is not the
 * endpoint's doing, so it is no attempt and nothing a breaker hears of. The delivery waits, and the window
 * becomes what was in progress when it happened; it widens again step by step. */
#include "base/log.h"
#include "deliver/internal.h"

enum { WAIT_MS = 500, RELIEF_MS = 5000, TELL_EVERY_MS = 60000 };

static void relieved(struct due *due)
{
    struct deliver *deliver =
        (struct deliver *)(void *)((char *)due - offsetof(struct deliver, shortage.due));
    unsigned window = deliver->options.max_in_flight * 2;
    if (window < deliver->shortage.window) {
        deliver->options.max_in_flight = window;
        schedule_add(&deliver->schedule, due, clock_monotonic_ms(deliver->options.clock) + RELIEF_MS,
                     relieved);
    } else {
        deliver->options.max_in_flight = deliver->shortage.window;
    }
    deliver_pump(deliver);
}

static void narrow(struct deliver *deliver, int64_t now_ms)
{
    unsigned in_progress = (unsigned)deliver->in_state[DELIVERY_SENDING];
    struct shortage *shortage = &deliver->shortage;
    if (!shortage->due.fired)
        shortage->window = deliver->options.max_in_flight;
    if (in_progress < deliver->options.max_in_flight)
        deliver->options.max_in_flight = in_progress > 0 ? in_progress : 1;
    schedule_remove(&deliver->schedule, &shortage->due);
    schedule_add(&deliver->schedule, &shortage->due, now_ms + RELIEF_MS, relieved);
}

void shortage_met(struct delivery *delivery, const struct http_result *result)
{
    struct deliver *deliver = delivery->deliver;
    const struct clock *clock = deliver->options.clock;
    int64_t now_ms = clock_monotonic_ms(clock);
    destination_cancelled(deliver, delivery->destination);
    delivery->attempt--;
    if (deliver->stopped && !delivery->unrepeatable) {
        delivery_leave(delivery);
        return;
    }
    delivery_wait(delivery, WAIT_MS + (int64_t)(clock->random(clock->ctx) * WAIT_MS));
    narrow(deliver, now_ms);
    if (deliver->shortage.told_ms > 0 && now_ms - deliver->shortage.told_ms < TELL_EVERY_MS)
        return;
    deliver->shortage.told_ms = now_ms;
    log_warning("the system gives out no more connections: deliveries wait, and fewer are sent at once",
                F_STR("error.message", result->reason),
                F_INT("webhooks_at_once", deliver->options.max_in_flight));
}
