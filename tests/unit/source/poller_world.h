/* A polling source whose Port, runs and clock are the test's. Nothing here waits: what is due later is looked
 * up in the timers. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../component/logs.h"
#include "../still.h"
#include "source/polling/internal.h"

enum { CALLS = 32, INTERVAL_MS = 7000, BACKOFF_MS = 100, FAILING_MS = 10000, TURN_OVER = 1 << 20 };

/** Claims, in the order of their start. */
struct port_call {
    port_done *done;
    void *ctx;
    const char *path;
    char body[128];
    size_t bound;
    bool over;
};

static struct {
    struct port_call calls[CALLS];
    size_t count;
    bool no_call;
    /** What the sink has space for, and what it was asked for last. */
    size_t room, wanted;
    /** Of a turn, for those in its queue. */
    size_t space;
    size_t went_on, apart_went_on, fatal, forgotten, withdrawn, closed;
    /** The answer that is read elsewhere; NULL: there is no memory for it. */
    struct answer *answer;
    /** The turn's space when apart runs go on: they are done then. */
    bool apart_end;
} fake;

static uv_loop_t loop;
static struct config config;
static struct polling_source *source;
static struct poller *runs, *node_runs;

/* What polling.c calls */

struct port_call *port_api_start(struct port_api *api, const struct port_request *request, port_done *done,
                                 void *ctx)
{
    (void)api;
    assert_string_equal(request->method, "POST");
    assert_true(request->reserved_usage);
    if (fake.no_call)
        return NULL;
    assert_true(fake.count < CALLS);
    struct port_call *call = &fake.calls[fake.count++];
    *call = (struct port_call){
        .done = done, .ctx = ctx, .path = request->path, .bound = request->max_response_bytes};
    snprintf(call->body, sizeof call->body, "%.*s", (int)request->body.len, request->body.ptr);
    return call;
}

void port_call_cancel(struct port_call *call)
{
    assert_false(call->over);
    call->over = true;
}

/** A run of the round: the test says when it is handed over. */
void run_claimed(void *ctx, const struct claimed *claimed)
{
    struct poller *poller = ctx;
    assert_non_null(claimed->id.ptr);
    poller->came++;
    poller->pending++;
}

void runs_go_on(struct poller *poller)
{
    (void)poller;
    fake.went_on++;
}

bool run_has_its_turn(struct polled_run *run)
{
    if (fake.space == 0)
        return false;
    fake.space--;
    turn_unqueue(&source->turn, run);
    return true;
}

void runs_apart_go_on(struct polling_source *polling)
{
    fake.apart_went_on++;
    if (fake.apart_end)
        polling->apart = 0;
}

void runs_stop(struct polling_source *polling)
{
    assert_true(polling->stopped);
}

size_t runs_give_up(struct polling_source *polling)
{
    (void)polling;
    return 3;
}

size_t runs_abandon(const struct polling_source *polling)
{
    (void)polling;
    return 2;
}

void runs_free(struct polling_source *polling)
{
    assert_int_equal(fake.withdrawn, 1);
    polling->apart = 0;
}

struct answer *answer_start(struct poller *poller, struct buffer *body)
{
    (void)poller;
    (void)body;
    return fake.answer;
}

void answer_forget(struct answer *answer)
{
    assert_ptr_equal(answer, fake.answer);
    fake.forgotten++;
}

/* The source and its surroundings */

static inline bool has_room(void *ctx, size_t bytes)
{
    (void)ctx;
    fake.wanted = bytes;
    return bytes <= fake.room;
}

static inline void withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    (void)ctx;
    assert_ptr_equal(assignment, source);
    assert_true(cancel_started);
    fake.withdrawn++;
}

static inline void is_fatal(void *ctx)
{
    (void)ctx;
    fake.fatal++;
}

static inline void is_closed(void *ctx)
{
    (void)ctx;
    fake.closed++;
}

static inline void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

static inline int begin(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    fake.room = SIZE_MAX;
    still_begin(0);
    config = (struct config){.polling = {.interval_ms = INTERVAL_MS,
                                         .batch_size = 8,
                                         .initial_backoff_ms = BACKOFF_MS,
                                         .backoff_factor = 2,
                                         .backoff_jitter = 0.5,
                                         .max_backoff_ms = 60000,
                                         .max_failure_ms = FAILING_MS},
                             .queue_max_bytes = 16000,
                             .record_max_bytes = 5000};
    uv_loop_init(&loop);
    struct error err = {0};
    struct source_options options = {.loop = &loop,
                                     .clock = &test_clock,
                                     .config = &config,
                                     .sink = {.has_room = has_room, .withdraw = withdraw},
                                     .fatal = is_fatal};
    source = (struct polling_source *)polling_source.open(&options, &err);
    assert_non_null(source);
    runs = &source->pollers[CLAIM_RUNS];
    node_runs = &source->pollers[CLAIM_NODE_RUNS];
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    source_close(&source->source, is_closed, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(fake.closed, 1);
    assert_int_equal(uv_loop_close(&loop), 0);
    return 0;
}

/** The claim of this queue that is not answered. */
static inline struct port_call *claim_of(const struct poller *poller)
{
    assert_non_null(poller->call);
    assert_false(poller->call->over);
    assert_string_equal(poller->call->path, claim_path(poller->kind));
    return poller->call;
}

static inline void answer(const struct poller *poller, struct port_result result)
{
    struct port_call *call = claim_of(poller);
    call->over = true;
    result.reason = result.reason ? result.reason : "said";
    call->done(call->ctx, &result);
}

static inline void answer_with(const struct poller *poller, const char *body)
{
    answer(poller, (struct port_result){.answer = PORT_ACCEPTED, .status = 200, .body = slice_of(body)});
}

static inline void answer_nothing(const struct poller *poller)
{
    answer_with(poller, "{\"runs\":[],\"nodeRuns\":[]}");
}

/** One run is claimed, and waits. */
static inline void answer_one(const struct poller *poller)
{
    answer_with(poller, "{\"runs\":[{\"id\":\"r_1\",\"payload\":{\"agent\":true,\"body\":{}}}],"
                        "\"nodeRuns\":[{\"identifier\":\"wfnr_1\",\"config\":{\"agent\":true}}]}");
}

static inline void answer_cut(const struct poller *poller)
{
    answer(poller, (struct port_result){.answer = PORT_ACCEPTED, .status = 200, .body_cut = true});
}

static inline void fail_with(const struct poller *poller, int64_t retry_after_ms)
{
    answer(poller, (struct port_result){.answer = PORT_UNAVAILABLE, .retry_after_ms = retry_after_ms});
}

static inline uint64_t due_in(const struct poller *poller)
{
    assert_true(uv_is_active((const uv_handle_t *)&poller->timer));
    return uv_timer_get_due_in(&poller->timer);
}

/** Its next claim is under way, whatever it waited for. */
static inline void ask_again(struct poller *poller)
{
    assert_int_equal(poller->state, POLLER_WAITING);
    poller_due_in(poller, 0);
    turn();
}

static inline size_t asked_for(const struct poller *poller)
{
    size_t limit = 0;
    assert_int_equal(sscanf(strstr(claim_of(poller)->body, "\"limit\":"), "\"limit\":%zu", &limit), 1);
    return limit;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
