/* What is told of a delivery, as OTLP's JSON: whole spans are compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/version.h"
#include "trace/otlp/span.h"
#include <stdlib.h>
#include <string.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define TEXT(key_, value_) "{\"key\":\"" key_ "\",\"value\":{\"stringValue\":\"" value_ "\"}}"
#define NUMBER(key_, value_) "{\"key\":\"" key_ "\",\"value\":{\"intValue\":\"" value_ "\"}}"

static int64_t wall(void *ctx)
{
    (void)ctx;
    return 1700000002000;
}

static const struct clock fixed_clock = {.monotonic_ms = wall, .wall_ms = wall};
static struct tracing tracing = {.sampling = TRACE_ALWAYS, .key = 3};
static const struct span_source source = {.tracing = &tracing, .clock = &fixed_clock, .group = "group"};

static struct trace traced(const char *parent)
{
    struct trace_parent from = {.sampled = true};
    struct trace trace;
    if (parent) {
        strcpy(from.trace_id, TRACE);
        strcpy(from.span_id, parent);
    }
    trace_begin(&tracing, &from, 0, 1700000000123, &trace);
    return trace;
}

/** `expected` with the ids in the place of %1 (the trace's), %2 (the delivery's) and %3 (another's). */
static void assert_spans(const struct observed *observed, unsigned which, unsigned count,
                         const char *expected)
{
    struct buffer out = {0}, text = {0};
    char id[SPAN_ID_SIZE];
    trace_span_id(&tracing, observed->trace, which, id);
    for (const char *at = expected; *at; at++)
        if (at[0] != '%')
            buffer_append_char(&text, *at);
        else
            buffer_append_text(&text, *++at == '1' ? observed->trace->id
                                      : *at == '2' ? observed->trace->span
                                                   : id);
    assert_int_equal(spans_append(&source, observed, &out), count);
    assert_string_equal(buffer_text(&out), buffer_text(&text));
    buffer_clear(&out);
    buffer_clear(&text);
}

static void an_attempt_is_a_clients_span_in_the_deliverys(void **state)
{
    (void)state;
    struct trace trace = traced(NULL);
    struct observed observed = {.kind = OBSERVED_RETRYING,
                                .trace = &trace,
                                .method = "POST",
                                .url = SLICE_LITERAL("https://svc.internal/a?b=***"),
                                .attempt = 1,
                                .status = 503,
                                .error_type = "http_status",
                                .duration_ms = 250};
    const char *failed =
        "{\"traceId\":\"%1\",\"spanId\":\"%3\",\"parentSpanId\":\"%2\",\"flags\":257,\"kind\":3,"
        "\"startTimeUnixNano\":\"1700000001750000000\",\"endTimeUnixNano\":\"1700000002000000000\","
        "\"name\":\"POST\",\"attributes\":[" TEXT("http.request.method", "POST") "," TEXT(
            "server.address",
            "svc.internal") "," NUMBER("server.port",
                                       "443") "," TEXT("url.full",
                                                       "https://svc.internal/"
                                                       "a?b=***") "," NUMBER("http.response.status_code",
                                                                             "503") "," TEXT("error.type",
                                                                                             "503") "],"
                                                                                                    "\"status"
                                                                                                    "\":{"
                                                                                                    "\"code\""
                                                                                                    ":2}}";
    assert_spans(&observed, 1, 1, failed);
    observed.kind = OBSERVED_RETRY_LEFT;
    assert_spans(&observed, 1, 1, failed);
    observed.kind = OBSERVED_FAILED;
    assert_spans(&observed, 1, 1, failed);
    observed = (struct observed){.kind = OBSERVED_DELIVERED,
                                 .trace = &trace,
                                 .method = "MKCOL",
                                 .url = SLICE_LITERAL("http://[::1]:8080"),
                                 .attempt = 3,
                                 .status = 204,
                                 .error_type = ""};
    assert_spans(
        &observed, 3, 1,
        "{\"traceId\":\"%1\",\"spanId\":\"%3\",\"parentSpanId\":\"%2\",\"flags\":257,\"kind\":3,"
        "\"startTimeUnixNano\":\"1700000002000000000\",\"endTimeUnixNano\":\"1700000002000000000\","
        "\"name\":\"HTTP\",\"attributes\":[" TEXT("http.request.method", "_OTHER") "," TEXT(
            "http.request.method_original",
            "MKCOL") "," TEXT("server.address",
                              "[::1]") "," NUMBER("server.port",
                                                  "8080") "," TEXT("url.full",
                                                                   "http://[::1]:8080") "," NUMBER("http."
                                                                                                   "response."
                                                                                                   "status_"
                                                                                                   "code",
                                                                                                   "204") "," NUMBER("http.request.resend_count",
                                                                                                                     "2") "]}");
    observed = (struct observed){.kind = OBSERVED_FAILED,
                                 .trace = &trace,
                                 .method = "GET",
                                 .url = SLICE_LITERAL("http://svc"),
                                 .attempt = 1,
                                 .error_type = "connect"};
    assert_spans(
        &observed, 1, 1,
        "{\"traceId\":\"%1\",\"spanId\":\"%3\",\"parentSpanId\":\"%2\",\"flags\":257,\"kind\":3,"
        "\"startTimeUnixNano\":\"1700000002000000000\",\"endTimeUnixNano\":\"1700000002000000000\","
        "\"name\":\"GET\",\"attributes\":[" TEXT("http.request.method", "GET") "," TEXT(
            "server.address",
            "svc") "," NUMBER("server.port",
                              "80") "," TEXT("url.full",
                                             "http://svc") "," TEXT("error.type",
                                                                    "connect") "],\"status\":{\"code\":2}}");
}

