/* What becomes of calls, and of their evaluator's successor, when an evaluator ends; and when a mapping file
 * has another one behind it. */
#include "worker_world.h"

/* Ends */

/** Its socket's end and the compiler's word come in either order. */
static void the_next_evaluator_is_asked_for_once_both_ends_are_known(void **state)
{
    (void)state;
    request("a");
    turn();
    answer(MAP_QUICK);
    hang_up(MAP_QUICK);
    request("b");
    turn();
    assert_int_equal(fake.opened, 1);
    tell_end(MAP_QUICK, MAP_END_RETIRED, 0, "");
    turn();
    assert_int_equal(fake.opened, 2);
    answer(MAP_QUICK);
    tell_end(MAP_QUICK, MAP_END_RETIRED, 0, "");
    request("c");
    turn();
    assert_int_equal(fake.opened, 2);
    hang_up(MAP_QUICK);
    turn();
    assert_int_equal(fake.opened, 3);
    assert_sent("Qa Qb Qc ");
    assert_answered("a=f b=f ");
    assert_int_equal(fake.told, 0);
}

static void a_bound_that_is_passed_is_one_calls_own(void **state)
{
    (void)state;
    request_each("abc");
    turn();
    answer(MAP_QUICK);
    die(MAP_QUICK, MAP_END_BOUND, 0); /* at b */
    assert_sent("Qa Qb Qc Qc Pb ");
    answer(MAP_QUICK);
    die(MAP_PATIENT, MAP_END_BOUND, 0);
    assert_answered("a=f c=f b-said ");
}

static void a_crash_fails_the_call_that_it_came_of(void **state)
{
    (void)state;
    request_each("ab");
    turn();
    die(MAP_QUICK, MAP_END_FAILED, 0);
    assert_answered("a-said ");
    assert_sent("Qa Qb Qb ");
    assert_int_equal(paused(MAP_QUICK), 0);
}

static void what_an_evaluator_was_killed_over_is_tried_once_more_after_a_while(void **state)
{
    (void)state;
    request_each("ab");
    turn();
    answer(MAP_QUICK);
    *fake.sent = '\0';
    die(MAP_QUICK, MAP_END_KILLED, 0); /* b */
    assert_sent("");
    assert_int_equal(paused(MAP_QUICK), 100);
    wake(MAP_QUICK);
    assert_sent("Qb ");
    die(MAP_QUICK, MAP_END_KILLED, 0);
    assert_answered("a=f b-said ");
}

static void nobody_waits_for_what_was_forgotten_when_an_evaluator_ends(void **state)
{
    (void)state;
    request("a");
    struct map_call *b = request("b"), *c = request("c");
    request("d");
    turn();
    map_call_forget(b);
    map_call_forget(c);
    die(MAP_QUICK, MAP_END_RETIRED, 0);
    wake(MAP_QUICK);
    assert_sent("Qa Qb Qc Qd Qa Qd ");
    answer(MAP_QUICK);
    answer(MAP_QUICK);
    assert_answered("a=f d=f ");
}

static void all_that_one_was_sent_goes_to_the_next(void **state)
{
    (void)state;
    char names[66];
    memset(names, 'x', sizeof names);
    names[65] = '\0';
    request_each(names);
    turn();
    assert_int_equal(fake.links[0].puts, 64);
    die(MAP_QUICK, MAP_END_RETIRED, 0);
    wake(MAP_QUICK);
    assert_int_equal(fake.links[1].puts, 64);
    answer(MAP_QUICK);
    assert_int_equal(fake.links[1].puts, 65);
}

/* Evaluators that answer nothing */

static void evaluators_that_end_before_they_answer_are_asked_for_less_and_less_often(void **state)
{
    (void)state;
    static const uint64_t pauses[] = {200, 400, 800, 1600, 3200, 6400, 6400, 6400};
    request("a");
    turn();
    for (size_t i = 0; i < 8; i++) {
        die(MAP_QUICK, MAP_END_RETIRED, 0);
        assert_int_equal(paused(MAP_QUICK), pauses[i]);
        assert_int_equal(fake.told, i < 2 ? 0 : i - 1);
        wake(MAP_QUICK);
    }
    assert_string_equal(fake.barren, "they end by themselves");
    answer(MAP_QUICK);
    assert_string_equal(fake.barren, "");
    size_t told = fake.told;
    request("b");
    turn();
    answer(MAP_QUICK);
    assert_int_equal(fake.told, told); /* that they answer is told once */
    request("c");
    turn();
    die(MAP_QUICK, MAP_END_RETIRED, 0); /* this one has answered */
    assert_int_equal(paused(MAP_QUICK), 0);
    assert_answered("a=f b=f ");
    assert_int_equal(fake.opened, 10);
}

