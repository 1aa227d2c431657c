/* OpenTelemetry's settings: what they mean, and that none of them stops the start. */
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load.h"

#define ENDPOINT "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318"

/** Loads up to three settings; the caller clears. */
static void load_tracing(struct config *config, char *a, char *b, char *c)
{
    struct buffer problems = {0};
    assert_int_equal(load(config, a ? a : "UNRELATED=1", b, b ? c : NULL, NULL, &problems), 0);
    buffer_clear(&problems);
}

static void assert_url(char *a, char *b, char *c, const char *url)
{
    struct config config;
    load_tracing(&config, a, b, c);
    if (url)
        assert_string_equal(config.tracing.url, url);
    else
        assert_null(config.tracing.url);
    assert_string_equal(buffer_text(&config.warnings), "");
    config_clear(&config);
}

static void spans_go_to_the_endpoint_or_to_that_of_traces_as_it_stands(void **state)
{
    (void)state;
    assert_url(NULL, NULL, NULL, NULL);
    assert_url(ENDPOINT, NULL, NULL, "http://collector:4318/v1/traces");
    assert_url("OTEL_EXPORTER_OTLP_ENDPOINT=https://c/a//", NULL, NULL, "https://c/a/v1/traces");
    assert_url(ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://t/own/", NULL, "https://t/own/");
    assert_url("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://t", NULL, NULL, "http://t/");
}

static void whoever_turns_traces_off_has_none(void **state)
{
    (void)state;
    assert_url(ENDPOINT, "OTEL_TRACES_EXPORTER=none", NULL, NULL);
    assert_url(ENDPOINT, "OTEL_SDK_DISABLED=TRUE", NULL, NULL);
    assert_url(ENDPOINT, "OTEL_SDK_DISABLED=1", NULL,
               "http://collector:4318/v1/traces"); /* as the standard has it */
    assert_url("OTEL_TRACES_EXPORTER=otlp", NULL, NULL, NULL);
    assert_url(ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", NULL,
               "http://collector:4318/v1/traces");
    assert_url(ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL=http/json", NULL, "http://collector:4318/v1/traces");
}

static void assert_warned(char *setting, const char *warning, bool recorded)
{
    struct config config;
    bool is_endpoint = strstr(setting, "ENDPOINT=") != NULL;
    load_tracing(&config, is_endpoint ? setting : ENDPOINT, is_endpoint ? NULL : setting, NULL);
    assert_non_null(strstr(buffer_text(&config.warnings), warning));
    assert_null(strstr(buffer_text(&config.warnings), "hush-hush"));
    assert_int_equal(config.tracing.url != NULL, recorded);
    config_clear(&config);
}

static void what_cannot_be_read_is_warned_of_and_stops_nothing(void **state)
{
    (void)state;
    assert_warned("OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318",
                  "OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' is no URL", false);
    assert_warned("OTEL_EXPORTER_OTLP_ENDPOINT=ftp://me:hush-hush@c",
                  "OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://***@c' is no URL", false);
    assert_warned("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://",
                  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://'", false);
    assert_warned("OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' is not supported",
                  false);
    assert_warned("OTEL_EXPORTER_OTLP_PROTOCOL=x", "OTEL_EXPORTER_OTLP_PROTOCOL: 'x' is not known", true);
    assert_warned("OTEL_EXPORTER_OTLP_TIMEOUT=10s", "OTEL_EXPORTER_OTLP_TIMEOUT: '10s' is no number", true);
    assert_warned("OTEL_EXPORTER_OTLP_TIMEOUT=0", "OTEL_EXPORTER_OTLP_TIMEOUT: '0' is no number", true);
    assert_warned("OTEL_EXPORTER_OTLP_TIMEOUT=600001", "from 1 to 600000", true);
    assert_warned("OTEL_EXPORTER_OTLP_TIMEOUT=99999999999999999999", "from 1 to 600000", true);
    assert_warned("OTEL_TRACES_SAMPLER=jaeger_remote",
                  "OTEL_TRACES_SAMPLER: 'jaeger_remote' is not supported", true);
}

static void assert_sampled(char *sampler, char *argument, enum trace_sampling sampling, bool by_parent,
                           double ratio)
{
    struct config config;
    load_tracing(&config, ENDPOINT, sampler, argument);
    assert_int_equal(config.tracing.sampling, sampling);
    assert_int_equal(config.tracing.by_parent, by_parent);
    assert_true(sampling != TRACE_RATIO || config.tracing.ratio == ratio);
    assert_int_equal(config.tracing.timeout_ms, 10000);
    config_clear(&config);
}

static void samplers_have_the_standards_names(void **state)
{
    (void)state;
    assert_sampled(NULL, NULL, TRACE_ALWAYS, true, 0);
    assert_sampled("OTEL_TRACES_SAMPLER=always_on", NULL, TRACE_ALWAYS, false, 0);
    assert_sampled("OTEL_TRACES_SAMPLER=always_off", NULL, TRACE_NEVER, false, 0);
    assert_sampled("OTEL_TRACES_SAMPLER=parentbased_always_off", NULL, TRACE_NEVER, true, 0);
    assert_sampled("OTEL_TRACES_SAMPLER=traceidratio", NULL, TRACE_RATIO, false, 1);
    assert_sampled("OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.25",
                   TRACE_RATIO, true, 0.25);
    assert_sampled("OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0", TRACE_RATIO, false, 0);
    assert_sampled("OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=1.5", TRACE_RATIO, false, 1);
    assert_sampled("OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=-1", TRACE_RATIO, false, 1);
    assert_sampled("OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=nan", TRACE_RATIO, false, 1);
    assert_sampled("OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=x", TRACE_RATIO, false, 1);
}

static void its_other_settings_are_nobodys_slip(void **state)
{
    (void)state;
    struct config config;
    load_tracing(&config, ENDPOINT, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=x",
                 "OTEL_EXPORTER_OTLP_COMPRESSION=gzip");
    assert_string_equal(buffer_text(&config.warnings), "");
    config_clear(&config);
}

static void headers_are_a_secret(void **state)
{
    (void)state;
    struct config config;
    load_tracing(&config, ENDPOINT, "OTEL_EXPORTER_OTLP_HEADERS=authorization=hush", NULL);
    assert_true(slice_equal_text(config.tracing.headers.value, "authorization=hush"));
    config_forget_secrets(&config);
    assert_int_equal(config.tracing.headers.value.len, 0);
    config_clear(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_go_to_the_endpoint_or_to_that_of_traces_as_it_stands),
        cmocka_unit_test(whoever_turns_traces_off_has_none),
        cmocka_unit_test(what_cannot_be_read_is_warned_of_and_stops_nothing),
        cmocka_unit_test(samplers_have_the_standards_names),
        cmocka_unit_test(its_other_settings_are_nobodys_slip),
        cmocka_unit_test(headers_are_a_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
