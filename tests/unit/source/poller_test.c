/* When Port is asked for runs, and how many. */
#include "poller_world.h"

/* When */

static void both_queues_are_asked_at_once_and_then_after_the_interval(void **state)
{
    (void)state;
    turn();
    assert_int_equal(fake.count, 2);
    answer_nothing(runs);
    assert_int_equal(due_in(runs), INTERVAL_MS);
    assert_int_equal(runs->state, POLLER_WAITING);
    assert_int_equal(node_runs->state, POLLER_CLAIMING);
    ask_again(runs);
    assert_int_equal(fake.count, 3);
    assert_non_null(claim_of(runs));
}

static void what_is_wanted_sooner_comes_sooner(void **state)
{
    (void)state;
    turn();
    answer_one(runs);
    assert_int_equal(runs->state, POLLER_TAKING);
    poller_due_in(runs, 5000);
    assert_int_equal(due_in(runs), 5000);
    poller_due_in(runs, 9000);
    assert_int_equal(due_in(runs), 5000);
    poller_due_in(runs, 700);
    assert_int_equal(due_in(runs), 700);
    poller_due_in(runs, -1);
    assert_int_equal(due_in(runs), 0);
    turn();
    assert_int_equal(fake.went_on, 1); /* with what was claimed, and nothing is claimed meanwhile */
    assert_null(runs->call);
}

static void a_round_ends_with_its_last_run(void **state)
{
    (void)state;
    turn();
    answer_with(runs, "{\"runs\":[{\"id\":\"r_1\",\"payload\":{\"agent\":true,\"body\":{}}},"
                      "{\"id\":\"r_2\",\"payload\":{\"agent\":true,\"body\":{}}}]}");
    assert_int_equal(runs->pending, 2);
    poller_advance(runs);
    assert_int_equal(runs->state, POLLER_TAKING);
    assert_false(source_idle(&source->source));
    poller_advance(runs);
    assert_int_equal(runs->state, POLLER_WAITING);
    assert_true(source_idle(&source->source));
    assert_int_equal(due_in(runs), INTERVAL_MS);
}

/** Two runs are asked for, `came` of them came, and `taken` of these are on their way. */
static uint64_t wait_after(size_t came, size_t taken)
{
    runs->limit = 2;
    ask_again(runs);
    answer_one(runs);
    runs->came = came;
    runs->taken = taken;
    poller_advance(runs);
    return due_in(runs);
}

static void only_after_a_full_batch_is_asked_again_at_once(void **state)
{
    (void)state;
    assert_int_equal(wait_after(2, 1), 0);
    assert_int_equal(wait_after(3, 1), 0);
    assert_int_equal(wait_after(1, 1), INTERVAL_MS);
    assert_int_equal(wait_after(2, 0), INTERVAL_MS);
}

/* How many */

static void after_an_answer_that_was_cut_fewer_are_asked_for_and_then_more_again(void **state)
{
    (void)state;
    static const size_t wanted[] = {8, 4, 2, 4, 8, 8};
    for (size_t i = 0; i < 6; i++) {
        ask_again(runs);
        assert_int_equal(asked_for(runs), wanted[i]);
        if (i < 2) {
            answer_cut(runs);
            assert_int_equal(due_in(runs), 0);
        } else {
            answer_nothing(runs);
        }
    }
    assert_int_equal(runs->failures, 0);
}

static void one_run_that_is_cut_is_a_failure(void **state)
{
    (void)state;
    runs->limit = 1;
    turn();
    answer_cut(runs);
    assert_string_equal(runs->error, "a run is larger than RECORD_MAX_BYTES");
    assert_int_equal(due_in(runs), BACKOFF_MS);
}

/** A share is 1,000 bytes (a sixteenth of the queue). */
static void a_claim_leaves_space_for_what_others_hold(void **state)
{
    (void)state;
    enum { SHARE = 1000, FIRST = 16384 };
    turn();
    assert_int_equal(fake.wanted, 8 * FIRST + SHARE);
    answer_nothing(runs);
    source->apart_bytes = 300;
    node_runs->held_bytes = 400;
    ask_again(runs);
    assert_int_equal(fake.wanted, 8 * FIRST + 300 + SHARE - 400);
    answer_nothing(runs);
    node_runs->held_bytes = SHARE + 1; /* it has its share */
    ask_again(runs);
    assert_int_equal(fake.wanted, 8 * FIRST + 300);
    answer_nothing(runs);
    source->run_bytes = 10; /* no run is taken for smaller than 1,024 bytes */
    ask_again(runs);
    assert_int_equal(fake.wanted, 8 * 1024 + 300);
    answer_nothing(runs);
    source->run_bytes = 2000;
    fake.room = 2 * 2000 + 300;
    ask_again(runs);
    assert_int_equal(asked_for(runs), 2);
    node_runs->held_bytes = source->apart_bytes = 0;
}

