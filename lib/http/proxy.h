/* A proxy's address, and which hosts are reached without it. libcurl could do the second, but knows no ports
 * in NO_PROXY and does not tell which calls went through the proxy. */
#pragma once
#include "base/error.h"
#include "base/slice.h"
#include <stdbool.h>

struct proxy {
    char *url;   /* with scheme and port, as libcurl takes it; may hold a password. NULL: no proxy */
    char *shown; /* "http://proxy.internal:3128": what may be logged */
};

/** Reads "http://user:password@host:port", also https, socks4, socks4a, socks5 and socks5h; without a scheme
 * it is http. Default ports: 80, 443 and 1080. NULL or "": no proxy. 0; PA_ERR_INVALID with what is wrong
 * (never the password); PA_ERR_MEMORY. Clear with proxy_clear. */
int proxy_parse(const char *text, struct proxy *proxy, struct error *err);
void proxy_clear(struct proxy *proxy);

/** Appends the text of a proxy's address, right or wrong, as it may be shown, within its line: "***" stands
 * for what is or could be a user and password. */
void proxy_append_shown(struct buffer *out, struct slice text);

/** Is this host (as in a URL; IPv6 with or without brackets) one of `list` (NO_PROXY; NULL: none)? Entries
 * are separated by commas or blanks: a host name or address, a domain ("example.com", ".example.com" and
 * "*.example.com" are the same: it and everything below it), either with ":port", a network (10.0.0.0/8,
 * fd00::/8), or "*" for all. */
bool proxy_bypassed(const char *list, const char *host, int port);
