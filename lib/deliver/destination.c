/* Whose turn it is. Destinations with something ready take turns, one delivery each, so that a long queue for
 * one never delays another.
 *
 * How much of the window one may use. A slot is held for as long as the endpoint takes, so what a destination
 * costs the others is its number in flight times its latency (Little's law); that is what is limited:
 *
 *   - One that does not answer (it is new, or its last attempt had no answer) may have one attempt in
 *     progress, and more only while all such destinations together hold less than a sixteenth of the window:
 *     thirty that never answer hold thirty slots, not all of them. When slots are scarce (at most a
 *     quarter is free) even the first attempt at one that was silent before must be within that sixteenth.
 *   - What waits for those that do not answer is held in memory, and when memory is full nobody's records are
 *     taken any more. So once half of it has been used for ten seconds, while slots are not scarce, they may
 *     hold half the window. Not sooner: what they get, they hold for as long as a timeout.
 *   - One that answers and is alone may use the whole window; but for a sixteenth once it has been silent for
 *     a second, and twice as long as it is used to.
 *   - Otherwise one that answers has a limit that grows by one with every answer (slow start as in TCP,
 *     RFC 5681, section 3.1), up to the whole window, and is halved when it falls silent.
 *   - In company (another destination was active in the last ten seconds) one that is above its fair share
 *     leaves a sixteenth of the window to the others (what those that do not answer hold is part of it), and
 *     of the rest it may use the part that its latency allows: all of it up to a second, half at two seconds,
 *     a twentieth at twenty. The silence since its last answer counts as latency, so one that falls silent
 *     gives way before its timeouts say so.
 *
 * Why not a fixed share: it would waste most of the window when few destinations are in use. Why not the
 * gradient of latencies (as in Netflix's concurrency-limits): an endpoint that takes twenty seconds because
 * its work takes that long is no slower under load, and would be punished for nothing while it is alone. */
#include "deliver/internal.h"
#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { UNPROVEN_PART = 16, FIRST_LIMIT_MIN = 4, RESERVE_PART = 16, COMPANY_MS = 10000, PRESSED_MS = 10000 };
static const double QUICK_MS = 1000;