static void a_delivery_is_a_consumers_span_and_its_report_is_in_it(void **state)
{
    (void)state;
    struct trace trace = traced(PARENT);
    const struct observed observed = {.kind = OBSERVED_DONE,
                                      .trace = &trace,
                                      .topic = "org.runs",
                                      .partition = 7,
                                      .offset = 42,
                                      .run_id = SLICE_LITERAL("r_1"),
                                      .attempt = 2,
                                      .status = 200,
                                      .error_type = "",
                                      .wait_ms = 100};
    assert_spans(
        &observed, TRACE_SPAN_REPORT, 2,
        "{\"traceId\":\"" TRACE "\",\"spanId\":\"%3\",\"parentSpanId\":\"%2\",\"flags\":257,\"kind\":1,"
        "\"startTimeUnixNano\":\"1700000001900000000\",\"endTimeUnixNano\":\"1700000002000000000\","
        "\"name\":\"report\",\"attributes\":[" TEXT(
            "port.run_id",
            "r_1") "]},"
                   "{\"traceId\":\"" TRACE "\",\"spanId\":\"%2\",\"parentSpanId\":\"" PARENT
                   "\",\"flags\":769,\"kind\":5,"
                   "\"startTimeUnixNano\":\"1700000000123000000\",\"endTimeUnixNano\":"
                   "\"1700000002000000000\","
                   "\"name\":\"process org.runs\",\"attributes\":[" TEXT("messaging.system", "kafka") "," TEXT("messaging.operation.name", "process") "," TEXT(
                       "messaging.operation.type",
                       "process") "," TEXT("messaging.destination.name",
                                           "org.runs") "," TEXT("messaging.destination.partition.id",
                                                                "7") "," NUMBER("messaging.kafka.offset",
                                                                                "42") "," TEXT("messaging."
                                                                                               "consumer."
                                                                                               "group.name",
                                                                                               "group") "," TEXT("port.run_id",
                                                                                                                 "r_1") "," NUMBER("port.attempts",
                                                                                                                                   "2") "]}");
}

