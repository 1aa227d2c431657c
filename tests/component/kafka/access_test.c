/* Kafka's credentials from Port: tried until they are there, and again when asked for. */
#include "../port/fake_port.h"
#include "kafka/access.h"

struct seen_access {
    size_t fetched, failed, closed;
    bool denied;
    int64_t wait_ms;
    char brokers[64], password[64];
};

static void fetched(void *ctx, const struct kafka_credentials *credentials)
{
    struct seen_access *seen = ctx;
    seen->fetched++;
    snprintf(seen->brokers, sizeof seen->brokers, "%s", credentials->brokers);
    snprintf(seen->password, sizeof seen->password, "%s", credentials->password);
}

static void failed(void *ctx, const struct kafka_access_failure *failure)
{
    struct seen_access *seen = ctx;
    assert_non_null(failure->reason);
    seen->failed++;
    seen->denied = failure->denied;
    seen->wait_ms = failure->wait_ms;
}

static void closed(void *ctx)
{
    ((struct seen_access *)ctx)->closed++;
}

/** Away, then with an answer that says nothing, then right; the next time with another password. */
static struct reply away_first(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    assert_string_equal(request->target, "/v1/kafka-credentials");
    if (n == 0)
        return (struct reply){.status = 503};
    if (n == 1)
        return (struct reply){.body = "{\"credentials\":{}}"};
    return (struct reply){.body = n == 2
                                      ? "{\"credentials\":{\"brokers\":[\"a:1\",\"b:2\"],\"username\":\"u\","
                                        "\"password\":\"first\"}}"
                                      : "{\"credentials\":{\"brokers\":[\"a:1\",\"b:2\"],\"username\":\"u\","
                                        "\"password\":\"second\"}}"};
}

static struct kafka_access *open_access(struct fake_port *port, struct seen_access *seen)
{
    struct kafka_access_options options = {.port = port->api,
                                           .loop = &port->loop,
                                           .clock = &port->clock,
                                           .fetched = fetched,
                                           .failed = failed,
                                           .ctx = seen};
    struct kafka_access *access = kafka_access_new(&options);
    assert_non_null(access);
    kafka_access_start(access);
    return access;
}

static void credentials_are_fetched_until_they_are_there_and_again_when_asked(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(8);
    struct seen_access seen = {0};
    port->script = away_first;
    struct kafka_access *access = open_access(port, &seen);
    run_until(port, &seen.fetched, 1);
    assert_int_equal(seen.failed, 2);
    assert_false(seen.denied);
    assert_string_equal(seen.brokers, "a:1,b:2");
    assert_string_equal(seen.password, "first");
    kafka_access_refresh(access);
    kafka_access_refresh(access); /* under way already */
    run_until(port, &seen.fetched, 2);
    assert_string_equal(seen.password, "second");
    kafka_access_close(access, closed, &seen);
    fake_port_free(port);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.fetched, 2);
}

/** Right, then nothing three times, then right. */
static struct reply right_at_the_ends(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)request;
    return (struct reply){.body = n == 0 || n == 4
                                      ? "{\"credentials\":{\"brokers\":[\"a:1\"],\"username\":\"u\","
                                        "\"password\":\"p\"}}"
                                      : "{\"credentials\":{\"brokers\":[\"a:1\"]}}"};
}

static void fresh_ones_are_asked_for_once_and_after_a_start_until_they_are_there(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(8);
    struct seen_access seen = {0};
    port->script = right_at_the_ends;
    struct kafka_access *access = open_access(port, &seen);
    run_until(port, &seen.fetched, 1);
    kafka_access_refresh(access);
    run_until(port, &seen.failed, 1);
    assert_int_equal(seen.wait_ms, -1);
    kafka_access_stop(access);
    kafka_access_start(access);
    run_until(port, &seen.failed, 2);
    assert_true(seen.wait_ms >= 0);
    run_until(port, &seen.fetched, 2);
    assert_int_equal(seen.failed, 3);
    kafka_access_close(access, closed, &seen);
    fake_port_free(port);
}

static struct reply denied(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = 403};
}

static void a_refusal_of_the_agent_itself_is_told_apart(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(8);
    struct seen_access seen = {0};
    port->script = denied;
    struct kafka_access *access = open_access(port, &seen);
    run_until(port, &seen.failed, 1);
    assert_true(seen.denied);
    kafka_access_close(access, NULL, NULL);
    fake_port_free(port);
}

static void closing_forgets_a_call_under_way(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(8);
    struct seen_access seen = {0};
    struct kafka_access *access = open_access(port, &seen);
    kafka_access_close(access, closed, &seen);
    fake_port_free(port);
    assert_int_equal(seen.fetched + seen.failed, 0);
    assert_int_equal(seen.closed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credentials_are_fetched_until_they_are_there_and_again_when_asked),
        cmocka_unit_test(fresh_ones_are_asked_for_once_and_after_a_start_until_they_are_there),
        cmocka_unit_test(a_refusal_of_the_agent_itself_is_told_apart),
        cmocka_unit_test(closing_forgets_a_call_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