static int compare(const void *a, const void *b)
{
    const struct destination *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static void destination_free(void *node)
{
    struct destination *destination = node;
    breaker_close(destination);
    free(destination->name);
    free(destination);
}

static unsigned part_of_window(const struct deliver *deliver, unsigned divisor, unsigned least)
{
    unsigned window = deliver->options.max_in_flight, part = window / divisor;
    if (part < least)
        part = least;
    return part < window ? part : window;
}

static unsigned first_limit(const struct deliver *deliver)
{
    return part_of_window(deliver, UNPROVEN_PART, FIRST_LIMIT_MIN);
}

struct destination *destination_find(struct deliver *deliver, const char *name)
{
    struct destination wanted = {.name = (char *)(uintptr_t)name};
    struct destination **known = tfind(&wanted, &deliver->destinations, compare);
    if (known)
        return *known;
    struct destination *destination = calloc(1, sizeof *destination);
    if (!destination)
        return NULL;
    destination->name = strdup(name);
    destination->deliver = deliver;
    destination->limit = first_limit(deliver);
    if (!destination->name || !tsearch(destination, &deliver->destinations, compare)) {
        destination_free(destination);
        return NULL;
    }
    return destination;
}

/* Company */

static void check_activity(struct deliver *deliver, struct destination *destination)
{
    bool active = destination->ready.first || destination->in_flight > 0;
    if (active == destination->active)
        return;
    if (!active && deliver->active > 1)
        deliver->company_ms = clock_monotonic_ms(deliver->options.clock);
    destination->active = active;
    deliver->active += active ? 1u : -1u;
}

static bool in_company(const struct deliver *deliver, int64_t now_ms)
{
    return deliver->active > 1 || (deliver->company_ms > 0 && now_ms - deliver->company_ms < COMPANY_MS);
}

/** In milliseconds: smoothed, or the silence since the last answer, if that is longer. */
static double latency_of(const struct destination *destination, int64_t now_ms)
{
    double silence_ms = (double)(now_ms - destination->quiet_since_ms);
    return silence_ms > destination->latency_ms ? silence_ms : destination->latency_ms;
}

/** Slots that are left to others. Those that do not answer are others too: what they hold is taken off, down
 * to a quarter. */
static unsigned reserve_of(const struct deliver *deliver)
{
    unsigned reserve = part_of_window(deliver, RESERVE_PART, 1), least = (reserve + 3) / 4;
    return reserve > deliver->unproven_in_flight + least ? reserve - deliver->unproven_in_flight : least;
}

static bool allowed_alone(const struct deliver *deliver, const struct destination *destination,
                          int64_t now_ms)
{
    double silence_ms = (double)(now_ms - destination->quiet_since_ms);
    bool fell_silent = silence_ms > QUICK_MS && silence_ms > 2 * destination->latency_ms;
    return !fell_silent || destination->in_flight < deliver->options.max_in_flight - reserve_of(deliver);
}

/** May one that answers, and is not alone, have one more in flight? */
static bool allowed_in_company(const struct deliver *deliver, const struct destination *destination,
                               int64_t now_ms)
{
    unsigned window = deliver->options.max_in_flight;
    unsigned fair = window / (deliver->active > 1 ? deliver->active : 2); /* who was active will be again */
    unsigned reserve = reserve_of(deliver), in_flight = destination->in_flight;
    if (in_flight < fair)
        return true;
    if (window - deliver->in_state[DELIVERY_SENDING] <= reserve || fair + reserve >= window)
        return false;
    double latency_ms = latency_of(destination, now_ms);
    double part = latency_ms > QUICK_MS ? QUICK_MS / latency_ms : 1;
    return in_flight < fair + (window - reserve - fair) * part;
}

static bool pressed_for_long(const struct deliver *deliver)
{
    return deliver->pressed_ms > 0 &&
           clock_monotonic_ms(deliver->options.clock) - deliver->pressed_ms >= PRESSED_MS;
}

/** May one that does not answer have one more attempt? */
static bool may_try(const struct deliver *deliver, const struct destination *destination)
{
    unsigned window = deliver->options.max_in_flight, unproven = deliver->unproven_in_flight;
    bool scarce = window - deliver->in_state[DELIVERY_SENDING] <= window / 4;
    if (destination->in_flight == 0 && !(destination->silent && scarce))
        return unproven < window - window / 4;
    if (!scarce && pressed_for_long(deliver))
        return unproven < window / 2;
    return destination->in_flight < destination->limit && unproven < first_limit(deliver);
}

static bool may_start(const struct deliver *deliver, const struct destination *destination)
{
    unsigned cap = deliver->options.max_in_flight_per_destination;
    if ((cap > 0 && destination->in_flight >= cap) || !breaker_lets(&destination->breaker))
        return false;
    if (!destination->answers)
        return may_try(deliver, destination);
    if (destination->in_flight == 0)
        return true;
    int64_t now_ms = clock_monotonic_ms(deliver->options.clock);
    if (!in_company(deliver, now_ms))
        return allowed_alone(deliver, destination, now_ms);
    return destination->in_flight < destination->limit && allowed_in_company(deliver, destination, now_ms);
}

/* Turns */

void destination_take_turn(struct deliver *deliver, struct destination *destination)
{
    if (destination->in_turn || !destination->ready.first || !breaker_lets(&destination->breaker))
        return;
    destination->in_turn = true;
    destination->next_turn = NULL;
    if (deliver->turn_last)
        deliver->turn_last->next_turn = destination;
    else
        deliver->turn_first = destination;
    deliver->turn_last = destination;
    deliver->turns++;
}

static struct destination *next_turn(struct deliver *deliver)
{
    struct destination *destination = deliver->turn_first;
    assert(destination); /* `turns` counts them */
    deliver->turn_first = destination->next_turn;
    if (!deliver->turn_first)
        deliver->turn_last = NULL;
    destination->in_turn = false;
    deliver->turns--;
    return destination;
}

void destination_push(struct deliver *deliver, struct delivery *delivery)
{
    struct delivery_list *ready = &delivery->destination->ready;
    bool held_back = delivery->destination->breaker.state != BREAKER_CLOSED && !deliver_is_pressed(deliver);
    if (delivery->attempt > 0 && !held_back) {
        list_push_front(ready, delivery);
    } else {
        delivery->queued_ms = clock_monotonic_ms(deliver->options.clock);
        list_push(ready, delivery);
    }
    check_activity(deliver, delivery->destination);
    destination_take_turn(deliver, delivery->destination);
}

/** An idle destination is remembered for a while, with its limit: a fixed number of them, by hash. */
static void settle(struct deliver *deliver, struct destination *destination)
{
    if (destination->references > 0 || destination->in_turn)
        return;
    size_t places = sizeof deliver->idle_destinations / sizeof *deliver->idle_destinations;
    size_t place = slice_hash(slice_of(destination->name)) % places;
    struct destination *other = deliver->idle_destinations[place];
    deliver->idle_destinations[place] = destination;
    if (!other || other == destination || other->references > 0 || other->in_turn)
        return; /* one that is in use again comes here when it is idle */
    tdelete(other, &deliver->destinations, compare);
    destination_free(other);
}

static struct delivery *start(struct deliver *deliver, struct destination *destination)
{
    struct delivery *delivery = list_pop(&destination->ready);
    if (destination->in_flight++ == 0)
        destination->quiet_since_ms = clock_monotonic_ms(deliver->options.clock);
    deliver->unproven_in_flight += !destination->answers;
    breaker_started(&destination->breaker);
    destination_take_turn(deliver, destination);
    return delivery;
}

struct delivery *destination_next(struct deliver *deliver)
{
    for (size_t left = deliver->turns; left > 0; left--) {
        struct destination *destination = next_turn(deliver);
        if (!destination->ready.first)
            settle(deliver, destination);
        else if (may_start(deliver, destination))
            return start(deliver, destination);
        else
            destination_take_turn(deliver, destination); /* the others' turn first */
    }
    return NULL;
}

/* What is heard of it */

static bool is_silence(enum http_failure failure)
{
    return failure == HTTP_IDLE_TIMEOUT || failure == HTTP_CONNECT_TIMEOUT || failure == HTTP_TOTAL_TIMEOUT;
}

static void set_answers(struct deliver *deliver, struct destination *destination, bool answers)
{
    if (destination->answers && !answers)
        deliver->unproven_in_flight += destination->in_flight;
    else if (!destination->answers && answers)
        deliver->unproven_in_flight -= destination->in_flight;
    destination->answers = answers;
}

static void ended(struct deliver *deliver, struct destination *destination)
{
    destination->in_flight--;
    deliver->unproven_in_flight -= !destination->answers;
    check_activity(deliver, destination);
}

void destination_answered(struct deliver *deliver, struct destination *destination,
                          const struct http_result *result)
{
    ended(deliver, destination);
    destination->quiet_since_ms = clock_monotonic_ms(deliver->options.clock);
    if (result->status > 0) {
        bool first = destination->latency_ms == 0;
        double sample_ms = (double)result->duration_ms;
        destination->latency_ms += first ? sample_ms : (sample_ms - destination->latency_ms) / 8;
        set_answers(deliver, destination, true);
        destination->silent = false;
        if (destination->limit < deliver->options.max_in_flight)
            destination->limit++;
    } else if (result->failure != HTTP_MEMORY) {
        set_answers(deliver, destination, false);
        destination->silent = is_silence(result->failure);
        if (destination->silent && destination->limit > 1)
            destination->limit /= 2;
    }
    breaker_heard(destination, result);
    destination_take_turn(deliver, destination);
}

void destination_cancelled(struct deliver *deliver, struct destination *destination)
{
    ended(deliver, destination);
    breaker_cancelled(destination);
    destination_take_turn(deliver, destination);
}

void destination_checked(struct deliver *deliver, struct destination *destination)
{
    check_activity(deliver, destination);
}

void destination_release(struct deliver *deliver, struct destination *destination)
{
    destination->references--;
    check_activity(deliver, destination);
    settle(deliver, destination);
}

void destinations_free(struct deliver *deliver)
{
    tdestroy(deliver->destinations, destination_free);
    deliver->destinations = NULL;
}
