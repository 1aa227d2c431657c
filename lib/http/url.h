/* What the agent needs to know of a URL: its destination, and a form that may be logged. Parsed with libcurl.
 */
#pragma once
#include "base/error.h"
#include "base/slice.h"

struct Curl_URL; /* libcurl's CURLU */

struct url_parts {
    char *destination; /* "https://svc.internal:8443": scheme, host in lower case, port always written */
    char *redacted; /* the URL without user info, query values (kept as names: ?a=***&b=***) and fragment */
    struct Curl_URL *parsed; /* for http_request, so that libcurl need not parse the URL for each. NULL: it
                                must (a zone, as in [fe80::1%25eth0]: curl_url_dup of 7.88 forgets it) */
};

/** Parses an absolute http or https URL of at most 8 KiB. 0; PA_ERR_INVALID with what is wrong;
 * PA_ERR_MEMORY. Clear `parts` with url_parts_clear. */
int url_parse(struct slice url, struct url_parts *parts, struct error *err);
void url_parts_clear(struct url_parts *parts);

/** Appends the path and the query of a URL that url_parse accepts, as they are asked for. `parsed`: of the
 * same URL; NULL: it is parsed here. */
void url_target(const char *url, struct Curl_URL *parsed, struct buffer *out);

/** A URL's user and password, as they stand in it; null: it has none. */
struct slice url_user_info(struct slice url);
/** Appends them as "user:password", decoded, to `plain`, and as they are sent, the base64 of Basic
 * authentication (RFC 7617), to `basic`; nothing where the URL has none. */
void url_credentials(struct slice url, struct buffer *plain, struct buffer *basic);
/** Appends the text of a URL, right or wrong, as it may be shown: "***" stands for what is or could be a user
 * and password, whatever stands unescaped in it. */
void url_append_shown(struct buffer *out, struct slice url);
