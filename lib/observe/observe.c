/* See observe.h. The one call, and what it counts. */
#include "observe/internal.h"
#include <stddef.h>
#include <stdlib.h>

struct observer {
    struct observer_options options;
    struct counters counters;
};

struct observer *observer_new(const struct observer_options *options)
{
    struct observer *observer = calloc(1, sizeof *observer);
    if (observer)
        observer->options = *options;
    return observer;
}

void observer_free(struct observer *observer)
{
    free(observer);
}

const struct counters *observer_counters(const struct observer *observer)
{
    return &observer->counters;
}

/* Counters */

#define COUNTS(member_) (1 + offsetof(struct counters, member_) / sizeof(uint64_t))

/** Which total each kind adds to, counted from 1; 0: none. */
static const unsigned char counted[OBSERVED_KINDS] = {
    [OBSERVED_TAKEN] = COUNTS(taken),
    [OBSERVED_NOT_FOR_AGENT] = COUNTS(skipped),
    [OBSERVED_REPEATED] = COUNTS(deduplicated),
    [OBSERVED_UNREADABLE] = COUNTS(bad_records),
    [OBSERVED_UNREADABLE_OF_RUN] = COUNTS(bad_records),
    [OBSERVED_UNSIGNED] = COUNTS(bad_signatures),
    [OBSERVED_TIMESTAMP_MALFORMED] = COUNTS(bad_signatures),
    [OBSERVED_SIGNATURE_WRONG] = COUNTS(bad_signatures),
    [OBSERVED_OTHER_TOPICS] = COUNTS(bad_signatures),
    [OBSERVED_UNWANTED] = COUNTS(skipped),
    [OBSERVED_RETRYING] = COUNTS(retries),
    [OBSERVED_DELIVERED] = COUNTS(delivered),
    [OBSERVED_FAILED] = COUNTS(failed),
    [OBSERVED_EXPIRED] = COUNTS(expired),
    [OBSERVED_UNSENT] = COUNTS(failed),
    [OBSERVED_RESULT_REFUSED] = COUNTS(refused_results),
    [OBSERVED_DROPPED] = COUNTS(dropped),
};

static void count(struct counters *counters, const struct observed *observed)
{
    uint64_t *totals = (uint64_t *)(void *)counters;
    if (counted[observed->kind])
        totals[counted[observed->kind] - 1]++;
    counters->resent += observed->resent;
}

void observe(struct observer *observer, const struct observed *observed)
{
    const struct observer_options *options = &observer->options;
    count(&observer->counters, observed);
    lines_write(options->clock, observed);
    if (observed->report && options->tell_run)
        run_log_write(options->tell_run, observed);
    if (options->told)
        options->told(options->ctx, observed);
}
