/* What a run's people read of a failure: the one wording that the agent and `port-agent map` share. Pure. */
#pragma once
#include "base/secrets.h"

enum { DETAIL_BYTES = 8192 }; /* of an answer that are shown */

/** Appends why an answered request failed: "the endpoint answered 503". */
void failure_cause(int status, struct buffer *out);
/** Appends the answer as it is shown: without the secrets, and cut. */
void failure_detail(const struct secrets *secrets, struct slice answer, struct buffer *out);
/** Appends the summary of the run's result. `cause` in words; `detail` is empty where it is not wanted. */
void failure_summary(bool answered, struct slice cause, unsigned attempts, struct slice detail,
                     struct buffer *out);
