/* Which redirects are followed: see http_start in client.h. libcurl has no same-host rule, so the agent
 * follows redirects itself. */
#include "http/client_internal.h"
#include "http/url.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Which are redirects */

static bool is_redirect(long status)
{
    /* RFC 9110, section 15.4. The others of their class are answers: a choice (300), that nothing has
     * changed (304), a proxy that nobody may name any more (305). */
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool redirect_keeps_method(long status)
{
    return status == 307 || status == 308;
}

struct slice redirect_location(const struct http_call *call)
{
    struct slice location = {NULL, 0};
    /* Not CURLINFO_REDIRECT_URL, which is not there when the body is cut. Of several the first counts. */
    if (call->follows != HTTP_REDIRECTS_ANSWER && is_redirect(call_status(call)))
        location = slice_strip(call_header(call, "Location", 0));
    return location.len > 0 ? location : (struct slice){NULL, 0};
}

/* Which are followed */

static size_t bare_length(const char *host)
{
    size_t len = strlen(host);
    return len > 1 && host[len - 1] == '.' ? len - 1 : len; /* "svc." is "svc", looked up without suffixes */
}

static bool same_host(const char *a, const char *b)
{
    size_t len = bare_length(a);
    return len == bare_length(b) && strncasecmp(a, b, len) == 0;
}

static bool asks_alike_without_body(const struct http_call *call)
{
    return !call->has_body && (strcmp(call->method, "GET") == 0 || strcmp(call->method, "HEAD") == 0);
}

static bool is_upgrade(const struct origin *from, const struct origin *to)
{
    return strcmp(from->scheme, "http") == 0 && strcmp(to->scheme, "https") == 0;
}

/** On the port that it had, or from http to https on its usual one. */
static bool same_port(const struct origin *from, const struct origin *to)
{
    return strcmp(from->port, to->port) == 0 || (is_upgrade(from, to) && strcmp(to->port, "443") == 0);
}

/** What it is on another origin that is followed when all are. */
static const char *refusal(const struct http_call *call, int status, const struct origin *from,
                           const struct origin *to)
{
    enum http_redirects followed = call->follows;
    if (followed == HTTP_REDIRECTS_NONE)
        return "no redirect is followed";
    if (followed != HTTP_REDIRECTS_ALL && !same_host(from->host, to->host))
        return "another host";
    if (strcmp(from->scheme, "https") == 0 && strcmp(to->scheme, "http") == 0)
        return "from https back to http";
    if ((followed != HTTP_REDIRECTS_ALL || is_upgrade(from, to)) && !same_port(from, to))
        return "another port";
    if (!redirect_keeps_method(status) && !call->without_body && !asks_alike_without_body(call))
        return "only 307 and 308 keep the method and the body";
    return call->redirects >= MAX_REDIRECTS ? "more than 5 redirects" : NULL;
}

/* Where they lead */

/** The length of a scheme and its colon; 0: the location is relative (RFC 3986, section 4.2). */
static size_t scheme_length(struct slice location)
{
    for (size_t i = 0; i < location.len; i++) {
        char c = location.ptr[i];
        if (c == ':')
            return i > 0 ? i + 1 : 0;
        if (!(char_is_letter(c) || (i > 0 && (char_is_digit(c) || c == '+' || c == '-' || c == '.'))))
            return 0;
    }
    return 0;
}

static bool is_foreign(struct slice location)
{
    struct slice scheme = {location.ptr, scheme_length(location)};
    return scheme.len > 0 && !slice_equal_text_ignore_case(scheme, "http:") &&
           !slice_equal_text_ignore_case(scheme, "https:");
}

/** A location that names its host leaves the user info out, which a relative one inherits: on the same origin
 * (`inherits`) it still goes along. */
static void join_host(const char *base, struct slice location, size_t scheme, bool inherits,
                      struct buffer *out)
{
    const char *base_host = strstr(base, "://") + 3;
    struct slice user = url_user_info(slice_of(base));
    size_t host = scheme + 2;
    if (scheme > 0)
        buffer_append(out, location.ptr, host);
    else
        buffer_append(out, base, (size_t)(base_host - base));
    struct slice rest = {location.ptr + host, location.len - host};
    size_t authority = 0;
    while (authority < rest.len && !memchr("/?#", rest.ptr[authority], 3))
        authority++;
    bool named = authority > 0 && memchr(rest.ptr, '@', authority);
    if (inherits && !slice_is_null(user) && !named) {
        buffer_append_slice(out, user);
        buffer_append_char(out, '@');
    }
    buffer_append_slice(out, rest);
}

/** The location seen from the normalised URL it came from (RFC 3986, section 5.2), yet to be normalised. */
static void join(const char *base, struct slice location, bool inherits, struct buffer *out)
{
    const char *path = url_target(base), *query = path + strcspn(path, "?");
    size_t scheme = scheme_length(location);
    const char *to = location.ptr + scheme;
    bool names_host = location.len >= scheme + 2 && to[0] == '/' && to[1] == '/';
    if (names_host) {
        join_host(base, location, scheme, inherits, out);
        return;
    }
    const char *kept = base + strlen(base);
    if (scheme > 0)
        kept = base; /* "mailto:…", or "http:a", whose host is anybody's guess */
    else if (*to == '/')
        kept = path;
    else if (*to == '?')
        kept = query;
    else if (*to != '#')
        kept = (const char *)memrchr(path, '/', (size_t)(query - path)) + 1;
    buffer_append(out, base, (size_t)(kept - base));
    buffer_append_slice(out, location);
}

/** A location that is no URL of http, as it may be shown. */
static void append_shown(struct slice location, struct buffer *out)
{
    struct buffer shown = {0};
    size_t len = 0;
    while (len < location.len && !memchr("?#", location.ptr[len], 2))
        len++;
    url_append_shown(&shown, (struct slice){location.ptr, len});
    buffer_append_one_line(out, buffer_slice(&shown));
    buffer_append_text(out, len < location.len ? "?***" : "");
    out->failed |= shown.failed;
    buffer_clear(&shown);
}

/** "redirect 302 to http://svc:81/x?a=*** not followed: another port", the location as long as there is
 * space for what is behind it. */
static void explain(int status, struct slice location, const char *redacted, const char *why, char *reason,
                    size_t size)
{
    enum { REST = 96 };
    struct buffer shown = {0};
    if (redacted)
        buffer_append_text(&shown, redacted);
    else
        append_shown(location, &shown);
    bool cut = shown.len > size - REST;
    snprintf(reason, size, "redirect %d to %.*s%s not followed: %s", status,
             (int)(cut ? size - REST : shown.len), buffer_text(&shown), cut ? "…" : "", why);
    buffer_clear(&shown);
}

/** Where the location leads; 0, PA_ERR_INVALID, PA_ERR_MEMORY. */
static int resolve(const struct http_call *call, struct slice location, bool inherits, size_t *length,
                   struct url_parts *parts)
{
    struct buffer joined = {0};
    join(call->url, location, inherits, &joined);
    int failed = joined.failed ? PA_ERR_MEMORY : url_parse(buffer_slice(&joined), parts, NULL);
    *length = joined.len;
    buffer_clear(&joined);
    return failed;
}

bool redirect_allowed(const struct http_call *call, int status, struct slice location, char **next,
                      bool *elsewhere, char *reason, size_t size)
{
    struct origin from = {0}, to = {0};
    struct url_parts parts = {0};
    size_t length = 0;
    const char *why = "out of memory";
    int failed = resolve(call, location, true, &length, &parts);
    *elsewhere = false;
    if (failed == PA_ERR_INVALID) {
        why = is_foreign(location) ? "neither http nor https"
              : length > URL_MAX   ? "its target is longer than 64 KiB"
                                   : "its target is not a URL";
    } else if (!failed && origin_of(call->url, &from) && origin_of(parts.url, &to)) {
        why = refusal(call, status, &from, &to);
        *elsewhere = !same_host(from.host, to.host) || !same_port(&from, &to);
    }
    if (!why && *elsewhere) {
        url_parts_clear(&parts);
        why = resolve(call, location, false, &length, &parts) == 0 ? NULL : "out of memory";
    }
    if (why && call->hides_url_paths)
        explain(status, location, parts.redacted && url_hide_path(&parts) ? parts.redacted : "***", why,
                reason, size);
    else if (why)
        explain(status, location, parts.redacted, why, reason, size);
    *next = why ? NULL : parts.url;
    if (!why)
        parts.url = NULL;
    origin_clear(&from);
    origin_clear(&to);
    url_parts_clear(&parts);
    return !why;
}
