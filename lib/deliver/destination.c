/* Whose turn it is. Destinations with something ready take turns, one delivery each, so that a long queue for
 * one never delays another.
 *
 * How much of the window one may use: slow start as in TCP (RFC 5681, section 3.1), counted in deliveries. A
 * destination begins with a sixteenth of the window and gains one slot with every answer, so one that answers
 * doubles its share every round trip and soon may use every slot, while one that never answers can hold no
 * more than that sixteenth. A timeout halves the share, so one that falls silent gives way to the others. Why
 * not a fixed share: it would waste most of the window when only a few destinations are in use. */
#include "deliver/internal.h"
#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SHARE = 16, FIRST_MIN = 4 };

static int compare(const void *a, const void *b)
{
    const struct destination *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static void destination_free(void *node)
{
    struct destination *destination = node;
    free(destination->name);
    free(destination);
}

static unsigned first_limit(const struct deliver *deliver)
{
    unsigned limit = deliver->options.max_in_flight / FIRST_SHARE;
    if (limit < FIRST_MIN)
        limit = FIRST_MIN;
    return limit < deliver->options.max_in_flight ? limit : deliver->options.max_in_flight;
}

struct destination *destination_find(struct deliver *deliver, const char *name)
{
    struct destination *destination = calloc(1, sizeof *destination);
    if (!destination)
        return NULL;
    destination->name = strdup(name);
    destination->limit = first_limit(deliver);
    struct destination **found =
        destination->name ? tsearch(destination, &deliver->destinations, compare) : NULL;
    if (!found || *found != destination)
        destination_free(destination);
    return found ? *found : NULL;
}

static void take_turn(struct deliver *deliver, struct destination *destination)
{
    if (destination->in_turn || !destination->ready.first || destination->in_flight >= destination->limit)
        return;
    destination->in_turn = true;
    destination->next_turn = NULL;
    if (deliver->turn_last)
        deliver->turn_last->next_turn = destination;
    else
        deliver->turn_first = destination;
    deliver->turn_last = destination;
}

void destination_push(struct deliver *deliver, struct delivery *delivery)
{
    list_push(&delivery->destination->ready, delivery);
    take_turn(deliver, delivery->destination);
}

/** An idle destination's limit is remembered for a while: a fixed number of them, by hash. */
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

struct delivery *destination_next(struct deliver *deliver)
{
    struct destination *destination;
    while ((destination = deliver->turn_first)) {
        deliver->turn_first = destination->next_turn;
        if (!deliver->turn_first)
            deliver->turn_last = NULL;
        destination->in_turn = false;
        struct delivery *delivery = list_pop(&destination->ready);
        if (!delivery) {
            settle(deliver, destination);
            continue;
        }
        destination->in_flight++;
        take_turn(deliver, destination);
        return delivery;
    }
    return NULL;
}

static bool was_silent(enum http_failure failure)
{
    return failure == HTTP_IDLE_TIMEOUT || failure == HTTP_CONNECT_TIMEOUT || failure == HTTP_TOTAL_TIMEOUT;
}

void destination_answered(struct deliver *deliver, struct destination *destination, enum http_failure failure)
{
    destination->in_flight--;
    if (was_silent(failure))
        destination->limit = destination->limit > 1 ? destination->limit / 2 : 1;
    else if (failure == HTTP_OK && destination->limit < deliver->options.max_in_flight)
        destination->limit++;
    take_turn(deliver, destination);
}

void destination_release(struct deliver *deliver, struct destination *destination)
{
    destination->references--;
    settle(deliver, destination);
}

void destinations_free(struct deliver *deliver)
{
    tdestroy(deliver->destinations, destination_free);
    deliver->destinations = NULL;
}
