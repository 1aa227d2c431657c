/* What is not sent, or not now: records that a source has given up, events that cannot be told apart, runs
 * that an ending agent gives up, and connections that the system has no descriptor for. */
#include "world.h"
#include <sys/resource.h>

/** A record of the run r_1 that Port itself handed over: it needs no signature. */
static struct record record_of(const char *value)
{
    return (struct record){.kind = EVENT_RUN,
                           .trusted = true,
                           .id = SLICE_LITERAL("r_1"),
                           .run_id = SLICE_LITERAL("r_1"),
                           .partition = -1,
                           .offset = -1,
                           .timestamp_ms = -1,
                           .value = slice_of(value)};
}

static void take(struct world *world, struct record record)
{
    struct given *given = &world->given[world->offset++];
    *given = (struct given){.ticket = {.settle = settle}, .world = world};
    record.assignment = world;
    world->sink.take(world->sink.ctx, &record, &given->ticket);
}

#define EVENT(context)                                                                                \
    "{" context "\"payload\":{\"action\":{\"invocationMethod\":{\"type\":\"WEBHOOK\",\"agent\":true," \
    "\"url\":\"http://127.0.0.1:1/\"}}}}"
#define FAILED(reason) \
    "PATCH /v1/actions/runs/r_1 {\"status\":\"FAILURE\",\"summary\":\"No webhook was sent: " reason "\"}"

static void a_record_that_its_source_has_given_up_fails_its_run(void **state)
{
    (void)state;
    struct world *world = world_new(4, 1 << 20);
    struct record record = record_of(EVENT("\"context\":{\"runId\":\"r_1\"},"));
    record.given_up = "it came too late";
    take(world, record);
    run_until(world->port, &world->done, 1);
    assert_request(world->port, 1, FAILED("it came too late"));
    assert_int_equal(world->arrived, 0);
    assert_holds_nothing(world);
    world_free(world);
}

static void an_event_with_a_member_that_decides_twice_fails_its_run(void **state)
{
    (void)state;
    struct world *world = world_new(4, 1 << 20);
    take(world, record_of(EVENT("\"context\":{\"runId\":\"r_1\"},\"payload\":{},")));
    run_until(world->port, &world->done, 1);
    assert_request(world->port, 1, FAILED("payload comes twice in the event"));
    assert_int_equal(world->arrived, 0);
    world_free(world);
}

