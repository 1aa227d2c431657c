/* Destinations by name. An idle destination is kept for a while, because of what is known of it. */
#include "window/destination.h"
#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare_destinations(const void *a, const void *b)
{
    const struct destination *left = a, *right = b;
    return strcmp(left->name, right->name);
}

void destination_close_breaker(struct destination *destination)
{
    if (destination->breaker.state != BREAKER_CLOSED)
        destination->all->breakers_open--;
    schedule_remove(destination->all->schedule, &destination->due);
    breaker_close(&destination->breaker);
}

static void destination_free(void *node)
{
    struct destination *destination = node;
    destination_close_breaker(destination);
    free(destination->name);
    free(destination);
}

struct destination *destination_find(struct destinations *all, const char *name, unsigned limit)
{
    struct destination wanted = {.name = (char *)(uintptr_t)name};
    struct destination **known = tfind(&wanted, &all->tree, compare_destinations);
    if (known)
        return *known;
    struct destination *destination = calloc(1, sizeof *destination);
    if (!destination)
        return NULL;
    destination->name = strdup(name);
    destination->all = all;
    destination->limit = limit;
    if (!destination->name || !tsearch(destination, &all->tree, compare_destinations)) {
        destination_free(destination);
        return NULL;
    }
    return destination;
}

void destination_settle(struct destination *destination)
{
    struct destinations *all = destination->all;
    if (destination->references > 0 || destination->in_turn || destination->in_kept_ring)
        return;
    size_t places = sizeof all->idle / sizeof *all->idle;
    size_t place = slice_hash(slice_of(destination->name)) % places;
    struct destination *other = all->idle[place];
    all->idle[place] = destination;
    if (!other || other == destination || other->references > 0 || other->in_turn || other->in_kept_ring)
        return; /* one that is in use again comes here when it is idle */
    tdelete(other, &all->tree, compare_destinations);
    destination_free(other);
}

struct visit {
    void (*each)(void *ctx, const struct destination *destination);
    void *ctx;
};

static void visit_node(const void *node, VISIT which, void *closure)
{
    const struct visit *visit = closure;
    if (which == postorder || which == leaf)
        visit->each(visit->ctx, *(struct destination *const *)node);
}

void destinations_each(const struct destinations *all,
                       void (*each)(void *ctx, const struct destination *destination), void *ctx)
{
    struct visit visit = {each, ctx};
    twalk_r(all->tree, visit_node, &visit);
}

void destinations_free(struct destinations *all)
{
    tdestroy(all->tree, destination_free);
    *all = (struct destinations){.schedule = all->schedule};
}
