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
};

/** Appends {"body": event, "request": {"method","url","body","headers","query"}, "response":
 * {"statusCode","headers","text","json"}}; `json` is null where the text is not JSON, and an object that is
 * absent is {}. What mappings_report takes. `text`: the answer's body. */
void report_context_write(const struct report_context *context, struct slice text, struct buffer *out);
/** The same in two parts, as an answer may be long: all before its text, and the rest. */
void report_context_begin(const struct report_context *context, struct buffer *out);
void report_context_end(struct slice text, struct buffer *out);
