/* Names that miss a setting: which are told, and which are not. */
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/** What is warned of with one more line in the environment; the caller clears. */
static void warnings_of(char *line, struct buffer *warnings)
{
    char *environment[] = {"PORT_ORG_ID=org",
                           "PORT_CLIENT_ID=id",
                           "PORT_CLIENT_SECRET=hush-0123456789abcdef-0123456789ab",
                           "KAFKA_CONSUMER_GROUP_ID=g",
                           line,
                           NULL};
    struct config_input input = {.environment = environment};
    struct config config;
    struct setting_problems problems = {0};
    assert_int_equal(config_load(&config, &input, &problems), 0);
    buffer_append_slice(warnings, buffer_slice(&config.warnings));
    config_clear(&config);
    setting_problems_clear(&problems);
}

static void a_name_that_misses_a_setting_is_told(void **state)
{
    (void)state;
    static char *const near[][2] = {
        {"WEBHOOK_VERIFY_SLL", "WEBHOOK_VERIFY_SSL?"},
        {"WEBHOOK_VERIFY_TLS", "WEBHOOK_VERIFY_SSL?"},
        {"webhook_verify_ssl", "WEBHOOK_VERIFY_SSL?"},
        {"KAFKA_CONSUMER_BOOTSTRAP_SERVER", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS?"},
        {"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS?"},
        {"PORT_CLIENT_SECERT", "PORT_CLIENT_SECRET?"},
        {"PORT_CLIENT_SECRT_FILE", "PORT_CLIENT_SECRET_FILE?"},
        {"PORT_CLIENTID", "PORT_CLIENT_ID?"},
        {"POLLING_INTERVAL", "POLLING_INTERVAL_SECONDS?"},
        {"WEBHOOK_TIMEOUT", "WEBHOOK_INVOKER_TIMEOUT?"},
        {"LOGLEVEL", "LOG_LEVEL?"},
        {"LOG-LEVEL", "LOG_LEVEL?"},
        {"LOG.LEVEL", "LOG_LEVEL?"},
        {"log-level_file", "LOG_LEVEL_FILE?"},
        {"WEBHOOK__VERIFY_SSL_", "WEBHOOK_VERIFY_SSL?"},
        {"STREAMERNAME", "STREAMER_NAME?"},
        {"DETAILED_LOGING", "DETAILED_LOGGING?"},
        {"CONTROL_THE_PAYLOAD_CONFIG", "CONTROL_THE_PAYLOAD_CONFIG_PATH?"},
        {"HTTPS_PROXYS", "HTTPS_PROXY?"},
        {"OTEL_EXPORTER_OTLP_ENDPIONT", "OTEL_EXPORTER_OTLP_ENDPOINT?"},
        {"OTEL_EXPORTER_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT?"},
        {"OTEL_OTLP_EXPORTER_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS?"},
        {"OTEL_EXPORTER_OTLP_HTTP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT?"},
        {"OTEL_EXPORTER_OTLP_TRACE_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT?"},
        {"OTEL_EXPORTER_OTLP_HEADER_FILE", "OTEL_EXPORTER_OTLP_HEADERS_FILE?"},
        {"OTEL_SERVICENAME", "OTEL_SERVICE_NAME?"},
        {"OTEL_TRACE_SAMPLER", "OTEL_TRACES_SAMPLER?"},
        {"OTEL_RESSOURCE_ATTRIBUTES", "OTEL_RESOURCE_ATTRIBUTES?"},
        {"OTEL_SDK_DISABLE", "OTEL_SDK_DISABLED?"},
        {"GITLAB_ULR", "GITLAB_URL?"},
        {"USING_LOCAL_PORT_INSTANCES", "USING_LOCAL_PORT_INSTANCE?"}};
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
        struct buffer warnings = {0};
        char line[128], told[128];
        snprintf(line, sizeof line, "%s=secret-value", near[i][0]);
        warnings_of(line, &warnings);
        snprintf(told, sizeof told, "%s: is no setting and has no effect; did you mean %s", near[i][0],
                 near[i][1]);
        if (!strstr(buffer_text(&warnings), told))
            fail_msg("%s: %s", told, buffer_text(&warnings));
        assert_null(strstr(buffer_text(&warnings), "secret-value"));
        buffer_clear(&warnings);
    }
}

static void names_of_others_are_left_alone(void **state)
{
    (void)state;
    static char *const far[] = {"PATH=x",
                                "HOME=/x",
                                "PORT=8080",
                                "=x",
                                "_=/usr/bin/env",
                                "https_proxy_file=",
                                "A_B_C_D_E_F_G_H_I_J_K_L_M_N=x",
                                "PORT_CLIENT_SECRET_WHICH_IS_LONGER_THAN_THE_NAME_OF_ANY_SETTING_X=y",
                                "FTP_PROXY=http://x",
                                "KAFKA_PORT=1",
                                "KAFKA_SERVICE_HOST=h",
                                "GITLAB_URL=http://x",
                                "LOG_FILE=x",
                                "LOGNAME=root",
                                "PORT_AGENT_SERVICE_PORT=9",
                                "no_proxy=x",
                                "MAPPING_TOKEN=x",
                                "acme_deploy=token",
                                "SSL_CERT_DIR=/x",
                                "LANG=C",
                                "WEBHOOK_PASSWORD=x",
                                "PORT_CLIENT_ID_FILE=",
                                "HTTP_PROXY_FILE=",
                                "TERM=xterm",
                                "GITLAB_URI=x",
                                "GITLAB_TOKEN=x",
                                "KAFKA_HEAP_OPTS=x"};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        struct buffer warnings = {0};
        warnings_of(far[i], &warnings);
        if (warnings.len > 0)
            fail_msg("%s: %s", far[i], buffer_text(&warnings));
        buffer_clear(&warnings);
    }
}

