/* What the polling source tells of itself: its log lines, its state in words, and its counts. */
#include "polling_world.h"

enum { SUMMARY_FIELDS = 5 };

static void assert_summary(const struct world *world, const char *name, int64_t value)
{
    struct log_field fields[SOURCE_FIELDS_MAX];
    assert_int_equal(source_summary(world->source, fields), SUMMARY_FIELDS);
    for (size_t i = 0; i < SUMMARY_FIELDS; i++)
        if (slice_equal_text(fields[i].name, name)) {
            assert_int_equal(fields[i].value.integer, value);
            return;
        }
    fail_msg("there is no %s", name);
}

static void assert_state(const struct world *world, const char *words, bool connected)
{
    struct source_view view = source_view(world->source);
    assert_string_equal(view.state, words);
    assert_int_equal(view.connected, connected);
    assert_int_equal(source_assigned(world->source), connected);
}

static void its_state_and_its_counts_follow_what_it_does(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct world *world = world_new(one_of_each);
    world->config.polling.interval_ms = 60000;
    start(world);
    assert_state(world, "no claim has been answered yet", false);
    assert_summary(world, "claims", 0);
    run_until(world->port, &world->count, 2);
    run_until_it(world, works);
    assert_state(world, "claiming runs", true);
    assert_summary(world, "claims", 2);
    assert_summary(world, "claimed", 2);
    assert_summary(world, "not_acknowledged", 0);
    assert_summary(world, "in_progress", 2);
    settle(world, 0, true);
    assert_summary(world, "in_progress", 1);
    source_stop_taking(world->source);
    assert_state(world, "claiming no more", true);
    settle(world, 1, true);
    assert_summary(world, "in_progress", 0);
    assert_summary(world, "given_up", 0);
    world_free(world);
    char *log = logs_end(&caught);
    assert_int_equal(occurrences(log, "\"polling\""), 1);
    assert_non_null(strstr(log, "\"interval\":60.000"));
    assert_non_null(strstr(log, "\"batch_size\":2"));
    assert_int_equal(occurrences(log, "\"claimed\""), 2);
    assert_int_equal(occurrences(log, "polling works again"), 0);
    free(log);
}

static struct reply failing_at_first(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)n;
    bool node = is(request, NODE_CLAIM);
    return asked(port, node ? NODE_CLAIM : CLAIM) <= 2 ? (struct reply){.status = 500}
                                                       : (struct reply){.body = "{}"};
}

static size_t count_of(struct caught *caught, const char *text)
{
    char *log = logs_so_far(caught);
    size_t count = occurrences(log, text);
    free(log);
    return count;
}

static void failures_of_each_queue_are_told_and_their_end(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct world *world = world_new(failing_at_first);
    world->config.polling.interval_ms = 60000;
    start(world);
    run_until_asked(world, CLAIM, 1);
    run_until_asked(world, NODE_CLAIM, 1);
    for (int64_t end = clock_monotonic_ms(clock_system()) + WAIT_MS;
         count_of(&caught, "polling works again") < 2 && clock_monotonic_ms(clock_system()) < end;)
        run_for(world->port, 5);
    assert_state(world, "claiming runs", true);
    world_free(world);
    char *log = logs_end(&caught);
    assert_int_equal(occurrences(log, "polling failed; trying again"), 4);
    assert_int_equal(occurrences(log, "polling works again"), 2);
    assert_int_equal(occurrences(log, "polling works again\",\"url.path\":\"" CLAIM "\""), 1);
    assert_int_equal(occurrences(log, "polling works again\",\"url.path\":\"" NODE_CLAIM "\""), 1);
    assert_int_equal(occurrences(log, "\"polling\""), 1);
    assert_int_equal(occurrences(log, "\"next_attempt_in\":0.021}"), 2);
    free(log);
}

static struct reply failing_except_the_third(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)n;
    size_t claims = asked(port, is(request, NODE_CLAIM) ? NODE_CLAIM : CLAIM);
    return claims == 3 ? (struct reply){.body = "{}"} : (struct reply){.status = 500};
}

static void waits_begin_anew_after_a_round_that_worked(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct world *world = world_new(failing_except_the_third);
    start(world);
    run_until_asked(world, CLAIM, 5);
    run_until_asked(world, NODE_CLAIM, 5);
    world_free(world);
    char *log = logs_end(&caught);
    assert_int_equal(occurrences(log, "\"next_attempt_in\":0.021}"),
                     4); /* the first and the fourth of each */
    free(log);
}

static bool gives_no_runs;

static struct reply no_runs_for_a_while(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    return gives_no_runs && is(request, CLAIM) ? (struct reply){.status = 403} : (struct reply){.body = "{}"};
}

