/* The polling source between a Port on loopback and a sink that is the test. */
#pragma once
#include "../port/fake_port.h"
#include "config/config.h"
#include "observe/conditions.h"
#include "source/class.h"
#include "source/polling/polling.h"

enum { TAKEN_MAX = 256 };

struct taken {
    struct ticket *ticket;
    char *id, *value, *broken, *given_up;
};

struct world {
    struct fake_port *port;
    struct config config;
    struct source *source;
    struct taken taken[TAKEN_MAX];
    size_t count, fatal, closed, withdrawn;
    struct conditions *conditions;
    size_t room;   /* bytes */
    size_t refuse; /* so many records are dropped at once, as if memory was out */
};

static inline bool has_room(void *ctx, size_t bytes)
{
    return bytes <= ((struct world *)ctx)->room;
}

static inline void take(void *ctx, const struct record *record, struct ticket *ticket)
{
    struct world *world = ctx;
    assert_true(record->trusted && record->unrepeatable && !record->topic);
    assert_true(slice_equal(record->id, record->run_id));
    if (world->refuse > 0) {
        world->refuse--;
        source_ticket_drop(ticket);
        return;
    }
    assert_true(world->count < TAKEN_MAX);
    struct taken *taken = &world->taken[world->count++];
    taken->ticket = ticket;
    taken->id = slice_to_text(record->id);
    taken->value = slice_to_text(record->value);
    taken->broken = slice_to_text(slice_of(record->broken));
    taken->given_up = slice_to_text(slice_of(record->given_up));
}

static inline void settle(struct world *world, size_t n, bool done)
{
    struct ticket *ticket = world->taken[n].ticket;
    world->taken[n].ticket = NULL;
    if (ticket)
        done ? source_ticket_done(ticket) : source_ticket_drop(ticket);
}

static inline void withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    struct world *world = ctx;
    assert_ptr_equal(assignment, world->source);
    assert_true(cancel_started);
    world->withdrawn++;
    for (size_t i = 0; i < world->count; i++)
        settle(world, i, false);
}

static inline void fatal(void *ctx)
{
    ((struct world *)ctx)->fatal++;
}

static inline void closed(void *ctx)
{
    ((struct world *)ctx)->closed++;
}

static inline struct world *world_new(struct reply (*script)(struct fake_port *, size_t, const struct seen *))
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->port = fake_port_new(0);
    world->port->script = script;
    world->room = SIZE_MAX;
    world->conditions = conditions_new(clock_system());
    world->config = (struct config){.polling = {.interval_ms = 20,
                                                .batch_size = 2,
                                                .initial_backoff_ms = 20,
                                                .backoff_factor = 2,
                                                .backoff_jitter = 0.1,
                                                .max_backoff_ms = 60,
                                                .max_failure_ms = 60000},
                                    .queue_max_bytes = 1 << 20,
                                    .record_max_bytes = 1 << 20};
    return world;
}

static inline void start(struct world *world)
{
    struct error err = {0};
    struct source_options options = {.loop = &world->port->loop,
                                     .clock = &world->port->clock,
                                     .config = &world->config,
                                     .port = world->port->api,
                                     .conditions = world->conditions,
                                     .sink = {world, has_room, take, withdraw, NULL},
                                     .fatal = fatal,
                                     .ctx = world};
    world->source = polling_source.open(&options, &err);
    assert_non_null(world->source);
}

static inline void world_free(struct world *world)
{
    source_close(world->source, closed, world);
    run_until(world->port, &world->closed, 1);
    for (size_t i = 0; i < world->count; i++) {
        assert_null(world->taken[i].ticket);
        free(world->taken[i].id);
        free(world->taken[i].value);
        free(world->taken[i].broken);
        free(world->taken[i].given_up);
    }
    fake_port_free(world->port);
    conditions_free(world->conditions);
    free(world);
}

/* What Port was asked */

static inline size_t asked(const struct fake_port *port, const char *target)
{
    size_t count = 0;
    for (size_t i = 0; i < port->count; i++)
        count += strcmp(port->seen[i].target, target) == 0;
    return count;
}

#define CLAIM "/v1/actions/runs/claim-pending"
#define ACK "/v1/actions/runs/ack"
#define NODE_CLAIM "/v1/workflows/runs/claim-pending"
#define NODE_ACK "/v1/workflows/runs/ack"
#define RUN(id) "{\"id\":\"" id "\",\"payload\":{\"url\":\"http://a/\",\"agent\":true,\"body\":{\"n\":1.0}}}"

static inline void run_until_asked(struct world *world, const char *target, size_t wanted)
{
    int64_t end = clock_monotonic_ms(clock_system()) + WAIT_MS;
    while (asked(world->port, target) < wanted && clock_monotonic_ms(clock_system()) < end)
        run_for(world->port, 2);
    assert_true(asked(world->port, target) >= wanted);
}

static inline bool is_idle(const struct source *source)
{
    return source_idle(source);
}

static inline bool works(const struct source *source)
{
    return source_assigned(source) == 1;
}

static inline void run_until_it(struct world *world, bool (*holds)(const struct source *source))
{
    int64_t end = clock_monotonic_ms(clock_system()) + WAIT_MS;
    while (!holds(world->source) && clock_monotonic_ms(clock_system()) < end)
        run_for(world->port, 2);
    assert_true(holds(world->source));
}

static inline bool is(const struct seen *request, const char *target)
{
    return strcmp(request->target, target) == 0;
}

/** Its own runs once, the node runs once, then nothing more. */
static inline struct reply one_of_each(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)n;
    if (is(request, CLAIM) && asked(port, CLAIM) == 1)
        return (struct reply){.body = "{\"runs\":[" RUN("r_1") "]}"};
    if (is(request, NODE_CLAIM) && asked(port, NODE_CLAIM) == 1)
        return (struct reply){.body = "{\"nodeRuns\":[{\"identifier\":\"wfnr_1\",\"config\":{\"agent\":true,"
                                      "\"url\":\"http://b/\"}}]}"};
    if (is(request, ACK))
        return (struct reply){.body = "{\"ackedCount\":1}"};
    if (is(request, NODE_ACK))
        return (struct reply){.body = "{\"acked\":true}"};
    return (struct reply){.body = "{\"runs\":[],\"nodeRuns\":[]}"};
}
