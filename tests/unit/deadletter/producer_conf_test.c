/* What librdkafka is told of the settings for letters, and credentials that take the place of others. */
#include "deadletter/producer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct kafka_connection full = {.bootstrap_servers = "a:1,b:2",
                                             .security_protocol = "sasl_ssl",
                                             .sasl_mechanism = "SCRAM-SHA-512",
                                             .username = "user",
                                             .password = "word",
                                             .ca_bundle = "",
                                             .client_certificate = NULL};

static struct producer_settings settings_of(const struct kafka_connection *connection)
{
    struct producer_settings settings = {.record_max_bytes = 1 << 20, .idempotent = true};
    assert_true(producer_settings_copy(&settings, connection));
    return settings;
}

static void assert_property(const struct producer_settings *settings, const char *name, const char *expected)
{
    char value[256] = "";
    size_t size = sizeof value;
    struct error err = {0};
    rd_kafka_conf_t *conf = producer_conf_new(settings, &err);
    if (!conf)
        fail_msg("%s", err.message);
    if (rd_kafka_conf_get(conf, name, value, &size) != RD_KAFKA_CONF_OK)
        *value = '\0';
    rd_kafka_conf_destroy(conf);
    if (strcmp(value, expected) != 0)
        fail_msg("%s is '%s' and not '%s'", name, value, expected);
}

static void nothing_is_acknowledged_that_a_broker_could_lose(void **state)
{
    (void)state;
    struct producer_settings settings = settings_of(&full);
    static const char *const properties[][2] = {
        {"acks", "-1"},
        {"enable.idempotence", "true"},
        {"message.max.bytes", "3145728"},
        {"queue.buffering.max.kbytes", "3073"},
        {"message.timeout.ms", "30000"},
        {"topic.metadata.propagation.max.ms", "3000"},
        {"linger.ms", "5"},
        {"client.id", "port-agent"},
        {"bootstrap.servers", "a:1,b:2"},
        {"security.protocol", "sasl_ssl"},
        {"sasl.mechanisms", "SCRAM-SHA-512"},
        {"sasl.username", "user"},
        {"sasl.password", "word"},
        {"ssl.ca.location", ""},
        {"topic.metadata.refresh.interval.ms", "10000"},
        {"reconnect.backoff.max.ms", "5000"},
        {"socket.keepalive.enable", "true"},
        {"log.queue", "true"},
    };
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
        assert_property(&settings, properties[i][0], properties[i][1]);
    settings.idempotent = false;
    assert_property(&settings, "enable.idempotence", "false");
    producer_settings_clear(&settings);
    assert_null(settings.password);
    assert_null(settings.bootstrap_servers);
}

static void a_message_may_be_twice_the_largest_record_and_has_a_limit(void **state)
{
    (void)state;
    static const struct {
        size_t record;
        const char *message, *queue;
    } cases[] = {{1000, "1050576", "1026"},           {32 << 20, "68157440", "66561"},
                 {499475711, "999999998", "976563"},  {499475712, "1000000000", "976563"},
                 {499475713, "1000000000", "976563"}, {SIZE_MAX / 8, "1000000000", "976563"}};
    struct producer_settings settings = settings_of(&full);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        settings.record_max_bytes = cases[i].record;
        assert_property(&settings, "message.max.bytes", cases[i].message);
        assert_property(&settings, "queue.buffering.max.kbytes", cases[i].queue);
    }
    producer_settings_clear(&settings);
}

static void settings_are_copies_and_what_is_left_out_is_empty(void **state)
{
    (void)state;
    char brokers[] = "a:1", user[] = "u", word[] = "w";
    struct producer_settings settings = settings_of(
        &(struct kafka_connection){.bootstrap_servers = brokers, .username = user, .password = word});
    memset(brokers, 'x', 3);
    *user = *word = 'x';
    struct kafka_connection connection = producer_settings_connection(&settings);
    assert_string_equal(connection.bootstrap_servers, "a:1");
    assert_string_equal(connection.username, "u");
    assert_string_equal(connection.password, "w");
    assert_string_equal(connection.security_protocol, "");
    assert_string_equal(connection.sasl_mechanism, "");
    assert_string_equal(connection.ca_bundle, "");
    assert_string_equal(connection.client_certificate, "");
    assert_property(&settings, "security.protocol", "plaintext");
    producer_settings_clear(&settings);
}

static void fresh_credentials_take_the_place_of_the_others_alone(void **state)
{
    (void)state;
    struct producer_settings settings = settings_of(&full);
    assert_true(producer_settings_replace(&settings, "c:3", "other", "new"));
    assert_property(&settings, "bootstrap.servers", "c:3");
    assert_property(&settings, "sasl.username", "other");
    assert_property(&settings, "sasl.password", "new");
    assert_property(&settings, "sasl.mechanisms", "SCRAM-SHA-512");
    producer_settings_clear(&settings);
}

static void a_setting_that_librdkafka_refuses_is_named(void **state)
{
    (void)state;
    struct kafka_connection wrong = full;
    struct error err = {0};
    wrong.security_protocol = "carrier pigeon";
    struct producer_settings settings = settings_of(&wrong);
    assert_null(producer_conf_new(&settings, &err));
    assert_int_equal(err.kind, PA_ERR_INVALID);
    assert_non_null(strstr(err.message, "Kafka setting security.protocol: "));
    assert_null(producer_conf_new(&settings, NULL));
    producer_settings_clear(&settings);
}

static void files_of_certificates_are_used_with_tls_alone(void **state)
{
    (void)state;
    struct kafka_connection files = full;
    files.ca_bundle = "/etc/ssl/certs";
    files.client_certificate = "/tmp/none.pem";
    struct producer_settings settings = settings_of(&files);
    assert_property(&settings, "ssl.ca.location", "/etc/ssl/certs");
    assert_property(&settings, "ssl.certificate.location", "/tmp/none.pem");
    assert_property(&settings, "ssl.key.location", "/tmp/none.pem");
    producer_settings_clear(&settings);
    files.security_protocol = "sasl_plaintext";
    settings = settings_of(&files);
    assert_property(&settings, "ssl.ca.location", "");
    assert_property(&settings, "ssl.certificate.location", "");
    assert_property(&settings, "ssl.key.location", "");
    assert_property(&settings, "sasl.username", "user");
    producer_settings_clear(&settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_acknowledged_that_a_broker_could_lose),
        cmocka_unit_test(a_message_may_be_twice_the_largest_record_and_has_a_limit),
        cmocka_unit_test(settings_are_copies_and_what_is_left_out_is_empty),
        cmocka_unit_test(fresh_credentials_take_the_place_of_the_others_alone),
        cmocka_unit_test(a_setting_that_librdkafka_refuses_is_named),
        cmocka_unit_test(files_of_certificates_are_used_with_tls_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
