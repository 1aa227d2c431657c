/* Runs that are reported to a fake Port, and how much of it has come to an end. */
#pragma once
#include "fake_port.h"
#include "port/report.h"

struct runs {
    struct fake_port *port;
    struct reports *reports;
    size_t done, accepted, refused; /* results */
};

/** `options` says how reports are made; the loop, the clock and Port's API are the fake Port's. */
static inline struct runs *runs_new_with(unsigned max_concurrent, struct reports_options options)
{
    struct runs *runs = calloc(1, sizeof *runs);
    assert_non_null(runs);
    runs->port = fake_port_new(max_concurrent);
    options.api = runs->port->api;
    options.loop = &runs->port->loop;
    options.clock = &runs->port->clock;
    runs->reports = reports_new(&options);
    assert_non_null(runs->reports);
    return runs;
}

static inline struct runs *runs_new(unsigned max_concurrent)
{
    struct reports_options options = {.run_logs = true, .first_backoff_ms = 20, .max_backoff_ms = 80};
    return runs_new_with(max_concurrent, options);
}

static inline void runs_free(struct runs *runs)
{
    reports_free(runs->reports);
    fake_port_free(runs->port);
    free(runs);
}

static inline void told(void *ctx, enum report_verdict verdict, const char *refusal)
{
    struct runs *runs = ctx;
    assert_int_equal(refusal != NULL, verdict == REPORT_REFUSED);
    runs->done++;
    runs->accepted += verdict == REPORT_ACCEPTED;
    runs->refused += verdict == REPORT_REFUSED;
}

static inline struct run_report *open_run(struct runs *runs, const char *id)
{
    struct run_report *report = run_report_open(runs->reports, slice_of(id));
    assert_non_null(report);
    return report;
}

static inline void finish(struct runs *runs, struct run_report *report, struct run_result result)
{
    size_t before = runs->done;
    assert_true(run_report_finish(report, &result, told, runs));
    assert_int_equal(runs->done, before);
}

static inline void assert_nothing_held(struct runs *runs)
{
    assert_int_equal(reports_bytes(runs->reports), 0);
    assert_int_equal(reports_waiting(runs->reports), 0);
    assert_int_equal(reports_logs_pending(runs->reports), 0);
}

static inline void settle(struct runs *runs)
{
    int64_t end = clock_monotonic_ms(clock_system()) + WAIT_MS;
    while (reports_bytes(runs->reports) > 0 && clock_monotonic_ms(clock_system()) < end)
        run_for(runs->port, 10);
    assert_nothing_held(runs);
}

static const struct run_result nothing_to_say;
#define SUCCESS_RESULT \
    ((struct run_result){.response = SLICE_LITERAL("{\"n\":1e400}"), .status = SLICE_LITERAL("SUCCESS")})
#define FAILURE_RESULT \
    ((struct run_result){.status = SLICE_LITERAL("FAILURE"), .summary = SLICE_LITERAL("it broke")})
