#include "deliver/summary.h"
#include "map/request.h"

void failure_cause(int status, struct buffer *out)
{
    buffer_appendf(out, "the endpoint answered %d", status);
}

void failure_detail(struct slice fields, struct slice answer, struct buffer *out)
{
    size_t before = out->len;
    if (slice_is_null(fields))
        buffer_append_slice(out, answer);
    else /* masked before it is cut: a cut secret would not be found */
        mapped_mask(fields, answer, out);
    if (out->len - before > DETAIL_BYTES)
        out->len = before + DETAIL_BYTES;
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
