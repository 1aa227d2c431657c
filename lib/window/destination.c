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

void destinations_open(struct destinations *all, struct schedule *schedule)
{
    *all = (struct destinations){.schedule = schedule};
    TAILQ_INIT(&all->idle);
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

static bool is_idle(const struct destination *destination)
{
    return destination->references == 0 && !destination->in_turn && !destination->in_kept_ring;
}

static void leave_memory(struct destination *destination)
{
    TAILQ_REMOVE(&destination->all->idle, destination, memory);
    destination->remembered = false;
    destination->all->idle_count--;
}

static void enter_memory(struct destination *destination)
{
    TAILQ_INSERT_TAIL(&destination->all->idle, destination, memory);
    destination->remembered = true;
    destination->all->idle_count++;
}

void destination_settle(struct destination *destination)
{
    struct destinations *all = destination->all;
    if (!is_idle(destination))
        return;
    if (destination->remembered)
        leave_memory(destination);
    enter_memory(destination);
    if (all->idle_count <= DESTINATIONS_REMEMBERED)
        return;
    struct destination *other = TAILQ_FIRST(&all->idle);
    leave_memory(other);
    if (!is_idle(other))
        return; /* it comes here again when it is */
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
    destinations_open(all, all->schedule);
}
