/* What the agent needs to know of a URL: its destination, and a form that may be logged. Parsed with libcurl.
 */
#pragma once
#include "base/error.h"
#include "base/slice.h"

struct url_parts {
    char *destination; /* "https://svc.internal:8443": scheme, host in lower case, port always written */
    char *redacted; /* the URL without user info, query values (kept as names: ?a=***&b=***) and fragment */
};

/** Parses an absolute http or https URL of at most 8 KiB. 0; PA_ERR_INVALID with what is wrong;
 * PA_ERR_MEMORY. Clear `parts` with url_parts_clear. */
int url_parse(struct slice url, struct url_parts *parts, struct error *err);
void url_parts_clear(struct url_parts *parts);
