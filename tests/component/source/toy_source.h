/* The smallest source there can be, made as docs/adding.md says: it hands over lines, each an event, and
 * opened once more it begins with the first of them again. Includes come from the test. */
#pragma once
#include "source/class.h"
#include <stdio.h>
#include <stdlib.h>

enum { TOY_LINES = 4 };
/** What it reads, by the test; where a line is empty the lines end. */
static struct slice toy_lines[TOY_LINES];

struct toy_source;
struct toy_line {
    /** First: the seam's view of it. */
    struct ticket ticket;
    struct toy_source *toy;
};

struct toy_source {
    /** First: the seam's view of it. */
    struct source source;
    struct source_options options;
    uv_timer_t timer;
    struct toy_line lines[TOY_LINES];
    size_t next, done, dropped;
    bool stopped;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static inline void toy_settle(struct ticket *ticket, bool done)
{
    struct toy_source *toy = ((struct toy_line *)ticket)->toy;
    toy->done += done;
    toy->dropped += !done;
}

static inline void toy_hand_over(struct toy_source *toy, size_t line)
{
    char id[16];
    int len = snprintf(id, sizeof id, "line-%zu", line);
    struct record record = {.kind = EVENT_RUN,
                            .id = {id, (size_t)len},
                            .partition = -1,
                            .offset = -1,
                            .timestamp_ms = -1,
                            .value = toy_lines[line],
                            .assignment = toy};
    toy->lines[line] = (struct toy_line){{.settle = toy_settle}, toy};
    toy->options.sink.take(toy->options.sink.ctx, &record, &toy->lines[line].ticket);
}

static inline void toy_resume(struct source *source)
{
    struct toy_source *toy = (struct toy_source *)source;
    const struct source_sink *sink = &toy->options.sink;
    while (!toy->stopped && toy->next < TOY_LINES && toy_lines[toy->next].len > 0 &&
           sink->has_room(sink->ctx, toy_lines[toy->next].len))
        toy_hand_over(toy, toy->next++);
}

static inline void toy_begin(uv_timer_t *timer)
{
    toy_resume(timer->data);
}

static inline void toy_stop_taking(struct source *source)
{
    ((struct toy_source *)source)->stopped = true;
}

static inline bool toy_idle(const struct source *source)
{
    (void)source;
    return true;
}

static inline void toy_closed(uv_handle_t *timer)
{
    struct toy_source *toy = timer->data;
    toy->closed(toy->closed_ctx);
    free(toy);
}

static inline void toy_close(struct source *source, void (*closed)(void *ctx), void *ctx)
{
    struct toy_source *toy = (struct toy_source *)source;
    toy->stopped = true;
    toy->closed = closed;
    toy->closed_ctx = ctx;
    toy->options.sink.withdraw(toy->options.sink.ctx, toy, true);
    uv_close((uv_handle_t *)&toy->timer, toy_closed);
}

static inline size_t toy_summary(const struct source *source, struct log_field fields[SOURCE_FIELDS_MAX])
{
    fields[0] = F_INT("lines", ((const struct toy_source *)source)->next);
    return 1;
}

static inline unsigned toy_assigned(const struct source *source)
{
    (void)source;
    return 1;
}

static inline const char *toy_without_port(const struct config *config)
{
    (void)config;
    return "no result can be reported";
}

static inline struct source *toy_open(const struct source_options *options, struct error *err);

static const struct source_class toy_source = {
    .name = "TOY",
    .descriptors = 1,
    .without_port = toy_without_port,
    .open = toy_open,
    .resume = toy_resume,
    .stop_taking = toy_stop_taking,
    .idle = toy_idle,
    .close = toy_close,
    .summary = toy_summary,
    .assigned = toy_assigned,
};

static inline struct source *toy_open(const struct source_options *options, struct error *err)
{
    struct toy_source *toy = calloc(1, sizeof *toy);
    if (!toy) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    toy->source.class = &toy_source;
    toy->options = *options;
    uv_timer_init(options->loop, &toy->timer);
    toy->timer.data = toy;
    uv_timer_start(&toy->timer, toy_begin, 0, 0); /* not before its caller has it */
    return &toy->source;
}
