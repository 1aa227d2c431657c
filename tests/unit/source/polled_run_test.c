/* A claimed run from its claim to its end, with a Port that answers what a test says, and a clock that does
 * not go by itself. */
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

void left_say(struct poller *poller, enum left why, struct slice id, const struct port_result *result)
{
    (void)poller;
    (void)id;
    (void)result;
    fake.left++;
    fake.why = why;
}

static void take(void *ctx, const struct record *record, struct ticket *ticket)
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

static int64_t now_ms;

static int64_t now(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static double no_jitter(void *ctx)
{
    (void)ctx;
    return 0.5;
}

static const struct clock test_clock = {.monotonic_ms = now, .wall_ms = now, .random = no_jitter};
static struct config config;
static struct polling_source source;
static struct poller *poller;

static int begin(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    fake.due_in_ms = -1;
    now_ms = 1000000;
    config = (struct config){.polling = {.max_failure_ms = 60000}};
    source =
        (struct polling_source){.options = {.clock = &test_clock, .config = &config, .sink = {.take = take}}};
    LIST_INIT(&source.runs);
    poller = &source.pollers[CLAIM_RUNS];
    *poller = (struct poller){.source = &source, .kind = CLAIM_RUNS};
    return 0;
}

static int end(void **state)
{
    (void)state;
    runs_free(&source);
    assert_int_equal(source.held, 0);
    assert_int_equal(source.apart, 0);
    assert_int_equal(source.apart_bytes, 0);
    assert_null(source.by_id);
    return 0;
}

/** A run comes that takes `len` bytes. Returns it. */
static struct polled_run *claim(const char *id, size_t len)
{
    struct buffer event = {0};
    for (size_t i = 0; i < len; i++)
        buffer_append_char(&event, 'x');
    run_claimed(poller, &(struct claimed){.id = slice_of(id), .agent = true, .event = &event});
    buffer_clear(&event);
    return LIST_FIRST(&source.runs);
}

static void answer(struct port_result result)
{
    struct port_call *call = &fake.calls[fake.count - 1];
    assert_false(call->over);
    call->over = true;
    result.reason = "said";
    call->done(call->ctx, &result);
}

static void say(const char *body)
{
    answer((struct port_result){.answer = PORT_ACCEPTED, .status = 200, .body = slice_of(body)});
}

static void acknowledge(void)
{
    say("{\"ackedCount\":1}");
}

static void not_ours(void)
{
    say("{\"ackedCount\":0}");
}

/** Nothing came back. */
static void lose_answer(bool sent)
{
    answer((struct port_result){.answer = PORT_UNAVAILABLE, .sent = sent});
}

/** It has been tried three times, and is beside its round. */
static struct polled_run *apart_one(const char *id)
{
    struct polled_run *run = claim(id, 100);
    for (int i = 0; i < 3; i++) {
        lose_answer(true);
        runs_go_on(poller);
    }
    assert_true(run->apart);
    return run;
}

/* Acknowledging */

static void a_run_is_held_from_its_claim_until_its_ticket_is_back(void **state)
{
    (void)state;
    claim("r_1", 100);
    assert_int_equal(source.held, 1);
    assert_int_equal(poller->pending, 1);
    acknowledge();
    assert_int_equal(fake.taken, 1);
    assert_int_equal(poller->taken, 1);
    assert_int_equal(poller->answered, 1);
    assert_int_equal(fake.advances, 1);
    assert_int_equal(source.held, 1);
    source_ticket_done(fake.tickets[0]);
    assert_int_equal(source.held, 0);
    fake.at_once = true;
    claim("r_2", 100);
    acknowledge();
    assert_int_equal(source.held, 0);
    assert_int_equal(fake.advances, 2);
    assert_int_equal(source.lost, 0);
}

static void attempts_come_slower_and_slower_and_then_apart(void **state)
{
    (void)state;
    struct polled_run *run = claim("r_1", 100);
    lose_answer(true);
    int64_t first_ms = fake.due_in_ms;
    assert_in_range(first_ms, 1, 250);
    runs_go_on(poller);
    assert_int_equal(fake.due_in_ms, 0); /* for another, if there is one */
    lose_answer(true);
    assert_int_equal(fake.due_in_ms, 2 * first_ms);
    runs_go_on(poller);
    assert_false(run->apart);
    lose_answer(true);
    assert_true(run->apart);
    assert_int_equal(source.apart, 1);
    assert_int_equal(source.apart_bytes, 100);
    assert_int_equal(fake.failures, 1);
    assert_int_equal(fake.advances, 1);
    assert_int_equal(fake.watched, 1);
    runs_go_on(poller); /* it is none of its round */
    assert_int_equal(fake.count, 3);
    runs_apart_go_on(&source);
    assert_int_equal(fake.count, 3); /* not due */
    now_ms = run->due_ms - 1;
    runs_apart_go_on(&source);
    assert_int_equal(fake.count, 3);
    now_ms++;
    runs_apart_go_on(&source);
    assert_int_equal(fake.count, 4);
    runs_apart_go_on(&source); /* its call is under way */
    assert_int_equal(fake.count, 4);
    acknowledge();
    assert_int_equal(source.apart, 0);
    assert_int_equal(source.apart_bytes, 0);
    assert_int_equal(poller->taken, 0); /* its round is over */
    assert_int_equal(poller->answered, 0);
    assert_int_equal(fake.advances, 1);
    source_ticket_done(fake.tickets[0]);
}

static void one_that_was_never_sent_is_left_to_port_in_the_end(void **state)
{
    (void)state;
    claim("r_1", 100);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(source.held, 1);
        lose_answer(false);
        runs_go_on(poller);
    }
    assert_int_equal(source.held, 0);
    assert_int_equal(source.refused_acks, 1);
    assert_int_equal(fake.advances, 1);
    assert_int_equal(fake.taken, 0);
}

