/* What a report's expressions see (docs/contract.md#report-context): the event, the request that was made and
 * the answer. Pure. */
#pragma once
#include "base/buffer.h"

/** Every slice is borrowed. */
struct report_context {
    /** Canonical JSON. */
    struct slice event;
    /** As they were sent. */
    struct slice method, url;
    /** JSON as sent; null: there was none. */
    struct slice body;
    /** Objects; null: none. */
    struct slice headers_json, query_json;
    int status;
    /** An object; null: none. */
    struct slice response_headers_json;
    /** The answer's body. */
    struct slice text;
};

/** Appends {"body": event, "request": {"method","url","body","headers","query"}, "response":
 * {"statusCode","headers","text","json"}}; `json` is null where the text is not JSON, and an object that is
 * absent is {}. What mappings_report takes. */
void report_context_write(const struct report_context *context, struct buffer *out);
