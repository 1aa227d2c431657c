/* The polling source: what is asked when, what is handed over, and what is never lost. */
#include "polling_world.h"

static void claims_acknowledges_and_hands_over(void **state)
{
    (void)state;
    struct world *world = world_new(one_of_each);
    start(world);
    run_until(world->port, &world->count, 2);
    run_until_asked(world, CLAIM, 3);
    assert_int_equal(asked(world->port, ACK), 1);
    assert_int_equal(asked(world->port, NODE_ACK), 1);
    for (size_t i = 0; i < world->port->count; i++) {
        const struct seen *seen = &world->port->seen[i];
        if (is(seen, "/v1/auth/access_token"))
            continue;
        assert_string_equal(seen->reserved_usage, "true");
        if (is(seen, ACK))
            assert_request(world->port, i, "PATCH " ACK " {\"runIds\":[\"r_1\"]}");
    }
    size_t run = strcmp(world->taken[0].id, "r_1") == 0 ? 0 : 1;
    assert_string_equal(
        world->taken[run].value,
        "{\"n\":1.0,\"headers\":{},\"payload\":{\"action\":{\"invocationMethod\":{\"type\":null,"
        "\"url\":\"http://a/\",\"synchronized\":false,\"method\":\"POST\",\"headers\":{}}}},"
        "\"context\":{\"runId\":\"r_1\"}}");
    assert_string_equal(world->taken[1 - run].id, "wfnr_1");
    settle(world, 0, true);
    settle(world, 1, true);
    world_free(world);
}

static struct reply never_acked(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    if (is(request, CLAIM))
        return (struct reply){.body = "{\"runs\":[" RUN("r_1") "," RUN("r_2") "]}"};
    return (struct reply){.body = "{\"ackedCount\":0,\"acked\":false}"};
}

/** A full batch of which nothing became ours is no reason to ask again at once. */
static void what_is_not_acknowledged_is_not_handed_over(void **state)
{
    (void)state;
    struct world *world = world_new(never_acked);
    world->config.polling.interval_ms = 60000;
    start(world);
    run_until_asked(world, ACK, 2);
    run_for(world->port, 100);
    assert_int_equal(world->count, 0);
    assert_int_equal(asked(world->port, CLAIM), 1);
    world_free(world);
}

static struct reply full_twice(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)n;
    static const char *const batches[] = {"{\"runs\":[" RUN("r_1") "," RUN("r_2") "]}",
                                          "{\"runs\":[" RUN("r_3") "," RUN("r_4") "]}",
                                          "{\"runs\":[" RUN("r_5") "]}"};
    if (is(request, ACK))
        return (struct reply){.body = "{\"ackedCount\":1}"};
    if (is(request, CLAIM) && asked(port, CLAIM) <= 3)
        return (struct reply){.body = batches[asked(port, CLAIM) - 1]};
    return (struct reply){0};
}

static void asks_again_at_once_after_a_full_batch_only(void **state)
{
    (void)state;
    struct world *world = world_new(full_twice);
    world->config.polling.interval_ms = 60000;
    start(world);
    run_until(world->port, &world->count, 5);
    run_for(world->port, 100);
    assert_int_equal(asked(world->port, CLAIM), 3);
    assert_int_equal(asked(world->port, NODE_CLAIM), 1);
    world_free(world);
}

static struct reply same_run_again(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)n;
    (void)port;
    if (is(request, ACK))
        return (struct reply){.body = "{\"ackedCount\":1}"};
    if (is(request, CLAIM))
        return (struct reply){.body = "{\"runs\":[" RUN("r_1") "]}"};
    return (struct reply){0};
}

static void a_run_in_progress_is_not_handed_over_twice(void **state)
{
    (void)state;
    struct world *world = world_new(same_run_again);
    start(world);
    run_until_asked(world, CLAIM, 4);
    assert_int_equal(world->count, 1);
    assert_true(asked(world->port, ACK) >= 3); /* Port is told again that it is taken */
    settle(world, 0, true);
    run_until(world->port, &world->count, 2);
    settle(world, 1, true);
    source_stop_taking(world->source);
    run_for(world->port, 20);
    for (size_t i = 2; i < world->count; i++)
        settle(world, i, true);
    world_free(world);
}

