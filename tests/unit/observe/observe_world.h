/* An observer of its own, and events of every kind with what each may have. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../component/logs.h"
#include "observe/observe.h"

static inline int64_t wall(void *ctx)
{
    (void)ctx;
    return 50000;
}

static const struct clock fixed_clock = {.monotonic_ms = wall, .wall_ms = wall};

struct world {
    struct observer *observer;
    struct caught caught;
    FILE *file;
    char run_log[512];
    size_t run_logs, told;
    enum observed_kind kind;
};

static struct world *writing;

static inline void tell_run(struct run_report *report, struct slice text)
{
    assert_ptr_equal(report, writing);
    writing->run_logs++;
    snprintf(writing->run_log, sizeof writing->run_log, "%.*s", (int)text.len, text.ptr);
}

static inline void told(void *ctx, const struct observed *observed)
{
    struct world *world = ctx;
    world->told++;
    world->kind = observed->kind;
}

static inline struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    const struct observer_options options = {
        .clock = &fixed_clock, .tell_run = tell_run, .told = told, .ctx = world};
    world->observer = observer_new(&options);
    assert_non_null(world->observer);
    writing = world;
    return world;
}

static inline void world_free(struct world *world)
{
    observer_free(world->observer);
    free(world);
}

/** An event of the kind with everything that any kind may have. */
static inline struct observed full(struct world *world, enum observed_kind kind)
{
    return (struct observed){.kind = kind,
                             .topic = "org.runs",
                             .partition = 2,
                             .offset = 7,
                             .record_ms = 48000,
                             .run_id = SLICE_LITERAL("r_1"),
                             .report = (struct run_report *)(void *)world,
                             .method = "POST",
                             .url = SLICE_LITERAL("https://a/x"),
                             .body = SLICE_LITERAL("{}"),
                             .attempt = 2,
                             .max_attempts = 5,
                             .mapping = 3,
                             .status = 503,
                             .answered = true,
                             .redirects = 1,
                             .duration_ms = 12,
                             .wait_ms = 1500,
                             .error_type = "http_status",
                             .reason = SLICE_LITERAL("the endpoint answered 503"),
                             .answer = SLICE_LITERAL("later"),
                             .summary = SLICE_LITERAL("No webhook was sent: too old"),
                             .from = "READY",
                             .to = "SENDING",
                             .ended = OBSERVED_DELIVERED,
                             .port_result = "accepted",
                             .destination = NULL,
                             .count = 9,
                             .unreported = 4};
}

/** Of no record. */
static inline struct observed bare(enum observed_kind kind)
{
    return (struct observed){.kind = kind,
                             .destination = "https://a:443",
                             .reason = SLICE_LITERAL("too many open files"),
                             .count = 9};
}

/** The lines behind their time, with the level in front; the caller frees. */
static inline char *lines_of(struct world *world, const struct observed *observed)
{
    struct caught caught = logs_catch();
    observe(world->observer, observed);
    char *text = logs_end(&caught), *out = calloc(1, strlen(text) + 1), *to = out;
    assert_non_null(out);
    for (char *line = text, *rest = NULL; (line = strtok_r(line, "\n", &rest)); line = NULL)
        to += sprintf(to, "%s\n", strstr(line, "\"level\"") + sizeof "\"level\":" - 1);
    free(text);
    return out;
}

static inline void assert_lines(struct world *world, const struct observed *observed, const char *expected)
{
    char *lines = lines_of(world, observed);
    assert_string_equal(lines, expected);
    free(lines);
}

#define RECORD                                                                              \
    "\"messaging.destination.name\":\"org.runs\",\"messaging.destination.partition.id\":2," \
    "\"messaging.kafka.offset\":7,"
#define REQUEST "\"http.request.method\":\"POST\",\"url.full\":\"https://a/x\","
#define ERROR_FIELDS "\"error.type\":\"http_status\",\"error.message\":\"the endpoint answered 503\","
#define RUN "\"port.run_id\":\"r_1\""
#define ENDED                                                                                \
    ",\"mapping\":3,\"http.request.resend_count\":1,\"http.client.request.duration\":0.012," \
    "\"event.age\":2.000,\"redirects\":1,\"answer\":\"later\","
#define LINE(level_, message_, rest_) "\"" level_ "\",\"msg\":\"" message_ "\"," rest_ "}\n"
