/* See metrics.h. */
#include "observe/metrics.h"

const int64_t histogram_bounds_ms[HISTOGRAM_BOUNDS] = {5,    10,   25,   50,    100,   250,   500,
                                                       1000, 2500, 5000, 10000, 30000, 60000, 300000};

const char *const metrics_refusals[REFUSAL_REASONS] = {"signature_missing", "timestamp_malformed",
                                                       "signature_wrong", "other_topic"};

void histogram_add(struct histogram *histogram, int64_t ms)
{
    size_t place = 0;
    ms = ms > 0 ? ms : 0;
    while (place < HISTOGRAM_BOUNDS && ms > histogram_bounds_ms[place])
        place++;
    histogram->counts[place]++;
    histogram->sum_ms += ms;
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
    switch (observed->kind) {
    case OBSERVED_DELIVERED:
    case OBSERVED_FAILED:
    case OBSERVED_UNSENT:
        note_end(metrics, clock, observed);
        break;
    case OBSERVED_SENDING:
        if (observed->attempt == 1)
            histogram_add(&metrics->queue_wait, observed->wait_ms);
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
