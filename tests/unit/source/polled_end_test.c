/* Claimed runs when the agent is stopped: what goes on, what is given up, and what is lost. */
#include "polled_run_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(at_a_stop_only_what_may_be_ours_goes_on),
        TEST(an_answer_that_is_lost_after_a_stop_ends_what_is_not_in_doubt),
        TEST(waits_apart_grow_up_to_half_a_minute_and_half_a_second_after_a_stop),
        TEST(what_is_given_up_at_the_end_is_handed_over_with_its_cause),
        TEST(what_the_sink_cannot_take_at_the_end_is_tried_once_a_call),
        TEST(what_is_freed_is_lost_where_it_may_be_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
