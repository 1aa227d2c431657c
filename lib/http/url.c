/* Reads a normalised URL (url_normal.c) with libcurl's own parser, so that the agent and libcurl always read
 * a URL in the same way. A form for logs has no user info and no values of its query. */
#include "http/url.h"
#include "base/cut.h"
#include <ctype.h>
#include <curl/curl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static char *part(CURLU *handle, CURLUPart what, unsigned flags)
{
    char *text = NULL;
    return curl_url_get(handle, what, &text, flags) == CURLUE_OK ? text : NULL;
}

/** Bytes of a parameter without a '=' from which on it is no name any more, but a key that stands alone. */
enum { KEY_ALONE = 16 };

/** Names of the query's parameters with their values hidden. */
static void append_query(struct buffer *out, const char *query)
{
    if (!query || !*query)
        return;
    char before = '?';
    for (const char *at = query; *at;) {
        size_t len = strcspn(at, "&");
        size_t name = strcspn(at, "&=");
        buffer_append_char(out, before);
        if (name < len || name < KEY_ALONE)
            buffer_append(out, at, name);
        buffer_append_text(out, name < len ? "=***" : name < KEY_ALONE ? "" : "***");
        before = '&';
        at += len;
        if (*at == '&')
            at++;
    }
}

static int build(CURLU *handle, struct url_parts *parts)
{
    char *scheme = part(handle, CURLUPART_SCHEME, 0), *host = part(handle, CURLUPART_HOST, 0);
    char *port = part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT), *given = part(handle, CURLUPART_PORT, 0);
    char *path = part(handle, CURLUPART_PATH, 0), *query = part(handle, CURLUPART_QUERY, 0);
    struct buffer destination = {0}, redacted = {0};
    int err = PA_ERR_MEMORY;
    if (scheme && host && port) {
        for (char *c = host; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        buffer_appendf(&destination, "%s://%s:%s", scheme, host, port);
        buffer_appendf(&redacted, "%s://%s%s%s%s", scheme, host, given ? ":" : "", given ? given : "",
                       path ? path : "/");
        append_query(&redacted, query);
        parts->destination = buffer_take(&destination, NULL);
        parts->redacted = buffer_take(&redacted, NULL);
        err = parts->destination && parts->redacted ? 0 : PA_ERR_MEMORY;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(given);
    curl_free(path);
    curl_free(query);
    return err;
}

/** True also when out of memory, so that nobody relies on there being none. */
static bool has_zone(CURLU *handle)
{
    char *zone = NULL;
    CURLUcode code = curl_url_get(handle, CURLUPART_ZONEID, &zone, 0);
    curl_free(zone);
    return code != CURLUE_NO_ZONEID;
}

/** Parses the normalised URL. */
static int parse_parts(CURLU *handle, struct url_parts *parts, struct error *err)
{
    CURLUcode code = curl_url_set(handle, CURLUPART_URL, parts->url, CURLU_PATH_AS_IS);
    if (code == CURLUE_OUT_OF_MEMORY)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    if (code != CURLUE_OK)
        return error_set(err, PA_ERR_INVALID, "not a URL: %s", curl_url_strerror(code));
    return build(handle, parts) == 0 ? 0 : error_set(err, PA_ERR_MEMORY, "out of memory");
}

int url_parse(struct slice url, struct url_parts *parts, struct error *err)
{
    struct buffer text = {0};
    *parts = (struct url_parts){0};
    int result = url_normalise(url, &text, err);
    if (result == 0) {
        CURLU *handle = curl_url();
        parts->url = buffer_take(&text, NULL);
        result = handle && parts->url ? parse_parts(handle, parts, err)
                                      : error_set(err, PA_ERR_MEMORY, "out of memory");
        if (result == 0 && !has_zone(handle))
            parts->parsed = handle;
        else
            curl_url_cleanup(handle);
    }
    buffer_clear(&text);
    if (result != 0)
        url_parts_clear(parts);
    return result;
}

void url_parts_clear(struct url_parts *parts)
{
    free(parts->url);
    free(parts->destination);
    free(parts->redacted);
    curl_url_cleanup(parts->parsed);
    *parts = (struct url_parts){0};
}

/* User info */

struct slice url_user_info(struct slice url)
{
    if (url.len == 0 || !memchr(url.ptr, '@', url.len))
        return (struct slice){NULL, 0};
    const char *scheme = memmem(url.ptr, url.len, "://", 3);
    const char *start = scheme ? scheme + 3 : NULL;
    size_t rest = start ? url.len - (size_t)(start - url.ptr) : 0, authority = 0;
    while (authority < rest && start[authority] != '/' && start[authority] != '?' && start[authority] != '#')
        authority++;
    const char *at = authority > 0 ? memrchr(start, '@', authority) : NULL;
    return at ? (struct slice){start, (size_t)(at - start)} : (struct slice){NULL, 0};
}

static void append_decoded(struct buffer *out, const char *text, size_t len)
{
    int decoded_len = 0;
    char *decoded = len > 0 && len <= URL_MAX ? curl_easy_unescape(NULL, text, (int)len, &decoded_len) : NULL;
    out->failed |= len > 0 && !decoded;
    if (decoded)
        buffer_append(out, decoded, (size_t)decoded_len);
    curl_free(decoded);
}

void url_credentials(struct slice url, struct buffer *plain, struct buffer *basic)
{
    struct slice info = url_user_info(url);
    if (slice_is_null(info))
        return;
    const char *colon = info.len > 0 ? memchr(info.ptr, ':', info.len) : NULL;
    size_t user = colon ? (size_t)(colon - info.ptr) : info.len, before = plain->len;
    append_decoded(plain, info.ptr, user);
    buffer_append_char(plain, ':');
    if (colon)
        append_decoded(plain, colon + 1, info.len - user - 1);
    size_t len = plain->len - before;
    basic->failed |= plain->failed;
    if (basic->failed || buffer_reserve(basic, len * 4 / 3 + 4) != 0)
        return;
    basic->len += (size_t)EVP_EncodeBlock((unsigned char *)basic->ptr + basic->len,
                                          (const unsigned char *)plain->ptr + before, (int)len);
}

void url_append_query_values(struct slice url, struct buffer *out)
{
    slice_cut(&url, '?'); /* what stands before the query */
    while (url.len > 0) {
        struct slice pair = slice_cut(&url, '&');
        bool has_value = memchr(pair.ptr, '=', pair.len) != NULL;
        if (!has_value && pair.len < KEY_ALONE)
            continue;
        if (has_value)
            slice_cut(&pair, '=');
        append_decoded(out, pair.ptr, pair.len);
        buffer_append_char(out, '\0');
    }
}

bool url_hide_path(struct url_parts *parts)
{
    struct buffer shown = {0};
    const char *host = strstr(parts->redacted, "://");
    size_t origin = host ? (size_t)(host + 3 - parts->redacted) + strcspn(host + 3, "/?") : 0;
    buffer_append(&shown, parts->redacted, origin);
    buffer_append_text(&shown, "/***");
    char *text = buffer_take(&shown, NULL);
    if (!text)
        return false;
    free(parts->redacted);
    parts->redacted = text;
    return true;
}

void url_append_shown(struct buffer *out, struct slice url)
{
    const char *scheme = memmem(url.ptr, url.len, "://", 3);
    const char *start = scheme ? scheme + 3 : url.ptr;
    size_t rest = url.len - (size_t)(start - url.ptr);
    const char *at = rest > 0 ? memrchr(start, '@', rest) : NULL;
    if (at) {
        buffer_append(out, url.ptr, (size_t)(start - url.ptr));
        buffer_append_text(out, "***");
        url = (struct slice){at, rest - (size_t)(at - start)};
    }
    const char *query = url.len > 0 ? memchr(url.ptr, '?', url.len) : NULL;
    buffer_append(out, url.ptr, query ? (size_t)(query - url.ptr) : url.len);
    buffer_append_text(out, query ? "?***" : "");
}
