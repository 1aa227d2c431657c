/* See proxy.h. */
#include "http/proxy.h"
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ENTRY_MAX = 512, ADDRESS_BYTES = 16, TEXT_MAX = 1024, SOCKS_NAME_MAX = 255 };

static const char out_of_memory[] = "out of memory";

/* The address */

static const struct scheme {
    const char *name;
    const char *port;
    /** It has a place for one. */
    bool password;
    /** In the user's name, too: in HTTP's "Basic" it ends there. */
    bool colon;
    /** Of libcurl's features; 0: none. */
    int needed;
    /** User, and password; 0: no bound of its own. */
    size_t longest;
} schemes[] = {{"http", "80", true, false, 0, 0},
               {"https", "443", true, false, CURL_VERSION_HTTPS_PROXY, 0},
               {"socks4", "1080", false, true, 0, SOCKS_NAME_MAX},
               {"socks4a", "1080", false, true, 0, SOCKS_NAME_MAX},
               {"socks5", "1080", true, true, 0, SOCKS_NAME_MAX},
               {"socks5h", "1080", true, true, 0, SOCKS_NAME_MAX}};

static struct slice between(const char *from, const char *to)
{
    return (struct slice){from, (size_t)(to - from)};
}

/** "http" of "http://…"; null: there is none. A "://" may also stand in a password. */
static struct slice scheme_of(struct slice text)
{
    const char *end = memmem(text.ptr, text.len, "://", 3);
    struct slice scheme = end ? between(text.ptr, end) : (struct slice){NULL, 0};
    for (size_t i = 0; i < scheme.len; i++)
        if (!char_is_letter(scheme.ptr[i]) && !char_is_digit(scheme.ptr[i]) && !strchr("+-.", scheme.ptr[i]))
            return (struct slice){NULL, 0};
    return scheme;
}

static const struct scheme *find_scheme(struct slice name)
{
    if (slice_is_null(name))
        return &schemes[0];
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (slice_equal_text_ignore_case(name, schemes[i].name))
            return &schemes[i];
    return NULL;
}

struct parts {
    const struct scheme *scheme;
    /** Null: none. */
    struct slice user_info;
    struct slice host, port;
};

/** What is wrong with its division; NULL: nothing. The last '@' divides, so a password may hold one. */
static const char *divide(struct slice text, struct parts *parts)
{
    struct slice scheme = scheme_of(text);
    const char *start = slice_is_null(scheme) ? text.ptr : scheme.ptr + scheme.len + 3;
    const char *end = text.ptr + text.len, *path = start;
    *parts = (struct parts){.scheme = find_scheme(scheme)};
    if (!parts->scheme)
        return "unknown scheme";
    if (!(curl_version_info(CURLVERSION_NOW)->features & parts->scheme->needed) && parts->scheme->needed)
        return "this libcurl cannot do its scheme";
    while (path < end && !strchr("/?#", *path))
        path++;
    const char *at = memrchr(start, '@', (size_t)(path - start));
    if (memchr(path, '@', (size_t)(end - path)))
        return "a '/', '?' or '#' in the user or password has to be percent-encoded";
    if (at)
        parts->user_info = between(start, at);
    const char *host = at ? at + 1 : start, *colon = memrchr(host, ':', (size_t)(path - host));
    const char *bracket = memrchr(host, ']', (size_t)(path - host));
    if (colon && bracket && colon < bracket)
        colon = NULL;
    parts->host = between(host, colon ? colon : path);
    parts->port = colon ? between(colon + 1, path) : slice_of(parts->scheme->port);
    return NULL;
}

/** A name, an address, or an IPv6 address in brackets, whose form libcurl judges. */
static bool is_host(struct slice host)
{
    bool named = false, bracketed = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    for (size_t i = 0; i < host.len && !bracketed; i++) {
        if (!char_is_letter(host.ptr[i]) && !char_is_digit(host.ptr[i]) && !strchr("-._", host.ptr[i]))
            return false;
        named |= char_is_letter(host.ptr[i]) || char_is_digit(host.ptr[i]);
    }
    return named || bracketed;
}

static bool is_port(struct slice port)
{
    long number = 0;
    for (size_t i = 0; i < port.len; i++) {
        if (!char_is_digit(port.ptr[i]) || i >= 5)
            return false;
        number = number * 10 + (port.ptr[i] - '0');
    }
    return number >= 1 && number <= 65535;
}

/** Percent-decodes a user or a password; what is wrong with it, NULL: nothing. */
static const char *decode(struct slice text, struct buffer *out)
{
    for (size_t i = 0; i < text.len; i++) {
        int32_t c = (unsigned char)text.ptr[i];
        if (c == '%') {
            c = slice_hexadecimal((struct slice){text.ptr + i + 1, text.len - i - 1}, 2);
            i += 2;
        }
        if (c < 0)
            return "a '%' in the user or password without two hexadecimal digits; itself it is written %25";
        if (c < ' ' || c == 0x7f)
            return "a control character, a line break say, in the user or password";
        buffer_append_char(out, (char)c);
    }
    return NULL;
}

static void append_user_info_encoded(struct buffer *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (char_is_letter(c) || char_is_digit(c))
            buffer_append_char(out, c);
        else
            buffer_appendf(out, "%%%02X", (unsigned char)c);
    }
}

