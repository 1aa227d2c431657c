/* URLs, and the redirects that are followed from one. Input: a URL, a line feed, a Location. */
#include "fuzz.h"
#include "http/client_internal.h"
#include "http/url.h"

enum { LOCATION_MAX = 8192 }; /* url_parse takes no more; encoding makes three bytes of one */

static bool shows(const char *text, struct slice secret)
{
    return secret.len >= 6 && memmem(text, strlen(text), secret.ptr, secret.len) != NULL;
}

/** Nothing of the user info may show in what is logged. */
static void check_redacted(struct slice url, const struct url_parts *parts)
{
    EXPECT(strncmp(parts->redacted, "http://", 7) == 0 || strncmp(parts->redacted, "https://", 8) == 0);
    EXPECT(strncmp(parts->destination, "http://", 7) == 0 || strncmp(parts->destination, "https://", 8) == 0);
    const char *authority = memmem(url.ptr, url.len, "://", 3);
    EXPECT(authority);
    struct slice rest = {authority + 3, url.len - (size_t)(authority + 3 - url.ptr)};
    size_t end = 0, at = 0;
    while (end < rest.len && !strchr("/?#", rest.ptr[end])) {
        if (rest.ptr[end] == '@')
            at = end;
        end++;
    }
    struct slice user = {rest.ptr, at}, after = {rest.ptr + at, rest.len - at};
    if (!memmem(after.ptr, after.len, user.ptr, user.len))
        EXPECT(!shows(parts->redacted, user));
    struct url_parts again;
    EXPECT(url_parse(slice_of(parts->redacted), &again, NULL) == 0);
    EXPECT(strcmp(again.destination, parts->destination) == 0);
    url_parts_clear(&again);
}

/** A Location as libcurl hands it over: joined with the URL it came from. NULL: it cannot be. */
static char *join(struct slice url, struct slice location)
{
    char *base = slice_to_text(url), *text = slice_to_text(location), *joined = NULL;
    CURLU *handle = curl_url();
    if (curl_url_set(handle, CURLUPART_URL, base, 0) != CURLUE_OK ||
        curl_url_set(handle, CURLUPART_URL, text, CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
        curl_url_get(handle, CURLUPART_URL, &joined, 0) != CURLUE_OK)
        joined = NULL;
    curl_url_cleanup(handle);
    free(base);
    free(text);
    return joined;
}

static void check_redirect(struct slice url, struct slice location, const struct url_parts *parts)
{
    struct http_call call = {0};
    char *joined = join(url, location), *next = NULL, reason[256] = "";
    if (!joined || strlen(joined) > LOCATION_MAX) {
        curl_free(joined);
        free(call.url);
        return;
    }
    call.url = slice_to_text(url);
    call.method = (char[]){"POST"};
    if (redirect_allowed(&call, 307, joined, &next, reason, sizeof reason)) {
        struct url_parts target;
        EXPECT(url_parse(slice_of(next), &target, NULL) == 0);
        bool from_https = strncmp(parts->destination, "https:", 6) == 0;
        bool to_https = strncmp(target.destination, "https:", 6) == 0;
        EXPECT(to_https || !from_https);
        const char *host = strstr(parts->destination, "://"), *other = strstr(target.destination, "://");
        EXPECT((from_https != to_https) || strcmp(host, other) == 0);
        const char *port = strrchr(host, ':'), *other_port = strrchr(other, ':');
        EXPECT(port - host == other_port - other && strncmp(host, other, (size_t)(port - host)) == 0);
        url_parts_clear(&target);
    } else {
        EXPECT(reason[0] != '\0' && !next);
    }
    free(next);
    curl_free(joined);
    free(call.url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = fuzz_input(data, size), url = fuzz_until(&rest, '\n');
    struct url_parts parts;
    struct error err = {0};
    if (url_parse(url, &parts, &err) != 0) {
        EXPECT(err.message[0] != '\0' && !parts.destination && !parts.redacted);
        return 0;
    }
    check_redacted(url, &parts);
    if (!memchr(rest.ptr, '\0', rest.len))
        check_redirect(url, rest, &parts);
    url_parts_clear(&parts);
    return 0;
}
