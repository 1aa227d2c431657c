/* Lists of brokers: what is accepted, what is told, and when there may be one. */
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load.h"

static void each_bad_broker_is_told_by_name(void **state)
{
    (void)state;
    struct config config;
    struct buffer problems = {0};
    assert_int_equal(load(&config, "USING_LOCAL_PORT_INSTANCE=true",
                          "KAFKA_CONSUMER_BOOTSTRAP_SERVERS=a;b, good:9092 ,c d,e:0", NULL, NULL, &problems),
                     PA_ERR_INVALID);
    static const char *const told[] = {"'a;b' is", "'c d' is", "'e:0' is"};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        assert_non_null(strstr(buffer_text(&problems), told[i]));
    assert_null(strstr(buffer_text(&problems), "good"));
    size_t lines = 0;
    for (const char *at = buffer_text(&problems); *at; at++)
        lines += *at == '\n';
    assert_int_equal(lines, 3);
    config_clear(&config);
    buffer_clear(&problems);
}

static void brokers_are_kept_without_blanks_and_final_comma(void **state)
{
    (void)state;
    static char *const lists[][2] = {{"a:9092,", "a:9092"},
                                     {" a:9092 , b:9093 , ", "a:9092,b:9093"},
                                     {"a", "a"},
                                     {"[::1]:9092,[fe80::1%eth0]", "[::1]:9092,[fe80::1%eth0]"},
                                     {"PlainText://a.b-c_d:9092", "PlainText://a.b-c_d:9092"},
                                     {"a:9", "a:9"},
                                     {"10.0.0.1:9092", "10.0.0.1:9092"}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct config config;
        struct buffer problems = {0};
        char brokers[128];
        snprintf(brokers, sizeof brokers, "KAFKA_CONSUMER_BOOTSTRAP_SERVERS=%s", lists[i][0]);
        int failed = load(&config, "USING_LOCAL_PORT_INSTANCE=t", brokers, NULL, NULL, &problems);
        if (failed || strcmp(config.bootstrap_servers, lists[i][1]) != 0)
            fail_msg("%s: %s%s", lists[i][0], failed ? "" : config.bootstrap_servers, buffer_text(&problems));
        config_clear(&config);
        buffer_clear(&problems);
    }
}

static void a_broker_with_a_protocol_that_is_not_the_settings_is_refused(void **state)
{
    (void)state;
    static const struct {
        char *protocol, *brokers;
        const char *told; /* NULL: accepted */
    } cases[] = {{NULL, "http://a:9092", "'http://a:9092' is not accepted"},
                 {NULL, "kafka://a:9092,b:9092", "'kafka://a:9092' is not accepted"},
                 {NULL, "://a:9092", "'://a:9092' is not accepted"},
                 {NULL, "/a:9092", "'/a:9092' is not accepted"},
                 {NULL, "b:9092,SASL_SSL://a:9092", "'SASL_SSL://a:9092' names another protocol"},
                 {"sasl_ssl", "plaintext://a:9092", "'plaintext://a:9092' names another protocol"},
                 {"SASL_SSL", "sasl_ssl://a:9092,SASL_SSL://b:9092", NULL},
                 {"ssl", "SSL://a:9092,b:9092", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config config;
        struct buffer problems = {0};
        char brokers[128], protocol[128];
        snprintf(brokers, sizeof brokers, "KAFKA_CONSUMER_BOOTSTRAP_SERVERS=%s", cases[i].brokers);
        snprintf(protocol, sizeof protocol, "KAFKA_CONSUMER_SECURITY_PROTOCOL=%s",
                 cases[i].protocol ? cases[i].protocol : "");
        int failed = load(&config, "USING_LOCAL_PORT_INSTANCE=t", brokers, protocol, NULL, &problems);
        const char *text = buffer_text(&problems);
        if (!cases[i].told)
            assert_int_equal(failed, 0);
        else if (!strstr(text, cases[i].told) || strchr(text, '\n') != strrchr(text, '\n'))
            fail_msg("%s: %s", cases[i].brokers, text);
        config_clear(&config);
        buffer_clear(&problems);
    }
}

static void brokers_are_only_for_a_local_port(void **state)
{
    (void)state;
    struct config config;
    struct buffer problems = {0};
    static char brokers[] = "KAFKA_CONSUMER_BOOTSTRAP_SERVERS=a:9092";
    assert_int_equal(load(&config, brokers, NULL, NULL, NULL, &problems), PA_ERR_INVALID);
    assert_non_null(
        strstr(buffer_text(&problems),
               "KAFKA_CONSUMER_BOOTSTRAP_SERVERS: works only with USING_LOCAL_PORT_INSTANCE=true"));
    config_clear(&config);
    problems.len = 0;
    assert_int_equal(load(&config, brokers, "USING_LOCAL_PORT_INSTANCE=no", NULL, NULL, &problems),
                     PA_ERR_INVALID);
    config_clear(&config);
    problems.len = 0;
    assert_int_equal(load(&config, brokers, "STREAMER_NAME=POLLING", NULL, NULL, &problems), 0);
    assert_non_null(strstr(buffer_text(&config.warnings), "KAFKA_CONSUMER_BOOTSTRAP_SERVERS"));
    config_clear(&config);
    assert_int_equal(load(&config, "KAFKA_CONSUMER_BOOTSTRAP_SERVERS=", NULL, NULL, NULL, &problems), 0);
    assert_int_equal(config.warnings.len, 0);
    config_clear(&config);
    buffer_clear(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bad_broker_is_told_by_name),
        cmocka_unit_test(brokers_are_kept_without_blanks_and_final_comma),
        cmocka_unit_test(a_broker_with_a_protocol_that_is_not_the_settings_is_refused),
        cmocka_unit_test(brokers_are_only_for_a_local_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
