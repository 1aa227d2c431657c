/* The body of the PATCH that ends a run, docs/contract.md#ports-api. */
#pragma once
#include "port/report.h"

/** Appends {"status", "summary", "link", "externalRunId"}, those that the result has; nothing when it has
 * none. Out of memory: body->failed. */
void action_result_write(const struct run_result *result, struct buffer *body);
/** The same for a workflow node run: nothing when the result has no status. */
void node_result_write(const struct run_result *result, struct buffer *body);
