/* What is served at /metrics, and its document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/status/metrics.h"
#include "observe/metrics.h"
#include "port/tally.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t now(void *ctx)
{
    (void)ctx;
    return 100000;
}

static const struct clock the_clock = {.monotonic_ms = now, .wall_ms = now};

static struct observer *observer_of_a_few_events(void)
{
    struct observer *observer = observer_new(&(struct observer_options){.clock = &the_clock});
    assert_non_null(observer);
    struct observed observed = {.kind = OBSERVED_SENDING, .attempt = 1, .wait_ms = 7, .record_ms = -1};
    observe(observer, &observed);
    observed = (struct observed){
        .kind = OBSERVED_DELIVERED, .attempt = 1, .status = 204, .duration_ms = 5, .record_ms = 40000};
    observe(observer, &observed);
    observed = (struct observed){
        .kind = OBSERVED_FAILED, .attempt = 2, .status = 503, .duration_ms = 400000, .record_ms = 200000};
    observe(observer, &observed);
    observed = (struct observed){.kind = OBSERVED_UNSENT, .record_ms = -1, .error_type = "mapping"};
    observe(observer, &observed);
    observed = (struct observed){.kind = OBSERVED_MAPPED, .duration_ms = 30};
    observe(observer, &observed);
    observed = (struct observed){.kind = OBSERVED_UNWANTED, .topic = "a\"b", .record_ms = -1};
    observe(observer, &observed);
    observed = (struct observed){.kind = OBSERVED_SIGNATURE_WRONG, .record_ms = -1};
    observe(observer, &observed);
    return observer;
}

static char *text_of(bool open_metrics)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    struct buffer out = {0};
    struct config config = {.queue_max_bytes = 2048, .total_response_bytes = 4096};
    struct observer *observer = observer_of_a_few_events();
    assert_non_null(snapshot);
    snapshot->parts = (struct status_parts){
        .config = &config, .clock = &the_clock, .observer = observer, .streamer = "KAFKA"};
    snapshot->counters = *observer_counters(observer);
    snapshot->counters.dead_letters_written = snapshot->counters.dead_letters_waiting =
        snapshot->counters.spans_dropped = COUNTER_NONE;
    struct histogram lag = {0};
    struct port_tally tally = {0};
    histogram_add(&lag, 20);
    port_tally_note(&tally, "/v1/actions/runs/r_1", 429);
    snapshot->parts.loop_lag = &lag;
    snapshot->port.tally = &tally;
    snapshot->source =
        (struct source_view){.rebalances = 3, .commits = 40, .commits_failed = 2, .credentials_fetched = 1};
    snapshot->parts.conditions = conditions_new(&the_clock);
    assert_non_null(snapshot->parts.conditions);
    condition_met(snapshot->parts.conditions, CONDITION_CLOCK_OFF, NULL, 60, "it is behind");
    condition_met(snapshot->parts.conditions, CONDITION_PAUSED, "http://a", 0, "");
    condition_met(snapshot->parts.conditions, CONDITION_PAUSED, "http://b", 0, "");
    snapshot->counters.bytes_held = 100;
    snapshot->counters.report_bytes = 23;
    snapshot->reference_bytes = 250;
    snapshot->wall_ms = 100000;
    snapshot->partitions = snapshot->partitions_listed = 1;
    snapshot->partition[0] = (struct partition_snapshot){
        .partition = {.topic = "a\"b", .number = 3}, .lag = 12, .not_done = 4, .has_oldest = true};
    snapshot->partition[0].oldest.record_ms = 98500;
    metrics_write(snapshot, 1500, open_metrics, &out);
    observer_free(observer);
    conditions_free(snapshot->parts.conditions);
    free(snapshot);
    return buffer_take(&out, NULL);
}

static void expect_lines(const char *text, const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strstr(text, lines[i]))
            fail_msg("'%s' is not in\n%s", lines[i], text);
}

static void counters_histograms_and_what_stands_are_there(void **state)
{
    (void)state;
    char *text = text_of(false);
    static const char *const lines[] = {
        "# HELP port_agent_delivered_total webhooks that were answered",
        "# TYPE port_agent_delivered_total counter\nport_agent_delivered_total 1\n",
        "# TYPE port_agent_in_flight gauge\nport_agent_in_flight 0\n",
        "port_agent_deliveries_total{outcome=\"failed\",status_class=\"none\"} 1\n",
        "port_agent_deliveries_total{outcome=\"failed\",status_class=\"5xx\"} 1\n",
        "port_agent_deliveries_total{outcome=\"delivered\",status_class=\"2xx\"} 1\n",
        "port_agent_records_total{topic=\"none\",fate=\"delivered\"} 1\n",
        "port_agent_records_total{topic=\"none\",fate=\"failed\"} 2\n",
        "port_agent_records_total{topic=\"a\\\"b\",fate=\"unwanted\"} 1\n",
        "port_agent_records_total{topic=\"a\\\"b\",fate=\"delivered\"} 0\n",
        "port_agent_attempts_total 1\n",
        "port_agent_mapping_duration_seconds_sum 0.030\n",
        "port_agent_mapping_failures_total{of=\"request\"} 1\n",
        "port_agent_mapping_failures_total{of=\"report\"} 0\n",
        "# TYPE port_agent_signature_age_seconds gauge\n",
        "port_agent_signature_failures_total{reason=\"signature_wrong\"} 1\n",
        "port_agent_signature_failures_total{reason=\"signature_missing\"} 0\n",
        "# TYPE port_agent_delivery_duration_seconds histogram\n",
        "port_agent_delivery_duration_seconds_bucket{le=\"0.005\"} 1\n",
        "port_agent_delivery_duration_seconds_bucket{le=\"300\"} 1\n",
        "port_agent_delivery_duration_seconds_bucket{le=\"+Inf\"} 2\n",
        "port_agent_delivery_duration_seconds_sum 400.005\n",
        "port_agent_delivery_duration_seconds_count 2\n",
        "port_agent_queue_wait_seconds_bucket{le=\"0.005\"} 0\n",
        "port_agent_queue_wait_seconds_bucket{le=\"0.01\"} 1\n",
        /* One record is of the future: 0. */
        "port_agent_event_age_seconds_sum 60.000\n",
        "port_agent_partition_lag{topic=\"a\\\"b\",partition=\"3\"} 12\n",
        "port_agent_partition_oldest_age_seconds{topic=\"a\\\"b\",partition=\"3\"} 1.500\n",
        "port_agent_memory_bytes{budget=\"records\"} 123\n",
        "port_agent_memory_bytes{budget=\"references\"} 250\n",
        "port_agent_memory_limit_bytes{budget=\"records\"} 1024\n",
        "port_agent_port_calls_total{route=\"run\",code=\"429\"} 1\n",
        "port_agent_rebalances_total 3\n",
        "port_agent_commits_total{outcome=\"done\"} 40\nport_agent_commits_total{outcome=\"failed\"} 2\n",
        "port_agent_source_credentials_fetches_total 1\n",
        "port_agent_loop_lag_seconds_bucket{le=\"0.025\"} 1\n",
        "port_agent_log_lines_dropped_total 0\n",
        "port_agent_conditions{kind=\"clock_off\"} 1\n",
        "port_agent_conditions{kind=\"paused\"} 2\n",
        "port_agent_conditions{kind=\"unreadable\"} 0\n",
        "process_start_time_seconds 1.500\n",
        "port_agent_build_info{version=",
    };
    expect_lines(text, lines, sizeof lines / sizeof *lines);
    assert_null(strstr(text, "dead_letters"));
    assert_null(strstr(text, "# EOF"));
    free(text);
}

