/* What librdkafka is told of the settings. */
#include "source/kafka/internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct kafka_consumer_options usual(void)
{
    return (struct kafka_consumer_options){.bootstrap_servers = "broker:9092",
                                           .security_protocol = "PLAINTEXT",
                                           .sasl_mechanism = "",
                                           .username = "",
                                           .group_id = "g",
                                           .assignment_strategy = "range",
                                           .group_protocol = "classic",
                                           .session_timeout_ms = 45000,
                                           .prefetch_bytes = 16 << 20,
                                           .record_max_bytes = 1 << 20};
}

/** What the property is with these options; "" where it is not set. */
static const char *property(const struct kafka_consumer_options *options, const char *name)
{
    static char value[256];
    size_t size = sizeof value;
    struct error err = {0};
    rd_kafka_conf_t *conf = kafka_conf_new(options, &err);
    if (!conf)
        fail_msg("%s", err.message);
    *value = '\0';
    if (rd_kafka_conf_get(conf, name, value, &size) != RD_KAFKA_CONF_OK)
        *value = '\0';
    rd_kafka_conf_destroy(conf);
    return value;
}

static void properties_are_as_the_consumer_needs_them(void **state)
{
    (void)state;
    static const char *const properties[][2] = {{"group.id", "g"},
                                                {"bootstrap.servers", "broker:9092"},
                                                {"partition.assignment.strategy", "range"},
                                                {"session.timeout.ms", "45000"},
                                                {"heartbeat.interval.ms", "3000"},
                                                {"max.poll.interval.ms", "300000"},
                                                {"enable.auto.commit", "false"},
                                                {"enable.auto.offset.store", "false"},
                                                {"topic.metadata.refresh.interval.ms", "10000"},
                                                {"enable.partition.eof", "true"},
                                                {"allow.auto.create.topics", "false"},
                                                {"group.instance.id", ""},
                                                {"fetch.message.max.bytes", "1048576"},
                                                {"fetch.max.bytes", "2097152"},
                                                {"receive.message.max.bytes", "100000000"}};
    struct kafka_consumer_options options = usual();
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
        assert_string_equal(property(&options, properties[i][0]), properties[i][1]);
    /* A librdkafka that rests for a second once its queue is full needs all of it. */
    bool rests = *property(&options, "fetch.queue.backoff.ms") == '\0';
    assert_string_equal(property(&options, "queued.max.messages.kbytes"), rests ? "16384" : "10752");
    const char *reset =
        property(&options, "auto.offset.reset"); /* "smallest" is librdkafka's own name for it */
    assert_true(strcmp(reset, "smallest") == 0 || strcmp(reset, "earliest") == 0);
}

static void a_heartbeat_is_a_tenth_of_the_session_and_three_seconds_at_most(void **state)
{
    (void)state;
    static const struct {
        int64_t session_ms;
        const char *heartbeat, *poll;
    } cases[] = {{1, "1", "300000"},
                 {10, "1", "300000"},
                 {29990, "2999", "300000"},
                 {30010, "3000", "300000"},
                 {300001, "3000", "300001"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kafka_consumer_options options = usual();
        options.session_timeout_ms = cases[i].session_ms;
        assert_string_equal(property(&options, "heartbeat.interval.ms"), cases[i].heartbeat);
        assert_string_equal(property(&options, "max.poll.interval.ms"), cases[i].poll);
    }
}

static void what_is_fetched_goes_with_what_is_held(void **state)
{
    (void)state;
    struct kafka_consumer_options options = usual();
    options.prefetch_bytes = 100;
    assert_string_equal(property(&options, "queued.max.messages.kbytes"), "1");
    assert_string_equal(property(&options, "fetch.max.bytes"), "1048576");
    options = usual();
    options.record_max_bytes = 60000000; /* twice that, what is fetched, and a little */
    assert_string_equal(property(&options, "receive.message.max.bytes"), "123145728");
    options.record_max_bytes = (size_t)2 << 30;
    assert_string_equal(property(&options, "receive.message.max.bytes"), "2147483647");
}

static void a_static_member_has_its_name(void **state)
{
    (void)state;
    struct kafka_consumer_options options = usual();
    options.group_instance_id = "";
    assert_string_equal(property(&options, "group.instance.id"), "");
    options.group_instance_id = "agent-0";
    assert_string_equal(property(&options, "group.instance.id"), "agent-0");
}

static void the_newer_protocol_is_used_or_refused(void **state)
{
    (void)state;
    struct kafka_consumer_options options = usual();
    options.group_protocol = NULL;
    assert_false(kafka_protocol_is_consumer(&options));
    options.group_protocol = "classic";
    assert_false(kafka_protocol_is_consumer(&options));
    options.group_protocol = "consumer";
    assert_true(kafka_protocol_is_consumer(&options));
    if (rd_kafka_version() >= 0x02040000) {
        assert_string_equal(property(&options, "group.protocol"), "consumer");
        return;
    }
    struct error err = {0};
    assert_null(kafka_conf_new(&options, &err));
    assert_non_null(strstr(err.message, "'consumer' needs librdkafka 2.4 or later"));
    assert_null(kafka_conf_new(&options, NULL));
}

static void a_setting_that_librdkafka_refuses_is_told(void **state)
{
    (void)state;
    struct error err = {0};
    struct kafka_consumer_options options = usual();
    options.session_timeout_ms = 0;
    assert_null(kafka_conf_new(&options, &err));
    assert_non_null(strstr(err.message, "session.timeout.ms"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(properties_are_as_the_consumer_needs_them),
        cmocka_unit_test(a_heartbeat_is_a_tenth_of_the_session_and_three_seconds_at_most),
        cmocka_unit_test(what_is_fetched_goes_with_what_is_held),
        cmocka_unit_test(a_static_member_has_its_name),
        cmocka_unit_test(the_newer_protocol_is_used_or_refused),
        cmocka_unit_test(a_setting_that_librdkafka_refuses_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
