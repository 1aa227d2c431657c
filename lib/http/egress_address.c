/* See egress_address.h. */
#include "http/egress_address.h"
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { IPV4_BITS = 32, IPV4_AT = 12, HOST_MAX = 256 };

static const unsigned char mapped[IPV4_AT] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static struct egress_address of_ipv4(const unsigned char bytes[4])
{
    struct egress_address address;
    memcpy(address.bytes, mapped, sizeof mapped);
    memcpy(address.bytes + IPV4_AT, bytes, 4);
    return address;
}

bool egress_address_is_ipv4(const struct egress_address *address)
{
    return memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

/* Reading and writing */

bool egress_address_of_socket(const struct sockaddr *socket, struct egress_address *out)
{
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    unsigned char bytes[4];
    switch (socket->sa_family) {
    case AF_INET:
        memcpy(&ipv4, socket, sizeof ipv4);
        memcpy(bytes, &ipv4.sin_addr, sizeof bytes);
        *out = of_ipv4(bytes);
        return true;
    case AF_INET6:
        memcpy(&ipv6, socket, sizeof ipv6);
        memcpy(out->bytes, &ipv6.sin6_addr, sizeof out->bytes);
        return true;
    default:
        return false;
    }
}

bool egress_address_parse(const char *text, struct egress_address *out)
{
    unsigned char bytes[4];
    if (inet_pton(AF_INET, text, bytes) == 1) {
        *out = of_ipv4(bytes);
        return true;
    }
    return inet_pton(AF_INET6, text, out->bytes) == 1;
}

/** Copies the host without brackets, zone and last dots; false: it is too long to be an address. */
static bool bare(const char *host, char out[HOST_MAX])
{
    size_t len = strlen(host);
    if (len > 0 && host[0] == '[') {
        host++;
        len = strcspn(host, "]%");
    } else {
        while (len > 0 && host[len - 1] == '.')
            len--;
    }
    if (len == 0 || len >= HOST_MAX)
        return false;
    memcpy(out, host, len);
    out[len] = '\0';
    return true;
}

bool egress_address_of_host(const char *host, struct egress_address *out)
{
    char text[HOST_MAX];
    struct in_addr ipv4;
    if (!bare(host, text))
        return false;
    if (egress_address_parse(text, out))
        return true;
    if (strpbrk(text, " \t") || inet_aton(text, &ipv4) == 0)
        return false;
    unsigned char bytes[4];
    memcpy(bytes, &ipv4, sizeof bytes);
    *out = of_ipv4(bytes);
    return true;
}

bool egress_is_numeric(const char *host)
{
    char text[HOST_MAX];
    if (!bare(host, text))
        return false;
    const char *dot = strrchr(text, '.'), *last = dot ? dot + 1 : text;
    if (last[0] == '0' && (last[1] == 'x' || last[1] == 'X'))
        return strspn(last + 2, "0123456789abcdefABCDEF") == strlen(last + 2);
    return *last && strspn(last, "0123456789") == strlen(last);
}

void egress_address_write(const struct egress_address *address, char *out)
{
    if (egress_address_is_ipv4(address))
        inet_ntop(AF_INET, address->bytes + IPV4_AT, out, EGRESS_ADDRESS_TEXT);
    else
        inet_ntop(AF_INET6, address->bytes, out, EGRESS_ADDRESS_TEXT);
}

/* Addresses within addresses */

static bool begins(const struct egress_address *address, const void *prefix, size_t len)
{
    return memcmp(address->bytes, prefix, len) == 0;
}

/** NAT64 within the prefix for networks of one's own (RFC 8215), whose translator may have any length of
 * prefix there (RFC 6052, section 2.2): the address is at the end, or behind 48, 56 or 64 bits, around the
 * byte that is left out. */
static size_t local_nat64(const struct egress_address *address, struct egress_address *forms)
{
    enum { LEFT_OUT = 8, SHORTEST = 6 };
    static const unsigned char none[3] = {0}; /* behind what another prefix has of its address here */
    const unsigned char *bytes = address->bytes;
    size_t count = 0;
    if (memcmp(bytes + 13, none, sizeof none) != 0)
        forms[count++] = of_ipv4(bytes + 12);
    for (size_t at = SHORTEST; at <= LEFT_OUT; at++) {
        unsigned char around[4];
        for (size_t i = 0; i < sizeof around; i++)
            around[i] = bytes[at + i + (at + i >= LEFT_OUT)];
        /* No address begins with zero: that is the number of a network, before an address at another place.
         * Of an address behind 48 bits the longer prefixes would have a part, and zeros behind it. */
        if (around[0] != 0 && (at == SHORTEST || around[3] != 0))
            forms[count++] = of_ipv4(around);
    }
    return count;
}

/** NAT64: the well-known prefix, with the address at its end, and the other one. */
static size_t nat64(const struct egress_address *address, struct egress_address *forms)
{
    static const unsigned char well_known[12] = {0x00, 0x64, 0xff, 0x9b},
                               local[6] = {0x00, 0x64, 0xff, 0x9b, 0, 1};
    if (begins(address, well_known, sizeof well_known)) {
        forms[0] = of_ipv4(address->bytes + 12);
        return 1;
    }
    return begins(address, local, sizeof local) ? local_nat64(address, forms) : 0;
}

/** 6to4 (RFC 3056), and Teredo's server and client (RFC 4380), whose bits are turned over. */
static size_t tunnelled(const struct egress_address *address, struct egress_address *forms)
{
    static const unsigned char six_to_four[2] = {0x20, 0x02}, teredo[4] = {0x20, 0x01, 0, 0};
    const unsigned char *bytes = address->bytes;
    if (begins(address, six_to_four, sizeof six_to_four)) {
        forms[0] = of_ipv4(bytes + 2);
        return 1;
    }
    if (!begins(address, teredo, sizeof teredo))
        return 0;
    const unsigned char client[4] = {(unsigned char)~bytes[12], (unsigned char)~bytes[13],
                                     (unsigned char)~bytes[14], (unsigned char)~bytes[15]};
    forms[0] = of_ipv4(bytes + 4);
    forms[1] = of_ipv4(client);
    return 2;
}

/** IPv4-compatible (RFC 4291; "::" and "::1" are addresses of their own), IPv4-translated (RFC 2765), and
 * ISATAP (RFC 5214). */
static size_t at_its_end(const struct egress_address *address, struct egress_address *forms)
{
    static const unsigned char zeros[12] = {0}, translated[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const unsigned char isatap[4] = {0x00, 0x00, 0x5e, 0xfe},
                               global_isatap[4] = {0x02, 0x00, 0x5e, 0xfe};
    const unsigned char *bytes = address->bytes;
    bool own = memcmp(bytes + 12, zeros, 3) == 0 && bytes[15] <= 1;
    if ((begins(address, zeros, sizeof zeros) && !own) || begins(address, translated, sizeof translated) ||
        memcmp(bytes + 8, isatap, sizeof isatap) == 0 ||
        memcmp(bytes + 8, global_isatap, sizeof global_isatap) == 0) {
        forms[0] = of_ipv4(bytes + 12);
        return 1;
    }
    return 0;
}

size_t egress_address_forms(const struct egress_address *address,
                            struct egress_address forms[EGRESS_FORMS_MAX])
{
    size_t count = 1;
    forms[0] = *address;
    if (egress_address_is_ipv4(address))
        return count;
    count += nat64(address, forms + count);
    count += tunnelled(address, forms + count);
    count += at_its_end(address, forms + count);
    return count;
}

/* Networks */

bool egress_network_has(const struct egress_network *network, const struct egress_address *address)
{
    size_t whole = network->bits / 8;
    unsigned rest = network->bits % 8;
    unsigned char mask = (unsigned char)(0xff00 >> rest);
    /* ::/0 is all of IPv6, and nothing of IPv4 */
    if (egress_address_is_ipv4(address) != egress_address_is_ipv4(&network->base))
        return false;
    return memcmp(network->base.bytes, address->bytes, whole) == 0 &&
           (rest == 0 || ((network->base.bytes[whole] ^ address->bytes[whole]) & mask) == 0);
}

static const char metadata[] = "a metadata address", link_local[] = "a link-local address",
                  unspecified[] = "an unspecified address", multicast[] = "a multicast address",
                  broadcast[] = "the broadcast address";

/* The first that has an address counts. */
static const struct kind {
    const char *base;
    /** As written. */
    unsigned bits;
    const char *words;
    bool lifted_never;
} kinds[] = {
    {"169.254.169.254", 32, metadata, true},  /* almost every cloud */
    {"169.254.170.2", 32, metadata, true},    /* tasks of Amazon ECS */
    {"fd00:ec2::254", 128, metadata, true},   /* Amazon */
    {"168.63.129.16", 32, metadata, true},    /* Azure */
    {"100.100.100.200", 32, metadata, false}, /* Alibaba */
    {"169.254.170.23", 32, metadata, false},  /* pods of Amazon EKS, and the next */
    {"fd00:ec2::23", 128, metadata, false},       {"fd20:ce::254", 128, metadata, false}, /* Google */
    {"fd00:c1::a9fe:a9fe", 128, metadata, false},                                         /* Oracle */
    {"fd00:42::42", 128, metadata, false},                                                /* Scaleway */
    {"fe80::a9fe:a9fe", 128, metadata, false},                                            /* OpenStack */
    {"169.254.0.0", 16, link_local, false},       {"fe80::", 10, link_local, false},
    {"0.0.0.0", 8, unspecified, false},           {"::", 128, unspecified, false},
    {"224.0.0.0", 4, multicast, false},           {"ff00::", 8, multicast, false},
    {"255.255.255.255", 32, broadcast, false},
};

const char *egress_address_kind(const struct egress_address *address, bool *lifted_never)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct egress_network network = {.bits = kinds[i].bits};
        bool read = egress_address_parse(kinds[i].base, &network.base);
        assert(read);
        (void)read;
        if (egress_address_is_ipv4(&network.base))
            network.bits += 8 * EGRESS_ADDRESS_BYTES - IPV4_BITS;
        if (egress_network_has(&network, address)) {
            *lifted_never = kinds[i].lifted_never;
            return kinds[i].words;
        }
    }
    *lifted_never = false;
    return NULL;
}
