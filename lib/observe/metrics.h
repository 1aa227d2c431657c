/* What is measured as it happens, beside the counters: how long things took, and how they ended by kind. A
 * listener of this room; whoever serves metrics reads it. Bounded; must never allocate. */
#pragma once
#include "base/clock.h"
#include "observe/observe.h"

enum {
    HISTOGRAM_BOUNDS = 14,
    STATUS_CLASSES = 6,
    REFUSAL_REASONS = 4,
    /** Topics that are counted by name; an agent has two. What comes from others is counted together. */
    METRICS_TOPICS = 8,
    /** With the NUL; Kafka's names have 249 characters at most. */
    METRICS_TOPIC_SIZE = 250
};

/** Upper bounds of the buckets, inclusive; what is longer is in the last one. */
extern const int64_t histogram_bounds_ms[HISTOGRAM_BOUNDS];

/** All zero: empty. */
struct histogram {
    /** Not cumulative. */
    uint64_t counts[HISTOGRAM_BOUNDS + 1];
    int64_t sum_ms;
};
/** A time below 0 (clocks differ) counts as 0. */
void histogram_add(struct histogram *histogram, int64_t ms);

/** What became of a record, as its topic counts. A record that is given back undone comes again, so it may
 * have more than one. */
enum record_fate {
    FATE_DELIVERED,
    FATE_FAILED,
    FATE_NOT_FOR_AGENT,
    FATE_UNWANTED,
    FATE_REPEATED,
    FATE_UNREADABLE,
    FATE_REFUSED,
    FATE_GIVEN_BACK
};
enum { RECORD_FATES = FATE_GIVEN_BACK + 1 };

struct topic_fates {
    /** "": of records that are in no topic, or in one more than METRICS_TOPICS. */
    char topic[METRICS_TOPIC_SIZE];
    uint64_t fates[RECORD_FATES];
};

/** What a mapping failed at. */
enum mapping_failure { MAPPING_FAILED_REQUEST, MAPPING_FAILED_REPORT, MAPPING_FAILED_EXPRESSION };
enum { MAPPING_FAILURES = MAPPING_FAILED_EXPRESSION + 1 };

/** Since the start. All zero: nothing yet. */
struct metrics {
    /** Last attempts; from taking a record to its first attempt; from a record's own time to its event's end.
     */
    struct histogram delivery_duration, queue_wait, event_age;
    /** From asking for an event's mapping to the answer. */
    struct histogram mapping_duration;
    uint64_t attempts;
    uint64_t mapping_failures[MAPPING_FAILURES];
    /** Events that ended, failed ones in [0] and delivered ones in [1], by the class of the last status: 1 to
     * 5, 0: there was none. */
    uint64_t ended[2][STATUS_CLASSES];
    /** Events that are not to be believed, in the order of metrics_refusals. */
    uint64_t refused[REFUSAL_REASONS];
    /** In the order in which they came; the last one is that of the records without a topic of their own. */
    struct topic_fates topics[METRICS_TOPICS + 1];
};

/** What `refused` counts, as labels; live for ever. */
extern const char *const metrics_refusals[REFUSAL_REASONS];
/** Fates and failures of mappings, as labels; live for ever. */
extern const char *const metrics_fates[RECORD_FATES];
extern const char *const metrics_mapping_failures[MAPPING_FAILURES];

void metrics_note(struct metrics *metrics, const struct clock *clock, const struct observed *observed);
