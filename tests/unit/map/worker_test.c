/* In which order, and how many at once, calls go to evaluators: the quick one, and the patient one. */
#include "worker_world.h"

static void what_comes_in_one_turn_goes_in_one_write(void **state)
{
    (void)state;
    request_each("ab");
    assert_sent("");
    assert_int_equal(fake.opened, 0); /* an evaluator is made when there is something to evaluate */
    turn();
    assert_sent("Qa Qb ");
    assert_int_equal(fake.flushes, 1);
    request("c");
    turn();
    assert_sent("Qc ");
    bring(MAP_QUICK, FIELDS, SLICE_LITERAL("1"));
    bring(MAP_QUICK, FIELDS, SLICE_LITERAL("2"));
    assert_answered("a=1 b=2 ");
    bring(MAP_QUICK, FIELDS, SLICE_LITERAL("3"));
    assert_answered("c=3 ");
    assert_int_equal(fake.opened, 1);
}

static void sixty_four_are_with_an_evaluator_at_once(void **state)
{
    (void)state;
    char names[67];
    memset(names, 'x', sizeof names);
    names[66] = '\0';
    request_each(names);
    turn();
    assert_int_equal(fake.links[0].puts, 64);
    answer(MAP_QUICK);
    assert_int_equal(fake.links[0].puts, 65);
    answer(MAP_QUICK);
    assert_int_equal(fake.links[0].puts, 66);
    answer(MAP_QUICK);
    assert_int_equal(fake.links[0].puts, 66);
}

/** A quarter of a mebibyte and one call, whose size does not count then. */
static void a_bounded_number_of_bytes_is_with_an_evaluator_at_once(void **state)
{
    (void)state;
    enum { LARGE = 100 * 1024, TOO_LARGE = 300 * 1024 };
    char *bytes = calloc(1, TOO_LARGE);
    assert_non_null(bytes);
    *bytes = 'l';
    for (int i = 0; i < 5; i++)
        request_of(bytes, LARGE);
    request_of(bytes, TOO_LARGE);
    request("s");
    turn();
    assert_sent("Ql Ql Ql ");
    answer(MAP_QUICK);
    assert_sent("Ql ");
    answer(MAP_QUICK);
    assert_sent("Ql ");
    answer(MAP_QUICK);
    assert_sent("Ql "); /* the largest, with two others there */
    answer(MAP_QUICK);
    assert_sent("");
    answer(MAP_QUICK);
    assert_sent("");
    answer(MAP_QUICK);
    assert_sent("Qs ");
    free(bytes);
}

static void one_that_is_larger_than_all_that_may_wait_goes_alone(void **state)
{
    (void)state;
    enum { TOO_LARGE = 300 * 1024 };
    char *bytes = calloc(1, TOO_LARGE);
    assert_non_null(bytes);
    *bytes = 'l';
    request_of(bytes, TOO_LARGE);
    request("s");
    turn();
    assert_sent("Ql ");
    answer(MAP_QUICK);
    assert_sent("Qs ");
    free(bytes);
}

static void what_takes_long_is_the_patient_ones_one_at_a_time(void **state)
{
    (void)state;
    request_each("abc");
    turn();
    exceed(MAP_QUICK);
    exceed(MAP_QUICK);
    answer(MAP_QUICK);
    assert_sent("Qa Qb Qc Pa ");
    assert_answered("c=f ");
    answer(MAP_PATIENT);
    assert_sent("Pb ");
    exceed(MAP_PATIENT);
    assert_answered("a=f b-long ");
}

static void what_is_forgotten_goes_nowhere_else(void **state)
{
    (void)state;
    struct map_call *call = request("a");
    turn();
    map_call_forget(call);
    exceed(MAP_QUICK);
    assert_sent("Qa ");
    assert_answered("");
    call = request("b");
    turn();
    map_call_forget(call);
    refuse(MAP_QUICK, 1);
    request("c");
    struct map_call *between = request("x");
    request("d");
    map_call_forget(between);
    turn();
    assert_sent("Qb Qc Qd ");
    answer(MAP_QUICK);
    answer(MAP_QUICK);
    assert_answered("c=f d=f ");
}

/* Calls of mappings that ran out of time lately */

static void one_that_was_not_begun_waits_behind_the_others_and_goes_alone(void **state)
{
    (void)state;
    request_each("abc");
    turn();
    request("d");
    refuse(MAP_QUICK, 3); /* a */
    assert_sent("Qa Qb Qc Qd ");
    request("e");
    turn();
    assert_sent("Qe ");
    for (int i = 0; i < 3; i++) /* b, c, d */
        answer(MAP_QUICK);
    assert_sent("");
    answer(MAP_QUICK);
    assert_sent("Q!a ");
    request("f"); /* what was sent cannot be overtaken */
    turn();
    assert_sent("");
    answer(MAP_QUICK);
    assert_sent("Qf ");
    assert_answered("b=f c=f d=f e=f a=f ");
}

static void several_that_were_not_begun_keep_their_order(void **state)
{
    (void)state;
    request_each("abc");
    turn();
    refuse(MAP_QUICK, 1);
    refuse(MAP_QUICK, 1);
    assert_sent("Qa Qb Qc ");
    answer(MAP_QUICK);
    assert_sent("Q!a ");
    answer(MAP_QUICK);
    assert_sent("Q!b ");
    exceed(MAP_QUICK);
    assert_sent("Pb ");
    assert_answered("c=f a=f ");
}

