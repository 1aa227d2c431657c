/* Addresses as the policy for egress sees them: in one form, with those that stand within them. Pure. */
#pragma once
#include "base/must_use.h"
#include <stdbool.h>
#include <stddef.h>

struct sockaddr;

enum { EGRESS_ADDRESS_BYTES = 16, EGRESS_FORMS_MAX = 8, EGRESS_ADDRESS_TEXT = 48 };

/** IPv6, or IPv4 in its mapped form (::ffff:a.b.c.d). */
struct egress_address {
    unsigned char bytes[EGRESS_ADDRESS_BYTES];
};

/** What a network has in common. IPv4's has 96 bits more than is written. */
struct egress_network {
    struct egress_address base;
    /** 128: an address. */
    unsigned bits;
};

/** From a socket's address; false: neither IPv4 nor IPv6. */
PA_MUST_USE bool egress_address_of_socket(const struct sockaddr *socket, struct egress_address *out);
/** From an address as it is written out: four decimal numbers, or IPv6 without brackets. */
PA_MUST_USE bool egress_address_parse(const char *text, struct egress_address *out);
/** From a URL's host: IPv6 in brackets, with a zone or without; IPv4 in every form that somebody may read as
 * one (octal, hexadecimal, with fewer than four numbers, with a dot at its end). */
PA_MUST_USE bool egress_address_of_host(const char *host, struct egress_address *out);
/** Its last part is a number, so it is no name, whether or not it is an address. */
PA_MUST_USE bool egress_is_numeric(const char *host);
PA_MUST_USE bool egress_address_is_ipv4(const struct egress_address *address);
/** In the form it is usually written. `out` has EGRESS_ADDRESS_TEXT bytes. */
void egress_address_write(const struct egress_address *address, char *out);
/** The address itself, then each IPv4 address that something on its way may take it for: IPv4-compatible,
 * IPv4-translated, NAT64, 6to4, Teredo, ISATAP. Returns how many there are. */
size_t egress_address_forms(const struct egress_address *address,
                            struct egress_address forms[EGRESS_FORMS_MAX]);
PA_MUST_USE bool egress_network_has(const struct egress_network *network,
                                    const struct egress_address *address);

/** The kind of address, for a sentence ("a link-local address"), if it is one that is never connected to
 * unless it is allowed by itself; NULL: it is not such an address. `lifted_never`: not even then. */
const char *egress_address_kind(const struct egress_address *address, bool *lifted_never);
