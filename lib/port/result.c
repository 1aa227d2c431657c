#include "port/result.h"

void failure_cause(int status, struct buffer *out)
{
    buffer_appendf(out, "the endpoint answered %d", status);
}

void failure_detail(const struct secrets *secrets, struct slice answer, struct buffer *out)
{
    redact(secrets, answer, DETAIL_BYTES, out);
}

void failure_summary(bool answered, struct slice cause, unsigned attempts, struct slice detail,
                     struct buffer *out)
{
    buffer_append_text(out, answered ? "Webhook failed: " : "Webhook got no valid answer: ");
    buffer_append_slice(out, cause);
    if (attempts > 1)
        buffer_appendf(out, " (after %u attempts)", attempts);
    if (detail.len > 0) {
        buffer_append_text(out, ". Answer: ");
        buffer_append_slice(out, detail);
    }
}
