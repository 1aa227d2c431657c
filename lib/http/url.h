/* What the agent needs to know of a URL: how it is sent, its destination, and a form that may be logged. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include <stdbool.h>

struct Curl_URL; /* libcurl's CURLU */

enum { URL_MAX = 64 * 1024 }; /* bytes of a URL as it is written; every escape may make three of one */

struct url_parts {
    /** As url_normalise has it. */
    char *url;
    /** "https://svc.internal:8443": scheme, host in lower case, port always written. */
    char *destination;
    /** The URL without user info, query values (kept as names: ?a=***&b=***) and fragment. */
    char *redacted;
    /** For http_request, so that libcurl need not parse the URL for each. NULL: it must (a zone, as in
     * [fe80::1%25eth0]: curl_url_dup of 7.88 forgets it). */
    struct Curl_URL *parsed;
};

/** Appends an absolute http or https URL, of at most URL_MAX bytes and in whatever bytes, as it is sent:
 * without the white space around it (slice_strip) and without a fragment; scheme and host in lower case, an
 * international host name in its xn-- form; what has no place in user info, path and query percent-encoded
 * byte by byte, a % without two hexadecimal digits too, while what is legal, escaped already, or a bracket
 * stays as it is. The last @ before the path divides the user info from the host. Segments "." and ".." are
 * resolved; an empty query stays. What comes out is left as it is when it is normalised again. 0;
 * PA_ERR_INVALID with what is wrong; PA_ERR_MEMORY: then `out` may have a part of it. */
PA_MUST_USE int url_normalise(struct slice url, struct buffer *out, struct error *err);
/** Where the path and the query of a normalised URL begin in it, which are what is asked for. */
const char *url_target(const char *url);

/** Parses what url_normalise takes. 0; PA_ERR_INVALID with what is wrong; PA_ERR_MEMORY. Clear `parts` with
 * url_parts_clear. */
PA_MUST_USE int url_parse(struct slice url, struct url_parts *parts, struct error *err);
void url_parts_clear(struct url_parts *parts);

/** A URL's user and password, as they stand in it; null: it has none. */
struct slice url_user_info(struct slice url);
/** Appends them as "user:password", decoded, to `plain`, and as they are sent, the base64 of Basic
 * authentication (RFC 7617), to `basic`; nothing where the URL has none. */
void url_credentials(struct slice url, struct buffer *plain, struct buffer *basic);
/** Appends each value of the query, and each long parameter without one, decoded (RFC 3986, section 2.1) and
 * followed by a NUL. */
void url_append_query_values(struct slice url, struct buffer *out);
/** Takes the path and the query out of what is shown of the URL, where the path itself is a secret. False:
 * out of memory. */
PA_MUST_USE bool url_hide_path(struct url_parts *parts);
/** Appends the text of a URL, right or wrong, as it may be shown: "***" stands for what is or could be a user
 * and password, whatever stands unescaped in it, and for its query, in which collectors have keys. */
void url_append_shown(struct buffer *out, struct slice url);