static void open_metrics_names_counters_without_total_and_ends(void **state)
{
    (void)state;
    char *text = text_of(true);
    static const char *const lines[] = {
        "# TYPE port_agent_delivered counter\nport_agent_delivered_total 1\n",
        "# TYPE port_agent_signature_failures counter\n",
        "port_agent_delivery_duration_seconds_bucket{le=\"0.005\"} 1\n",
        "port_agent_delivery_duration_seconds_bucket{le=\"300.0\"} 1\n",
    };
    expect_lines(text, lines, sizeof lines / sizeof *lines);
    assert_string_equal(text + strlen(text) - 6, "# EOF\n");
    free(text);
}

static void the_form_is_the_one_that_accept_prefers(void **state)
{
    (void)state;
    static const char *const open[] = {
        "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
        "APPLICATION/OpenMetrics-Text ; version=1.0.0",
        "text/plain;q=0.3, application/openmetrics-text;q=0.4;version=0.0.1,*/*;q=0.1",
        "text/plain, application/openmetrics-text",
        "application/openmetrics-text;q=0.001",
        "application/openmetrics-text;Q=1.000",
        "application/openmetrics-text;q=much",
    };
    static const char *const classic[] = {
        "",
        "text/plain",
        "*/*",
        "application/*",
        "application/openmetrics-text;q=0, text/plain",
        "application/openmetrics-text; q=0.000",
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.9",
        "application/openmetrics-text-or-so",
        ",;,;q=1,",
    };
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (!metrics_wants_open(open[i]))
            fail_msg("not open: %s", open[i]);
    for (size_t i = 0; i < sizeof classic / sizeof *classic; i++)
        if (metrics_wants_open(classic[i]))
            fail_msg("open: %s", classic[i]);
}

