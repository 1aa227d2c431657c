/* Records that had their last answer a moment ago. */
#pragma once
#include "source/source.h"

struct delivery;
struct run_report;

struct dedup {
    /** What is kept of the records, one behind another. */
    struct delivered *ring;
    size_t *buckets;
    size_t window, bucket_count, next, kept_reports, kept_bytes, max_kept_bytes;
};

/** Reports that are owed to remembered records are kept up to `max_kept_bytes`. False: out of memory. */
PA_MUST_USE bool dedup_open(struct dedup *dedup, size_t window, size_t max_kept_bytes);
void dedup_close(struct dedup *dedup);
/** Remembers that the delivery had its last answer. */
void dedup_add(struct dedup *dedup, const struct delivery *delivery);
/** The delivery is withdrawn while its report is under way: keeps the report for when the record comes back.
 * False: the record is forgotten, and will be delivered again. */
PA_MUST_USE bool dedup_keep_report(struct dedup *dedup, struct delivery *delivery);
/** It will be delivered again after all. */
void dedup_forget(struct dedup *dedup, const struct delivery *delivery);
/** What tells the record from another that might have its id. */
uint64_t dedup_content(const struct record *record, const struct event *event);
/** Was this record delivered? *report: its report that is still owed, or NULL. Forgets the report. */
PA_MUST_USE bool dedup_find(struct dedup *dedup, const struct record *record, const struct event *event,
                            struct run_report **report);