static void why_they_answer_nothing_is_told(void **state)
{
    (void)state;
    static const struct {
        enum map_end_kind how;
        const char *told;
    } cases[] = {
        {MAP_END_KILLED,
         "another process kills them: give the agent more memory, or lower MAPPING_MAX_MEMORY"},
        {MAP_END_UNFIT, "said"},
        {MAP_END_RETIRED, "they end by themselves"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int j = 0; j < 3; j++) {
            if (!worker_of(MAP_QUICK)->first)
                request("a");
            turn();
            die(MAP_QUICK, cases[i].how, 0);
            wake(MAP_QUICK);
        }
        assert_string_equal(fake.barren, cases[i].told);
        if (!worker_of(MAP_QUICK)->first)
            request("a");
        turn();
        answer(MAP_QUICK);
        assert_string_equal(fake.barren, "");
        die(MAP_QUICK, MAP_END_RETIRED, 0);
    }
}

static void one_that_could_not_be_made_is_barren_without_a_call(void **state)
{
    (void)state;
    request("a");
    turn();
    map_call_forget(worker_of(MAP_QUICK)->first);
    bring(MAP_QUICK, FIELDS, SLICE_LITERAL("f"));
    die(MAP_QUICK, MAP_END_UNFIT, 0); /* idle, after an answer */
    assert_int_equal(worker_of(MAP_QUICK)->barren, 0);
    assert_int_equal(paused(MAP_QUICK), 100);
}

static void a_bound_that_is_passed_shows_that_evaluators_work(void **state)
{
    (void)state;
    request_each("ab");
    turn();
    die(MAP_QUICK, MAP_END_RETIRED, 0);
    wake(MAP_QUICK);
    assert_int_equal(worker_of(MAP_QUICK)->barren, 1);
    die(MAP_QUICK, MAP_END_BOUND, 0);
    assert_int_equal(worker_of(MAP_QUICK)->barren, 0);
    assert_sent("Qa Qb Qa Qb Qb Pa ");
}

/* The mappings' process */

static void an_answer_that_nobody_asked_for_is_the_end(void **state)
{
    (void)state;
    request("a");
    turn();
    answer(MAP_QUICK);
    bring(MAP_QUICK, FIELDS, SLICE_LITERAL("f"));
    assert_int_equal(fake.lost, 1);
}

static void an_answer_to_what_was_not_sent_is_the_end(void **state)
{
    (void)state;
    request_each("ab");
    turn();
    die(MAP_QUICK, MAP_END_RETIRED, 0); /* both are to be sent again */
    fake.no_space = true;
    wake(MAP_QUICK);
    bring(MAP_QUICK, FIELDS, SLICE_LITERAL("f"));
    assert_int_equal(fake.lost, 1);
    assert_answered("");
}

static void ends_that_make_no_sense_are_the_end(void **state)
{
    (void)state;
    tell_end(MAP_PATIENT, MAP_END_RETIRED, 0, ""); /* there is none */
    assert_int_equal(fake.lost, 1);
    request("a"); /* nobody will answer it */
    turn();
    assert_sent("");
}

static void an_evaluator_of_no_kind_is_the_end(void **state)
{
    (void)state;
    request("a");
    turn();
    tell_end((enum map_evaluator)MAP_EVALUATORS, MAP_END_RETIRED, 0, "");
    assert_int_equal(fake.lost, 1);
}

static void a_compiler_that_goes_is_the_end(void **state)
{
    (void)state;
    shutdown(compiler, SHUT_WR);
    turn();
    assert_int_equal(fake.lost, 1);
}

/* Another mapping file */

/** The former compiler's socket is returned. */
static int renew(void)
{
    int former = compiler;
    assert_true(mapper_renew(mapper, new_compiler()));
    return former;
}

static void what_was_not_sent_goes_to_the_new_file(void **state)
{
    (void)state;
    request("a");
    turn();
    request("b");
    int former = renew();
    assert_int_equal(mapper_generations(mapper), 2);
    turn();
    assert_sent("Qa Qb ");
    assert_int_equal(fake.opened, 2);
    answer(MAP_QUICK);
    fake.links[0].options.frame(fake.links[0].options.ctx, FIELDS, SLICE_LITERAL("old"));
    assert_answered("b=f a=old ");
    turn();
    assert_int_equal(mapper_generations(mapper), 1); /* nobody needs it any more */
    assert_false(fake.links[0].open);
    close(former);
}

