/* A delivery's states: what the table lets, and what is asked of it. The whole table is compared with the
 * drawing in docs/architecture.md (tests/e2e/test_documents.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "deliver/life.h"

enum {
    ANSWERED =
        1u << LIFE_WRITING_LETTER | 1u << LIFE_MAPPING_REPORT | 1u << LIFE_REPORT_OWED | 1u << LIFE_REPORTING
};

static void whoever_is_not_at_an_end_may_be_dropped(void **state)
{
    (void)state;
    for (unsigned from = 0; from < LIFE_STATES; from++)
        assert_int_equal(life_may_move(from, LIFE_DROPPED), from < LIFE_DONE);
}

static void an_end_leads_nowhere(void **state)
{
    (void)state;
    for (unsigned to = 0; to < LIFE_STATES; to++) {
        assert_false(life_may_move(LIFE_DONE, to));
        assert_false(life_may_move(LIFE_DROPPED, to));
        assert_false(life_may_move(to, LIFE_TAKEN));
    }
}

/** An answered delivery is never sent again. */
static void nothing_leads_back_from_an_answer(void **state)
{
    (void)state;
    for (unsigned from = 0; from < LIFE_STATES; from++)
        for (unsigned to = 0; to < LIFE_STATES; to++)
            if (life_is_answered(from) && life_may_move(from, to))
                assert_true(life_is_answered(to) || to == LIFE_DONE || to == LIFE_DROPPED);
    assert_true(life_may_move(LIFE_READY, LIFE_SENDING));
    for (unsigned from = 0; from < LIFE_STATES; from++)
        assert_int_equal(life_may_move(from, LIFE_SENDING), from == LIFE_READY);
}

static void what_is_answered_or_sent_is_under_way(void **state)
{
    (void)state;
    for (unsigned at = 0; at < LIFE_STATES; at++) {
        assert_int_equal(life_is_answered(at), ANSWERED >> at & 1);
        assert_int_equal(life_is_under_way(at), at == LIFE_SENDING || life_is_answered(at));
    }
}

static void every_state_has_a_name_and_every_one_another(void **state)
{
    (void)state;
    for (unsigned at = 0; at < LIFE_STATES; at++) {
        assert_non_null(life_state_name(at));
        for (unsigned other = 0; other < at; other++)
            assert_string_not_equal(life_state_name(at), life_state_name(other));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_is_not_at_an_end_may_be_dropped),
        cmocka_unit_test(an_end_leads_nowhere),
        cmocka_unit_test(nothing_leads_back_from_an_answer),
        cmocka_unit_test(what_is_answered_or_sent_is_under_way),
        cmocka_unit_test(every_state_has_a_name_and_every_one_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
