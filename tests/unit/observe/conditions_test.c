/* Standing conditions: begun, met again, ended, by a clock that the test turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../component/logs.h"
#include "observe/internal.h"

enum { MINUTE_MS = 60000, OF_SUBJECTS = CONDITIONS_MAX - CONDITIONS_OF_THE_AGENT };

static int64_t now_ms;

static int64_t turned(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static const struct clock turned_clock = {.monotonic_ms = turned, .wall_ms = turned};

/** The kind's words for these tests: of a destination. */
static const struct condition_words destination_words[CONDITION_KINDS] = {
    {.begun = "it fails", .ended = "it works again", .subject = SLICE_LITERAL("server.address")}};
#define FAILS CONDITION_CLOCK_OFF

struct world {
    struct caught caught;
    struct conditions *conditions;
};

static struct world world_open(struct conditions *conditions)
{
    assert_non_null(conditions);
    return (struct world){logs_catch(), conditions};
}

static struct world of_destinations(void)
{
    now_ms = 1000;
    return world_open(conditions_of(&turned_clock, destination_words));
}

/** The lines behind their time, one after another; the caller frees. */
static char *world_close(struct world *world)
{
    char *text = logs_end(&world->caught), *out = calloc(1, strlen(text) + 1), *to = out;
    assert_non_null(out);
    for (char *line = text, *rest = NULL; (line = strtok_r(line, "\n", &rest)); line = NULL) {
        const char *level = strstr(line, "\"level\"");
        assert_non_null(level);
        to += sprintf(to, "%s\n", level + sizeof "\"level\":" - 1);
    }
    free(text);
    conditions_free(world->conditions);
    return out;
}

static void assert_lines(struct world *world, const char *expected)
{
    char *lines = world_close(world);
    assert_string_equal(lines, expected);
    free(lines);
}

static void one_warning_when_it_begins_however_often_it_is_met(void **state)
{
    (void)state;
    struct world world = of_destinations();
    for (int i = 0; i < 100; i++)
        condition_met(world.conditions, FAILS, "https://a:443", 0, "connection refused");
    conditions_tick(world.conditions);
    assert_lines(&world, "\"WARNING\",\"msg\":\"it fails\",\"server.address\":\"https://a:443\","
                         "\"reason\":\"connection refused\"}\n");
}

static void a_warning_a_minute_while_it_stands_with_how_often_it_was_met(void **state)
{
    (void)state;
    struct world world = of_destinations();
    condition_met(world.conditions, FAILS, "a", 0, "refused");
    condition_met(world.conditions, FAILS, "a", 0, "timeout");
    now_ms += MINUTE_MS - 1;
    conditions_tick(world.conditions);
    now_ms += 1;
    conditions_tick(world.conditions);
    conditions_tick(world.conditions);
    now_ms += MINUTE_MS;
    condition_met(world.conditions, FAILS, "a", 0, "refused");
    conditions_tick(world.conditions);
    assert_lines(&world, "\"WARNING\",\"msg\":\"it fails\",\"server.address\":\"a\",\"reason\":\"refused\"}\n"
                         "\"WARNING\",\"msg\":\"it fails\",\"server.address\":\"a\",\"reason\":\"timeout\","
                         "\"count\":2,\"standing_for\":60.000}\n"
                         "\"WARNING\",\"msg\":\"it fails\",\"server.address\":\"a\",\"reason\":\"refused\","
                         "\"count\":3,\"standing_for\":120.000}\n");
}

static void its_end_is_told_once_and_then_it_may_begin_again(void **state)
{
    (void)state;
    struct world world = of_destinations();
    condition_ended(world.conditions, FAILS, "a", 0); /* does not stand */
    condition_met(world.conditions, FAILS, "a", 0, "refused");
    now_ms += 1500;
    condition_ended(world.conditions, FAILS, "a", 0);
    condition_ended(world.conditions, FAILS, "a", 0);
    now_ms += 10 * MINUTE_MS;
    conditions_tick(world.conditions);
    condition_met(world.conditions, FAILS, "a", 0, "reset");
    assert_lines(&world, "\"WARNING\",\"msg\":\"it fails\",\"server.address\":\"a\",\"reason\":\"refused\"}\n"
                         "\"INFO\",\"msg\":\"it works again\",\"server.address\":\"a\",\"count\":1,"
                         "\"standing_for\":1.500}\n"
                         "\"WARNING\",\"msg\":\"it fails\",\"server.address\":\"a\",\"reason\":\"reset\"}\n");
}

static void subjects_stand_and_end_each_for_itself(void **state)
{
    (void)state;
    struct world world = of_destinations();
    condition_met(world.conditions, FAILS, "a", 0, "refused");
    condition_met(world.conditions, FAILS, "b", 0, "timeout");
    condition_met(world.conditions, FAILS, "b", 0, "timeout");
    const struct condition *all = conditions_next(world.conditions, NULL);
    assert_string_equal(all->subject, "a");
    all = conditions_next(world.conditions, all);
    assert_string_equal(all->subject, "b");
    assert_null(conditions_next(world.conditions, all));
    condition_ended(world.conditions, FAILS, "a", 0);
    const struct condition *left = conditions_next(world.conditions, NULL);
    assert_non_null(left);
    assert_string_equal(left->subject, "b");
    assert_string_equal(left->sentence, "timeout");
    assert_int_equal(left->count, 2);
    assert_int_equal(left->since_ms, 1000);
    assert_null(conditions_next(world.conditions, left));
    condition_ended(world.conditions, FAILS, "b", 0);
    assert_null(conditions_next(world.conditions, NULL));
    free(world_close(&world));
}