static struct map_generation *held;

static void answered_and_held(void *ctx, struct slice fields, const char *failure)
{
    struct map_call *const *call = ctx;
    assert_non_null(fields.ptr);
    assert_null(failure);
    held = map_call_hold(*call);
}

static void a_former_file_is_kept_for_the_reports_of_its_requests(void **state)
{
    (void)state;
    struct map_call *call = mapper_request(mapper, SLICE_LITERAL("a"), answered_and_held, &call);
    assert_non_null(call);
    turn();
    answer(MAP_QUICK);
    int former = renew();
    turn();
    assert_int_equal(mapper_generations(mapper), 2);
    assert_non_null(mapper_report(held, 7, SLICE_LITERAL("r"), answered, "r"));
    turn();
    assert_sent("Qa Q7r ");
    map_generation_release(held);
    turn();
    assert_int_equal(mapper_generations(mapper), 2); /* it has something to answer */
    fake.links[0].options.frame(fake.links[0].options.ctx, FIELDS, SLICE_LITERAL("f"));
    turn();
    assert_answered("r=f ");
    assert_int_equal(mapper_generations(mapper), 1);
    close(former);
}

static void a_former_file_ends_with_the_last_report_that_it_was_held_for(void **state)
{
    (void)state;
    struct map_call *call = mapper_request(mapper, SLICE_LITERAL("a"), answered_and_held, &call);
    assert_non_null(call);
    turn();
    answer(MAP_QUICK);
    struct map_generation *first = held;
    call = mapper_request(mapper, SLICE_LITERAL("b"), answered_and_held, &call);
    turn();
    answer(MAP_QUICK);
    assert_ptr_equal(held, first);
    int former = renew();
    map_generation_release(held);
    turn();
    assert_int_equal(mapper_generations(mapper), 2);
    map_generation_release(held);
    turn();
    assert_int_equal(mapper_generations(mapper), 1);
    assert_false(fake.links[0].open);
    map_generation_release(NULL);
    close(former);
}

static void when_a_former_file_is_lost_its_reports_fail_and_its_requests_begin_anew(void **state)
{
    (void)state;
    struct map_generation *former = mapper->present;
    request("a");
    assert_non_null(mapper_report(former, 3, SLICE_LITERAL("r"), answered, "r"));
    turn();
    int socket = renew();
    fake.links[0].options.frame(fake.links[0].options.ctx, EXCEEDED,
                                SLICE_LITERAL("long")); /* a, to the patient one */
    assert_non_null(former->workers[MAP_PATIENT].first);
    close(socket); /* its compiler died */
    turn();
    turn();
    assert_int_equal(fake.lost, 0);
    assert_answered("r-the process of the former mapping file died ");
    assert_sent("Qa Q3r Pa Qa ");
    assert_int_equal(mapper_generations(mapper), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_next_evaluator_is_asked_for_once_both_ends_are_known),
        TEST(a_bound_that_is_passed_is_one_calls_own),
        TEST(a_crash_fails_the_call_that_it_came_of),
        TEST(what_an_evaluator_was_killed_over_is_tried_once_more_after_a_while),
        TEST(nobody_waits_for_what_was_forgotten_when_an_evaluator_ends),
        TEST(all_that_one_was_sent_goes_to_the_next),
        TEST(evaluators_that_end_before_they_answer_are_asked_for_less_and_less_often),
        TEST(why_they_answer_nothing_is_told),
        TEST(one_that_could_not_be_made_is_barren_without_a_call),
        TEST(a_bound_that_is_passed_shows_that_evaluators_work),
        TEST(an_answer_that_nobody_asked_for_is_the_end),
        TEST(an_answer_to_what_was_not_sent_is_the_end),
        TEST(ends_that_make_no_sense_are_the_end),
        TEST(an_evaluator_of_no_kind_is_the_end),
        TEST(a_compiler_that_goes_is_the_end),
        TEST(what_was_not_sent_goes_to_the_new_file),
        TEST(a_former_file_is_kept_for_the_reports_of_its_requests),
        TEST(a_former_file_ends_with_the_last_report_that_it_was_held_for),
        TEST(when_a_former_file_is_lost_its_reports_fail_and_its_requests_begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
