/* What a report's expressions see (docs/contract.md#report-context): the event, the request that was made and
 * the answer. Pure. */
#pragma once
#include "base/buffer.h"

/** Every slice is borrowed. */
struct report_context {
    struct slice event;                    /* canonical JSON */
    struct slice method, url;              /* as sent */
    struct slice body;                     /* JSON as sent; null: there was none */
    struct slice headers_json, query_json; /* objects; null: none */
    int status;
    struct slice response_headers_json; /* an object; null: none */
    struct slice text;                  /* the answer's body */
};

/** Appends {"body": event, "request": {"method","url","body","headers","query"}, "response":
 * {"statusCode","headers","text","json"}}; `json` is null where the text is not JSON, and an object that is
 * absent is {}. What mappings_report takes. */
void report_context_write(const struct report_context *context, struct buffer *out);
