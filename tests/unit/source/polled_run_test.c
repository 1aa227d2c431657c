/* A claimed run from its claim to the sink: acknowledged, in doubt, offered again, or without memory. */
#include "polled_run_world.h"

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

/* The loop's turn that has had enough */

static void one_that_the_turn_has_no_space_for_comes_in_the_next(void **state)
{
    (void)state;
    claim("r_1", 100);
    assert_int_equal(poller->held_bytes, 100 + RUN_OVERHEAD);
    fake.turn_full = true;
    acknowledge();
    assert_int_equal(fake.taken, 0);
    assert_int_equal(fake.advances, 0); /* its round does not end without it */
    runs_go_on(poller);
    next_turn(0);
    assert_int_equal(fake.taken, 0);
    next_turn(1);
    assert_int_equal(fake.taken, 1);
    assert_int_equal(fake.advances, 1);
    assert_int_equal(poller->held_bytes, 100 + RUN_OVERHEAD);
    source_ticket_done(fake.tickets[0]);
    assert_int_equal(poller->held_bytes, 0);
}

static void those_that_wait_for_a_turn_go_in_the_order_of_their_claims(void **state)
{
    (void)state;
    struct polled_run *run[3];
    for (size_t i = 0; i < 3; i++)
        run[i] = claim((const char *[]){"r_1", "r_2", "r_3"}[i], 100);
    fake.turn_full = true;
    for (size_t i = 0; i < 3; i++) {
        fake.calls[i].over = true;
        fake.calls[i].done(run[i], &(struct port_result){.answer = PORT_ACCEPTED,
                                                         .body = SLICE_LITERAL("{\"ackedCount\":1}")});
    }
    next_turn(2);
    assert_int_equal(fake.taken, 2);
    assert_ptr_equal(fake.tickets[0], &run[0]->ticket);
    assert_ptr_equal(fake.tickets[1], &run[1]->ticket);
    next_turn(1);
    assert_ptr_equal(fake.tickets[2], &run[2]->ticket);
    for (size_t i = 0; i < 3; i++)
        source_ticket_done(fake.tickets[i]);
}

static void a_turn_that_is_full_acknowledges_nothing(void **state)
{
    (void)state;
    claim("r_1", 100);
    acknowledge();
    fake.turn_full = true;
    const struct polled_run *run = claim("r_2", 100);
    claim("r_1", 100); /* once more */
    assert_int_equal(fake.count, 1);
    assert_int_equal(run->attempts, 0);
    runs_go_on(poller); /* it waits for no time */
    assert_int_equal(fake.count, 1);
    next_turn(1);
    assert_int_equal(fake.count, 2);
    assert_ptr_equal(fake.calls[1].ctx, run);
    next_turn(1);
    assert_int_equal(fake.count, 3);
    assert_null(fake.calls[2].ctx); /* of the one that is taken */
    fake.calls[1].over = fake.calls[2].over = true;
    fake.calls[1].done(fake.calls[1].ctx, &(struct port_result){.answer = PORT_ACCEPTED,
                                                                .body = SLICE_LITERAL("{\"ackedCount\":0}")});
    source_ticket_done(fake.tickets[0]);
}

static void what_waits_for_its_acknowledgement_is_left_at_the_end(void **state)
{
    (void)state;
    fake.turn_full = true;
    claim("r_1", 100);
    runs_stop(&source);
    assert_int_equal(source.held, 0);
    assert_int_equal(fake.count, 0);
    assert_int_equal(source.refused_acks, 1);
    assert_int_equal(fake.advances, 1);
}

static void at_the_end_no_turn_is_too_full(void **state)
{
    (void)state;
    claim("r_1", 100);
    fake.turn_full = true;
    acknowledge();
    assert_int_equal(runs_give_up(&source), 1);
    assert_int_equal(fake.taken, 1);
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
        TEST(one_that_the_turn_has_no_space_for_comes_in_the_next),
        TEST(those_that_wait_for_a_turn_go_in_the_order_of_their_claims),
        TEST(a_turn_that_is_full_acknowledges_nothing),
        TEST(what_waits_for_its_acknowledgement_is_left_at_the_end),
        TEST(at_the_end_no_turn_is_too_full),
        TEST(one_that_is_apart_waits_there),
        TEST(only_the_pollers_own_runs_go_on_one_at_a_time),
        TEST(one_in_doubt_for_too_long_is_handed_over_as_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
