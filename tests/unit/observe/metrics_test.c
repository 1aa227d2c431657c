/* What is measured: the bucket of every length, and what each kind of event counts, and nothing else. */
#include "observe/metrics.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_MS = 1000000 };

static int64_t now(void *ctx)
{
    (void)ctx;
    return NOW_MS;
}

static const struct clock CLOCK = {.monotonic_ms = now, .wall_ms = now};

static void each_length_has_its_bucket(void **state)
{
    (void)state;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++)
        for (int64_t beyond = -1; beyond <= 1; beyond++) {
            struct histogram histogram = {0};
            int64_t ms = histogram_bounds_ms[i] + beyond;
            histogram_add(&histogram, ms);
            for (size_t place = 0; place <= HISTOGRAM_BOUNDS; place++)
                assert_int_equal(histogram.counts[place], place == i + (beyond > 0));
            assert_int_equal(histogram.sum_ms, ms);
        }
    struct histogram histogram = {0};
    histogram_add(&histogram, 0);
    histogram_add(&histogram, -5);
    histogram_add(&histogram, 1);
    assert_int_equal(histogram.counts[0], 3);
    assert_int_equal(histogram.sum_ms, 1);
}

/** What an event of this kind leaves where nothing was. */
static struct metrics noted(struct observed observed)
{
    struct metrics metrics = {0};
    metrics_note(&metrics, &CLOCK, &observed);
    return metrics;
}

static struct observed event(enum observed_kind kind)
{
    return (struct observed){.kind = kind,
                             .topic = "runs",
                             .attempt = 1,
                             .status = 204,
                             .duration_ms = 7,
                             .wait_ms = 60,
                             .record_ms = NOW_MS - 300};
}

static void each_kind_counts_what_it_is_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        enum observed_kind kind;
        /** -1: none. */
        int fate, refusal, mapping, ended;
    } counted[] = {{OBSERVED_DELIVERED, FATE_DELIVERED, -1, -1, 1},
                   {OBSERVED_FAILED, FATE_FAILED, -1, -1, 0},
                   {OBSERVED_UNSENT, FATE_FAILED, -1, -1, 0},
                   {OBSERVED_NOT_FOR_AGENT, FATE_NOT_FOR_AGENT, -1, -1, -1},
                   {OBSERVED_UNWANTED, FATE_UNWANTED, -1, -1, -1},
                   {OBSERVED_REPEATED, FATE_REPEATED, -1, -1, -1},
                   {OBSERVED_UNREADABLE, FATE_UNREADABLE, -1, -1, -1},
                   {OBSERVED_UNSIGNED, FATE_REFUSED, 0, -1, -1},
                   {OBSERVED_TIMESTAMP_MALFORMED, FATE_REFUSED, 1, -1, -1},
                   {OBSERVED_SIGNATURE_WRONG, FATE_REFUSED, 2, -1, -1},
                   {OBSERVED_OTHER_TOPICS, FATE_REFUSED, 3, -1, -1},
                   {OBSERVED_DROPPED, FATE_GIVEN_BACK, -1, -1, -1},
                   {OBSERVED_REPORT_UNMAPPED, -1, -1, MAPPING_FAILED_REPORT, -1},
                   {OBSERVED_EXPRESSION_EMPTY, -1, -1, MAPPING_FAILED_EXPRESSION, -1}};
    for (int kind = 0; kind < OBSERVED_KINDS; kind++) {
        int fate = -1, refusal = -1, mapping = -1, ended = -1;
        for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
            if ((int)counted[i].kind == kind) {
                fate = counted[i].fate;
                refusal = counted[i].refusal;
                mapping = counted[i].mapping;
                ended = counted[i].ended;
            }
        struct metrics metrics = noted(event((enum observed_kind)kind));
        for (int i = 0; i < RECORD_FATES; i++)
            if (metrics.topics[0].fates[i] != (i == fate))
                fail_msg("kind %d, fate %d: %d", kind, i, (int)metrics.topics[0].fates[i]);
        for (int i = 0; i < REFUSAL_REASONS; i++)
            if (metrics.refused[i] != (i == refusal))
                fail_msg("kind %d, refusal %d: %d", kind, i, (int)metrics.refused[i]);
        for (int i = 0; i < MAPPING_FAILURES; i++)
            if (metrics.mapping_failures[i] != (i == mapping))
                fail_msg("kind %d, mapping %d: %d", kind, i, (int)metrics.mapping_failures[i]);
        for (int i = 0; i < 2 * STATUS_CLASSES; i++)
            if (metrics.ended[i / STATUS_CLASSES][i % STATUS_CLASSES] !=
                (ended == i / STATUS_CLASSES && i % STATUS_CLASSES == 2))
                fail_msg("kind %d, ended %d", kind, i);
        assert_int_equal(metrics.attempts, kind == OBSERVED_SENDING);
        assert_int_equal(metrics.queue_wait.sum_ms, kind == OBSERVED_SENDING ? 60 : 0);
        assert_int_equal(metrics.mapping_duration.sum_ms, kind == OBSERVED_MAPPED ? 7 : 0);
        assert_int_equal(metrics.delivery_duration.sum_ms,
                         kind == OBSERVED_DELIVERED || kind == OBSERVED_FAILED ? 7 : 0);
        assert_int_equal(metrics.event_age.sum_ms, ended >= 0 ? 300 : 0);
    }
}