static void a_full_sink_is_asked_again_once_it_has_space(void **state)
{
    (void)state;
    fake.room = 0;
    turn();
    assert_int_equal(fake.count, 0);
    assert_int_equal(runs->state, POLLER_FULL);
    assert_false(uv_is_active((uv_handle_t *)&runs->timer));
    source_resume(&source->source);
    assert_int_equal(fake.count, 0);
    fake.room = SIZE_MAX;
    source_resume(&source->source);
    assert_int_equal(fake.count, 2);
    source_resume(&source->source); /* nobody waits for space */
    assert_int_equal(fake.count, 2);
}

static void an_answer_has_space_for_the_queue_or_the_largest_record(void **state)
{
    (void)state;
    turn();
    assert_int_equal(claim_of(runs)->bound, 16000 + (1 << 20));
    answer_nothing(runs);
    config.record_max_bytes = 17000;
    ask_again(runs);
    assert_int_equal(claim_of(runs)->bound, 17000 + (1 << 20));
}

/* Turns of the loop */

static void a_turn_has_space_for_sixteen_runs_and_a_mebibyte(void **state)
{
    (void)state;
    for (size_t i = 0; i < 16; i++)
        assert_true(turn_has_space(&source->turn, 10));
    assert_false(turn_has_space(&source->turn, 10));
    turn();
    assert_true(turn_has_space(&source->turn, TURN_OVER - 10));
    assert_false(turn_has_space(&source->turn, 11));
    assert_true(turn_has_space(&source->turn, 10));
    turn();
    assert_true(turn_has_space(&source->turn, TURN_OVER + 1)); /* alone */
    assert_false(turn_has_space(&source->turn, 1));
}

static void a_turn_begins_sixteen_acknowledgements(void **state)
{
    (void)state;
    for (size_t i = 0; i < 16; i++)
        assert_true(turn_may_ask(&source->turn));
    assert_false(turn_may_ask(&source->turn));
    assert_true(turn_has_space(&source->turn, 10));
    turn();
    assert_true(turn_may_ask(&source->turn));
}

static void what_a_turn_had_no_space_for_goes_before_others(void **state)
{
    (void)state;
    struct polled_run queued[2];
    memset(queued, 0, sizeof queued);
    fake.space = 0;
    for (size_t i = 0; i < 2; i++)
        turn_queue(&source->turn, &queued[i]);
    turn_queue(&source->turn, &queued[0]); /* it is there */
    assert_false(turn_has_space(&source->turn, 10));
    assert_false(turn_may_ask(&source->turn));
    turn();
    assert_true(queued[0].queued);
    fake.space = 1;
    turn();
    assert_false(queued[0].queued);
    assert_true(queued[1].queued);
    assert_false(turn_may_ask(&source->turn));
    turn_unqueue(&source->turn, &queued[1]);
    assert_true(turn_may_ask(&source->turn));
    turn();
    assert_false(uv_is_active((const uv_handle_t *)&source->turn.idle));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_queues_are_asked_at_once_and_then_after_the_interval),
        TEST(what_is_wanted_sooner_comes_sooner),
        TEST(a_round_ends_with_its_last_run),
        TEST(only_after_a_full_batch_is_asked_again_at_once),
        TEST(after_an_answer_that_was_cut_fewer_are_asked_for_and_then_more_again),
        TEST(one_run_that_is_cut_is_a_failure),
        TEST(a_claim_leaves_space_for_what_others_hold),
        TEST(a_full_sink_is_asked_again_once_it_has_space),
        TEST(an_answer_has_space_for_the_queue_or_the_largest_record),
        TEST(a_turn_has_space_for_sixteen_runs_and_a_mebibyte),
        TEST(a_turn_begins_sixteen_acknowledgements),
        TEST(what_a_turn_had_no_space_for_goes_before_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