static void a_delivery_that_failed_is_an_error_by_its_status_or_its_kind(void **state)
{
    (void)state;
    struct trace trace = traced(NULL);
    const char *text =
        "{\"traceId\":\"%1\",\"spanId\":\"%2\",\"flags\":257,\"kind\":5,"
        "\"startTimeUnixNano\":\"1700000000123000000\",\"endTimeUnixNano\":\"1700000002000000000\","
        "\"name\":\"process\",\"attributes\":[" TEXT("messaging.system", "port") "," TEXT(
            "messaging.operation.name",
            "process") "," TEXT("messaging.operation.type",
                                "process") "," TEXT("messaging.message.id",
                                                    "r_2") "," TEXT("port.run_id",
                                                                    "r_2") "," TEXT("error.type",
                                                                                    "event_expired") "],"
                                                                                                     "\"statu"
                                                                                                     "s\":{"
                                                                                                     "\"code"
                                                                                                     "\":2}}";
    const struct observed observed = {.kind = OBSERVED_DONE,
                                      .trace = &trace,
                                      .record_id = SLICE_LITERAL("r_2"),
                                      .run_id = SLICE_LITERAL("r_2"),
                                      .error_type = "event_expired",
                                      .wait_ms = -1};
    assert_spans(&observed, 0, 1, text);
}

static void what_was_tried_and_left_to_another_agent_has_its_span(void **state)
{
    (void)state;
    struct trace trace = traced(NULL);
    struct observed observed = {.kind = OBSERVED_DROPPED, .trace = &trace, .record_id = SLICE_LITERAL("r_2")};
    assert_spans(&observed, 0, 0, "");
    observed.attempt = 1;
    struct buffer out = {0};
    assert_int_equal(spans_append(&source, &observed, &out), 1);
    assert_non_null(strstr(buffer_text(&out), TEXT("error.type", "left")));
    buffer_clear(&out);
}

static void what_ends_nothing_is_no_span(void **state)
{
    (void)state;
    static const enum observed_kind kinds[] = {OBSERVED_TAKEN,   OBSERVED_SENDING, OBSERVED_UNSENT,
                                               OBSERVED_EXPIRED, OBSERVED_MOVED,   OBSERVED_RESULT_REFUSED};
    struct trace trace = traced(NULL);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct observed observed = {.kind = kinds[i], .trace = &trace, .attempt = 1};
        assert_spans(&observed, 1, 0, "");
    }
    /* of an attempt that was told of before */
    struct observed observed = {
        .kind = OBSERVED_FAILED, .trace = &trace, .attempt = 1, .error_type = "cancelled"};
    assert_spans(&observed, 1, 0, "");
}

static void mask(const void *ctx, struct slice text, struct buffer *out)
{
    (void)text;
    buffer_append_text(out, ctx);
}

static void a_url_is_shown_as_it_may_be_and_not_at_any_length(void **state)
{
    (void)state;
    struct trace trace = traced(NULL);
    char url[4000] = "http://h/";
    memset(url + 9, 'a', sizeof url - 10);
    struct observed observed = {.kind = OBSERVED_DELIVERED,
                                .trace = &trace,
                                .method = "GET",
                                .url = slice_of(url),
                                .attempt = 1,
                                .error_type = ""};
    struct buffer out = {0};
    assert_int_equal(spans_append(&source, &observed, &out), 1);
    assert_in_range(out.len, 1200, 1600);
    out.len = 0;
    observed.show = mask;
    observed.show_ctx = "http://h/***";
    assert_int_equal(spans_append(&source, &observed, &out), 1);
    assert_non_null(strstr(buffer_text(&out), TEXT("url.full", "http://h/***")));
    assert_null(strstr(buffer_text(&out), "aaaa"));
    buffer_clear(&out);
}

static void a_clock_that_was_turned_back_makes_no_span_end_before_it_begins(void **state)
{
    (void)state;
    struct trace trace;
    const struct trace_parent none = {.sampled = false};
    trace_begin(&tracing, &none, 0, 1800000000000, &trace);
    const struct observed observed = {.kind = OBSERVED_DONE, .trace = &trace, .wait_ms = -1};
    struct buffer out = {0};
    assert_int_equal(spans_append(&source, &observed, &out), 1);
    assert_non_null(strstr(buffer_text(&out), "\"startTimeUnixNano\":\"1700000002000000000\","));
    buffer_clear(&out);
}

