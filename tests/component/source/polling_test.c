/* The polling source between a Port on loopback and a sink that is this test: what is asked when, what is
 * handed over, and what is never lost. */
#include "../port/fake_port.h"
#include "config/config.h"
#include "source/class.h"
#include "source/polling/polling.h"

enum { TAKEN_MAX = 256 };

struct taken {
    struct ticket *ticket;
    char *id, *value, *broken;
};

struct world {
    struct fake_port *port;
    struct config config;
    struct source *source;
    struct taken taken[TAKEN_MAX];
    size_t count, fatal, closed, withdrawn;
    size_t room;   /* bytes */
    size_t refuse; /* so many records are dropped at once, as if memory was out */
};

static bool has_room(void *ctx, size_t bytes)
{
    return bytes <= ((struct world *)ctx)->room;
}

static void take(void *ctx, const struct record *record, struct ticket *ticket)
{
    struct world *world = ctx;
    assert_true(record->trusted && record->unrepeatable && !record->topic);
    assert_true(slice_equal(record->id, record->run_id));
    if (world->refuse > 0) {
        world->refuse--;
        source_ticket_drop(ticket);
        return;
    }
    assert_true(world->count < TAKEN_MAX);
    struct taken *taken = &world->taken[world->count++];
    taken->ticket = ticket;
    taken->id = slice_to_text(record->id);
    taken->value = slice_to_text(record->value);
    taken->broken = slice_to_text(slice_of(record->broken));
}

static void settle(struct world *world, size_t n, bool done)
{
    struct ticket *ticket = world->taken[n].ticket;
    world->taken[n].ticket = NULL;
    if (ticket)
        done ? source_ticket_done(ticket) : source_ticket_drop(ticket);
}

static void withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    struct world *world = ctx;
    assert_ptr_equal(assignment, world->source);
    assert_true(cancel_started);
    world->withdrawn++;
    for (size_t i = 0; i < world->count; i++)
        settle(world, i, false);
}

static void fatal(void *ctx)
{
    ((struct world *)ctx)->fatal++;
}

static void closed(void *ctx)
{
    ((struct world *)ctx)->closed++;
}

static struct world *world_new(struct reply (*script)(struct fake_port *, size_t, const struct seen *))
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->port = fake_port_new(0);
    world->port->script = script;
    world->room = SIZE_MAX;
    world->config = (struct config){.polling = {.interval_ms = 20,
                                                .batch_size = 2,
                                                .initial_backoff_ms = 20,
                                                .backoff_factor = 2,
                                                .backoff_jitter = 0.1,
                                                .max_backoff_ms = 60,
                                                .max_failure_ms = 60000},
                                    .queue_max_bytes = 1 << 20,
                                    .record_max_bytes = 1 << 20};
    return world;
}

static void start(struct world *world)
{
    struct error err = {0};
    struct source_options options = {.loop = &world->port->loop,
                                     .clock = &world->port->clock,
                                     .config = &world->config,
                                     .port = world->port->api,
                                     .sink = {world, has_room, take, withdraw},
                                     .fatal = fatal,
                                     .ctx = world};
    world->source = polling_source_new(&options, &err);
    assert_non_null(world->source);
}

static void world_free(struct world *world)
{
    source_close(world->source, closed, world);
    run_until(world->port, &world->closed, 1);
    for (size_t i = 0; i < world->count; i++) {
        assert_null(world->taken[i].ticket);
        free(world->taken[i].id);
        free(world->taken[i].value);
        free(world->taken[i].broken);
    }
    fake_port_free(world->port);
    free(world);
}

/* What Port was asked */

static size_t asked(const struct fake_port *port, const char *target)
{
    size_t count = 0;
    for (size_t i = 0; i < port->count; i++)
        count += strcmp(port->seen[i].target, target) == 0;
    return count;
}

#define CLAIM "/v1/actions/runs/claim-pending"
#define ACK "/v1/actions/runs/ack"
#define NODE_CLAIM "/v1/workflows/runs/claim-pending"
#define NODE_ACK "/v1/workflows/runs/ack"
#define RUN(id) "{\"id\":\"" id "\",\"payload\":{\"url\":\"http://a/\",\"agent\":true,\"body\":{\"n\":1.0}}}"

static void run_until_asked(struct world *world, const char *target, size_t wanted)
{
    int64_t end = clock_monotonic_ms(clock_system()) + WAIT_MS;
    while (asked(world->port, target) < wanted && clock_monotonic_ms(clock_system()) < end)
        run_for(world->port, 2);
    assert_true(asked(world->port, target) >= wanted);
}

static bool is_idle(const struct source *source)
{
    return source_idle(source);
}

static bool works(const struct source *source)
{
    return source_assigned(source) == 1;
}

static void run_until_it(struct world *world, bool (*holds)(const struct source *source))
{
    int64_t end = clock_monotonic_ms(clock_system()) + WAIT_MS;
    while (!holds(world->source) && clock_monotonic_ms(clock_system()) < end)
        run_for(world->port, 2);
    assert_true(holds(world->source));
}

static bool is(const struct seen *request, const char *target)
{
    return strcmp(request->target, target) == 0;
}

/** Its own runs once, the node runs once, then nothing more. */
static struct reply one_of_each(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)n;
    if (is(request, CLAIM) && asked(port, CLAIM) == 1)
        return (struct reply){.body = "{\"runs\":[" RUN("r_1") "]}"};
    if (is(request, NODE_CLAIM) && asked(port, NODE_CLAIM) == 1)
        return (struct reply){.body = "{\"nodeRuns\":[{\"identifier\":\"wfnr_1\",\"config\":{\"agent\":true,"
                                      "\"url\":\"http://b/\"}}]}"};
    if (is(request, ACK))
        return (struct reply){.body = "{\"ackedCount\":1}"};
    if (is(request, NODE_ACK))
        return (struct reply){.body = "{\"acked\":true}"};
    return (struct reply){.body = "{\"runs\":[],\"nodeRuns\":[]}"};
}

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
    assert_string_equal(world->taken[run].value,
                        "{\"n\":1.0,\"headers\":{},\"payload\":{\"action\":{\"invocationMethod\":{\"url\":"
                        "\"http://a/\"}}},\"context\":{\"runId\":\"r_1\"}}");
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
    world->room = 16384 * 10;
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

static void a_stop_finishes_what_is_being_acknowledged(void **state)
{
    (void)state;
    struct world *world = world_new(runs_forever);
    start(world);
    run_until_asked(world, ACK, 1);
    source_stop_taking(world->source);
    assert_false(source_idle(world->source));
    assert_int_equal(world->count, 0);
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
    assert_int_equal(occurrences(text, "\"wait_ms\":21}"), 2);
    assert_int_equal(occurrences(text, "\"wait_ms\":42}"), 2);
    assert_true(occurrences(text, "\"wait_ms\":63}") >= 2);
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
