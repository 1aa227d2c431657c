/* What a run is told once its webhook has ended, where its mapping says nothing else
 * (docs/contract.md#results): the one decision that deliveries and `port-agent map` share. Pure. */
#pragma once
#include "base/secrets.h"
#include "port/report.h"

enum { DETAIL_BYTES = 8192 }; /* of an answer that are shown */

/** Is an answer with this status a success? */
PA_MUST_USE bool result_is_success(int status);
/** The run's status, "SUCCESS" or "FAILURE"; NULL: it is not told, because an asynchronous run is reported by
 * whoever got its webhook. */
const char *result_status(bool success, bool synchronized);
/** Appends the response that the run of this ID has from an answer, as JSON; nothing where it has none. */
void result_response(struct slice run_id, bool synchronized, int status, struct slice text,
                     struct buffer *out);

/** A webhook that failed. */
struct webhook_failure {
    /** `status` is the answer's; false: there is no valid answer, and `reason` says why. */
    bool answered;
    int status;
    /** The cause in words. */
    struct slice reason;
    /** The answer's text, for the summary; null: it is not wanted. */
    struct slice quoted;
    unsigned attempts;
    /** That neither `reason` nor `quoted` may show. */
    const struct secrets *secrets;
};
/** Appends why it failed ("the endpoint answered 503"), what is shown of the answer, and the run's summary.
 */
void result_failure(const struct webhook_failure *failure, struct buffer *cause, struct buffer *detail,
                    struct buffer *summary);

/** The result of all that. `response` and `summary` are borrowed; empty: the run has none. */
struct run_result result_default(bool success, bool synchronized, struct slice response,
                                 struct slice summary);