static void an_event_whose_run_is_unclear_tells_none(void **state)
{
    (void)state;
    static const struct {
        const char *context, *why;
    } cases[] = {
        {"\"context\":{\"runId\":\"r_1\",\"runId\":\"r_2\"}", "comes twice: no run can be told"},
        {"\"context\":{\"runId\":7}", "context.runId is not a text: no run can be told"},
        {"\"context\":[{\"runId\":\"r_1\"}]", "context is not an object: no run can be told"},
        {"\"context\":\"r_1\"", "context is not an object: no run can be told"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = world_new(4, 1 << 20);
        struct caught caught = logs_catch();
        struct buffer body = {0}, value = {0};
        char signature[SIGNATURE_SIZE];
        buffer_appendf(
            &body,
            "{%s,\"payload\":{\"action\":{\"invocationMethod\":{\"type\":\"WEBHOOK\",\"agent\":true,"
            "\"url\":\"http://127.0.0.1:1/\"}}},\"headers\":{",
            cases[i].context);
        buffer_append_slice(&value, buffer_slice(&body));
        buffer_append_text(&body, "}}");
        assert_int_equal(
            signer_sign_text(world->signer, SLICE_LITERAL("1768317616"), buffer_slice(&body), signature), 0);
        buffer_appendf(&value, "\"X-Port-Timestamp\":\"1768317616\",\"X-Port-Signature\":\"%s\"}}",
                       signature);
        struct record record = record_of(buffer_text(&value));
        record.trusted = false;
        record.run_id = (struct slice){NULL, 0};
        take(world, record);
        assert_int_equal(world->done, 1);
        assert_int_equal(world->port->count, 0);
        char *logged = logs_end(&caught);
        if (!strstr(logged, cases[i].why))
            fail_msg("%s", logged);
        free(logged);
        buffer_clear(&body);
        buffer_clear(&value);
        world_free(world);
    }
}

static void a_record_that_is_too_large_fails_its_run(void **state)
{
    (void)state;
    static char value[65537 + 1];
    struct world *world = world_new(4, 1 << 20);
    memset(value, ' ', sizeof value - 1);
    memcpy(value, "{}", 2);
    take(world, record_of(value));
    run_until(world->port, &world->done, 1);
    assert_request(world->port, 1, FAILED("larger than RECORD_MAX_BYTES: 65537 bytes"));
    size_t told = world->port->count;
    value[65536] = '\0'; /* as many bytes as may be */
    take(world, record_of(value));
    run_until(world->port, &world->done, 2);
    for (size_t i = told; i < world->port->count; i++)
        assert_null(strstr(world->port->seen[i].body, "RECORD_MAX_BYTES"));
    world_free(world);
}

/* An agent that ends */

static void what_nobody_gets_again_is_given_up_when_time_is_over(void **state)
{
    (void)state;
    struct world *world = world_new(1, 1 << 20);
    give(world, (struct event_text){.run_id = "r_sent", .path = "/hold", .polled = true});
    run_until(world->port, &world->held_count, 1);
    give(world, (struct event_text){.run_id = "r_queued", .path = "/ok", .polled = true});
    give(world, (struct event_text){.run_id = "r_kafka", .path = "/ok"});
    deliver_stop_starting(world->deliver);
    assert_int_equal(world->dropped, 1);
    assert_int_equal(deliver_give_up(world->deliver), 2);
    assert_int_equal(deliver_give_up(world->deliver), 0); /* they have their last answer */
    run_until(world->port, &world->done, 2);
    size_t sent = 0, queued = 0;
    for (size_t i = 0; i < world->port->count; i++) {
        sent += strstr(world->port->seen[i].target, "r_sent") &&
                strstr(world->port->seen[i].body, "the agent was stopped");
        queued += strstr(world->port->seen[i].target, "r_queued") &&
                  strstr(world->port->seen[i].body, "No webhook was sent: the agent was stopped first");
    }
    assert_int_equal(sent, 1);
    assert_int_equal(queued, 1);
    assert_int_equal(world->arrived, 1);
    assert_holds_nothing(world);
    let_go(world, 0);
    world_free(world);
}

/* Descriptors */

/** So many descriptors more than are open may be opened. */
static struct rlimit limit_descriptors(rlim_t more)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int lowest = dup(STDERR_FILENO);
    close(lowest);
    const struct rlimit lower = {.rlim_cur = (rlim_t)lowest + more, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
    return before;
}

static void without_a_descriptor_an_attempt_waits_and_is_none(void **state)
{
    (void)state;
    struct world *world = world_with((struct deliver_options){
        .max_in_flight = 4, .max_bytes = 1 << 20, .retry = {.max_attempts = 1, .max_elapsed_ms = 60000}});
    struct caught caught = logs_catch();
    struct rlimit before = limit_descriptors(0);
    give(world, (struct event_text){.run_id = "r_1", .path = "/ok", .synchronized = true});
    struct counters counters = {0};
    size_t waiting = 0;
    for (int i = 0; i < 200 && waiting == 0; i++) {
        run_for(world->port, 10);
        deliver_counters(world->deliver, &counters);
        waiting = counters.in_flight == 0;
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(waiting, 1);
    world->port->turned_ms += 1000;
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 1);
    assert_string_equal(world->attempts[0], "1");
    assert_non_null(strstr(world->port->seen[world->port->count - 1].body, "SUCCESS"));
    char *logged = logs_end(&caught);
    assert_int_equal(occurrences(logged, "no file descriptor is left"), 1);
    free(logged);
    assert_holds_nothing(world);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_that_its_source_has_given_up_fails_its_run),
        cmocka_unit_test(an_event_with_a_member_that_decides_twice_fails_its_run),
        cmocka_unit_test(an_event_whose_run_is_unclear_tells_none),
        cmocka_unit_test(a_record_that_is_too_large_fails_its_run),
        cmocka_unit_test(what_nobody_gets_again_is_given_up_when_time_is_over),
        cmocka_unit_test(without_a_descriptor_an_attempt_waits_and_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
