/* What answers to acknowledgements mean to the polling source, and which runs are left to Port. */
#include "polling_world.h"
#include "source/polling/internal.h"

/* Acknowledgements whose answer proves nothing */

/** The first acknowledgement has this answer, or none; the later ones say that the run is not ours. */
static struct reply first_ack, later_ack;

static struct reply ack_lost(struct fake_port *port, size_t n, const struct seen *request)
{
    if (is(request, ACK) || is(request, NODE_ACK))
        return asked(port, request->target) == 1 ? first_ack : later_ack;
    return one_of_each(port, n, request);
}

static const struct reply not_ours = {.body = "{\"ackedCount\":0,\"acked\":false}"};

static void a_run_is_ours_when_an_acknowledgement_before_had_no_answer(void **state)
{
    (void)state;
    static const struct reply lost[] = {{.cut = true},
                                        {.status = 500},
                                        {.status = 502, .body = "<html>"},
                                        {.body = ""},
                                        {.body = "<html>"},
                                        {.body = "{\"ok\":true}"},
                                        {.body = "{\"ackedCount\":null,\"acked\":null}"},
                                        {.status = 204, .body = ""}};
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
        first_ack = lost[i];
        later_ack = not_ours;
        struct world *world = world_new(ack_lost);
        start(world);
        run_until(world->port, &world->count, 2);
        settle(world, 0, true);
        settle(world, 1, true);
        world_free(world);
    }
}

static void a_run_is_not_ours_when_the_first_answer_says_so(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    first_ack = later_ack = not_ours;
    struct world *world = world_new(ack_lost);
    start(world);
    run_until_asked(world, CLAIM, 3);
    assert_int_equal(world->count, 0);
    assert_int_equal(asked(world->port, ACK), 1);
    world_free(world);
    char *text = logs_end(&caught);
    assert_int_equal(occurrences(text, "it was not ours to acknowledge"), 2);
    free(text);
}

/** 429: Port says that it has not looked. */
static void a_run_that_port_did_not_look_at_is_in_no_doubt(void **state)
{
    (void)state;
    first_ack = (struct reply){.status = 429};
    later_ack = not_ours;
    struct world *world = world_new(ack_lost);
    start(world);
    run_until_asked(world, ACK, 2);
    run_until_asked(world, NODE_ACK, 2);
    run_until_asked(world, CLAIM, 3);
    assert_int_equal(world->count, 0);
    world_free(world);
}

static void a_refused_acknowledgement_is_told_in_words_of_its_own(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *words;
    } refusals[] = {{401, "Port refuses our credentials for its acknowledgement"},
                    {403, "this agent may not acknowledge it"},
                    {404, "Port does not know it"},
                    {422, "Port refuses its acknowledgement"}};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct caught caught = logs_catch();
        first_ack = later_ack =
            (struct reply){.status = refusals[i].status, .body = "{\"message\":\"because\"}"};
        struct world *world = world_new(ack_lost);
        start(world);
        run_until_asked(world, CLAIM, 3);
        assert_int_equal(world->count, 0);
        assert_int_equal(asked(world->port, ACK), refusals[i].status == 401 ? 2 : 1);
        world_free(world);
        char *text = logs_end(&caught);
        assert_non_null(strstr(text, refusals[i].words));
        assert_non_null(strstr(text, "because"));
        assert_null(strstr(text, "not ours"));
        free(text);
    }
}

static void beside_a_hundred_runs_in_doubt_no_more_are_claimed(void **state)
{
    (void)state;
    enum { MOST = 100 };
    first_ack = later_ack = (struct reply){.body = "{\"ackedCount\":1,\"acked\":true}"};
    for (size_t apart = MOST - 1; apart <= MOST; apart++) {
        struct caught caught = logs_catch();
        struct world *world = world_new(ack_lost);
        start(world);
        struct polling_source *source = (struct polling_source *)(void *)world->source;
        source->apart = apart;
        if (apart < MOST)
            run_until_asked(world, CLAIM, 1);
        else
            run_for(world->port, 20);
        assert_int_equal(asked(world->port, CLAIM) > 0, apart < MOST);
        source->apart = 0;
        world_free(world);
        char *lines = logs_end(&caught);
        assert_int_equal(strstr(lines, "too many runs wait for the answers") != NULL, apart == MOST);
        free(lines);
    }
}