static struct reply runs_forever(struct fake_port *port, size_t n, const struct seen *request)
{
    static char text[256];
    (void)n;
    (void)port;
    if (is(request, ACK))
        return (struct reply){.body = "{\"ackedCount\":1}", .delay_ms = 30};
    if (!is(request, CLAIM))
        return (struct reply){0};
    snprintf(text, sizeof text, "{\"runs\":[{\"id\":\"r_%zu\",\"payload\":{\"agent\":true,\"body\":{}}}]}",
             asked(port, CLAIM));
    return (struct reply){.body = text};
}

static void claims_no_more_than_there_is_room_for(void **state)
{
    (void)state;
    struct world *world = world_new(runs_forever);
    world->config.polling.batch_size = 64;
    world->room = 16384 * 10 + (1 << 20) / 16; /* the latter is the other queue's share */
    start(world);
    run_until_asked(world, CLAIM, 1);
    for (size_t i = 0; i < world->port->count; i++)
        if (is(&world->port->seen[i], CLAIM))
            assert_non_null(strstr(world->port->seen[i].body, "\"limit\":8,"));
    world->room = 0;
    run_until(world->port, &world->count, 1);
    run_for(world->port, 100);
    size_t before = asked(world->port, CLAIM);
    run_for(world->port, 100);
    assert_int_equal(asked(world->port, CLAIM), before);
    world->room = SIZE_MAX;
    source_resume(world->source);
    run_until_asked(world, CLAIM, before + 1);
    world_free(world);
}

static const char *first_asked(const struct world *world, const char *target)
{
    for (size_t i = 0; i < world->port->count; i++)
        if (is(&world->port->seen[i], target))
            return world->port->seen[i].body;
    return "";
}

static void a_queue_leaves_the_other_its_share(void **state)
{
    (void)state;
    struct world *world = world_new(runs_forever);
    world->config.polling.batch_size = 64;
    world->config.queue_max_bytes =
        16 * 16384 * 8; /* a share is eight runs, as long as their size is a guess */
    world->room = 16384 * 16;
    start(world);
    run_until_asked(world, CLAIM, 1);
    run_until_asked(world, NODE_CLAIM, 1);
    assert_non_null(strstr(first_asked(world, CLAIM), "\"limit\":8,"));
    assert_non_null(strstr(first_asked(world, NODE_CLAIM), "\"limit\":8}"));
    run_until(world->port, &world->count, 1);
    world_free(world);
}

enum { ASKS_IN_A_TURN = 16, MANY = 100, LARGE = 6, LARGE_BYTES = 300 * 1024 };

static size_t batch, padding;

/** One batch, and all acknowledgements answered at once. */
static struct reply batch_at_once(struct fake_port *port, size_t n, const struct seen *request)
{
    static char text[2 << 20];
    size_t len = 0;
    (void)n;
    if (is(request, ACK))
        return (struct reply){.body = "{\"ackedCount\":1}"};
    if (!is(request, CLAIM) || asked(port, CLAIM) > 1)
        return (struct reply){0};
    for (size_t i = 0; i < batch; i++)
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "%s{\"id\":\"r_%zu\",\"payload\":{\"agent\":true,\"body\":{\"a\":\"%*s\"}}}",
                                i ? "," : "{\"runs\":[", i, (int)padding, "");
    snprintf(text + len, sizeof text - len, "]}");
    return (struct reply){.body = text};
}

static struct {
    const struct world *world;
    size_t before, most;
} turns;

static void count_turn(uv_prepare_t *prepare)
{
    (void)prepare;
    if (turns.world->count - turns.before > turns.most)
        turns.most = turns.world->count - turns.before;
    turns.before = turns.world->count;
}

/** The oldest are asked for first, turn by turn. Which answer comes first is for Port and its connections to
 * say, so most of the older half is in the first half, and not each run in its place. */
static bool came_about_in_their_order(const struct world *world, size_t runs)
{
    size_t half = runs / 2, older = 0;
    for (size_t i = 0; i < half; i++)
        older += strtoul(world->taken[i].id + 2, NULL, 10) < half;
    return 2 * older > half;
}

