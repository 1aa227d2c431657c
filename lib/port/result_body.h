/* The bodies of the requests that tell Port of a run, docs/contract.md#ports-api. */
#pragma once
#include "port/report.h"

/** Appends {"status", "summary", "link", "externalRunId"}, those that the result has; nothing when it has
 * none. Out of memory: body->failed. */
void action_result_write(const struct run_result *result, struct buffer *body);
/** The same for a workflow node run: nothing when the result has no status. */
void node_result_write(const struct run_result *result, struct buffer *body);
/** Appends {"response": …} of a run, `response` being JSON. It may be large: there is room for it at once. */
void action_response_write(struct slice response, struct buffer *body);
/** Appends what a line of a run's progress log is sent as. */
void run_log_body_write(bool node_run, struct slice text, struct buffer *body);
