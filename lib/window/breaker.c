/* A destination that only fails is probed: deliveries to it are delayed, never dropped.
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
#include "window/breaker.h"

enum { FIRST_INTERVAL_MS = 500, MAX_INTERVAL_MS = 3000 };

bool breaker_lets(const struct breaker *breaker)
{
    return breaker->state == BREAKER_CLOSED || (breaker->state == BREAKER_HALF_OPEN && breaker->permits > 0);
}

void breaker_started(struct breaker *breaker)
{
    if (breaker->state == BREAKER_HALF_OPEN)
        breaker->permits--;
}

static int64_t trip(struct breaker *breaker, const struct clock *clock)
{
    bool again = breaker->state != BREAKER_CLOSED;
    breaker->interval_ms = again ? breaker->interval_ms * 2 : FIRST_INTERVAL_MS;
    if (breaker->interval_ms > MAX_INTERVAL_MS)
        breaker->interval_ms = MAX_INTERVAL_MS;
    breaker->state = BREAKER_OPEN;
    return breaker->interval_ms / 2 + (int64_t)((double)breaker->interval_ms / 2 * clock->random(clock->ctx));
}

int64_t breaker_failed(struct breaker *breaker, unsigned threshold, const struct clock *clock)
{
    breaker->failures++;
    /* Open, it is an attempt from before that ends now. Half-open, those that waited long enough have theirs
     * first: there may be more of them than can be in progress at once. */
    if ((breaker->state == BREAKER_HALF_OPEN && breaker->permits == 0) ||
        (breaker->state == BREAKER_CLOSED && breaker->failures >= threshold))
        return trip(breaker, clock);
    return 0;
}

void breaker_half_open(struct breaker *breaker, unsigned permits)
{
    breaker->state = BREAKER_HALF_OPEN;
    breaker->permits = permits > 1 ? permits : 1;
}

void breaker_cancelled(struct breaker *breaker)
{
    if (breaker->state == BREAKER_HALF_OPEN && breaker->permits == 0)
        breaker->permits = 1;
}

void breaker_close(struct breaker *breaker)
{
    *breaker = (struct breaker){.state = BREAKER_CLOSED};
}
