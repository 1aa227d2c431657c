/* What follows when claims fail, are long, or are not to go on. */
#include "poller_world.h"

/* Failures */

static void the_longest_wait_that_port_asked_for_counts(void **state)
{
    (void)state;
    turn();
    answer_one(runs);
    poller_note_failure(runs, "first", 4000);
    poller_note_failure(runs, "second", 3000);
    poller_advance(runs);
    assert_int_equal(due_in(runs), 4000);
    assert_string_equal(runs->error, "second");
    ask_again(runs);
    fail_with(runs, -1); /* that was for one round */
    assert_int_equal(due_in(runs), 2 * BACKOFF_MS);
    ask_again(runs);
    fail_with(runs, 3); /* our own wait is longer */
    assert_int_equal(due_in(runs), 4 * BACKOFF_MS);
}

static void a_long_reason_is_cut(void **state)
{
    (void)state;
    char reason[400];
    memset(reason, 'a', sizeof reason);
    reason[sizeof reason - 1] = '\0';
    poller_note_failure(runs, reason, -1);
    assert_int_equal(strlen(runs->error), sizeof runs->error - 1);
}

static void the_last_try_is_when_the_time_is_up(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    turn();
    fail_with(runs, 60000);
    assert_int_equal(due_in(runs), FAILING_MS);
    now_ms += FAILING_MS - 1;
    ask_again(runs);
    fail_with(runs, -1);
    assert_int_equal(due_in(runs), 1);
    assert_int_equal(fake.fatal, 0);
    now_ms += 1;
    ask_again(runs);
    fail_with(runs, -1);
    assert_int_equal(fake.fatal, 1);
    assert_false(uv_is_active((uv_handle_t *)&runs->timer));
    assert_int_equal(runs->state, POLLER_WAITING);
    fail_with(node_runs, -1); /* it is said once */
    assert_int_equal(fake.fatal, 1);
    char *text = logs_end(&caught);
    assert_int_equal(occurrences(text, "\"failing_for\":10.000,\"error.message\":\"said\""), 2);
    free(text);
}

static void time_to_fail_begins_anew_with_any_answer(void **state)
{
    (void)state;
    turn();
    fail_with(runs, -1);
    assert_int_equal(source_assigned(&source->source), 0);
    now_ms += FAILING_MS - 1;
    answer_one(node_runs);
    poller_note_failure(node_runs, "one of two acknowledgements", -1);
    node_runs->answered = 1;
    poller_advance(node_runs); /* a failed round, in which Port answered something */
    now_ms += FAILING_MS - 1;
    ask_again(runs);
    fail_with(runs, -1);
    assert_int_equal(fake.fatal, 0);
    ask_again(node_runs);
    answer_nothing(node_runs);
    assert_int_equal(source_assigned(&source->source), 1);
    assert_string_equal(source_view(&source->source).state, "claiming runs");
}

static void credentials_that_are_refused_later_may_be_taken_again(void **state)
{
    (void)state;
    struct port_result refused = {.answer = PORT_REFUSED, .status = 401, .authentication = true};
    turn();
    answer_nothing(node_runs);
    answer(runs, refused);
    assert_int_equal(fake.fatal, 0);
    assert_int_equal(due_in(runs), BACKOFF_MS);
}

static void credentials_that_never_were_taken_end_it(void **state)
{
    (void)state;
    struct port_result refused = {.answer = PORT_REFUSED, .status = 401, .authentication = true};
    turn();
    answer(runs, refused);
    assert_int_equal(fake.fatal, 1);
    assert_int_equal(runs->state, POLLER_WAITING);
    assert_false(uv_is_active((uv_handle_t *)&runs->timer));
    answer(node_runs, refused);
    assert_int_equal(fake.fatal, 1);
}

static void a_claim_without_memory_is_a_failure(void **state)
{
    (void)state;
    fake.no_call = true;
    turn();
    assert_string_equal(runs->error, "out of memory");
    assert_int_equal(due_in(runs), BACKOFF_MS);
}

/* Long answers */

static struct port_result long_answer(struct buffer *body)
{
    for (size_t i = 0; i <= ANSWER_BYTES; i++)
        buffer_append_char(body, ' ');
    return (struct port_result){
        .answer = PORT_ACCEPTED, .status = 200, .body = buffer_slice(body), .owned_body = body};
}

static void a_long_answer_is_part_of_its_round_until_it_is_read(void **state)
{
    (void)state;
    struct buffer body = {0};
    char elsewhere;
    fake.answer = (struct answer *)(void *)&elsewhere;
    turn();
    answer(runs, long_answer(&body));
    buffer_clear(&body);
    assert_int_equal(runs->state, POLLER_TAKING);
    poller_answer_read(runs, "it breaks off");
    assert_null(runs->answer);
    assert_int_equal(runs->state, POLLER_WAITING);
    assert_string_equal(runs->error, "it breaks off");
    assert_int_equal(due_in(runs), BACKOFF_MS);
}

static void a_long_answer_without_memory_is_a_failure(void **state)
{
    (void)state;
    struct buffer body = {0};
    turn();
    answer(runs, long_answer(&body));
    buffer_clear(&body);
    assert_string_equal(runs->error, "out of memory");
    assert_int_equal(due_in(runs), BACKOFF_MS);
}

