/* See proxy.h. */
#include "http/proxy.h"
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ENTRY_MAX = 512, ADDRESS_BYTES = 16 };

/* The address */

static const char *default_port(const char *scheme)
{
    return strcmp(scheme, "http") == 0 ? "80" : strcmp(scheme, "https") == 0 ? "443" : "1080";
}

static bool describe(CURLU *handle, struct proxy *proxy)
{
    char *scheme = NULL, *host = NULL, *port = NULL, *url = NULL;
    struct buffer shown = {0};
    bool ok = curl_url_get(handle, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(handle, CURLUPART_HOST, &host, 0) == CURLUE_OK;
    if (ok && curl_url_get(handle, CURLUPART_PORT, &port, 0) != CURLUE_OK)
        ok = curl_url_set(handle, CURLUPART_PORT, default_port(scheme), 0) == CURLUE_OK &&
             curl_url_get(handle, CURLUPART_PORT, &port, 0) == CURLUE_OK;
    if (ok && curl_url_get(handle, CURLUPART_URL, &url, 0) == CURLUE_OK) {
        buffer_appendf(&shown, "%s://%s:%s", scheme, host, port);
        proxy->url = strdup(url);
        proxy->shown = buffer_take(&shown, NULL);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(url);
    return proxy->url && proxy->shown;
}

int proxy_parse(const char *text, struct proxy *proxy, struct error *err)
{
    struct buffer url = {0};
    *proxy = (struct proxy){0};
    if (!text || !*text)
        return 0;
    buffer_appendf(&url, "%s%s", strstr(text, "://") ? "" : "http://", text);
    CURLU *handle = curl_url();
    CURLUcode code = CURLUE_OUT_OF_MEMORY;
    if (handle && !url.failed)
        code = curl_url_set(handle, CURLUPART_URL, buffer_text(&url), CURLU_NON_SUPPORT_SCHEME);
    int result = 0;
    if (code == CURLUE_OUT_OF_MEMORY || (code == CURLUE_OK && !describe(handle, proxy)))
        result = error_set(err, PA_ERR_MEMORY, "out of memory");
    else if (code != CURLUE_OK)
        result = error_set(err, PA_ERR_INVALID, "%s", curl_url_strerror(code));
    if (result != 0)
        proxy_clear(proxy);
    curl_url_cleanup(handle);
    if (url.ptr)
        explicit_bzero(url.ptr, url.cap);
    buffer_clear(&url);
    return result;
}

void proxy_clear(struct proxy *proxy)
{
    if (proxy->url)
        explicit_bzero(proxy->url, strlen(proxy->url));
    free(proxy->url);
    free(proxy->shown);
    *proxy = (struct proxy){0};
}

/** "8080", also with a path behind it: in "user:password", where the host is missing, it could be a password.
 */
static bool is_port(struct slice text)
{
    const char *slash = memchr(text.ptr, '/', text.len);
    size_t len = slash ? (size_t)(slash - text.ptr) : text.len;
    for (size_t i = 0; i < len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return len <= 5;
}

void proxy_append_shown(struct buffer *out, struct slice text)
{
    const char *scheme = memmem(text.ptr, text.len, "://", 3), *host = scheme ? scheme + 3 : text.ptr;
    const char *end = text.ptr + text.len, *at = memrchr(host, '@', (size_t)(end - host));
    const char *colon = at ? NULL : memchr(host, ':', (size_t)(end - host));
    bool secret = colon && !is_port((struct slice){colon + 1, (size_t)(end - colon - 1)});
    buffer_append_one_line(out, (struct slice){text.ptr, (size_t)(host - text.ptr)});
    if (at)
        buffer_append_text(out, "***");
    const char *from = at ? at : host, *to = secret ? colon + 1 : end;
    buffer_append_one_line(out, (struct slice){from, (size_t)(to - from)});
    if (secret)
        buffer_append_text(out, "***");
}

/* NO_PROXY */

struct address {
    int family; /* 0: not an address */
    unsigned char bytes[ADDRESS_BYTES];
};

static struct address address_of(const char *text)
{
    struct address address = {0};
    char bare[INET6_ADDRSTRLEN + 1];
    size_t len = strlen(text);
    if (len > 2 && len - 2 < sizeof bare && text[0] == '[' && text[len - 1] == ']') {
        memcpy(bare, text + 1, len - 2);
        bare[len - 2] = '\0';
        text = bare;
    }
    if (inet_pton(AF_INET, text, address.bytes) == 1)
        address.family = AF_INET;
    else if (inet_pton(AF_INET6, text, address.bytes) == 1)
        address.family = AF_INET6;
    return address;
}

static bool in_network(const struct address *host, const char *network, const char *prefix)
{
    struct address base = address_of(network);
    char *end;
    long bits = strtol(prefix, &end, 10), most = base.family == AF_INET ? 32 : 128;
    if (base.family != host->family || end == prefix || *end || bits < 0 || bits > most)
        return false;
    size_t whole = (size_t)bits / 8;
    unsigned char mask = (unsigned char)(0xff00 >> (bits % 8));
    return memcmp(base.bytes, host->bytes, whole) == 0 &&
           (bits % 8 == 0 || ((base.bytes[whole] ^ host->bytes[whole]) & mask) == 0);
}

/** Cuts ":port" off a name or a bracketed address; 0: there is none. */
static long cut_port(char *entry)
{
    char *colon = strrchr(entry, ':'), *bracket = strrchr(entry, ']'), *end;
    bool bare_ipv6 = colon && strchr(entry, ':') != colon && entry[0] != '[';
    if (!colon || colon < bracket || bare_ipv6)
        return 0;
    long port = strtol(colon + 1, &end, 10);
    *colon = '\0';
    return end == colon + 1 || *end ? -1 : port;
}

/** The name itself, or one below it; a last dot (the root's) counts on neither side. */
static bool in_domain(const char *host, const char *domain)
{
    size_t host_len = strlen(host), len = strlen(domain);
    if (host_len > 0 && host[host_len - 1] == '.')
        host_len--;
    if (len > 0 && domain[len - 1] == '.')
        len--;
    if (len == 0 || len > host_len || strncasecmp(host + host_len - len, domain, len) != 0)
        return false;
    return len == host_len || host[host_len - len - 1] == '.';
}

static bool entry_matches(char *entry, const char *host, const struct address *address, int port)
{
    char *slash = strchr(entry, '/');
    if (strcmp(entry, "*") == 0)
        return true;
    if (slash) {
        *slash = '\0';
        return address->family != 0 && in_network(address, entry, slash + 1);
    }
    long wanted = cut_port(entry);
    if (wanted != 0 && wanted != port)
        return false;
    if (address->family != 0) {
        struct address other = address_of(entry);
        return other.family == address->family && memcmp(other.bytes, address->bytes, ADDRESS_BYTES) == 0;
    }
    const char *domain = entry;
    if (strncmp(domain, "*.", 2) == 0)
        domain += 2;
    else if (*domain == '.')
        domain++;
    return in_domain(host, domain);
}

bool proxy_bypassed(const char *list, const char *host, int port)
{
    static const char separators[] = ", \t";
    struct address address = address_of(host);
    char entry[ENTRY_MAX];
    for (const char *at = list ? list : ""; *at;) {
        size_t len = strcspn(at, separators);
        if (len > 0 && len < sizeof entry) {
            memcpy(entry, at, len);
            entry[len] = '\0';
            if (entry_matches(entry, host, &address, port))
                return true;
        }
        at += len;
        at += strspn(at, separators);
    }
    return false;
}
