/* What is served at /metrics: one table of families, from which the text and docs/metrics.md are made. */
#pragma once
#include "snapshot.h"

/** Appends all of it as Prometheus' text, or as OpenMetrics. */
void metrics_write(const struct snapshot *snapshot, int64_t started_wall_ms, bool open_metrics,
                   struct buffer *out);
/** Does who accepts this ask for OpenMetrics? */
PA_MUST_USE bool metrics_wants_open(const char *accept);
extern const char metrics_type[], metrics_open_type[];
/** Appends the table of docs/metrics.md. */
void metrics_document(struct buffer *out);