/** Only the run goes on being acknowledged; its queue is polled meanwhile. */
static void a_run_in_doubt_holds_up_no_round_and_is_not_forgotten(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    first_ack = later_ack = (struct reply){.status = 500};
    struct world *world = world_new(ack_lost);
    start(world);
    run_until_asked(world, ACK, 3);
    size_t claims = asked(world->port, CLAIM);
    run_until_asked(world, CLAIM, claims + 2);
    assert_int_equal(world->count, 0);
    later_ack = not_ours;
    run_until(world->port, &world->count, 2);
    assert_string_equal(world->taken[0].given_up, "");
    settle(world, 0, true);
    settle(world, 1, true);
    run_until_it(world, works);
    world_free(world);
    char *text = logs_end(&caught);
    assert_int_equal(occurrences(text, "run in doubt"), 2);
    assert_int_equal(occurrences(text, "run given up"), 0);
    free(text);
}

static void a_run_in_doubt_for_too_long_is_handed_over_as_given_up(void **state)
{
    (void)state;
    first_ack = later_ack = (struct reply){.status = 500};
    struct world *world = world_new(ack_lost);
    world->config.polling.max_failure_ms = 500;
    start(world);
    run_until(world->port, &world->count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(strstr(world->taken[i].given_up, "has not answered"));
        settle(world, i, true);
    }
    world_free(world);
}

/* Ending while an acknowledgement has no answer */

/** The connection is lost instead of an answer. */
static void let_go(struct fake_port *port)
{
    struct http_exchange *held = port->held;
    port->held = NULL;
    http_server_abort(held);
}

static struct reply held_ack(struct fake_port *port, size_t n, const struct seen *request)
{
    if (is(request, NODE_CLAIM))
        return (struct reply){0};
    return is(request, ACK) ? (struct reply){.hold = true} : one_of_each(port, n, request);
}

static void what_port_may_have_acknowledged_is_handed_over_as_given_up_at_the_end(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct world *world = world_new(held_ack);
    start(world);
    run_until_asked(world, ACK, 1);
    source_stop_taking(world->source);
    run_for(world->port, 50);
    assert_false(source_idle(world->source));
    assert_int_equal(world->count, 0);
    assert_int_equal(source_abandon(world->source), 1);
    world->refuse = 1; /* no memory: it is tried again */
    assert_int_equal(source_give_up(world->source), 0);
    assert_int_equal(source_give_up(world->source), 1);
    assert_int_equal(source_give_up(world->source), 0);
    assert_int_equal(world->count, 1);
    assert_non_null(strstr(world->taken[0].given_up, "the agent was stopped"));
    assert_true(source_idle(world->source));
    settle(world, 0, true);
    let_go(world->port);
    run_for(world->port, 20);
    world_free(world);
    char *text = logs_end(&caught);
    assert_int_equal(occurrences(text, "run given up"), 1);
    assert_non_null(strstr(text, "r_1"));
    free(text);
}

static void what_port_may_have_acknowledged_is_named_when_there_is_no_time(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct world *world = world_new(held_ack);
    start(world);
    run_until_asked(world, ACK, 1);
    world_free(world);
    char *text = logs_end(&caught);
    assert_int_equal(occurrences(text, "run given up: Port has not answered its acknowledgement"), 1);
    free(text);
}

/** While it drains, an acknowledgement whose connection is lost is asked for again. */
static void a_stop_goes_on_with_an_acknowledgement_whose_answer_is_lost(void **state)
{
    (void)state;
    struct world *world = world_new(held_ack);
    start(world);
    run_until_asked(world, ACK, 1);
    source_stop_taking(world->source);
    later_ack = not_ours;
    world->port->script = ack_lost;
    let_go(world->port);
    run_until(world->port, &world->count, 1);
    assert_string_equal(world->taken[0].given_up, "");
    settle(world, 0, true);
    run_until_it(world, is_idle);
    world_free(world);
}

/* Runs that are left to Port */

static struct reply full_of_others(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    if (is(request, CLAIM))
        return (struct reply){
            .body = "{\"runs\":[{\"id\":\"r_1\",\"payload\":{\"agent\":false,\"body\":{}}},{\"id\":7}]}"};
    if (is(request, NODE_CLAIM))
        return (struct reply){.body = "{\"nodeRuns\":[{\"identifier\":\"wfnr_1\",\"config\":{\"agent\":0}},"
                                      "{\"identifier\":\"a/b\",\"config\":{\"agent\":true}}]}"};
    return (struct reply){.body = "{\"ackedCount\":1,\"acked\":true}"};
}

