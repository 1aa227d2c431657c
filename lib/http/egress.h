/* Where requests may go: addresses that are never connected to (metadata services of clouds, link-local
 * addresses, addresses of no host), and what EGRESS_ALLOW and EGRESS_DENY say of all others. Pure. */
#pragma once
#include "base/error.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stddef.h>

struct egress;
struct sockaddr;

enum { EGRESS_WORDS = 512 };

/** Two lists (NULL or "": none), whose entries have commas, blanks or line breaks between them:
 *
 *   svc.internal, *.svc.internal   a host's name as URLs have it; * stands for any characters, dots too
 *   10.1.2.3, fd00::1              an address
 *   10.0.0.0/8, fd00::/8           a network
 *   *                              everything
 *   443, 8000-8099, :443           a port, or some, of everything
 *
 * Behind a name, an IPv4 address or network, and an IPv6 one in brackets, ":443" or ":8000-8099" may follow.
 * NULL with the cause in err: PA_ERR_INVALID, an entry is wrong; PA_ERR_MEMORY. */
PA_MUST_USE struct egress *egress_new(const char *allow, const char *deny, struct error *err);
void egress_free(struct egress *egress);

/** What egress_check has to tell of an entry. */
enum egress_note {
    /** The entry is wrong; `words`: "is not accepted; write …". */
    EGRESS_ENTRY_WRONG,
    /** It allows an address that stays refused; `words` say so. */
    EGRESS_ENTRY_USELESS
};
typedef void egress_told(void *ctx, enum egress_note note, struct slice entry, const char *words);
/** Tells of each entry of a list that is wrong, and of the whole if it has none; in a list of what is allowed
 * (`allows`) also of those that are useless. */
void egress_check(const char *list, bool allows, egress_told *told, void *ctx);

/** Where a request is to go. */
struct egress_target {
    /** As in its URL: a name, or an address in whatever form, IPv6 in brackets. */
    const char *host;
    int port;
    /** A proxy looks the name up: no address will be known. */
    bool proxied;
};

/** May the request go there? `address`, its port included, is what is about to be connected to; NULL: not
 * known yet, and whatever its address alone decides is left open, unless it is proxied. False: `why`, of
 * EGRESS_WORDS bytes, has the rule in words ("169.254.169.254 is a metadata address"). */
PA_MUST_USE bool egress_lets(const struct egress *egress, const struct egress_target *target,
                             const struct sockaddr *address, char *why);
/** One of the lists has an entry: names and ports may decide. */
PA_MUST_USE bool egress_narrows(const struct egress *egress);
