/* A loop with dead letters on it, and what tests of both kinds do with them. */
#pragma once
#include "deadletter/dead_letter.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WAIT_MS = 20000 };

struct world {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct dead_letters *letters;
    unsigned done, closed;
    bool late;
};

static inline void world_deadline(uv_timer_t *timer)
{
    ((struct world *)timer->data)->late = true;
}

static inline void world_open(struct world *world, struct dead_letters_options *options)
{
    struct error err = {0};
    *world = (struct world){0};
    uv_loop_init(&world->loop);
    uv_timer_init(&world->loop, &world->deadline);
    world->deadline.data = world;
    options->loop = &world->loop;
    options->secret = SLICE_LITERAL("the client secret");
    options->clock = clock_system();
    options->first_backoff_ms = options->first_backoff_ms ? options->first_backoff_ms : 5;
    options->max_backoff_ms = options->max_backoff_ms ? options->max_backoff_ms : 50;
    world->letters = dead_letters_new(options, &err);
    if (!world->letters)
        fail_msg("%s", err.message);
}

/** Runs the loop until `reached` says so; fails when it takes too long. */
static inline void world_run(struct world *world, bool (*reached)(struct world *world, void *ctx), void *ctx)
{
    world->late = false;
    uv_timer_start(&world->deadline, world_deadline, WAIT_MS, 0);
    while (!reached(world, ctx) && !world->late)
        uv_run(&world->loop, UV_RUN_ONCE);
    uv_timer_stop(&world->deadline);
    assert_false(world->late);
}

static inline bool done_count(struct world *world, void *ctx)
{
    return world->done >= *(unsigned *)ctx;
}

static inline bool failure_count(struct world *world, void *ctx)
{
    struct dead_letters_counters counters;
    dead_letters_counters(world->letters, &counters);
    return counters.failures >= *(unsigned *)ctx;
}

static inline void world_run_done(struct world *world, unsigned count)
{
    world_run(world, done_count, &count);
    assert_int_equal(world->done, count);
}

static inline void world_run_failures(struct world *world, unsigned count)
{
    world_run(world, failure_count, &count);
}

static inline void count_done(void *ctx)
{
    ((struct world *)ctx)->done++;
}

static inline void count_closed(void *ctx)
{
    ((struct world *)ctx)->closed++;
}

static inline void world_close(struct world *world)
{
    dead_letters_close(world->letters, count_closed, world);
    uv_close((uv_handle_t *)&world->deadline, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(world->closed, 1);
    assert_int_equal(uv_loop_close(&world->loop), 0);
}

static inline struct dead_letter letter_of(int64_t offset, const char *value)
{
    return (struct dead_letter){.reason = "no answer: connection refused",
                                .attempts = 5,
                                .status = 503,
                                .topic = "org.runs",
                                .partition = 2,
                                .offset = offset,
                                .id = SLICE_LITERAL("org.runs-2-77"),
                                .time_ms = 1768317616641,
                                .url = "https://svc.internal/vm?token=***",
                                .run_id = SLICE_LITERAL("r_1"),
                                .key = SLICE_LITERAL("key"),
                                .value = slice_of(value)};
}

static inline struct dead_letter_write *world_write(struct world *world, const struct dead_letter *letter)
{
    struct dead_letter_write *write = dead_letters_write(world->letters, letter, count_done, world);
    assert_non_null(write);
    return write;
}
