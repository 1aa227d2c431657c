/* A proxy's address, and which hosts are reached without it. libcurl could do the latter, but it does not
 * support ports in NO_PROXY and does not tell which calls went through the proxy. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include <stdbool.h>

struct proxy {
    /** Where it comes from: "HTTP_PROXY"; "" or NULL: not known. Borrowed; whoever parsed it sets it. */
    const char *setting;
    /** "http://proxy.internal:3128": scheme, host and port, which may be logged. NULL: no proxy. */
    char *url;
    /** "user:password", each percent-encoded, as CURLOPT_PROXYUSERPWD takes them (in its URL libcurl passes
     * over a proxy whose user or password it cannot decode, and asks the server without one). NULL: none. */
    char *credentials;
    /** The same, not encoded, for whoever must not show it. Empty: none. */
    struct buffer plain;
};

/** Reads "http://user:password@host:port", also https, socks4, socks4a, socks5 and socks5h; without a scheme
 * it is http. Default ports: 80, 443 and 1080. What follows a '/' has no meaning. The last '@' ends the user
 * and password, which are percent-encoded. NULL or "": no proxy. 0; PA_ERR_INVALID with what is wrong
 * (nothing of the text itself), whatever could not be used exactly as it is written; PA_ERR_MEMORY. Clear
 * with proxy_clear. */
PA_MUST_USE int proxy_parse(const char *text, struct proxy *proxy, struct error *err);
void proxy_clear(struct proxy *proxy);

/** Appends the text of a proxy's address, right or wrong, as it may be shown, within its line: "***" stands
 * for what is or could be a user and password. */
void proxy_append_shown(struct buffer *out, struct slice text);

/** Is this host (as in a URL; IPv6 with or without brackets) one of `list` (NO_PROXY; NULL: none)? Entries
 * are separated by commas, blanks or line breaks: a host name or address, a domain ("example.com",
 * ".example.com" and
 * "*.example.com" are the same: it and everything below it), either with ":port", a network (10.0.0.0/8,
 * fd00::/8), or "*" for all. */
PA_MUST_USE bool proxy_bypassed(const char *list, const char *host, int port);
