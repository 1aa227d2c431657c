/* What the policy for egress (egress.h) makes of a call: once when its URL is known, and again for each
 * address that its name leads to, at the moment before that is connected to. Nothing is remembered between
 * the two, so a name that leads elsewhere by then gains nothing. A proxy decides itself what it connects to:
 * there the URL alone is judged. */
#include "http/client_internal.h"
#include "http/url.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Every digit of its port is 0, which libcurl may take for none; or its host ends in a dot, and may be an
 * address that libcurl takes for a name. */
static bool is_strange(const char *url)
{
    const char *end = url_target(url), *port = end;
    while (port > url && port[-1] >= '0' && port[-1] <= '9')
        port--;
    bool given = port > url && port[-1] == ':';
    const char *host_end = given ? port - 1 : end;
    bool is_0 = given && port < end && strspn(port, "0") == (size_t)(end - port);
    return is_0 || (host_end > url && host_end[-1] == '.');
}

/** False: out of memory. `allowed`: what is said of the URL, and of this address (NULL: not known). */
static bool judge(struct http_call *call, bool proxied, const struct sockaddr *address, bool *allowed)
{
    struct origin origin;
    bool known = origin_of(call->url, &origin);
    if (known) {
        const struct egress_target target = {
            .host = origin.host, .port = (int)strtol(origin.port, NULL, 10), .proxied = proxied};
        *allowed = egress_lets(call->shared->egress, &target, address, call->egress_why);
    }
    origin_clear(&origin);
    return known;
}

bool call_may_go(struct http_call *call, enum http_failure *failure)
{
    const struct egress *egress = call->shared->egress;
    const struct proxy *proxy = NULL;
    bool allowed = true;
    if (!egress)
        return true;
    bool known = !has_proxy(call->shared) || proxy_of(call->shared, call->url, &proxy);
    /* Whatever else the URL decides is decided by the address, too. */
    if (known && (proxy || egress_narrows(egress) || is_strange(call->url)))
        known = judge(call, proxy != NULL, NULL, &allowed);
    *failure = known ? HTTP_EGRESS : HTTP_MEMORY;
    call->opened = 0;
    call->refused = !allowed;
    return known && allowed;
}

bool call_may_connect(struct http_call *call, const struct sockaddr *address)
{
    bool allowed = false;
    if (!call->shared->egress || call->proxy)
        allowed = true;
    else if (!judge(call, false, address, &allowed))
        return false; /* out of memory: as if it could not be reached */
    call->opened += allowed;
    call->refused |= !allowed;
    return allowed;
}

bool call_was_refused(const struct http_call *call)
{
    return call->refused && call->opened == 0;
}
