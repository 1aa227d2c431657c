/* This machine's clock beside the one that Port's answers show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../component/logs.h"
#include "port/clock_offset.h"

static int64_t now_ms, wall_ms;

static int64_t monotonic(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static int64_t wall(void *ctx)
{
    (void)ctx;
    return wall_ms;
}

static const struct clock turned_clock = {.monotonic_ms = monotonic, .wall_ms = wall};

/** Port says that it is 1994-11-06 08:49:37; this machine is so many seconds ahead. */
static void note(struct conditions *conditions, int64_t ahead_s)
{
    wall_ms = (784111777 + ahead_s) * 1000;
    clock_offset_note(conditions, SLICE_LITERAL("Sun, 06 Nov 1994 08:49:37 GMT"), &turned_clock);
}

/** The caller frees. */
static char *noted(const int64_t *ahead_s, const int64_t *after_ms, size_t count)
{
    struct caught caught = logs_catch();
    struct conditions *conditions = conditions_new(&turned_clock);
    assert_non_null(conditions);
    now_ms = 1000;
    for (size_t i = 0; i < count; i++) {
        now_ms += after_ms[i];
        note(conditions, ahead_s[i]);
        conditions_tick(conditions);
    }
    conditions_free(conditions);
    return logs_end(&caught);
}

static void half_a_minute_is_nobodys_trouble(void **state)
{
    (void)state;
    const int64_t ahead_s[] = {30, -30, 0}, after_ms[] = {0, 0, 0};
    char *text = noted(ahead_s, after_ms, 3);
    assert_string_equal(text, "");
    free(text);
}

static void a_clock_that_is_ahead_or_behind_is_warned_of_with_what_to_do(void **state)
{
    (void)state;
    const int64_t ahead[] = {31}, behind[] = {-31}, at_once[] = {0};
    char *text = noted(ahead, at_once, 1);
    assert_non_null(strstr(text,
                           "\"level\":\"WARNING\",\"msg\":\"this machine's clock is off\",\"ahead_s\":31,"
                           "\"reason\":\"it is 31 s ahead of Port's; webhooks are signed with its time, and "
                           "receivers may refuse them: set this machine's clock (NTP)\"}\n"));
    free(text);
    text = noted(behind, at_once, 1);
    assert_non_null(strstr(text, "\"ahead_s\":-31,\"reason\":\"it is 31 s behind Port's; "));
    free(text);
}

static void it_is_warned_of_once_a_minute_until_an_answer_shows_its_end(void **state)
{
    (void)state;
    const int64_t ahead_s[] = {40, 40, 41, 42, 2, 2, 43}, after_ms[] = {0, 1, 59998, 1, 1, 1, 1};
    char *text = noted(ahead_s, after_ms, 7);
    assert_int_equal(occurrences(text, "\n"), 4);
    assert_int_equal(occurrences(text, "this machine's clock is off\",\"ahead_s\":40,"), 1);
    assert_int_equal(occurrences(text, "this machine's clock is off\",\"ahead_s\":42,"), 1);
    assert_int_equal(occurrences(text, "\"INFO\",\"msg\":\"this machine's clock agrees with Port's again\","
                                       "\"ahead_s\":2,"),
                     1);
    assert_int_equal(occurrences(text, "this machine's clock is off\",\"ahead_s\":43,"), 1);
    free(text);
}

static void an_agent_that_asks_nothing_goes_on_warning(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct conditions *conditions = conditions_new(&turned_clock);
    now_ms = 1000;
    note(conditions, 40);
    for (int minute = 0; minute < 2; minute++) {
        now_ms += 60000;
        conditions_tick(conditions);
    }
    conditions_free(conditions);
    char *text = logs_end(&caught);
    assert_int_equal(occurrences(text, "this machine's clock is off\",\"ahead_s\":40,"), 3);
    free(text);
}

static void a_date_that_cannot_be_read_says_nothing(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct conditions *conditions = conditions_new(&turned_clock);
    wall_ms = 0;
    clock_offset_note(conditions, (struct slice){NULL, 0}, &turned_clock);
    clock_offset_note(conditions, SLICE_LITERAL("yesterday"), &turned_clock);
    clock_offset_note(NULL, SLICE_LITERAL("Sun, 06 Nov 1994 08:49:37 GMT"), &turned_clock);
    assert_null(conditions_next(conditions, NULL));
    conditions_free(conditions);
    char *text = logs_end(&caught);
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_a_minute_is_nobodys_trouble),
        cmocka_unit_test(a_clock_that_is_ahead_or_behind_is_warned_of_with_what_to_do),
        cmocka_unit_test(it_is_warned_of_once_a_minute_until_an_answer_shows_its_end),
        cmocka_unit_test(an_agent_that_asks_nothing_goes_on_warning),
        cmocka_unit_test(a_date_that_cannot_be_read_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