static void runs_for_somebody_else_are_not_acknowledged_and_told_once_a_minute(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct world *world = world_new(full_of_others);
    start(world);
    run_until_asked(world, CLAIM, 5);
    run_until_asked(world, NODE_CLAIM, 5);
    world->port->turned_ms += 60000;
    size_t claims = asked(world->port, CLAIM), node_claims = asked(world->port, NODE_CLAIM);
    run_until_asked(world, CLAIM, claims + 3); /* so two answers have been read */
    run_until_asked(world, NODE_CLAIM, node_claims + 3);
    assert_int_equal(asked(world->port, ACK) + asked(world->port, NODE_ACK), 0);
    assert_int_equal(world->count, 0);
    source_stop_taking(world->source);
    world_free(world);
    char *text = logs_end(&caught);
    assert_true(occurrences(text, "\"port.run_id\":\"r_1\",\"count\":1}") >= 1);
    assert_int_equal(occurrences(text, "not for an agent"), 6); /* first, a minute, the end; two queues */
    assert_int_equal(occurrences(text, "no id that can be reported to"), 6);
    free(text);
}

static void a_full_batch_of_which_nothing_is_taken_waits_the_interval(void **state)
{
    (void)state;
    struct world *world = world_new(full_of_others);
    world->config.polling.interval_ms = 60000;
    start(world);
    run_until_asked(world, CLAIM, 1);
    run_for(world->port, 100);
    assert_int_equal(asked(world->port, CLAIM), 1);
    assert_int_equal(asked(world->port, NODE_CLAIM), 1);
    world_free(world);
}

static struct reply full_of_broken(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    if (is(request, CLAIM))
        return (struct reply){.body = "{\"runs\":[{\"id\":\"r_1\",\"payload\":{\"agent\":true,\"body\":3}},"
                                      "{\"id\":\"r_2\",\"payload\":{\"body\":{}}}]}"};
    return (struct reply){.body = "{\"ackedCount\":1,\"nodeRuns\":[]}"};
}

static void a_full_batch_of_runs_that_can_only_fail_waits_the_interval(void **state)
{
    (void)state;
    struct world *world = world_new(full_of_broken);
    world->config.polling.interval_ms = 60000;
    start(world);
    run_until(world->port, &world->count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(world->taken[i].broken);
        settle(world, i, true);
    }
    run_for(world->port, 100);
    assert_int_equal(asked(world->port, CLAIM), 1);
    world_free(world);
}

static struct reply twins(struct fake_port *port, size_t n, const struct seen *request)
{
    if (is(request, CLAIM) && asked(port, CLAIM) == 1)
        return (struct reply){.body = "{\"runs\":[" RUN("r_1") "," RUN("r_1") "]}"};
    return one_of_each(port, n, request);
}

static void a_run_that_comes_twice_in_a_batch_is_taken_once(void **state)
{
    (void)state;
    struct world *world = world_new(twins);
    start(world);
    run_until(world->port, &world->count, 2); /* and the node run */
    run_until_asked(world, CLAIM, 3);
    assert_int_equal(world->count, 2);
    assert_int_equal(asked(world->port, ACK), 1);
    settle(world, 0, true);
    settle(world, 1, true);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_ours_when_an_acknowledgement_before_had_no_answer),
        cmocka_unit_test(a_run_is_not_ours_when_the_first_answer_says_so),
        cmocka_unit_test(a_run_that_port_did_not_look_at_is_in_no_doubt),
        cmocka_unit_test(a_refused_acknowledgement_is_told_in_words_of_its_own),
        cmocka_unit_test(a_run_in_doubt_holds_up_no_round_and_is_not_forgotten),
        cmocka_unit_test(beside_a_hundred_runs_in_doubt_no_more_are_claimed),
        cmocka_unit_test(a_run_in_doubt_for_too_long_is_handed_over_as_given_up),
        cmocka_unit_test(what_port_may_have_acknowledged_is_handed_over_as_given_up_at_the_end),
        cmocka_unit_test(what_port_may_have_acknowledged_is_named_when_there_is_no_time),
        cmocka_unit_test(a_stop_goes_on_with_an_acknowledgement_whose_answer_is_lost),
        cmocka_unit_test(runs_for_somebody_else_are_not_acknowledged_and_told_once_a_minute),
        cmocka_unit_test(a_full_batch_of_which_nothing_is_taken_waits_the_interval),
        cmocka_unit_test(a_full_batch_of_runs_that_can_only_fail_waits_the_interval),
        cmocka_unit_test(a_run_that_comes_twice_in_a_batch_is_taken_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