static void those_that_find_no_room_are_told_together_once_a_minute(void **state)
{
    (void)state;
    struct world world = of_destinations();
    char subject[16];
    for (int i = 0; i < OF_SUBJECTS + 3; i++) {
        snprintf(subject, sizeof subject, "d%d", i);
        condition_met(world.conditions, FAILS, subject, 0, "refused");
    }
    now_ms += MINUTE_MS;
    condition_met(world.conditions, FAILS, "late", 0, "reset");
    condition_ended(world.conditions, FAILS, "late", 0);
    condition_ended(world.conditions, FAILS, "d0", 0);
    condition_met(world.conditions, FAILS, "late", 0, "reset");
    condition_met(world.conditions, FAILS, NULL, 0, "the agent's own");
    char *lines = world_close(&world);
    assert_int_equal(occurrences(lines, "\n"), OF_SUBJECTS + 5);
    assert_non_null(strstr(lines, "\"server.address\":\"d20\",\"reason\":\"refused\",\"and_others\":0}"));
    assert_null(strstr(lines, "\"d21\""));
    assert_non_null(strstr(lines, "\"server.address\":\"late\",\"reason\":\"reset\",\"and_others\":2}"));
    assert_non_null(strstr(lines, "\"server.address\":\"late\",\"reason\":\"reset\"}"));
    free(lines);
}

static void what_is_looked_for_is_told_with_its_age_and_without_a_count(void **state)
{
    (void)state;
    struct world world = of_destinations();
    condition_stands(world.conditions, FAILS, "a", 0, "refused");
    condition_stands(world.conditions, FAILS, "a", 0, "timeout");
    now_ms += MINUTE_MS;
    condition_stands(world.conditions, FAILS, "a", 0, "reset");
    conditions_tick(world.conditions);
    condition_ended(world.conditions, FAILS, "a", 0);
    condition_stands(NULL, FAILS, "a", 0, "reset"); /* nobody is told */
    condition_met(NULL, FAILS, "a", 0, "reset");
    condition_ended(NULL, FAILS, "a", 0);
    assert_lines(&world, "\"WARNING\",\"msg\":\"it fails\",\"server.address\":\"a\",\"reason\":\"refused\"}\n"
                         "\"WARNING\",\"msg\":\"it fails\",\"server.address\":\"a\",\"reason\":\"reset\","
                         "\"standing_for\":60.000}\n"
                         "\"INFO\",\"msg\":\"it works again\",\"server.address\":\"a\","
                         "\"standing_for\":60.000}\n");
}

static void texts_that_are_too_long_are_cut_and_found_again(void **state)
{
    (void)state;
    struct world world = of_destinations();
    char subject[300], sentence[600];
    memset(subject, 's', sizeof subject - 1);
    memset(sentence, 't', sizeof sentence - 1);
    subject[sizeof subject - 1] = sentence[sizeof sentence - 1] = '\0';
    condition_met(world.conditions, FAILS, subject, 0, sentence);
    condition_met(world.conditions, FAILS, subject, 0, sentence);
    assert_int_equal(conditions_next(world.conditions, NULL)->count, 2);
    assert_int_equal(strlen(conditions_next(world.conditions, NULL)->sentence), CONDITION_SENTENCE_SIZE - 1);
    condition_ended(world.conditions, FAILS, subject, 0);
    assert_null(conditions_next(world.conditions, NULL));
    free(world_close(&world));
}

static void a_time_of_signing_that_is_off_is_told_when_events_show_it(void **state)
{
    (void)state;
    now_ms = 1000;
    struct world world = world_open(conditions_new(&turned_clock));
    condition_met(world.conditions, CONDITION_SIGNED_AHEAD, NULL, 420, "it is ahead");
    now_ms += 2 * MINUTE_MS;
    conditions_tick(world.conditions); /* no event has shown it since */
    condition_met(world.conditions, CONDITION_SIGNED_AHEAD, NULL, 430, "it is ahead still");
    condition_ended(world.conditions, CONDITION_SIGNED_AHEAD, NULL, 1);
    assert_lines(&world,
                 "\"WARNING\",\"msg\":\"this machine's clock is off, or the clock of whoever signs "
                 "events\",\"ahead_s\":420,\"reason\":\"it is ahead\"}\n"
                 "\"WARNING\",\"msg\":\"this machine's clock is off, or the clock of whoever signs "
                 "events\",\"ahead_s\":430,\"reason\":\"it is ahead still\"}\n"
                 "\"INFO\",\"msg\":\"events are signed with this machine's time again\",\"ahead_s\":1}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_warning_when_it_begins_however_often_it_is_met),
        cmocka_unit_test(a_warning_a_minute_while_it_stands_with_how_often_it_was_met),
        cmocka_unit_test(its_end_is_told_once_and_then_it_may_begin_again),
        cmocka_unit_test(subjects_stand_and_end_each_for_itself),
        cmocka_unit_test(those_that_find_no_room_are_told_together_once_a_minute),
        cmocka_unit_test(what_is_looked_for_is_told_with_its_age_and_without_a_count),
        cmocka_unit_test(texts_that_are_too_long_are_cut_and_found_again),
        cmocka_unit_test(a_time_of_signing_that_is_off_is_told_when_events_show_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
