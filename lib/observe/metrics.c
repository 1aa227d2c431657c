/* See metrics.h. */
#include "observe/metrics.h"
#include <stdio.h>
#include <string.h>

const int64_t histogram_bounds_ms[HISTOGRAM_BOUNDS] = {5,    10,   25,   50,    100,   250,   500,
                                                       1000, 2500, 5000, 10000, 30000, 60000, 300000};

const char *const metrics_refusals[REFUSAL_REASONS] = {"signature_missing", "timestamp_malformed",
                                                       "signature_wrong", "other_topic"};

const char *const metrics_fates[RECORD_FATES] = {"delivered", "failed",     "not_for_agent", "unwanted",
                                                 "repeated",  "unreadable", "refused",       "given_back"};

const char *const metrics_mapping_failures[MAPPING_FAILURES] = {"request", "report", "expression"};

void histogram_add(struct histogram *histogram, int64_t ms)
{
    size_t place = 0;
    ms = ms > 0 ? ms : 0;
    while (place < HISTOGRAM_BOUNDS && ms > histogram_bounds_ms[place])
        place++;
    histogram->counts[place]++;
    histogram->sum_ms += ms;
}

/** The row of that topic, which begins where there is still a free one. */
static struct topic_fates *topic_row(struct metrics *metrics, const char *topic)
{
    struct topic_fates *row = metrics->topics;
    for (size_t i = 0; topic && i < METRICS_TOPICS; i++, row++) {
        if (strcmp(row->topic, topic) == 0)
            return row;
        if (!*row->topic) {
            snprintf(row->topic, sizeof row->topic, "%s", topic);
            return row;
        }
    }
    return &metrics->topics[METRICS_TOPICS];
}

/** The fate that each kind of event is; 0: none, otherwise one more than its number. */
static const unsigned char fates[OBSERVED_KINDS] = {
    [OBSERVED_DELIVERED] = FATE_DELIVERED + 1,     [OBSERVED_FAILED] = FATE_FAILED + 1,
    [OBSERVED_UNSENT] = FATE_FAILED + 1,           [OBSERVED_NOT_FOR_AGENT] = FATE_NOT_FOR_AGENT + 1,
    [OBSERVED_UNWANTED] = FATE_UNWANTED + 1,       [OBSERVED_REPEATED] = FATE_REPEATED + 1,
    [OBSERVED_UNREADABLE] = FATE_UNREADABLE + 1,   [OBSERVED_UNSIGNED] = FATE_REFUSED + 1,
    [OBSERVED_SIGNATURE_WRONG] = FATE_REFUSED + 1, [OBSERVED_TIMESTAMP_MALFORMED] = FATE_REFUSED + 1,
    [OBSERVED_OTHER_TOPICS] = FATE_REFUSED + 1,    [OBSERVED_DROPPED] = FATE_GIVEN_BACK + 1,
};

static void note_fate(struct metrics *metrics, const struct observed *observed)
{
    unsigned fate = fates[observed->kind];
    if (fate > 0)
        topic_row(metrics, observed->topic)->fates[fate - 1]++;
}

static void note_end(struct metrics *metrics, const struct clock *clock, const struct observed *observed)
{
    int status_class = observed->status / 100;
    bool delivered = observed->kind == OBSERVED_DELIVERED;
    metrics->ended[delivered][status_class > 0 && status_class < STATUS_CLASSES ? status_class : 0]++;
    if (observed->kind != OBSERVED_UNSENT)
        histogram_add(&metrics->delivery_duration, observed->duration_ms);
    if (observed->record_ms >= 0)
        histogram_add(&metrics->event_age, clock_wall_ms(clock) - observed->record_ms);
}

void metrics_note(struct metrics *metrics, const struct clock *clock, const struct observed *observed)
{
    note_fate(metrics, observed);
    switch (observed->kind) {
    case OBSERVED_UNSENT:
        if (observed->error_type && strcmp(observed->error_type, "mapping") == 0)
            metrics->mapping_failures[MAPPING_FAILED_REQUEST]++;
        note_end(metrics, clock, observed);
        break;
    case OBSERVED_DELIVERED:
    case OBSERVED_FAILED:
        note_end(metrics, clock, observed);
        break;
    case OBSERVED_SENDING:
        metrics->attempts++;
        if (observed->attempt == 1)
            histogram_add(&metrics->queue_wait, observed->wait_ms);
        break;
    case OBSERVED_MAPPED:
        histogram_add(&metrics->mapping_duration, observed->duration_ms);
        break;
    case OBSERVED_REPORT_UNMAPPED:
        metrics->mapping_failures[MAPPING_FAILED_REPORT]++;
        break;
    case OBSERVED_EXPRESSION_EMPTY:
        metrics->mapping_failures[MAPPING_FAILED_EXPRESSION]++;
        break;
    case OBSERVED_UNSIGNED:
        metrics->refused[0]++;
        break;
    case OBSERVED_TIMESTAMP_MALFORMED:
        metrics->refused[1]++;
        break;
    case OBSERVED_SIGNATURE_WRONG:
        metrics->refused[2]++;
        break;
    case OBSERVED_OTHER_TOPICS:
        metrics->refused[3]++;
        break;
    default:
        break;
    }
}