static void claims_that_fail_on_stand_with_their_cause_until_one_works(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct world *world = world_new(no_runs_for_a_while);
    gives_no_runs = true;
    start(world);
    run_until_asked(world, CLAIM, 1);
    assert_null(conditions_next(world->conditions, NULL)); /* a moment */
    run_until_asked(world, CLAIM, 5);
    const struct condition *condition = conditions_next(world->conditions, NULL);
    assert_non_null(condition);
    assert_int_equal(condition->kind, CONDITION_PORT_GIVES_NOTHING);
    assert_string_equal(condition->subject, CLAIM);
    assert_string_equal(condition->sentence, "Port answered 403: {}");
    assert_non_null(strstr(condition->hint, "check --connect"));
    assert_null(conditions_next(world->conditions, condition));
    gives_no_runs = false;
    run_until_asked(world, CLAIM, asked(world->port, CLAIM) + 3);
    assert_null(conditions_next(world->conditions, NULL));
    world_free(world);
    char *log = logs_end(&caught);
    assert_int_equal(occurrences(log, "nothing comes from Port: what the source asks it for fails"), 1);
    assert_int_equal(occurrences(log, "Port gives the source what it asks for"), 1);
    free(log);
}

static struct reply too_many_requests(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = 429, .headers = "Retry-After: 30\r\n"};
}

static void port_says_how_long_to_wait(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct world *world = world_new(too_many_requests);
    start(world);
    run_until_asked(world, CLAIM, 1);
    run_until_asked(world, NODE_CLAIM, 1);
    for (int64_t end = clock_monotonic_ms(clock_system()) + WAIT_MS;
         count_of(&caught, "polling failed") < 2 && clock_monotonic_ms(clock_system()) < end;)
        run_for(world->port, 5);
    assert_state(world, "claims fail", false);
    assert_int_equal(asked(world->port, CLAIM), 1);
    world_free(world);
    char *log = logs_end(&caught);
    assert_int_equal(occurrences(log, "polling failed; trying again"), 2);
    assert_true(occurrences(log, "\"next_attempt_in\":30.000}") >= 2);
    assert_int_equal(occurrences(log, "\"next_attempt_in\":0.021}"), 0);
    free(log);
}

static struct reply no_json(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    return (struct reply){.body = is(request, CLAIM) ? "[]" : "{\"nodeRuns\":{}}"};
}

static void an_answer_that_cannot_be_read_is_a_failure_with_its_cause(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct world *world = world_new(no_json);
    start(world);
    run_until_asked(world, CLAIM, 2);
    run_until_asked(world, NODE_CLAIM, 2);
    assert_state(world, "claims fail", false);
    world_free(world);
    char *log = logs_end(&caught);
    assert_non_null(strstr(log, "Port's answer is not a JSON object"));
    assert_non_null(strstr(log, "in Port's answer is not a list"));
    assert_int_equal(occurrences(log, "\"polling\""), 0);
    free(log);
}

static struct reply endless(struct fake_port *port, size_t n, const struct seen *request)
{
    static char text[(2 << 20) + 2];
    if (!is(request, CLAIM))
        return one_of_each(port, n, request);
    memset(text, ' ', sizeof text - 1);
    return (struct reply){.body = text};
}

static void a_single_run_that_is_too_large_is_a_failure(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct world *world = world_new(endless);
    world->config.polling.batch_size = 1;
    start(world);
    run_until_asked(world, CLAIM, 2);
    run_until(world->port, &world->count, 1);
    settle(world, 0, true);
    world_free(world);
    char *log = logs_end(&caught);
    assert_non_null(strstr(log, "a run is larger than RECORD_MAX_BYTES"));
    assert_int_equal(occurrences(log, "claiming fewer runs at once"), 0);
    free(log);
}

static void what_fails_without_port_is_told(void **state)
{
    (void)state;
    assert_string_equal(polling_source.without_port(NULL),
                        "no run can be claimed, and no result can be reported");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_state_and_its_counts_follow_what_it_does),
        cmocka_unit_test(failures_of_each_queue_are_told_and_their_end),
        cmocka_unit_test(waits_begin_anew_after_a_round_that_worked),
        cmocka_unit_test(claims_that_fail_on_stand_with_their_cause_until_one_works),
        cmocka_unit_test(port_says_how_long_to_wait),
        cmocka_unit_test(an_answer_that_cannot_be_read_is_a_failure_with_its_cause),
        cmocka_unit_test(a_single_run_that_is_too_large_is_a_failure),
        cmocka_unit_test(what_fails_without_port_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