/** Set for all programs of a machine or a cluster: a warning of each would teach nobody anything. */
static void what_opentelemetry_has_for_others_is_left_alone(void **state)
{
    (void)state;
    static const char *const names[] = {"OTEL_ATTRIBUTE_COUNT_LIMIT",
                                        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
                                        "OTEL_BLRP_EXPORT_TIMEOUT",
                                        "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
                                        "OTEL_BLRP_MAX_QUEUE_SIZE",
                                        "OTEL_BLRP_SCHEDULE_DELAY",
                                        "OTEL_BSP_EXPORT_TIMEOUT",
                                        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
                                        "OTEL_BSP_MAX_QUEUE_SIZE",
                                        "OTEL_BSP_SCHEDULE_DELAY",
                                        "OTEL_CONFIG_FILE",
                                        "OTEL_DOTNET_AUTO_HOME",
                                        "OTEL_ENTITIES",
                                        "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
                                        "OTEL_EXPERIMENTAL_CONFIG_FILE",
                                        "OTEL_EXPERIMENTAL_RESOURCE_DISABLED_KEYS",
                                        "OTEL_EXPORTER_JAEGER_AGENT_HOST",
                                        "OTEL_EXPORTER_JAEGER_ENDPOINT",
                                        "OTEL_EXPORTER_JAEGER_PROTOCOL",
                                        "OTEL_EXPORTER_JAEGER_TIMEOUT",
                                        "OTEL_EXPORTER_OTLP_CERTIFICATE",
                                        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
                                        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
                                        "OTEL_EXPORTER_OTLP_COMPRESSION",
                                        "OTEL_EXPORTER_OTLP_INSECURE",
                                        "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE",
                                        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
                                        "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
                                        "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
                                        "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT",
                                        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY",
                                        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
                                        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
                                        "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
                                        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
                                        "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
                                        "OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT",
                                        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
                                        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
                                        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
                                        "OTEL_EXPORTER_OTLP_TRACES_INSECURE",
                                        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
                                        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
                                        "OTEL_EXPORTER_PROMETHEUS_HOST",
                                        "OTEL_EXPORTER_PROMETHEUS_PORT",
                                        "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
                                        "OTEL_EXPORTER_ZIPKIN_TIMEOUT",
                                        "OTEL_GO_X_SELF_OBSERVABILITY",
                                        "OTEL_INSTRUMENTATION_COMMON_DEFAULT_ENABLED",
                                        "OTEL_INSTRUMENTATION_HTTP_CLIENT_CAPTURE_REQUEST_HEADERS",
                                        "OTEL_JAVAAGENT_ENABLED",
                                        "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
                                        "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
                                        "OTEL_LOGS_EXPORTER",
                                        "OTEL_LOG_LEVEL",
                                        "OTEL_METRICS_EXEMPLAR_FILTER",
                                        "OTEL_METRICS_EXPORTER",
                                        "OTEL_METRIC_EXPORT_INTERVAL",
                                        "OTEL_METRIC_EXPORT_TIMEOUT",
                                        "OTEL_NODE_ENABLED_INSTRUMENTATIONS",
                                        "OTEL_NODE_RESOURCE_DETECTORS",
                                        "OTEL_PHP_AUTOLOAD_ENABLED",
                                        "OTEL_PROPAGATORS",
                                        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
                                        "OTEL_PYTHON_LOG_CORRELATION",
                                        "OTEL_PYTHON_TRACER_PROVIDER",
                                        "OTEL_RESOURCE_PROVIDERS_AWS_ENABLED",
                                        "OTEL_SEMCONV_STABILITY_OPT_IN",
                                        "OTEL_SERVICE_NAMESPACE",
                                        "OTEL_SERVICE_VERSION",
                                        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
                                        "OTEL_SPAN_EVENT_COUNT_LIMIT",
                                        "OTEL_SPAN_LINK_COUNT_LIMIT",
                                        "OTEL_TRACES_SAMPLER_ARG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buffer warnings = {0};
        char line[128];
        snprintf(line, sizeof line, "%s=1", names[i]);
        warnings_of(line, &warnings);
        if (warnings.len > 0)
            fail_msg("%s: %s", names[i], buffer_text(&warnings));
        buffer_clear(&warnings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_misses_a_setting_is_told),
        cmocka_unit_test(names_of_others_are_left_alone),
        cmocka_unit_test(what_opentelemetry_has_for_others_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