static void a_time_is_in_the_first_bucket_that_holds_it(void **state)
{
    (void)state;
    struct histogram histogram = {0};
    histogram_add(&histogram, -3);
    histogram_add(&histogram, 5);
    histogram_add(&histogram, 6);
    histogram_add(&histogram, INT64_C(1) << 40);
    assert_int_equal(histogram.counts[0], 2);
    assert_int_equal(histogram.counts[1], 1);
    assert_int_equal(histogram.counts[HISTOGRAM_BOUNDS], 1);
    assert_true(histogram.sum_ms == (INT64_C(1) << 40) + 11);
}

static void topics_are_counted_by_name_up_to_a_bound(void **state)
{
    (void)state;
    struct metrics metrics = {0};
    for (unsigned i = 0; i < 3 * METRICS_TOPICS; i++) {
        char topic[16];
        snprintf(topic, sizeof topic, "topic-%u", i);
        const struct observed observed = {.kind = OBSERVED_NOT_FOR_AGENT, .topic = topic, .record_ms = -1};
        metrics_note(&metrics, &the_clock, &observed);
        metrics_note(&metrics, &the_clock, &observed);
    }
    for (size_t i = 0; i < METRICS_TOPICS; i++)
        assert_int_equal(metrics.topics[i].fates[FATE_NOT_FOR_AGENT], 2);
    assert_string_equal(metrics.topics[METRICS_TOPICS - 1].topic, "topic-7");
    assert_int_equal(metrics.topics[METRICS_TOPICS].fates[FATE_NOT_FOR_AGENT], 4 * METRICS_TOPICS);
    assert_string_equal(metrics.topics[METRICS_TOPICS].topic, "");
}

/** When it fails, it prints the table as it should be. */
static void the_document_is_the_table(void **state)
{
    (void)state;
    struct buffer table = {0}, document = {0};
    const char *path = getenv("METRICS_MD");
    FILE *file = path ? fopen(path, "r") : NULL;
    assert_non_null(file);
    char bytes[4096];
    for (size_t got; (got = fread(bytes, 1, sizeof bytes, file)) > 0;)
        buffer_append(&document, bytes, got);
    fclose(file);
    metrics_document(&table);
    if (!strstr(buffer_text(&document), buffer_text(&table))) {
        fputs(buffer_text(&table), stderr); /* cmocka would cut it */
        fail_msg("docs/metrics.md should have this table");
    }
    buffer_clear(&table);
    buffer_clear(&document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_histograms_and_what_stands_are_there),
        cmocka_unit_test(open_metrics_names_counters_without_total_and_ends),
        cmocka_unit_test(the_form_is_the_one_that_accept_prefers),
        cmocka_unit_test(a_time_is_in_the_first_bucket_that_holds_it),
        cmocka_unit_test(topics_are_counted_by_name_up_to_a_bound),
        cmocka_unit_test(the_document_is_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