/** The most that came in one turn of the loop. */
static size_t most_in_a_turn(size_t runs, size_t bytes)
{
    batch = runs;
    padding = bytes;
    struct world *world = world_new(batch_at_once);
    uv_prepare_t prepare;
    world->config.polling.batch_size = (int64_t)runs;
    turns.world = world;
    turns.before = turns.most = 0;
    uv_prepare_init(&world->port->loop, &prepare);
    uv_prepare_start(&prepare, count_turn);
    start(world);
    run_until(world->port, &world->count, runs);
    uv_close((uv_handle_t *)&prepare, NULL);
    assert_true(runs <= ASKS_IN_A_TURN || came_about_in_their_order(world, runs));
    world_free(world);
    return turns.most;
}

static void a_turn_hands_over_a_bounded_number_of_runs(void **state)
{
    (void)state;
    assert_in_range(most_in_a_turn(MANY, 0), 1, 16);
}

static void a_turn_hands_over_a_bounded_number_of_bytes(void **state)
{
    (void)state;
    assert_in_range(most_in_a_turn(LARGE, LARGE_BYTES), 1, (1 << 20) / LARGE_BYTES);
}

/** The answer to the first acknowledgement comes when the test sends it. */
static struct reply ack_waits(struct fake_port *port, size_t n, const struct seen *request)
{
    return is(request, ACK) ? (struct reply){.hold = true} : runs_forever(port, n, request);
}

static void a_stop_finishes_what_is_being_acknowledged(void **state)
{
    (void)state;
    struct world *world = world_new(ack_waits);
    start(world);
    run_until_asked(world, ACK, 1);
    source_stop_taking(world->source);
    assert_false(source_idle(world->source));
    assert_int_equal(world->count, 0);
    struct http_exchange *held = world->port->held;
    world->port->held = NULL;
    http_server_answer(held, 200, "application/json", NULL, SLICE_LITERAL("{\"ackedCount\":1}"), 0);
    run_until(world->port, &world->count, 1);
    run_until_it(world, is_idle);
    size_t claims = asked(world->port, CLAIM);
    run_for(world->port, 80);
    assert_int_equal(asked(world->port, CLAIM), claims);
    settle(world, 0, true);
    world_free(world);
}

static void what_is_given_up_at_the_end_is_said(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct world *world = world_new(one_of_each);
    start(world);
    run_until(world->port, &world->count, 2);
    world_free(world);
    char *text = logs_end(&caught);
    assert_int_equal(occurrences(text, "run given up"), 2);
    free(text);
}

static void memory_that_is_out_loses_no_run(void **state)
{
    (void)state;
    struct world *world = world_new(one_of_each);
    world->refuse = 3;
    start(world);
    run_until(world->port, &world->count, 2);
    assert_int_equal(world->refuse, 0);
    assert_true(source_idle(world->source));
    settle(world, 0, true);
    settle(world, 1, true);
    world_free(world);
}

static struct reply ack_trouble(struct fake_port *port, size_t n, const struct seen *request)
{
    if (is(request, ACK) && asked(port, ACK) < 3)
        return (struct reply){.status = 503};
    return one_of_each(port, n, request);
}

static void an_acknowledgement_without_an_answer_is_tried_again(void **state)
{
    (void)state;
    struct world *world = world_new(ack_trouble);
    start(world);
    run_until(world->port, &world->count, 2);
    assert_int_equal(asked(world->port, ACK), 3);
    world_free(world);
}

static struct reply long_answers(struct fake_port *port, size_t n, const struct seen *request)
{
    static char text[3 << 20];
    if (is(request, NODE_CLAIM))
        return (struct reply){0};
    if (!is(request, CLAIM) || strstr(request->body, "\"limit\":1,"))
        return one_of_each(port, n, request);
    memset(text, ' ', sizeof text - 1);
    return (struct reply){.body = text};
}