static void statuses_count_by_their_class(void **state)
{
    (void)state;
    static const int statuses[][2] = {{0, 0},   {-1, 0},  {99, 0},  {100, 1}, {199, 1}, {200, 2},
                                      {399, 3}, {400, 4}, {500, 5}, {599, 5}, {600, 0}, {999, 0}};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct observed observed = event(OBSERVED_FAILED);
        observed.status = statuses[i][0];
        struct metrics metrics = noted(observed);
        for (int class = 0; class < STATUS_CLASSES; class ++)
            assert_int_equal(metrics.ended[0][class], class == statuses[i][1]);
    }
}

static void ages_waits_and_mappings_count_where_there_are_some(void **state)
{
    (void)state;
    struct observed observed = event(OBSERVED_DELIVERED);
    observed.record_ms = 0;
    struct metrics metrics = noted(observed);
    assert_int_equal(metrics.event_age.sum_ms, NOW_MS);
    observed.record_ms = -1; /* it is not known */
    metrics = noted(observed);
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        assert_int_equal(metrics.event_age.counts[i], 0);
    observed = event(OBSERVED_SENDING);
    for (unsigned attempt = 0; attempt <= 2; attempt++) {
        observed.attempt = attempt;
        metrics = noted(observed);
        assert_int_equal(metrics.attempts, 1);
        assert_int_equal(metrics.queue_wait.sum_ms, attempt == 1 ? 60 : 0);
    }
    observed = event(OBSERVED_UNSENT);
    observed.error_type = "mapping";
    assert_int_equal(noted(observed).mapping_failures[MAPPING_FAILED_REQUEST], 1);
    observed.error_type = "mappings";
    assert_int_equal(noted(observed).mapping_failures[MAPPING_FAILED_REQUEST], 0);
}

/** A topic after another; those beyond the bound, and records without one, share the last row. */
static void each_topic_has_a_row_while_there_are_some(void **state)
{
    (void)state;
    struct metrics metrics = {0};
    char topic[METRICS_TOPIC_SIZE];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < METRICS_TOPICS + 2; i++) {
            struct observed observed = event(OBSERVED_DELIVERED);
            snprintf(topic, sizeof topic, "topic-%d", i);
            observed.topic = topic;
            metrics_note(&metrics, &CLOCK, &observed);
        }
    struct observed observed = event(OBSERVED_DELIVERED);
    observed.topic = NULL;
    metrics_note(&metrics, &CLOCK, &observed);
    for (int i = 0; i < METRICS_TOPICS; i++) {
        snprintf(topic, sizeof topic, "topic-%d", i);
        assert_string_equal(metrics.topics[i].topic, topic);
        assert_int_equal(metrics.topics[i].fates[FATE_DELIVERED], 2);
    }
    assert_string_equal(metrics.topics[METRICS_TOPICS].topic, "");
    assert_int_equal(metrics.topics[METRICS_TOPICS].fates[FATE_DELIVERED], 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_length_has_its_bucket),
        cmocka_unit_test(each_kind_counts_what_it_is_and_nothing_else),
        cmocka_unit_test(statuses_count_by_their_class),
        cmocka_unit_test(ages_waits_and_mappings_count_where_there_are_some),
        cmocka_unit_test(each_topic_has_a_row_while_there_are_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