/** The user and the password, decoded; what is wrong with them, NULL: nothing. */
static const char *read_user_info(const struct parts *parts, struct buffer *user, struct buffer *password)
{
    const struct scheme *scheme = parts->scheme;
    struct slice info = parts->user_info;
    const char *colon = memchr(info.ptr, ':', info.len), *end = info.ptr + info.len;
    const char *why = decode(between(info.ptr, colon ? colon : end), user);
    if (!why && colon)
        why = decode(between(colon + 1, end), password);
    if (why)
        return why;
    if (!scheme->colon && user->len > 0 && memchr(user->ptr, ':', user->len))
        return "HTTP has no way to send a user with a colon in the name";
    if (!scheme->password && password->len > 0)
        return "socks4 has no passwords";
    if (scheme->longest > 0 && (user->len > scheme->longest || password->len > scheme->longest))
        return "SOCKS has no room for a user or a password over 255 bytes";
    return NULL;
}

/** Both with everything percent-encoded that libcurl could take for something else. */
static const char *set_credentials(const struct parts *parts, struct proxy *proxy)
{
    struct buffer user = {0}, password = {0}, both = {0};
    const char *why = read_user_info(parts, &user, &password);
    if (!why && user.len + password.len > 0) {
        append_user_info_encoded(&both, buffer_slice(&user));
        buffer_append_char(&both, ':');
        append_user_info_encoded(&both, buffer_slice(&password));
        buffer_appendf(&proxy->plain, "%s:%s", buffer_text(&user), buffer_text(&password));
        both.failed |= user.failed || password.failed || proxy->plain.failed;
        proxy->credentials = buffer_take(&both, NULL);
        why = proxy->credentials ? NULL : out_of_memory;
    }
    buffer_wipe(&user);
    buffer_wipe(&password);
    buffer_wipe(&both);
    return why;
}

/** libcurl's own judgement of what it will be given. */
static const char *judgement(const char *url)
{
    CURLU *handle = curl_url();
    CURLUcode code =
        handle ? curl_url_set(handle, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) : CURLUE_OUT_OF_MEMORY;
    curl_url_cleanup(handle);
    return code == CURLUE_OK ? NULL : code == CURLUE_OUT_OF_MEMORY ? out_of_memory : "not an address";
}

static const char *set_url(const struct parts *parts, struct proxy *proxy)
{
    struct buffer url = {0};
    buffer_appendf(&url, "%s://%.*s:%.*s", parts->scheme->name, (int)parts->host.len, parts->host.ptr,
                   (int)parts->port.len, parts->port.ptr);
    proxy->url = buffer_take(&url, NULL);
    return proxy->url ? judgement(proxy->url) : out_of_memory;
}

/** What is wrong with it; NULL: nothing. */
static const char *read_address(struct slice text, struct proxy *proxy)
{
    struct parts parts;
    if (text.len > TEXT_MAX)
        return "longer than 1024 characters";
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f) /* a char may be signed: the others are below ' ' */
            return "a blank, a control character or one beyond ASCII; percent-encode those of a user or "
                   "password";
    const char *why = divide(text, &parts);
    if (!why && !is_host(parts.host))
        why = "no host, or not the name of one";
    if (!why && !is_port(parts.port))
        why = "not a port from 1 to 65535";
    if (!why && parts.user_info.len > 0)
        why = set_credentials(&parts, proxy);
    return why ? why : set_url(&parts, proxy);
}

int proxy_parse(const char *text, struct proxy *proxy, struct error *err)
{
    *proxy = (struct proxy){0};
    if (!text || !*text)
        return 0;
    const char *why = read_address(slice_of(text), proxy);
    if (!why)
        return 0;
    proxy_clear(proxy);
    return error_set(err, why == out_of_memory ? PA_ERR_MEMORY : PA_ERR_INVALID, "%s", why);
}

void proxy_clear(struct proxy *proxy)
{
    if (proxy->credentials)
        explicit_bzero(proxy->credentials, strlen(proxy->credentials));
    free(proxy->credentials);
    buffer_wipe(&proxy->plain);
    free(proxy->url);
    *proxy = (struct proxy){0};
}

/** "8080", also with a path behind it: in "user:password", where the host is missing, it could be a password.
 */
static bool looks_like_port(struct slice text)
{
    const char *slash = memchr(text.ptr, '/', text.len);
    size_t len = slash ? (size_t)(slash - text.ptr) : text.len;
    for (size_t i = 0; i < len; i++)
        if (!char_is_digit(text.ptr[i]))
            return false;
    return len <= 5;
}

void proxy_append_shown(struct buffer *out, struct slice text)
{
    struct slice scheme = scheme_of(text);
    const char *host = scheme.ptr ? scheme.ptr + scheme.len + 3 : text.ptr;
    const char *end = text.ptr + text.len, *at = memrchr(host, '@', (size_t)(end - host));
    const char *colon = at ? NULL : memchr(host, ':', (size_t)(end - host));
    bool secret = colon && !looks_like_port((struct slice){colon + 1, (size_t)(end - colon - 1)});
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
    /** 0: not an address. */
    int family;
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
    static const char separators[] = ", \t\r\n"; /* a file has a line for each, perhaps */
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