static void an_answer_that_is_too_long_is_asked_for_in_parts(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct world *world = world_new(long_answers);
    world->config.polling.batch_size = 4;
    world->config.polling.interval_ms = 60000;
    start(world);
    run_until_asked(world, CLAIM, 3);
    size_t at = 0, limits[3] = {0};
    for (size_t i = 0; i < world->port->count && at < 3; i++)
        if (is(&world->port->seen[i], CLAIM))
            sscanf(strstr(world->port->seen[i].body, "limit"), "limit\":%zu", &limits[at++]);
    assert_int_equal(limits[0], 4);
    assert_int_equal(limits[1], 2);
    assert_int_equal(limits[2], 1);
    world_free(world);
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "claiming fewer runs at once"), 2);
    for (int limit = 1; limit <= 2; limit++) {
        char told[96];
        snprintf(told, sizeof told, "at once\",\"url.path\":\"" CLAIM "\",\"limit\":%d}", limit);
        assert_int_equal(occurrences(lines, told), 1);
    }
    free(lines);
}

/* Failures */

static struct reply failing(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = 500};
}

static void failures_back_off_with_jitter(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct world *world = world_new(failing);
    start(world);
    run_until_asked(world, CLAIM, 4);
    run_until_asked(world, NODE_CLAIM, 4);
    world_free(world);
    char *text = logs_end(&caught);
    /* 20, 40, then the cap of 60, each with half of a tenth on top */
    assert_int_equal(occurrences(text, "\"next_attempt_in\":0.021}"), 2);
    assert_int_equal(occurrences(text, "\"next_attempt_in\":0.042}"), 2);
    assert_true(occurrences(text, "\"next_attempt_in\":0.063}") >= 2);
    free(text);
}

static void nothing_but_failure_for_long_is_fatal(void **state)
{
    (void)state;
    struct world *world = world_new(failing);
    world->config.polling.max_failure_ms = 150;
    start(world);
    int64_t started = clock_monotonic_ms(clock_system());
    run_until(world->port, &world->fatal, 1);
    assert_true(clock_monotonic_ms(clock_system()) - started >= 150);
    run_for(world->port, 100);
    assert_int_equal(world->fatal, 1);
    world_free(world);
}

static struct reply node_runs_unknown(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    return is(request, NODE_CLAIM) ? (struct reply){.status = 404} : (struct reply){.body = "{\"runs\":[]}"};
}

static void one_queue_that_works_is_enough(void **state)
{
    (void)state;
    struct world *world = world_new(node_runs_unknown);
    world->config.polling.max_failure_ms = 800;
    start(world);
    /* Beyond the cap each wait is 60 ms at least. */
    run_until_asked(world, NODE_CLAIM, 20);
    assert_int_equal(world->fatal, 0);
    run_until_it(world, works);
    world_free(world);
}

static void refused_credentials_are_fatal_at_once(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct world *world = world_new(failing);
    world->port->token_reply.status = 401;
    start(world);
    run_until(world->port, &world->fatal, 1);
    run_for(world->port, 50);
    assert_int_equal(world->fatal, 1);
    world_free(world);
    char *text = logs_end(&caught);
    assert_non_null(strstr(text, "Port refused our credentials"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_acknowledges_and_hands_over),
        cmocka_unit_test(what_is_not_acknowledged_is_not_handed_over),
        cmocka_unit_test(asks_again_at_once_after_a_full_batch_only),
        cmocka_unit_test(a_run_in_progress_is_not_handed_over_twice),
        cmocka_unit_test(claims_no_more_than_there_is_room_for),
        cmocka_unit_test(a_queue_leaves_the_other_its_share),
        cmocka_unit_test(a_turn_hands_over_a_bounded_number_of_runs),
        cmocka_unit_test(a_turn_hands_over_a_bounded_number_of_bytes),
        cmocka_unit_test(a_stop_finishes_what_is_being_acknowledged),
        cmocka_unit_test(what_is_given_up_at_the_end_is_said),
        cmocka_unit_test(memory_that_is_out_loses_no_run),
        cmocka_unit_test(an_acknowledgement_without_an_answer_is_tried_again),
        cmocka_unit_test(an_answer_that_is_too_long_is_asked_for_in_parts),
        cmocka_unit_test(failures_back_off_with_jitter),
        cmocka_unit_test(nothing_but_failure_for_long_is_fatal),
        cmocka_unit_test(one_queue_that_works_is_enough),
        cmocka_unit_test(refused_credentials_are_fatal_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
