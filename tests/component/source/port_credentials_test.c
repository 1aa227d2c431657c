/* The Kafka source before and while it has a consumer: credentials from Port, and what is told where they are
 * not to be had. The brokers that Port names do not exist. */
#include "../port/fake_port.h"
#include "config/config.h"
#include "source/kafka/consumer.h"
#include "source/kafka/kafka.h"

enum { SUMMARY_FIELDS = 4 };

static const char NO_BROKER[] = "127.0.0.1:1";

struct world {
    struct fake_port *port;
    struct config config;
    struct caught caught;
    struct source *source;
    size_t fatal, closed;
};

static bool has_room(void *ctx, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    return true;
}

static void take(void *ctx, const struct record *record, struct ticket *ticket)
{
    (void)ctx;
    (void)record;
    source_ticket_done(ticket);
}

static void withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    (void)ctx;
    (void)assignment;
    (void)cancel_started;
}

static void count_fatal(void *ctx)
{
    ((struct world *)ctx)->fatal++;
}

static void count_closed(void *ctx)
{
    ((struct world *)ctx)->closed++;
}

static int open_world(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->caught = logs_catch();
    world->port = fake_port_new(4);
    world->config = (struct config){.bootstrap_servers = (char *)(uintptr_t)NO_BROKER,
                                    .security_protocol = "plaintext",
                                    .sasl_mechanism = "",
                                    .group_id = "group",
                                    .group_protocol = "classic",
                                    .assignment_strategy = "range",
                                    .auto_offset_reset = "earliest",
                                    .session_timeout_ms = 6000,
                                    .drain_timeout_ms = 1000,
                                    .queue_max_bytes = 64 << 20,
                                    .record_max_bytes = 1 << 20,
                                    .runs_topic = "org.runs",
                                    .change_log_topic = "org.change.log"};
    *state = world;
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;
    fake_port_free(world->port);
    free(world);
    return 0;
}

static struct source *open_source(struct world *world, struct error *err)
{
    struct source_options options = {.loop = &world->port->loop,
                                     .clock = &world->port->clock,
                                     .config = &world->config,
                                     .port = world->port->api,
                                     .sink = {world, has_room, take, withdraw, NULL},
                                     .fatal = count_fatal,
                                     .ctx = world};
    world->source = kafka_source.open(&options, err);
    return world->source;
}

/** All that was logged; the caller frees. */
static char *close_source(struct world *world)
{
    source_close(world->source, count_closed, world);
    run_until(world->port, &world->closed, 1);
    return logs_end(&world->caught);
}

static struct reply unavailable_then_there(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    assert_string_equal(request->target, "/v1/kafka-credentials");
    return n == 0 ? (struct reply){.status = 503}
                  : (struct reply){.body = "{\"credentials\":{\"brokers\":[\"127.0.0.1:1\"],"
                                           "\"username\":\"u\",\"password\":\"p\"}}"};
}

static struct reply denied(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = 403};
}

static struct reply unavailable(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = 503};
}

static bool is_connecting(struct world *world)
{
    for (int64_t end = clock_monotonic_ms(clock_system()) + WAIT_MS;
         strcmp(source_view(world->source).state, "not connected to the brokers") != 0;
         run_for(world->port, 10))
        if (clock_monotonic_ms(clock_system()) > end)
            return false;
    return true;
}

static void the_consumer_begins_once_port_has_given_credentials(void **state)
{
    struct world *world = *state;
    struct log_field fields[SOURCE_FIELDS_MAX];
    struct error err = {0};
    world->port->script = unavailable_then_there;
    assert_non_null(open_source(world, &err));
    struct source_view view = source_view(world->source);
    assert_string_equal(view.state, "waiting for Kafka credentials from Port");
    assert_int_equal(view.credentials_fetched, 0);
    assert_false(view.connected);
    source_resume(world->source);
    assert_true(is_connecting(world));
    assert_int_equal(source_view(world->source).credentials_fetched, 1);
    assert_int_equal(source_assigned(world->source), 0);
    assert_int_equal(source_summary(world->source, fields), SUMMARY_FIELDS);
    source_resume(world->source);
    assert_true(source_idle(world->source));
    char *log = close_source(world);
    assert_int_equal(world->fatal, 0);
    assert_int_equal(occurrences(log, "Kafka credentials could not be fetched from Port; trying again"), 1);
    assert_non_null(strstr(log, "\"next_attempt_in\":"));
    assert_int_equal(occurrences(log, "connecting to the Kafka brokers"), 1);
    assert_non_null(strstr(log, "\"bootstrap_servers\":\"127.0.0.1:1\""));
    assert_null(strstr(log, "fresh Kafka credentials"));
    free(log);
}

