/* Which redirects are followed: see http_start in client.h. libcurl has no same-host rule, so this is done by
 * hand. */
#include "http/client_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void place_clear(struct place *place)
{
    curl_free(place->scheme);
    curl_free(place->host);
    curl_free(place->port);
}

bool place_of(const char *url, struct place *place)
{
    CURLU *handle = curl_url();
    *place = (struct place){0};
    bool ok = handle && curl_url_set(handle, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
              curl_url_get(handle, CURLUPART_SCHEME, &place->scheme, 0) == CURLUE_OK &&
              curl_url_get(handle, CURLUPART_HOST, &place->host, CURLU_PUNYCODE) == CURLUE_OK &&
              curl_url_get(handle, CURLUPART_PORT, &place->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    curl_url_cleanup(handle);
    return ok;
}

static const char *refusal(const struct http_call *call, int status, const struct place *from,
                           const struct place *to)
{
    bool keeps_method = status == 307 || status == 308 || strcmp(call->method, "GET") == 0;
    bool upgrade = strcmp(from->scheme, "http") == 0 && strcmp(to->scheme, "https") == 0;
    if (strcmp(to->scheme, "http") != 0 && strcmp(to->scheme, "https") != 0)
        return "neither http nor https";
    if (strcasecmp(from->host, to->host) != 0)
        return "another host";
    if (strcmp(from->scheme, "https") == 0 && strcmp(to->scheme, "http") == 0)
        return "from https back to http";
    if (!upgrade && strcmp(from->port, to->port) != 0)
        return "another port";
    if (!keeps_method)
        return "only 307 and 308 keep the method and the body";
    return call->redirects >= MAX_REDIRECTS ? "more than 5 redirects" : NULL;
}

/** The location seen from the URL it came from; NULL: it leads nowhere. Free with curl_free. */
static char *resolve(const char *base, const char *location)
{
    char *target = NULL;
    CURLU *handle = curl_url();
    if (!handle || curl_url_set(handle, CURLUPART_URL, base, CURLU_URLENCODE) != CURLUE_OK ||
        curl_url_set(handle, CURLUPART_URL, location, CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME) !=
            CURLUE_OK ||
        curl_url_get(handle, CURLUPART_URL, &target, 0) != CURLUE_OK)
        target = NULL;
    curl_url_cleanup(handle);
    return target;
}

static bool copy_part(CURLU *from, CURLU *to, CURLUPart part)
{
    char *value = NULL;
    CURLUcode code = curl_url_get(from, part, &value, 0);
    bool ok =
        code == CURLUE_OK ? curl_url_set(to, part, value, 0) == CURLUE_OK : code != CURLUE_OUT_OF_MEMORY;
    curl_free(value);
    return ok;
}

/** An absolute location on the same host leaves the user info out, which a relative one inherits: it goes
 * along all the same. NULL: out of memory; free with curl_free. */
static char *with_user(const char *base, const char *target)
{
    char *user = NULL, *url = NULL;
    CURLU *from = curl_url(), *to = curl_url();
    bool ok = from && to && curl_url_set(from, CURLUPART_URL, base, 0) == CURLUE_OK &&
              curl_url_set(to, CURLUPART_URL, target, 0) == CURLUE_OK;
    if (ok && curl_url_get(to, CURLUPART_USER, &user, 0) == CURLUE_NO_USER)
        ok = copy_part(from, to, CURLUPART_USER) && copy_part(from, to, CURLUPART_PASSWORD);
    if (!ok || curl_url_get(to, CURLUPART_URL, &url, 0) != CURLUE_OK)
        url = NULL;
    curl_free(user);
    curl_url_cleanup(from);
    curl_url_cleanup(to);
    return url;
}

bool redirect_allowed(const struct http_call *call, int status, const char *location, char **next,
                      char *reason, size_t size)
{
    struct place from, to = {0};
    const char *why = "its target is not a URL";
    bool known = place_of(call->url, &from);
    char *target = resolve(call->url, location);
    if (target && place_of(target, &to) && known)
        why = refusal(call, status, &from, &to);
    if (why)
        snprintf(reason, size, "redirect %d to %s://%s not followed: %s", status, to.scheme ? to.scheme : "?",
                 to.host ? to.host : "?", why);
    place_clear(&from);
    place_clear(&to);
    if (!why) {
        char *url = with_user(call->url, target);
        *next = url ? strdup(url) : NULL;
        if (!*next)
            snprintf(reason, size, "out of memory");
        curl_free(url);
    }
    curl_free(target);
    return !why && *next;
}
