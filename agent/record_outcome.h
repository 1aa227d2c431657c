/* What became of a record that a person sent once more: as a line to read, and as JSON, which the running
 * agent answers `port-agent redeliver` with. */
#pragma once
#include "base/buffer.h"
#include "observe/observe.h"

/** Texts are borrowed. */
struct record_outcome {
    struct slice topic;
    int32_t partition;
    int64_t offset;
    struct slice run_id;
    /** "delivered", "failed", "skipped", "unreadable", "refused"; "unsent": it never came to it. */
    struct slice name;
    /** 0: no answer. */
    int status;
    int64_t duration_ms;
    /** Why, in words; empty for a success. */
    struct slice reason;
};

/** False: what is observed is not how a record ends. */
PA_MUST_USE bool record_outcome_of(const struct observed *observed, struct record_outcome *out);
/** Appends an object, without a line's end. */
void record_outcome_json(const struct record_outcome *outcome, struct buffer *out);
/** Prints it to stdout at once, as a line of either kind; returns whether it is delivered. */
PA_MUST_USE bool record_outcome_print(const struct record_outcome *outcome, bool json);