static void credentials_of_ours_that_port_refuses_are_fatal(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    world->port->script = denied;
    assert_non_null(open_source(world, &err));
    run_until(world->port, &world->fatal, 1);
    size_t asked = world->port->count;
    run_for(world->port, 20);
    assert_int_equal(world->port->count, asked); /* and not asked again */
    assert_int_equal(world->fatal, 1);
    char *log = close_source(world);
    assert_int_equal(occurrences(log, "Port refused our credentials: check PORT_CLIENT_ID"), 1);
    assert_non_null(strstr(log, "\"http.response.status_code\":403"));
    assert_non_null(strstr(log, "\"CRITICAL\""));
    free(log);
}

static void a_consumer_that_cannot_be_is_fatal(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    world->config.security_protocol = "carrier pigeon";
    world->port->script = unavailable_then_there;
    assert_non_null(open_source(world, &err));
    run_until(world->port, &world->fatal, 1);
    char *log = close_source(world);
    assert_int_equal(occurrences(log, "the Kafka consumer cannot start"), 1);
    assert_non_null(strstr(log, "security.protocol"));
    assert_null(strstr(log, "connecting to the Kafka brokers"));
    free(log);
}

static void it_can_be_closed_while_it_waits_for_credentials(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    size_t fetches = 2; /* the token and the credentials */
    world->port->script = unavailable;
    assert_non_null(open_source(world, &err));
    run_until(world->port, &world->port->count, fetches);
    source_stop_taking(world->source);
    char *log = close_source(world);
    assert_int_equal(world->closed, 1);
    assert_int_equal(world->fatal, 0);
    free(log);
}

static void brokers_of_the_settings_need_no_credentials(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    world->config.local_port = true;
    assert_non_null(open_source(world, &err));
    assert_string_equal(source_view(world->source).state, "not connected to the brokers");
    run_for(world->port, 20);
    assert_int_equal(world->port->count, 0);
    assert_int_equal(source_view(world->source).credentials_fetched, 0);
    char *log = close_source(world);
    assert_int_equal(occurrences(log, "connecting to the Kafka brokers"), 1);
    free(log);
}

static void settings_that_librdkafka_refuses_open_nothing(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    world->config.local_port = true;
    world->config.security_protocol = "carrier pigeon";
    assert_null(open_source(world, &err));
    assert_int_equal(err.kind, PA_ERR_INVALID);
    assert_non_null(strstr(err.message, "security.protocol"));
    free(logs_end(&world->caught));
}

static void what_fails_without_port_is_told_by_where_the_brokers_are_from(void **state)
{
    struct world *world = *state;
    assert_non_null(strstr(kafka_source.without_port(&world->config), "nothing is consumed"));
    world->config.local_port = true;
    assert_non_null(strstr(kafka_source.without_port(&world->config), "is not committed"));
    free(logs_end(&world->caught));
}

static void credentials_stand_for_the_brokers_of_the_settings(void **state)
{
    struct world *world = *state;
    struct kafka_consumer_options options;
    const struct kafka_credentials credentials = {.brokers = (char *)(uintptr_t) "a:1,b:2",
                                                  .username = (char *)(uintptr_t) "u",
                                                  .password = (char *)(uintptr_t) "p"};
    kafka_consumer_settings(&world->config, &credentials, "/ca", &options);
    assert_string_equal(options.bootstrap_servers, "a:1,b:2");
    assert_string_equal(options.username, "u");
    assert_string_equal(options.password.value.ptr, "p");
    assert_string_equal(options.ca_bundle, "/ca");
    kafka_consumer_settings(&world->config, NULL, NULL, &options);
    assert_string_equal(options.bootstrap_servers, NO_BROKER);
    assert_string_equal(options.username, "");
    assert_int_equal(options.password.value.len, 0);
    assert_int_equal(options.prefetch_bytes, 32 << 20);
    assert_int_equal(options.record_max_bytes, 1 << 20);
    assert_string_equal(options.runs_topic, "org.runs");
    assert_string_equal(options.change_log_topic, "org.change.log");
    free(logs_end(&world->caught));
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(the_consumer_begins_once_port_has_given_credentials),
        IN_A_WORLD(credentials_of_ours_that_port_refuses_are_fatal),
        IN_A_WORLD(a_consumer_that_cannot_be_is_fatal),
        IN_A_WORLD(it_can_be_closed_while_it_waits_for_credentials),
        IN_A_WORLD(brokers_of_the_settings_need_no_credentials),
        IN_A_WORLD(settings_that_librdkafka_refuses_open_nothing),
        IN_A_WORLD(what_fails_without_port_is_told_by_where_the_brokers_are_from),
        IN_A_WORLD(credentials_stand_for_the_brokers_of_the_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
