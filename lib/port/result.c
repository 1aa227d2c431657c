/* See result.h. */
#include "port/result.h"
#include "event/event.h"
#include "port/response.h"

enum { STATUS_FAILED = 400 };

bool result_is_success(int status)
{
    return status < STATUS_FAILED;
}

const char *result_status(bool success, bool synchronized)
{
    return !success ? "FAILURE" : synchronized ? "SUCCESS" : NULL;
}

void result_response(struct slice run_id, bool synchronized, int status, struct slice text,
                     struct buffer *out)
{
    if (!synchronized)
        return;
    if (!run_id_is_node_run(run_id))
        port_action_response(text, out);
    else if (result_is_success(status))
        port_node_response(status, text, out);
}

void result_failure(const struct webhook_failure *failure, struct buffer *cause, struct buffer *detail,
                    struct buffer *summary)
{
    if (failure->answered)
        buffer_appendf(cause, "the endpoint answered %d", failure->status);
    else
        redact(failure->secrets, failure->reason, SIZE_MAX, cause);
    if (!slice_is_null(failure->quoted))
        redact(failure->secrets, failure->quoted, DETAIL_BYTES, detail);
    buffer_append_text(summary, failure->answered ? "Webhook failed: " : "Webhook got no valid answer: ");
    buffer_append_slice(summary, buffer_slice(cause));
    if (failure->attempts > 1)
        buffer_appendf(summary, " (after %u attempts)", failure->attempts);
    if (detail->len > 0) {
        buffer_append_text(summary, ". Answer: ");
        buffer_append_slice(summary, buffer_slice(detail));
    }
    summary->failed |= cause->failed || detail->failed;
}

struct run_result result_default(bool success, bool synchronized, struct slice response, struct slice summary)
{
    const struct slice none = {NULL, 0};
    return (struct run_result){.response = response.len > 0 ? response : none,
                               .status = slice_of(result_status(success, synchronized)),
                               .summary = !success ? summary : none};
}
