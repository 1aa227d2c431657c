/* A mapper on a loop of its own, and what it answered. */
#pragma once
#include "map/mapper.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct world {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct mapper *mapper;
    pid_t process;
    struct map_process started;
    struct map_call *asked;
    struct map_generation *held;
    size_t answers;
    char text[64][160];
    bool lost, closed;
    /** What is told of evaluators that end again and again; "": nothing, or that they answer again. */
    char barren[160];
    size_t barren_told;
};

static inline void lost(void *ctx)
{
    ((struct world *)ctx)->lost = true;
}

static inline void barren(void *ctx, const char *reason)
{
    struct world *world = ctx;
    snprintf(world->barren, sizeof world->barren, "%s", reason ? reason : "");
    world->barren_told++;
}

static inline void late(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("no answer in two minutes");
}

static inline struct world *world_new(const char *file, int64_t cpu_ms, size_t memory)
{
    struct world *world = calloc(1, sizeof *world);
    struct map_process_options options = {
        .file = slice_of(file), .secret = SLICE_LITERAL("secret"), .cpu_ms = cpu_ms, .memory_bytes = memory};
    struct buffer problems = {0}, warnings = {0};
    struct mapper_options mapper = {.loop = &world->loop, .lost = lost, .barren = barren, .ctx = world};
    if (map_process_start(&options, &mapper.process, &problems, &warnings) != 0)
        fail_msg("%s", buffer_text(&problems));
    world->process = mapper.process.pid;
    world->started = mapper.process;
    uv_loop_init(&world->loop);
    uv_timer_init(&world->loop, &world->deadline);
    uv_timer_start(&world->deadline, late, 120000, 0);
    world->mapper = mapper_new(&mapper);
    assert_non_null(world->mapper);
    buffer_clear(&problems);
    buffer_clear(&warnings);
    return world;
}

static inline void closed(void *ctx)
{
    ((struct world *)ctx)->closed = true;
}

static inline void world_free(struct world *world)
{
    if (world->mapper)
        mapper_close(world->mapper, closed, world);
    uv_close((uv_handle_t *)&world->deadline, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    assert_true(world->closed);
    free(world);
}

static inline void answered(void *ctx, struct slice fields, const char *failure)
{
    struct world *world = ctx;
    struct mapped_field field;
    char *text = world->text[world->answers++ % 64];
    size_t len = 0;
    if (failure)
        len = (size_t)snprintf(text, 160, "failed: %s", failure);
    while (mapped_next(&fields, &field) && len < 150)
        len += (size_t)snprintf(text + len, 160 - len, "%c=%.*s ", field.tag, (int)field.value.len,
                                field.value.ptr ? field.value.ptr : "");
}

static inline void wait_answers(struct world *world, size_t count)
{
    while (world->answers < count)
        uv_run(&world->loop, UV_RUN_ONCE);
}

/** 0: it has none. */
static inline pid_t only_child_of(pid_t process)
{
    char path[64], children[64] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)process, (int)process);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    bool any = fgets(children, sizeof children, file) != NULL;
    fclose(file);
    return any ? (pid_t)strtol(children, NULL, 10) : 0;
}
