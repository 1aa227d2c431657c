/* A polling source for the tests of claimed runs, with a Port that answers what a test says, and a clock that
 * does not go by itself. */
#pragma once
#include "../still.h"
#include "source/polling/internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CALLS = 64, RECORDS = 8 };

/** Acknowledgements, in the order of their start. */
struct port_call {
    port_done *done;
    void *ctx;
    bool sent, over;
};

static struct {
    struct port_call calls[CALLS];
    size_t count;
    /** The next one finds no memory. */
    bool no_call;
    size_t advances, failures, left, watched;
    int64_t due_in_ms;
    enum left why;
    /** The sink. */
    struct ticket *tickets[RECORDS];
    char given_up[RECORDS][64];
    size_t taken, refuse;
    /** It gives tickets back while it takes them. */
    bool at_once;
    /** The loop's turn has had enough; what is in its queue, the oldest first. */
    bool turn_full;
    struct polled_run *queue[RECORDS];
    size_t queued;
} fake;

/* What run.c and ack.c call */

struct port_call *port_api_start(struct port_api *api, const struct port_request *request, port_done *done,
                                 void *ctx)
{
    (void)api;
    assert_string_equal(request->method, "PATCH");
    if (fake.no_call)
        return NULL;
    struct port_call *call = &fake.calls[fake.count++];
    *call = (struct port_call){.done = done, .ctx = ctx, .sent = true};
    return call;
}

bool port_call_is_sent(const struct port_call *call)
{
    return call->sent;
}

void port_call_cancel(struct port_call *call)
{
    assert_false(call->over);
    call->over = true;
}

void poller_advance(struct poller *poller)
{
    (void)poller;
    fake.advances++;
}

void poller_due_in(struct poller *poller, int64_t wait_ms)
{
    (void)poller;
    fake.due_in_ms = wait_ms;
}

void poller_note_failure(struct poller *poller, const char *reason, int64_t retry_after_ms)
{
    (void)poller;
    (void)retry_after_ms;
    assert_non_null(reason);
    fake.failures++;
}

void poller_watch_apart(struct polling_source *source)
{
    (void)source;
    fake.watched++;
}

bool turn_has_space(struct turn *turn, size_t bytes)
{
    (void)turn;
    (void)bytes;
    return !fake.turn_full;
}

bool turn_may_ask(struct turn *turn)
{
    (void)turn;
    return !fake.turn_full;
}

void turn_queue(struct turn *turn, struct polled_run *run)
{
    (void)turn;
    if (!run->queued)
        fake.queue[fake.queued++] = run;
    run->queued = true;
}

void turn_unqueue(struct turn *turn, struct polled_run *run)
{
    size_t kept = 0;
    (void)turn;
    for (size_t i = 0; i < fake.queued; i++)
        if (fake.queue[i] != run)
            fake.queue[kept++] = fake.queue[i];
    fake.queued = kept;
    run->queued = false;
}

/** The loop's next turn has space for so many of the queue. */
static inline void next_turn(size_t space)
{
    for (fake.turn_full = false; space > 0 && fake.queued > 0; space--)
        assert_true(run_has_its_turn(fake.queue[0]));
    fake.turn_full = true;
    if (fake.queued > 0)
        assert_false(run_has_its_turn(fake.queue[0]));
}

void left_say(struct poller *poller, enum left why, struct slice id, const struct port_result *result)
{
    (void)poller;
    (void)id;
    (void)result;
    fake.left++;
    fake.why = why;
}

static inline void take(void *ctx, const struct record *record, struct ticket *ticket)
{
    (void)ctx;
    if (fake.refuse > 0) {
        fake.refuse--;
        source_ticket_drop(ticket);
        return;
    }
    size_t place = fake.taken++;
    snprintf(fake.given_up[place], sizeof fake.given_up[place], "%s",
             record->given_up ? record->given_up : "");
    fake.tickets[place] = ticket;
    if (fake.at_once)
        source_ticket_done(ticket);
}

/* The source */

static struct config config;
static struct polling_source source;
static struct poller *poller;

static inline int begin(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    fake.due_in_ms = -1;
    still_begin(0.5);
    config = (struct config){.polling = {.max_failure_ms = 60000}};
    source =
        (struct polling_source){.options = {.clock = &test_clock, .config = &config, .sink = {.take = take}}};
    LIST_INIT(&source.runs);
    poller = &source.pollers[CLAIM_RUNS];
    *poller = (struct poller){.source = &source, .kind = CLAIM_RUNS};
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    runs_free(&source);
    assert_int_equal(source.held, 0);
    assert_int_equal(source.apart, 0);
    assert_int_equal(source.apart_bytes, 0);
    assert_int_equal(poller->held_bytes, 0);
    assert_int_equal(fake.queued, 0);
    assert_null(source.by_id);
    return 0;
}

/** A run comes that takes `len` bytes. Returns it. */
static inline struct polled_run *claim(const char *id, size_t len)
{
    struct buffer event = {0};
    for (size_t i = 0; i < len; i++)
        buffer_append_char(&event, 'x');
    run_claimed(poller, &(struct claimed){.id = slice_of(id), .agent = true, .event = &event});
    buffer_clear(&event);
    return LIST_FIRST(&source.runs);
}

static inline void answer(struct port_result result)
{
    struct port_call *call = &fake.calls[fake.count - 1];
    assert_false(call->over);
    call->over = true;
    result.reason = "said";
    call->done(call->ctx, &result);
}

static inline void say(const char *body)
{
    answer((struct port_result){.answer = PORT_ACCEPTED, .status = 200, .body = slice_of(body)});
}

static inline void acknowledge(void)
{
    say("{\"ackedCount\":1}");
}

static inline void not_ours(void)
{
    say("{\"ackedCount\":0}");
}

/** Nothing came back. */
static inline void lose_answer(bool sent)
{
    answer((struct port_result){.answer = PORT_UNAVAILABLE, .sent = sent});
}

/** It has been tried three times, and is beside its round. */
static inline struct polled_run *apart_one(const char *id)
{
    struct polled_run *run = claim(id, 100);
    for (int i = 0; i < 3; i++) {
        lose_answer(true);
        runs_go_on(poller);
    }
    assert_true(run->apart);
    return run;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