/** Others come without an end; it has its turn all the same. */
static void one_that_waits_behind_the_others_has_its_turn_after_a_thousand(void **state)
{
    (void)state;
    request_each("ab");
    turn();
    refuse(MAP_QUICK, 1); /* a */
    size_t others = 0;
    while (!strstr(fake.sent, "Q!a") && others < 3000) {
        request("x");
        turn();
        answer(MAP_QUICK);
        others++;
        *fake.answered = '\0';
        if (!strstr(fake.sent, "Q!a"))
            *fake.sent = '\0';
    }
    assert_in_range(others, 999, 1001);
    assert_sent("Q!a ");
}

/** The patient one learns which mapping ran out of its time when that dies, and defers its calls. */
static void the_patient_one_puts_off_the_mapping_that_it_died_of(void **state)
{
    (void)state;
    request_each("abcd");
    turn();
    refuse(MAP_QUICK, 2); /* a: its mapping is known from now on */
    *fake.sent = '\0';
    for (int i = 0; i < 3; i++)
        exceed(MAP_QUICK); /* b, c, d: theirs are not */
    assert_sent("Pb Q!a ");
    exceed(MAP_QUICK);
    die(MAP_PATIENT, MAP_END_BOUND, 2); /* b */
    assert_answered("b-said ");
    assert_sent("Pc ");
    answer(MAP_PATIENT);
    assert_sent("Pd ");
    request("e");
    turn();
    exceed(MAP_QUICK);
    assert_sent("Qe ");
    answer(MAP_PATIENT);
    assert_sent("Pe "); /* before a, although a was there before it */
    answer(MAP_PATIENT);
    assert_sent("P!a ");
    answer(MAP_PATIENT);
    assert_answered("c=f d=f e=f a=f ");
}

static void a_mapping_that_has_ended_in_time_is_put_off_no_more(void **state)
{
    (void)state;
    request_each("abc");
    turn();
    for (int i = 0; i < 3; i++)
        refuse(MAP_QUICK, 2);
    for (int i = 0; i < 3; i++)
        exceed(MAP_QUICK);
    *fake.sent = '\0';
    die(MAP_PATIENT, MAP_END_BOUND, 2); /* a */
    assert_sent("P!b ");
    answer(MAP_PATIENT);
    assert_sent("P!c ");
    request("d");
    turn();
    refuse(MAP_QUICK, 2);
    exceed(MAP_QUICK);
    answer(MAP_PATIENT);
    assert_sent("Qd Q!d Pd ");
}

/** After eight, for the patient one. */
static void one_that_the_patient_one_puts_off_has_its_turn_too(void **state)
{
    (void)state;
    worker_of(MAP_PATIENT)->failing = 1u << 6;
    request("z");
    turn();
    exceed(MAP_QUICK); /* the patient one is at it meanwhile */
    request("a");
    turn();
    refuse(MAP_QUICK, 7);
    exceed(MAP_QUICK);
    request_each("bcdefghijkl");
    turn();
    for (int i = 0; i < 11; i++)
        exceed(MAP_QUICK);
    assert_sent("Qz Pz Qa Q!a Qb Qc Qd Qe Qf Qg Qh Qi Qj Qk Ql ");
    for (int i = 0; i < 12; i++)
        answer(MAP_PATIENT);
    assert_sent("Pb Pc Pd Pe Pf Pg Ph Pi P!a Pj Pk Pl ");
    assert_answered("z=f b=f c=f d=f e=f f=f g=f h=f i=f a=f j=f k=f ");
}

/* Room */

static void without_memory_for_a_frame_it_is_sent_a_little_later(void **state)
{
    (void)state;
    fake.no_space = true;
    request("a");
    turn();
    assert_sent("");
    assert_int_equal(paused(MAP_QUICK), 100);
    request("b");
    turn();
    assert_sent("");
    fake.no_space = false;
    wake(MAP_QUICK);
    assert_sent("Qa Qb ");
    assert_int_equal(paused(MAP_QUICK), 0);
}

static void without_an_evaluator_it_is_asked_for_a_little_later(void **state)
{
    (void)state;
    fake.no_evaluator = true;
    request("a");
    turn();
    assert_int_equal(fake.opened, 0);
    assert_int_equal(paused(MAP_QUICK), 100);
    fake.no_evaluator = false;
    wake(MAP_QUICK);
    turn();
    request("b");
    turn();
    assert_sent("Qa Qb ");
}

static void an_evaluator_whose_socket_cannot_be_watched_is_followed_by_another(void **state)
{
    (void)state;
    fake.no_link = true;
    request("a");
    turn();
    assert_int_equal(paused(MAP_QUICK), 100);
    fake.no_link = false;
    wake(MAP_QUICK);
    assert_sent(""); /* its end has not been told yet */
    tell_end(MAP_QUICK, MAP_END_RETIRED, 0, "");
    turn();
    assert_sent("Qa ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_comes_in_one_turn_goes_in_one_write),
        TEST(sixty_four_are_with_an_evaluator_at_once),
        TEST(a_bounded_number_of_bytes_is_with_an_evaluator_at_once),
        TEST(one_that_is_larger_than_all_that_may_wait_goes_alone),
        TEST(what_takes_long_is_the_patient_ones_one_at_a_time),
        TEST(what_is_forgotten_goes_nowhere_else),
        TEST(one_that_was_not_begun_waits_behind_the_others_and_goes_alone),
        TEST(several_that_were_not_begun_keep_their_order),
        TEST(one_that_waits_behind_the_others_has_its_turn_after_a_thousand),
        TEST(the_patient_one_puts_off_the_mapping_that_it_died_of),
        TEST(a_mapping_that_has_ended_in_time_is_put_off_no_more),
        TEST(one_that_the_patient_one_puts_off_has_its_turn_too),
        TEST(without_memory_for_a_frame_it_is_sent_a_little_later),
        TEST(without_an_evaluator_it_is_asked_for_a_little_later),
        TEST(an_evaluator_whose_socket_cannot_be_watched_is_followed_by_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
