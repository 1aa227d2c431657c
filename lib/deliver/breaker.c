/* A destination that only fails is probed, not pressed: what goes there is delayed, never dropped.
 *
 *     CLOSED ──failures in a row──▶ OPEN ──interval──▶ HALF_OPEN ──answered──▶ CLOSED
 *                                     ▲                    │
 *                                     └──────failed, interval doubled
 *
 * A failure is no answer at all, or a 5xx. Half-open lets one attempt through, and beside it whatever has
 * waited for half a minute since it came or was tried last: five attempts take about a hundred seconds then,
 * where without a breaker they would be over in seven and lost to an outage of eight, and one who is never
 * answered still hears of it. What waits is held in memory, and when that is full nobody's records are taken
 * any more: once half of it is used, ten seconds must do. */
#include "base/log.h"
#include "deliver/internal.h"

enum { FIRST_INTERVAL_MS = 500, MAX_INTERVAL_MS = 3000, PATIENCE_MS = 30000, PRESSED_PATIENCE_MS = 10000 };

bool breaker_lets(const struct breaker *breaker)
{
    return breaker->state == BREAKER_CLOSED || (breaker->state == BREAKER_HALF_OPEN && breaker->permits > 0);
}

void breaker_started(struct breaker *breaker)
{
    if (breaker->state == BREAKER_HALF_OPEN)
        breaker->permits--;
}

/** Deliveries in front of the queue that have waited long enough; it is in the order of queued_ms. */
static unsigned overdue(const struct destination *destination)
{
    const struct deliver *deliver = destination->deliver;
    int64_t patience_ms = deliver_is_pressed(deliver) ? PRESSED_PATIENCE_MS : PATIENCE_MS;
    int64_t since_ms = clock_monotonic_ms(deliver->options.clock) - patience_ms;
    unsigned count = 0;
    for (const struct delivery *delivery = destination->ready.first;
         delivery && delivery->queued_ms <= since_ms; delivery = delivery->queue_next)
        count++;
    return count;
}

static void half_open(struct due *due)
{
    struct destination *destination =
        (struct destination *)(void *)((char *)due - offsetof(struct destination, breaker.due));
    struct breaker *breaker = &destination->breaker;
    unsigned late = overdue(destination);
    breaker->state = BREAKER_HALF_OPEN;
    breaker->permits = late > 1 ? late : 1;
    destination_take_turn(destination->deliver, destination);
    deliver_pump(destination->deliver);
}

static void trip(struct destination *destination)
{
    struct deliver *deliver = destination->deliver;
    struct breaker *breaker = &destination->breaker;
    const struct clock *clock = deliver->options.clock;
    bool again = breaker->state != BREAKER_CLOSED;
    breaker->interval_ms = again ? breaker->interval_ms * 2 : FIRST_INTERVAL_MS;
    if (breaker->interval_ms > MAX_INTERVAL_MS)
        breaker->interval_ms = MAX_INTERVAL_MS;
    breaker->state = BREAKER_OPEN;
    /* Half of it is at random, so that many agents do not probe in step. */
    int64_t wait_ms =
        breaker->interval_ms / 2 + (int64_t)((double)breaker->interval_ms / 2 * clock->random(clock->ctx));
    schedule_remove(&deliver->schedule, &breaker->due);
    schedule_add(&deliver->schedule, &breaker->due, clock_monotonic_ms(clock) + wait_ms, half_open);
    if (again)
        return;
    deliver->counters.circuits_open++;
    log_warning("circuit open: the destination only fails; deliveries to it wait while it is probed",
                F_STR("server.address", destination->name), F_INT("failures", breaker->failures));
}

void breaker_close(struct destination *destination)
{
    struct breaker *breaker = &destination->breaker;
    if (breaker->state != BREAKER_CLOSED)
        destination->deliver->counters.circuits_open--;
    schedule_remove(&destination->deliver->schedule, &breaker->due);
    *breaker = (struct breaker){.state = BREAKER_CLOSED};
}

void breaker_heard(struct destination *destination, const struct http_result *result)
{
    struct breaker *breaker = &destination->breaker;
    unsigned threshold = destination->deliver->options.breaker_failures;
    bool failed = result->status == 0 || result->status >= 500;
    if (threshold == 0 || result->failure == HTTP_MEMORY || result->failure == HTTP_BAD_URL)
        return;
    if (!failed) {
        if (breaker->state != BREAKER_CLOSED)
            log_info("circuit closed: the destination answers again",
                     F_STR("server.address", destination->name));
        breaker_close(destination);
        return;
    }
    breaker->failures++;
    /* Open, it is an attempt from before that ends now. Half-open, those that waited long enough have theirs
     * first: there may be more of them than can be in progress at once. */
    if ((breaker->state == BREAKER_HALF_OPEN && breaker->permits == 0) ||
        (breaker->state == BREAKER_CLOSED && breaker->failures >= threshold))
        trip(destination);
}

void breaker_cancelled(struct destination *destination)
{
    struct breaker *breaker = &destination->breaker;
    if (breaker->state == BREAKER_HALF_OPEN && breaker->permits == 0)
        breaker->permits = 1;
}
