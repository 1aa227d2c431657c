/* Kafka's credentials from Port: tried until they are there, and again when asked for. */
#include "../port/fake_port.h"
#include "kafka/access.h"

struct seen_access {
    size_t fetched, failed, closed;
    bool denied;
    char brokers[64], password[64];
};

static void fetched(void *ctx, const struct kafka_credentials *credentials)
{
    struct seen_access *seen = ctx;
    seen->fetched++;
    snprintf(seen->brokers, sizeof seen->brokers, "%s", credentials->brokers);
    snprintf(seen->password, sizeof seen->password, "%s", credentials->password);
}

static void failed(void *ctx, bool denied, const char *reason)
{
    struct seen_access *seen = ctx;
    assert_non_null(reason);
    seen->failed++;
    seen->denied = denied;
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
        cmocka_unit_test(a_refusal_of_the_agent_itself_is_told_apart),
        cmocka_unit_test(closing_forgets_a_call_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