/* Runs apart */

static void runs_apart_are_seen_to_until_none_is_left(void **state)
{
    (void)state;
    source->apart = 1;
    poller_watch_apart(source);
    assert_int_equal(uv_timer_get_repeat(&source->apart_timer), 1000);
    uv_timer_start(&source->apart_timer, source->apart_timer.timer_cb, 0, 1000);
    turn();
    assert_int_equal(fake.apart_went_on, 1);
    assert_true(uv_is_active((uv_handle_t *)&source->apart_timer));
    assert_false(source_idle(&source->source));
    fake.apart_end = true;
    uv_timer_start(&source->apart_timer, source->apart_timer.timer_cb, 0, 1000);
    turn();
    assert_false(uv_is_active((uv_handle_t *)&source->apart_timer));
    assert_true(source_idle(&source->source));
}

static void after_a_stop_they_are_seen_to_more_often(void **state)
{
    (void)state;
    source->apart = 1;
    poller_watch_apart(source);
    source_stop_taking(&source->source);
    assert_int_equal(uv_timer_get_repeat(&source->apart_timer), 100);
    assert_true(uv_is_active((uv_handle_t *)&source->apart_timer));
    source->apart = 0;
    source_stop_taking(&source->source);
    assert_false(uv_is_active((uv_handle_t *)&source->apart_timer));
}

static void beside_a_hundred_runs_apart_nothing_is_claimed(void **state)
{
    (void)state;
    source->apart = 100;
    turn();
    assert_int_equal(fake.count, 0);
    assert_string_equal(runs->error, "too many runs wait for the answers to their acknowledgements");
    assert_int_equal(due_in(runs), BACKOFF_MS);
    source->apart = 99;
    ask_again(runs);
    assert_int_equal(fake.count, 1);
}

/* Stopping */

static void a_stop_forgets_claims_and_asks_no_more(void **state)
{
    (void)state;
    turn();
    source_stop_taking(&source->source);
    assert_true(fake.calls[0].over && fake.calls[1].over);
    assert_null(runs->call);
    assert_int_equal(runs->state, POLLER_WAITING);
    turn();
    turn();
    assert_int_equal(fake.count, 2);
    assert_true(source_idle(&source->source));
}

static void a_sink_that_has_space_after_a_stop_gets_nothing_more(void **state)
{
    (void)state;
    fake.room = 0;
    turn();
    fake.room = SIZE_MAX;
    runs->state = POLLER_FULL;
    source->stopped = true;
    source_resume(&source->source);
    assert_int_equal(fake.count, 0);
}

static void a_round_that_a_stop_found_open_is_the_last(void **state)
{
    (void)state;
    turn();
    answer_one(runs);
    source_stop_taking(&source->source);
    assert_int_equal(runs->state, POLLER_TAKING);
    assert_false(source_idle(&source->source));
    poller_due_in(runs, 0); /* its run goes on */
    turn();
    assert_int_equal(fake.went_on, 1);
    poller_advance(runs);
    assert_true(source_idle(&source->source));
    turn();
    assert_int_equal(fake.count, 2);
    assert_false(uv_is_active((uv_handle_t *)&runs->timer));
}

static void an_answer_that_is_being_read_at_a_stop_is_forgotten(void **state)
{
    (void)state;
    struct buffer body = {0};
    char elsewhere;
    fake.answer = (struct answer *)(void *)&elsewhere;
    turn();
    answer(runs, long_answer(&body));
    buffer_clear(&body);
    source_stop_taking(&source->source);
    assert_int_equal(fake.forgotten, 1);
    assert_true(source_idle(&source->source));
    source_stop_taking(&source->source);
    assert_int_equal(fake.forgotten, 1);
}

static void what_is_given_up_is_counted(void **state)
{
    (void)state;
    assert_int_equal(source_give_up(&source->source), 3);
    assert_int_equal(source_abandon(&source->source), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_longest_wait_that_port_asked_for_counts),
        TEST(a_long_reason_is_cut),
        TEST(the_last_try_is_when_the_time_is_up),
        TEST(time_to_fail_begins_anew_with_any_answer),
        TEST(credentials_that_are_refused_later_may_be_taken_again),
        TEST(credentials_that_never_were_taken_end_it),
        TEST(a_claim_without_memory_is_a_failure),
        TEST(a_long_answer_is_part_of_its_round_until_it_is_read),
        TEST(a_long_answer_without_memory_is_a_failure),
        TEST(runs_apart_are_seen_to_until_none_is_left),
        TEST(after_a_stop_they_are_seen_to_more_often),
        TEST(beside_a_hundred_runs_apart_nothing_is_claimed),
        TEST(a_stop_forgets_claims_and_asks_no_more),
        TEST(a_sink_that_has_space_after_a_stop_gets_nothing_more),
        TEST(a_round_that_a_stop_found_open_is_the_last),
        TEST(an_answer_that_is_being_read_at_a_stop_is_forgotten),
        TEST(what_is_given_up_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