static void an_attempt_does_not_begin_before_its_delivery(void **state)
{
    (void)state;
    struct trace trace = traced(NULL); /* 1,877 ms ago */
    const struct observed observed = {.kind = OBSERVED_DELIVERED,
                                      .trace = &trace,
                                      .method = "GET",
                                      .url = SLICE_LITERAL("http://svc"),
                                      .attempt = 1,
                                      .status = 200,
                                      .error_type = "",
                                      .duration_ms = 1878};
    struct buffer out = {0};
    assert_int_equal(spans_append(&source, &observed, &out), 1);
    assert_non_null(strstr(buffer_text(&out), "\"startTimeUnixNano\":\"1700000000123000000\","));
    buffer_clear(&out);
}

static void assert_head(const char *service, const char *attributes, const char *expected)
{
    struct buffer out = {0}, text = {0};
    spans_append_head(service, attributes, "pod-1", &out);
    buffer_appendf(&text,
                   "{\"resourceSpans\":[{\"resource\":{\"attributes\":[%s]},\"scopeSpans\":[{\"scope\":{"
                   "\"name\":\"port-agent\",\"version\":\"%s\"},\"spans\":[",
                   expected, agent_version);
    assert_string_equal(buffer_text(&out), buffer_text(&text));
    buffer_clear(&out);
    buffer_clear(&text);
}

#define VERSION_AND(more_) ",{\"key\":\"service.version\",\"value\":{\"stringValue\":\"%s\"}}" more_
#define INSTANCE "," TEXT("service.instance.id", "pod-1")

static void the_resource_has_the_services_name_and_the_operators_attributes(void **state)
{
    (void)state;
    static const struct {
        const char *service, *attributes, *expected;
    } cases[] = {{"", "", TEXT("service.name", "port-agent") VERSION_AND(INSTANCE)},
                 {NULL, NULL, TEXT("service.name", "port-agent") VERSION_AND(INSTANCE)},
                 {"mine", "a=b%20c,service.name=other,service.version=9,d=",
                  TEXT("service.name", "mine") "," TEXT("a", "b c") "," TEXT("d", "") VERSION_AND(INSTANCE)},
                 {"", "service.instance.id=i,service.name=other",
                  TEXT("service.instance.id", "i") "," TEXT("service.name", "other") VERSION_AND("")},
                 {"q\"", "", TEXT("service.name", "q\\\"") VERSION_AND(INSTANCE)}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer expected = {0};
        const char *at = strstr(cases[i].expected, "%s");
        buffer_append(&expected, cases[i].expected, (size_t)(at - cases[i].expected));
        buffer_append_text(&expected, agent_version);
        buffer_append_text(&expected, at + 2);
        assert_head(cases[i].service, cases[i].attributes, buffer_text(&expected));
        buffer_clear(&expected);
    }
    struct buffer tail = {0};
    spans_append_tail(&tail);
    assert_string_equal(buffer_text(&tail), "]}]}]}");
    buffer_clear(&tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attempt_is_a_clients_span_in_the_deliverys),
        cmocka_unit_test(a_delivery_is_a_consumers_span_and_its_report_is_in_it),
        cmocka_unit_test(a_delivery_that_failed_is_an_error_by_its_status_or_its_kind),
        cmocka_unit_test(what_was_tried_and_left_to_another_agent_has_its_span),
        cmocka_unit_test(what_ends_nothing_is_no_span),
        cmocka_unit_test(a_url_is_shown_as_it_may_be_and_not_at_any_length),
        cmocka_unit_test(a_clock_that_was_turned_back_makes_no_span_end_before_it_begins),
        cmocka_unit_test(an_attempt_does_not_begin_before_its_delivery),
        cmocka_unit_test(the_resource_has_the_services_name_and_the_operators_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