static void what_fails_for_lack_of_memory_is_no_attempt(void **state)
{
    (void)state;
    struct polled_run *run = claim("r_1", 100);
    for (int i = 0; i < 10; i++) {
        answer((struct port_result){.answer = PORT_UNAVAILABLE, .out_of_memory = true});
        runs_go_on(poller);
    }
    assert_int_equal(run->attempts, 1);
    answer((struct port_result){.answer = PORT_UNAVAILABLE, .out_of_memory = true});
    fake.no_call = true;
    for (int i = 0; i < 10; i++)
        runs_go_on(poller);
    assert_int_equal(run->attempts, 0);
    fake.no_call = false;
    runs_go_on(poller);
    not_ours();
    assert_int_equal(source.held, 0);
}

/** Whether an attempt may have counted at Port. */
static void doubt_comes_of_what_port_may_have_done(void **state)
{
    (void)state;
    static const struct {
        struct port_result result;
        bool doubt;
    } cases[] = {{{.answer = PORT_UNAVAILABLE, .sent = true}, true},
                 {{.answer = PORT_UNAVAILABLE, .sent = false}, false},
                 {{.answer = PORT_UNAVAILABLE, .sent = true, .status = 503}, true},
                 {{.answer = PORT_UNAVAILABLE, .sent = true, .status = 429}, false},
                 {{.answer = PORT_UNAVAILABLE, .resent = true}, true},
                 {{.answer = PORT_ACCEPTED, .status = 200}, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct polled_run *run = claim("r_1", 100);
        size_t taken = fake.taken;
        answer(cases[i].result);
        assert_int_equal(run->in_doubt, cases[i].doubt);
        runs_go_on(poller);
        not_ours();
        assert_int_equal(fake.taken - taken, cases[i].doubt);
        if (cases[i].doubt)
            source_ticket_done(fake.tickets[taken]);
        assert_int_equal(source.held, 0);
    }
}

static void a_refusal_is_about_the_run_or_about_us(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum left why;
        bool fails;
    } cases[] = {{401, LEFT_UNAUTHORISED, true},
                 {403, LEFT_FORBIDDEN, true},
                 {404, LEFT_UNKNOWN, false},
                 {409, LEFT_REFUSED, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake.failures = 0;
        claim("r_1", 100);
        answer((struct port_result){.answer = PORT_REFUSED, .status = cases[i].status});
        assert_int_equal(fake.left, i + 1);
        assert_int_equal(fake.why, cases[i].why);
        assert_int_equal(fake.failures, cases[i].fails);
        assert_int_equal(source.held, 0);
    }
    struct polled_run *run = claim("r_1", 100); /* in doubt a refusal proves nothing */
    lose_answer(true);
    runs_go_on(poller);
    answer((struct port_result){.answer = PORT_REFUSED, .status = 404});
    assert_int_equal(source.held, 1);
    assert_true(run->in_doubt);
}

/* Runs that come again */

static void one_that_is_taken_is_acknowledged_again_and_not_taken_twice(void **state)
{
    (void)state;
    claim("r_1", 100);
    claim("r_1", 100); /* while it is acknowledged */
    assert_int_equal(fake.count, 1);
    acknowledge();
    claim("r_1", 100);
    assert_int_equal(fake.count, 2);
    assert_int_equal(source.held, 1);
    not_ours(); /* whatever the answer */
    assert_int_equal(fake.taken, 1);
    assert_int_equal(source.claimed, 3);
    assert_int_equal(poller->pending, 1);
    fake.no_call = true;
    claim("r_1", 100);
    source_ticket_done(fake.tickets[0]);
}

static void one_that_is_apart_is_tried_at_once_when_port_offers_it_again(void **state)
{
    (void)state;
    struct polled_run *run = apart_one("r_1");
    size_t calls = fake.count;
    claim("r_1", 100);
    assert_int_equal(fake.count, calls + 1);
    assert_int_equal(run->attempts, 1);
    claim("r_1", 100); /* that call is under way */
    assert_int_equal(fake.count, calls + 1);
    acknowledge();
    source_ticket_done(fake.tickets[0]);
}

static void what_nobody_can_take_is_left_to_port(void **state)
{
    (void)state;
    struct buffer event = {0};
    run_claimed(poller, &(struct claimed){.id = slice_of("r_1"), .event = &event});
    assert_int_equal(fake.why, LEFT_NOT_FOR_AGENT);
    run_claimed(poller, &(struct claimed){.agent = true, .event = &event});
    assert_int_equal(fake.why, LEFT_NO_ID);
    assert_int_equal(fake.left, 2);
    assert_int_equal(source.refused_acks, 2);
    assert_int_equal(poller->came, 2);
    assert_int_equal(fake.count + poller->pending + source.held, 0);
    source.run_bytes = 1000;
    claim("r_2", 200);
    assert_int_equal(source.run_bytes, 800); /* as those that came lately */
}

/* The sink without memory */

static void one_that_the_sink_has_no_memory_for_waits(void **state)
{
    (void)state;
    fake.refuse = 2;
    claim("r_1", 100);
    acknowledge();
    assert_int_equal(fake.due_in_ms, 500);
    assert_int_equal(fake.advances, 0);
    fake.due_in_ms = -1;
    runs_go_on(poller);
    assert_int_equal(fake.due_in_ms, 500); /* not at once: it has to wait again */
    runs_go_on(poller);
    assert_int_equal(fake.taken, 1);
    assert_int_equal(poller->taken, 1);
    assert_int_equal(fake.advances, 1);
    source_ticket_done(fake.tickets[0]);
}

static void one_that_is_apart_waits_there(void **state)
{
    (void)state;
    struct polled_run *run = apart_one("r_1");
    now_ms = run->due_ms;
    runs_apart_go_on(&source);
    fake.refuse = 1;
    size_t watched = fake.watched;
    acknowledge();
    assert_int_equal(run->due_ms, now_ms + 500);
    assert_int_equal(fake.watched, watched + 1);
    now_ms += 499;
    runs_apart_go_on(&source);
    assert_int_equal(fake.taken, 0);
    now_ms++;
    runs_apart_go_on(&source);
    assert_int_equal(fake.taken, 1);
    assert_int_equal(source.apart, 0);
    source_ticket_done(fake.tickets[0]);
}

static void only_the_pollers_own_runs_go_on_one_at_a_time(void **state)
{
    (void)state;
    struct poller *other = &source.pollers[CLAIM_NODE_RUNS];
    *other = (struct poller){.source = &source, .kind = CLAIM_NODE_RUNS};
    claim("r_1", 100);
    lose_answer(true);
    claim("r_2", 100);
    lose_answer(true);
    runs_go_on(other);
    assert_int_equal(fake.count, 2);
    runs_go_on(poller);
    assert_int_equal(fake.count, 3);
    runs_go_on(poller);
    assert_int_equal(fake.count, 4);
    fake.due_in_ms = -1;
    runs_go_on(poller);
    assert_int_equal(fake.count, 4);
    assert_int_equal(fake.due_in_ms, -1);
}

static void one_in_doubt_for_too_long_is_handed_over_as_given_up(void **state)
{
    (void)state;
    struct polled_run *run = apart_one("r_1");
    now_ms = run->apart_since_ms + config.polling.max_failure_ms - 1;
    runs_apart_go_on(&source);
    assert_int_equal(fake.taken, 0);
    lose_answer(true);
    now_ms = run->due_ms;
    runs_apart_go_on(&source);
    assert_int_equal(fake.taken, 1);
    assert_true(*fake.given_up[0] != '\0');
    assert_int_equal(poller->taken, 0);
    source_ticket_done(fake.tickets[0]);
}

/* Ending */

static void at_a_stop_only_what_may_be_ours_goes_on(void **state)
{
    (void)state;
    claim("unsent", 100);
    fake.calls[0].sent = false;
    claim("sent", 100);
    claim("doubt", 100);
    lose_answer(true);
    claim("waits", 100);
    lose_answer(false);
    source.stopped = true;
    runs_stop(&source);
    assert_int_equal(source.held, 2);
    assert_true(fake.calls[0].over);
    assert_false(fake.calls[1].over);
    assert_int_equal(fake.advances, 2);
    runs_go_on(poller);
    assert_int_equal(fake.count, 5); /* of the one in doubt */
    lose_answer(true);
    assert_in_range(fake.due_in_ms, 1, 500);
    assert_int_equal(runs_abandon(&source), 2);
}

/** Without a word from Port there is nothing to go on for, unless it may be ours. */
static void an_answer_that_is_lost_after_a_stop_ends_what_is_not_in_doubt(void **state)
{
    (void)state;
    claim("r_1", 100);
    source.stopped = true;
    lose_answer(false);
    assert_int_equal(source.held, 0);
    struct polled_run *run = claim("r_2", 100);
    lose_answer(true);
    assert_int_equal(source.held, 1);
    assert_false(run->apart);
}

static void waits_apart_grow_up_to_half_a_minute_and_half_a_second_after_a_stop(void **state)
{
    (void)state;
    struct polled_run *run = apart_one("r_1");
    config.polling.max_failure_ms = INT64_MAX / 4;
    int64_t longest_ms = 0;
    for (int i = 0; i < 12; i++) {
        int64_t wait_ms = run->due_ms - now_ms;
        assert_true(wait_ms >= longest_ms);
        longest_ms = wait_ms;
        now_ms = run->due_ms;
        runs_apart_go_on(&source);
        lose_answer(true);
    }
    assert_in_range(longest_ms, 15000, 30000);
    source.stopped = true;
    runs_stop(&source);
    assert_int_equal(run->due_ms, 0); /* now */
    runs_apart_go_on(&source);
    lose_answer(true);
    assert_in_range(run->due_ms - now_ms, 250, 500);
}

static void what_is_given_up_at_the_end_is_handed_over_with_its_cause(void **state)
{
    (void)state;
    apart_one("apart");
    claim("acknowledging", 100);
    fake.refuse = 1;
    claim("waiting", 100);
    acknowledge();
    assert_false(fake.calls[3].over);
    assert_int_equal(runs_give_up(&source), 3);
    assert_int_equal(fake.taken, 3);
    assert_true(fake.calls[3].over);
    assert_string_equal(fake.given_up[1], fake.given_up[2]);
    assert_string_not_equal(fake.given_up[0], fake.given_up[1]); /* Port had answered that one */
    assert_int_equal(runs_give_up(&source), 0);
    assert_int_equal(source.apart, 0);
    source_ticket_done(fake.tickets[0]);
    source_ticket_drop(fake.tickets[1]);
    assert_int_equal(source.lost, 1);
    source_ticket_done(fake.tickets[2]);
}

static void what_the_sink_cannot_take_at_the_end_is_tried_once_a_call(void **state)
{
    (void)state;
    claim("r_1", 100);
    claim("r_2", 100);
    fake.refuse = 3;
    assert_int_equal(runs_give_up(&source), 0);
    assert_int_equal(fake.refuse, 1);
    assert_int_equal(runs_give_up(&source), 1);
    assert_int_equal(runs_give_up(&source), 1);
    for (size_t i = 0; i < 2; i++)
        source_ticket_done(fake.tickets[i]);
}

static void what_is_freed_is_lost_where_it_may_be_ours(void **state)
{
    (void)state;
    claim("sent", 100);
    claim("unsent", 100);
    fake.calls[1].sent = false;
    apart_one("apart");
    runs_free(&source);
    assert_int_equal(source.lost, 2);
    assert_true(fake.calls[0].over && fake.calls[1].over);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_run_is_held_from_its_claim_until_its_ticket_is_back),
        TEST(attempts_come_slower_and_slower_and_then_apart),
        TEST(one_that_was_never_sent_is_left_to_port_in_the_end),
        TEST(what_fails_for_lack_of_memory_is_no_attempt),
        TEST(doubt_comes_of_what_port_may_have_done),
        TEST(a_refusal_is_about_the_run_or_about_us),
        TEST(one_that_is_taken_is_acknowledged_again_and_not_taken_twice),
        TEST(one_that_is_apart_is_tried_at_once_when_port_offers_it_again),
        TEST(what_nobody_can_take_is_left_to_port),
        TEST(one_that_the_sink_has_no_memory_for_waits),
        TEST(one_that_is_apart_waits_there),
        TEST(only_the_pollers_own_runs_go_on_one_at_a_time),
        TEST(one_in_doubt_for_too_long_is_handed_over_as_given_up),
        TEST(at_a_stop_only_what_may_be_ours_goes_on),
        TEST(an_answer_that_is_lost_after_a_stop_ends_what_is_not_in_doubt),
        TEST(waits_apart_grow_up_to_half_a_minute_and_half_a_second_after_a_stop),
        TEST(what_is_given_up_at_the_end_is_handed_over_with_its_cause),
        TEST(what_the_sink_cannot_take_at_the_end_is_tried_once_a_call),
        TEST(what_is_freed_is_lost_where_it_may_be_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
