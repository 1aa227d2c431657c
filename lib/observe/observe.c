/* See observe.h. The one call, and what it counts. */
#include "observe/flow.h"
#include "observe/internal.h"
#include "observe/kinds.h"
#include "observe/metrics.h"
#include "observe/runs.h"
#include <stdlib.h>

struct observer {
    struct observer_options options;
    struct counters counters;
    struct metrics metrics;
    struct run_memory *runs;
    struct flow *flow;
    /** NULL: nobody is told of traces. */
    void (*traced)(void *ctx, const struct observed *observed);
    void *traced_ctx;
};

struct observer *observer_new(const struct observer_options *options)
{
    struct observer *observer = calloc(1, sizeof *observer);
    if (!observer)
        return NULL;
    observer->options = *options;
    observer->runs = run_memory_new(options->clock);
    observer->flow = flow_new(options->clock);
    if (observer->runs && observer->flow)
        return observer;
    observer_free(observer);
    return NULL;
}

void observer_free(struct observer *observer)
{
    if (!observer)
        return;
    run_memory_free(observer->runs);
    flow_free(observer->flow);
    free(observer);
}

uint64_t *observer_trace(struct observer *observer,
                         void (*traced)(void *ctx, const struct observed *observed), void *ctx)
{
    observer->traced = traced;
    observer->traced_ctx = ctx;
    return &observer->counters.spans_dropped;
}

const struct run_memory *observer_run_memory(const struct observer *observer)
{
    return observer->runs;
}

struct flow *observer_flow(const struct observer *observer)
{
    return observer->flow;
}

const struct metrics *observer_metrics(const struct observer *observer)
{
    return &observer->metrics;
}

const struct counters *observer_counters(const struct observer *observer)
{
    return &observer->counters;
}

static void count(struct counters *counters, const struct observed *observed)
{
    uint64_t *totals = (uint64_t *)(void *)counters;
    unsigned place = observed_kinds[observed->kind].counts;
    if (place > 0)
        totals[place - 1]++;
    counters->resent += observed->resent && observed->kind != OBSERVED_ENDED;
}

void observe(struct observer *observer, const struct observed *observed)
{
    const struct observer_options *options = &observer->options;
    count(&observer->counters, observed);
    metrics_note(&observer->metrics, options->clock, observed);
    run_memory_note(observer->runs, observed);
    flow_note(observer->flow, observed);
    lines_write(options, observed);
    if (observed->report && options->tell_run)
        run_log_write(options->tell_run, observed);
    if (options->told)
        options->told(options->ctx, observed);
    bool is_line = observed->kind == OBSERVED_WAITS || observed->kind == OBSERVED_ENDED;
    if (observer->traced && observed->trace && *observed->trace->span && !is_line)
        observer->traced(observer->traced_ctx, observed);
}
