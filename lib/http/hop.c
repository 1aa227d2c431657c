/* The present hop of a call, as other files ask about it: where it leads, through what kind of proxy, how far
 * it has come. It changes nothing. */
#include "http/client_internal.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void origin_clear(struct origin *origin)
{
    curl_free(origin->scheme);
    curl_free(origin->host);
    curl_free(origin->port);
}

bool origin_of(const char *url, struct origin *origin)
{
    CURLU *handle = curl_url();
    *origin = (struct origin){0};
    bool ok = handle && curl_url_set(handle, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
              curl_url_get(handle, CURLUPART_SCHEME, &origin->scheme, 0) == CURLUE_OK &&
              curl_url_get(handle, CURLUPART_HOST, &origin->host, CURLU_PUNYCODE) == CURLUE_OK &&
              curl_url_get(handle, CURLUPART_PORT, &origin->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    curl_url_cleanup(handle);
    return ok;
}

bool has_proxy(const struct client_shared *shared)
{
    return shared->http_proxy.url || shared->https_proxy.url;
}

bool proxy_of(const struct client_shared *shared, const char *url, const struct proxy **out)
{
    const struct proxy *proxy =
        strncasecmp(url, "https:", 6) == 0 ? &shared->https_proxy : &shared->http_proxy;
    struct origin origin;
    *out = proxy->url ? proxy : NULL;
    if (!proxy->url || !*shared->options.no_proxy)
        return true;
    bool known = origin_of(url, &origin);
    if (known && proxy_bypassed(shared->options.no_proxy, origin.host, (int)strtol(origin.port, NULL, 10)))
        *out = NULL;
    origin_clear(&origin);
    return known;
}

struct http_call *call_of(CURL *easy)
{
    struct http_call *call = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &call);
    return call;
}

bool goes_through_tunnel(const struct http_call *call)
{
    return call->proxy && strncasecmp(call->url, "https:", 6) == 0 &&
           strncmp(call->proxy->url, "http", 4) == 0;
}

bool asks_for_tunnel(const struct http_call *call)
{
    return call && goes_through_tunnel(call) && !call->tunnelled &&
           strncmp(call->proxy->url, "http:", 5) == 0;
}

bool asks_proxy(const struct http_call *call)
{
    return call->proxy && strncasecmp(call->url, "http://", 7) == 0 &&
           strncasecmp(call->proxy->url, "http", 4) == 0;
}

bool request_is_written(const struct http_call *call)
{
    long written = 0;
    if (call->ours)
        return call->exchange.sent > 0;
    if (call->sends > 0)
        curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &written);
    return written > 0;
}

bool ended_unheard(const struct http_call *call, CURLcode code)
{
    long made = 1;
    bool lost = code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING ||
                code == CURLE_HTTP2;
    if (call->ours || !lost || call->sends != 1 || call->header_bytes > 0 ||
        call->shared->options.never_resends)
        return false;
    curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &made);
    return made == 0;
}

struct slice call_header(const struct http_call *call, const char *name, size_t index)
{
    struct curl_header *header = NULL;
    if (call->ours)
        return response_header(&call->exchange.response, name, index);
    if (call->easy && curl_easy_header(call->easy, name, index, CURLH_HEADER, -1, &header) == CURLHE_OK)
        return slice_of(header->value);
    return (struct slice){NULL, 0};
}

int call_status(const struct http_call *call)
{
    long status = 0;
    if (call->ours)
        return call->exchange.response.status;
    if (call->easy)
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

int call_version(const struct http_call *call)
{
    long version = 0;
    if (call->ours)
        return call->exchange.response.version;
    if (call->easy)
        curl_easy_getinfo(call->easy, CURLINFO_HTTP_VERSION, &version);
    return version == CURL_HTTP_VERSION_1_0   ? 10
           : version == CURL_HTTP_VERSION_1_1 ? 11
           : version == CURL_HTTP_VERSION_2_0 ? 20
                                              : 0;
}

int64_t call_length(const struct http_call *call)
{
    curl_off_t length = -1;
    if (call->ours)
        return call->exchange.response.length;
    curl_easy_getinfo(call->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    return length;
}
