/* A window of its own, with a clock that a test turns, and slots that nobody fills. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "window/destination.h"
#include "window/window.h"
#include <stdlib.h>

enum { WINDOW = 32, MANY = 64, SLOTS_MAX = 1024 };

struct world {
    uv_loop_t loop;
    struct clock clock;
    int64_t now_ms;
    double random;
    struct schedule schedule;
    struct window *window;
    /** Calls of `ready`. */
    unsigned ready;
    struct slot slots[SLOTS_MAX];
    size_t count;
    /** Under way, in the order of their start. */
    struct slot *started[SLOTS_MAX];
    size_t under_way;
};

static inline int64_t world_now(void *ctx)
{
    return ((struct world *)ctx)->now_ms;
}

static inline double world_random(void *ctx)
{
    return ((struct world *)ctx)->random;
}

static inline void world_ready(void *ctx)
{
    ((struct world *)ctx)->ready++;
}

/** With `slots`, a clock and `ready` of the world's own, whatever else `options` say. */
static inline struct world *world_with(struct window_options options)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    uv_loop_init(&world->loop);
    world->now_ms = 1000000;
    world->random = 0.5;
    world->clock =
        (struct clock){.ctx = world, .monotonic_ms = world_now, .wall_ms = world_now, .random = world_random};
    assert_true(schedule_open(&world->schedule, &world->loop, &world->clock));
    options.schedule = &world->schedule;
    options.clock = &world->clock;
    options.slots = options.slots ? options.slots : WINDOW;
    options.ready = world_ready;
    options.ctx = world;
    world->window = window_new(&options);
    assert_non_null(world->window);
    return world;
}

static inline struct world *world_new(void)
{
    return world_with((struct window_options){0});
}

static inline void world_free(struct world *world)
{
    window_free(world->window);
    schedule_close(&world->schedule);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    uv_loop_close(&world->loop);
    free(world);
}

/** A slot that goes there, and waits nowhere yet. */
static inline struct slot *slot_to(struct world *world, const char *name)
{
    assert_true(world->count < SLOTS_MAX);
    struct slot *slot = &world->slots[world->count++];
    assert_true(window_address(world->window, slot, name));
    return slot;
}

/** Queues so many slots for it. */
static inline struct destination *queue_slots(struct world *world, const char *name, size_t count)
{
    struct slot *slot = NULL;
    for (size_t i = 0; i < count; i++) {
        slot = slot_to(world, name);
        window_push(world->window, slot, false);
    }
    return slot ? slot->destination : NULL;
}

/** Starts what may start, as the pump does; returns how many did. */
static inline size_t start_all(struct world *world)
{
    size_t before = world->under_way;
    for (struct slot *slot; (slot = window_next(world->window));)
        world->started[world->under_way++] = slot;
    return world->under_way - before;
}

/** Ends the attempt at it that is the longest under way. Returns its slot. */
static inline struct slot *end_attempt(struct world *world, const struct destination *destination,
                                       enum slot_end end, int64_t ms)
{
    size_t i = 0;
    while (i < world->under_way && world->started[i]->destination != destination)
        i++;
    assert_true(i < world->under_way);
    struct slot *slot = world->started[i];
    for (world->under_way--; i < world->under_way; i++)
        world->started[i] = world->started[i + 1];
    window_ended(world->window, slot, end, ms);
    return slot;
}

static inline void answer(struct world *world, struct destination *destination)
{
    end_attempt(world, destination, SLOT_ANSWERED, 1);
}

static inline void time_out(struct world *world, struct destination *destination)
{
    end_attempt(world, destination, SLOT_SILENT, 0);
}

/** Lets time pass, and what is due by then happen. */
static inline void pass_ms(struct world *world, int64_t ms)
{
    world->now_ms += ms;
    schedule_fire(&world->schedule);
}

/** Answers so often that it may have the whole window. */
static inline struct destination *proven(struct world *world, const char *name)
{
    struct destination *destination = queue_slots(world, name, MANY);
    for (size_t answers = 0; answers < MANY; answers++) {
        start_all(world);
        answer(world, destination);
    }
    assert_int_equal(destination->in_flight, 0);
    return destination;
}

/** Silent once already. */
static inline struct destination *silent(struct world *world, const char *name)
{
    struct destination *destination = queue_slots(world, name, 1);
    assert_int_equal(start_all(world), 1);
    time_out(world, destination);
    return destination;
}
