/* What is remembered of slow mappings, and when it is forgotten. */
#include "map/pace.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

static struct pacing pacing_of(struct pace *pace, enum map_evaluator which)
{
    return (struct pacing){.pace = pace, .which = which, .bound_us = 25000, .began_us = -1};
}

static void a_mapping_that_ran_out_of_time_is_not_begun_before_others(void **state)
{
    (void)state;
    struct pace pace = {0};
    struct pacing quick = pacing_of(&pace, MAP_QUICK), patient = pacing_of(&pace, MAP_PATIENT);
    assert_true(pacing_begin(&quick, 2, PACE_REQUEST));
    assert_int_equal(pace_ran_out(&pace, MAP_QUICK, 25), 2);
    assert_false(pacing_begin(&quick, 2, PACE_REQUEST));
    assert_int_equal(quick.refused, 2);
    assert_true(pacing_begin(&patient, 2, PACE_REQUEST));
    assert_int_equal(patient.refused, 0);
    quick.insists = true;
    assert_true(pacing_begin(&quick, 2, PACE_REQUEST));
}

static void its_other_steps_and_other_mappings_are_begun(void **state)
{
    (void)state;
    struct pace pace = {0};
    struct pacing quick = pacing_of(&pace, MAP_QUICK);
    assert_true(pacing_begin(&quick, 2, PACE_REPORT));
    PA_IGNORE(pace_ran_out(&pace, MAP_QUICK, 25));
    assert_true(pacing_begin(&quick, 2, PACE_ENABLED));
    assert_true(pacing_begin(&quick, 1, PACE_REPORT));
    assert_true(pacing_begin(&quick, 3, PACE_REPORT));
    assert_false(pacing_begin(&quick, 2 + PACE_MAPPINGS, PACE_REPORT)); /* they share a place */
}

/** How many of its events the patient evaluator has before the quick one begins it again. */
static size_t events_until_quick(struct pace *pace)
{
    struct pacing quick = pacing_of(pace, MAP_QUICK), patient = pacing_of(pace, MAP_PATIENT);
    size_t count = 0;
    while (!pacing_begin(&quick, 1, PACE_REQUEST)) {
        assert_true(pacing_begin(&patient, 1, PACE_REQUEST));
        patient.began_us += 1000000; /* it took no time, whatever this machine is doing */
        pacing_end(&patient);
        count++;
    }
    return count;
}

static void it_is_forgotten_by_halves(void **state)
{
    (void)state;
    struct pace pace = {0};
    struct pacing quick = pacing_of(&pace, MAP_QUICK), patient = pacing_of(&pace, MAP_PATIENT);
    assert_true(pacing_begin(&quick, 1, PACE_REQUEST));
    PA_IGNORE(pace_ran_out(&pace, MAP_QUICK, 25));
    assert_int_equal(events_until_quick(&pace), 1);
    for (int i = 0; i < 20; i++) {
        assert_true(pacing_begin(&patient, 1, PACE_REQUEST));
        PA_IGNORE(pace_ran_out(&pace, MAP_PATIENT, 3600000));
    }
    assert_in_range(pace.recent_us[0][PACE_REQUEST], 900000, 1000000);
    assert_int_equal(events_until_quick(&pace), 1);
}

static int64_t used_us(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

static void a_step_counts_with_the_processor_time_that_it_took(void **state)
{
    (void)state;
    enum { RAN_OUT_US = 50000, TOOK_US = 40000 };
    struct pace pace = {0};
    struct pacing quick = pacing_of(&pace, MAP_QUICK), patient = pacing_of(&pace, MAP_PATIENT);
    assert_true(pacing_begin(&quick, 1, PACE_REQUEST));
    PA_IGNORE(pace_ran_out(&pace, MAP_QUICK, RAN_OUT_US / 2000));
    assert_int_equal(pace.recent_us[0][PACE_REQUEST], RAN_OUT_US / 2);
    assert_true(pacing_begin(&patient, 1, PACE_REQUEST));
    int64_t began_us = used_us();
    while (used_us() < began_us + TOOK_US)
        ;
    pacing_end(&patient);
    assert_in_range(pace.recent_us[0][PACE_REQUEST], (RAN_OUT_US / 2 + TOOK_US) / 2, 10 * TOOK_US);
}

static void an_evaluator_that_was_at_nothing_ran_out_of_nothing(void **state)
{
    (void)state;
    struct pace pace = {0};
    struct pacing quick = pacing_of(&pace, MAP_QUICK);
    assert_int_equal(pace_ran_out(&pace, MAP_QUICK, 25), 0);
    assert_true(pacing_begin(&quick, 1, PACE_ENABLED));
    pacing_end(&quick);
    assert_int_equal(pace_ran_out(&pace, MAP_QUICK, 25), 0);
    assert_true(pacing_begin(NULL, 1, PACE_ENABLED));
    pacing_end(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mapping_that_ran_out_of_time_is_not_begun_before_others),
        cmocka_unit_test(its_other_steps_and_other_mappings_are_begun),
        cmocka_unit_test(it_is_forgotten_by_halves),
        cmocka_unit_test(a_step_counts_with_the_processor_time_that_it_took),
        cmocka_unit_test(an_evaluator_that_was_at_nothing_ran_out_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
