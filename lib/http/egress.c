/* See egress.h. */
#include "http/egress.h"
#include "http/egress_address.h"
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ENTRY_MAX = 300, NAME_MAX_BYTES = 253, PORT_MAX = 65535, IPV6_BITS = 128, IPV4_MORE_BITS = 96 };

struct entry {
    enum entry_kind { EVERYTHING, NAME, NETWORK } kind;
    /** A host name or a pattern. */
    char *name;
    struct egress_network network;
    /** 0: any port. */
    int first_port, last_port;
    char *written;
};

struct list {
    struct entry *entries;
    size_t count;
};

struct egress {
    struct list allow, deny;
};

/* Reading one entry. What is wrong with it is returned; NULL: nothing. */

static const char accepted[] =
    "write a host's name (* stands for any part of it), an address, a network like 10.0.0.0/8, "
    "or a port; a port may also follow, as in svc.internal:443 or [fd00::1]:8000-8099";
static const char no_ports[] =
    "its port is wrong; write a number from 1 to 65535, or two with - between them";
static const char short_address[] =
    "write an address as four decimal numbers (127.0.0.1), and a network as 10.0.0.0/8";
static const char bits_beyond[] = "it has bits beyond its prefix; write 10.0.0.0/8, say, not 10.1.2.3/8";
static const char leading_dot[] = "a name does not begin with a dot; write *.svc.internal";
static const char bad_prefix[] = "its prefix is wrong; write up to 32 bits for IPv4, 128 for IPv6";

/** A number of at most `most`, with nothing after it; -1: it is no such number. */
static int read_number(struct slice text, int most)
{
    int number = 0;
    if (text.len == 0 || text.len > 5)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        number = number * 10 + (text.ptr[i] - '0');
    }
    return number <= most ? number : -1;
}

static const char *read_ports(struct slice text, struct entry *entry)
{
    const char *dash = text.len > 0 ? memchr(text.ptr, '-', text.len) : NULL;
    struct slice first = {text.ptr, dash ? (size_t)(dash - text.ptr) : text.len};
    entry->first_port = entry->last_port = read_number(first, PORT_MAX);
    if (dash)
        entry->last_port = read_number((struct slice){dash + 1, text.len - first.len - 1}, PORT_MAX);
    return entry->first_port >= 1 && entry->last_port >= entry->first_port ? NULL : no_ports;
}

static bool fits(const struct egress_network *network)
{
    for (unsigned bit = network->bits; bit < IPV6_BITS; bit++)
        if (network->base.bytes[bit / 8] & (0x80 >> bit % 8))
            return false;
    return true;
}

/** "10.0.0.0/8", "10.1.2.3"; false: it is no address. */
static bool read_network(const char *text, struct entry *entry, const char **why)
{
    char base[ENTRY_MAX];
    size_t len = strcspn(text, "/");
    memcpy(base, text, len);
    base[len] = '\0';
    if (!egress_address_parse(base, &entry->network.base))
        return false;
    bool dotted = !strchr(base, ':');
    int bits = dotted ? IPV6_BITS - IPV4_MORE_BITS : IPV6_BITS;
    if (text[len])
        bits = read_number(slice_of(text + len + 1), bits);
    if (bits >= 0 && dotted)
        bits += IPV4_MORE_BITS;
    entry->kind = NETWORK;
    entry->network.bits = bits < 0 ? IPV6_BITS : (unsigned)bits;
    *why = bits < 0 ? bad_prefix : !fits(&entry->network) ? bits_beyond : NULL;
    return true;
}

static const char *read_host_pattern(const char *text, struct entry *entry)
{
    static const char legal[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.*";
    size_t len = strlen(text);
    if (len > 1 && text[len - 1] == '.')
        len--;
    if (text[0] == '.')
        return leading_dot;
    if (len == 0 || len > NAME_MAX_BYTES || strspn(text, legal) < len || strstr(text, ".."))
        return accepted;
    if (strpbrk(text, "0123456789") && strspn(text, "0123456789.*") == strlen(text))
        return short_address; /* 10.* is no name, and would match none */
    if (egress_is_numeric(text))
        return short_address;
    entry->kind = NAME;
    entry->name = strndup(text, len);
    return NULL;
}

/** What stands before the port. */
static const char *read_place(const char *text, struct entry *entry)
{
    const char *why = NULL;
    if (strcmp(text, "*") == 0 || !*text)
        return NULL;
    if (read_network(text, entry, &why))
        return why;
    return strchr(text, '/') ? short_address : read_host_pattern(text, entry);
}

static const char *read_bracketed(char *text, struct entry *entry)
{
    char *end = strchr(text, ']');
    const char *why = NULL;
    if (!end || (end[1] && end[1] != ':'))
        return accepted;
    *end = '\0';
    if (!strchr(text, ':') || !read_network(text + 1, entry, &why))
        return accepted;
    return why || !end[1] ? why : read_ports(slice_of(end + 2), entry);
}

static const char *read_entry(struct slice written, struct entry *entry)
{
    char text[ENTRY_MAX];
    const char *why = NULL;
    *entry = (struct entry){.kind = EVERYTHING};
    if (!written.ptr || written.len >= sizeof text)
        return accepted;
    memcpy(text, written.ptr, written.len);
    text[written.len] = '\0';
    char *colon = strchr(text, ':');
    if (text[0] == '[')
        return read_bracketed(text, entry);
    if (strspn(text, "0123456789-") == written.len)
        return read_ports(written, entry);
    if (colon && strchr(colon + 1, ':'))
        return read_network(text, entry, &why) ? why : accepted;
    if (colon) {
        *colon = '\0';
        why = read_ports(slice_of(colon + 1), entry);
    }
    return why ? why : read_place(text, entry);
}

/* Reading lists */

/** Cuts the next entry off; null: there is no more. */
static struct slice next_entry(const char **at)
{
    static const char separators[] = ", \t\r\n\v\f";
    const char *start = *at + strspn(*at, separators);
    size_t len = strcspn(start, separators);
    *at = start + len;
    return len > 0 ? (struct slice){start, len} : (struct slice){NULL, 0};
}

static void entry_clear(struct entry *entry)
{
    free(entry->name);
    free(entry->written);
}

static int add_range(struct list *list, struct slice written, struct error *err)
{
    struct entry entry;
    const char *why = read_entry(written, &entry);
    struct entry *grown = why ? NULL : realloc(list->entries, (list->count + 1) * sizeof *grown);
    if (grown)
        list->entries = grown;
    entry.written = why ? NULL : slice_to_text(written);
    if (!why && grown && entry.written && (entry.kind != NAME || entry.name)) {
        list->entries[list->count++] = entry;
        return 0;
    }
    entry_clear(&entry);
    return why ? error_set(err, PA_ERR_INVALID, "'%.*s': %s", (int)(written.len > 100 ? 100 : written.len),
                           written.ptr, why)
               : error_set(err, PA_ERR_MEMORY, "out of memory");
}

static int read_list(const char *text, struct list *list, struct error *err)
{
    struct slice written;
    int result = 0;
    const char *at = text ? text : "";
    while (result == 0 && !slice_is_null(written = next_entry(&at)))
        result = add_range(list, written, err);
    return result;
}

static void list_clear(struct list *list)
{
    for (size_t i = 0; i < list->count; i++)
        entry_clear(&list->entries[i]);
    free(list->entries);
}

struct egress *egress_new(const char *allow, const char *deny, struct error *err)
{
    struct egress *egress = calloc(1, sizeof *egress);
    if (!egress) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    if (read_list(allow, &egress->allow, err) == 0 && read_list(deny, &egress->deny, err) == 0)
        return egress;
    egress_free(egress);
    return NULL;
}

void egress_free(struct egress *egress)
{
    if (!egress)
        return;
    list_clear(&egress->allow);
    list_clear(&egress->deny);
    free(egress);
}

bool egress_narrows(const struct egress *egress)
{
    return egress->allow.count + egress->deny.count > 0;
}

/** An address alone that nothing lifts the rule for. */
static bool is_useless(const struct entry *entry)
{
    struct egress_address forms[EGRESS_FORMS_MAX];
    bool lifted_never = false;
    if (entry->kind != NETWORK || entry->network.bits < IPV6_BITS)
        return false;
    size_t count = egress_address_forms(&entry->network.base, forms);
    for (size_t i = 0; i < count && !lifted_never; i++)
        egress_address_kind(&forms[i], &lifted_never);
    return lifted_never;
}

void egress_check(const char *list, bool allows, egress_told *told, void *ctx)
{
    const char *at = list;
    struct slice written;
    bool any = false;
    while (!slice_is_null(written = next_entry(&at))) {
        struct entry entry;
        char words[ENTRY_MAX];
        const char *why = read_entry(written, &entry);
        snprintf(words, sizeof words, "is not accepted; %s", why ? why : "");
        if (why)
            told(ctx, EGRESS_ENTRY_WRONG, written, words);
        else if (allows && is_useless(&entry))
            told(ctx, EGRESS_ENTRY_USELESS, written, "is a metadata address, which stays refused");
        entry_clear(&entry);
        any = true;
    }
    if (!any)
        told(ctx, EGRESS_ENTRY_WRONG, slice_of(list), "names nothing; leave the setting out, or write *");
}

/* Judging */

/** What is judged: the request's target, with all that its address may mean. */
struct subject {
    const struct egress_target *target;
    int port;
    /** Its URL has an address instead of a name, or a number that is no address. */
    bool literal;
    struct egress_address forms[EGRESS_FORMS_MAX];
    /** 0: the address is not known. */
    size_t count;
};

/** Does a name match a pattern in which * stands for any characters? */
static bool is_like(const char *name, size_t len, const char *pattern)
{
    size_t at = 0, resumed_at = 0;
    const char *star = NULL;
    while (at < len) {
        if (*pattern == '*') {
            star = pattern++;
            resumed_at = at;
        } else if (*pattern && strncasecmp(name + at, pattern, 1) == 0) {
            pattern++;
            at++;
        } else if (star) {
            pattern = star + 1;
            at = ++resumed_at;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

static bool has_name(const struct subject *subject, const char *pattern)
{
    const char *host = subject->target->host;
    size_t len = strlen(host);
    if (len > 1 && host[len - 1] == '.')
        len--;
    return !subject->literal && is_like(host, len, pattern);
}

/** `forms`: how many of the address's forms count. */
static bool matches(const struct entry *entry, const struct subject *subject, size_t forms)
{
    if (entry->first_port > 0 && (subject->port < entry->first_port || subject->port > entry->last_port))
        return false;
    if (entry->kind == EVERYTHING)
        return true;
    if (entry->kind == NAME)
        return has_name(subject, entry->name);
    for (size_t i = 0; i < forms; i++)
        if (egress_network_has(&entry->network, &subject->forms[i]))
            return true;
    return false;
}

static const struct entry *find_entry(const struct list *list, const struct subject *subject, size_t forms)
{
    for (size_t i = 0; i < list->count; i++)
        if (matches(&list->entries[i], subject, forms))
            return &list->entries[i];
    return NULL;
}

/** An address that is not known yet may be in one of the networks. */
static bool may_match(const struct list *list, const struct subject *subject)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct entry *entry = &list->entries[i];
        bool port = entry->first_port == 0 ||
                    (subject->port >= entry->first_port && subject->port <= entry->last_port);
        if (entry->kind == NETWORK && port)
            return true;
    }
    return false;
}

/** The address is allowed by itself, not as one of a network. */
static bool is_lifted(const struct egress *egress, const struct subject *subject)
{
    for (size_t i = 0; i < egress->allow.count; i++) {
        const struct entry *entry = &egress->allow.entries[i];
        if (entry->kind == NETWORK && entry->network.bits == IPV6_BITS && matches(entry, subject, 1))
            return true;
    }
    return false;
}

static bool refuse_kind(const struct egress *egress, const struct subject *subject, char *why)
{
    const char *kind = NULL, *first = NULL;
    size_t which = 0;
    bool lifted_never = false, any_never = false;
    for (size_t i = 0; i < subject->count; i++) {
        kind = egress_address_kind(&subject->forms[i], &lifted_never);
        if (kind && (!first || (lifted_never && !any_never))) {
            first = kind;
            which = i;
        }
        any_never |= lifted_never;
    }
    if (!first || (!any_never && is_lifted(egress, subject)))
        return false;
    char address[EGRESS_ADDRESS_TEXT], within[EGRESS_ADDRESS_TEXT];
    egress_address_write(&subject->forms[0], address);
    egress_address_write(&subject->forms[which], within);
    if (which == 0)
        snprintf(why, EGRESS_WORDS, "%s is %s", address, first);
    else
        snprintf(why, EGRESS_WORDS, "%s stands for %s, which is %s", address, within, first);
    return true;
}

/** Names under which clouds have their metadata, for whoever looks them up is not us. */
static bool is_metadata_name(const struct subject *subject)
{
    static const char *const names[] = {"metadata.google.internal", "metadata.goog",
                                        "instance-data.ec2.internal", "metadata.tencentyun.com"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (has_name(subject, names[i]))
            return true;
    return false;
}

static bool refuse_proxied(const struct subject *subject, char *why)
{
    if (subject->count == 0 && subject->literal)
        snprintf(why, EGRESS_WORDS, "%.200s is a number, but not an address", subject->target->host);
    else if (is_metadata_name(subject))
        snprintf(why, EGRESS_WORDS, "%.200s is the name of a metadata address", subject->target->host);
    else
        return false;
    return true;
}

/** "svc.internal:80 (10.1.2.3)" */
static void describe(const struct subject *subject, char *out, size_t size)
{
    char address[EGRESS_ADDRESS_TEXT] = "";
    bool shown = !subject->literal && subject->count > 0;
    if (shown)
        egress_address_write(&subject->forms[0], address);
    snprintf(out, size, "%.200s:%d%s%s%s", subject->target->host, subject->port, shown ? " (" : "", address,
             shown ? ")" : "");
}

static void make_subject(const struct egress_target *target, const struct sockaddr *address,
                         struct subject *subject)
{
    struct egress_address known;
    *subject = (struct subject){.target = target, .port = target->port};
    bool literal = egress_address_of_host(target->host, &known);
    subject->literal = literal || *target->host == '[' || egress_is_numeric(target->host);
    if (address && egress_address_of_socket(address, &known)) {
        /* both begin with their family and port */
        subject->port = ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
        literal = true;
    }
    if (literal)
        subject->count = egress_address_forms(&known, subject->forms);
}

bool egress_lets(const struct egress *egress, const struct egress_target *target,
                 const struct sockaddr *address, char *why)
{
    struct subject subject;
    char place[300];
    make_subject(target, address, &subject);
    describe(&subject, place, sizeof place);
    if (subject.port == 0) {
        snprintf(why, EGRESS_WORDS, "port 0 is never connected to");
        return false;
    }
    if (address && subject.count == 0) {
        snprintf(why, EGRESS_WORDS, "its address is neither IPv4 nor IPv6");
        return false;
    }
    if (refuse_kind(egress, &subject, why) || (target->proxied && refuse_proxied(&subject, why)))
        return false;
    const struct entry *denied = find_entry(&egress->deny, &subject, subject.count);
    if (denied) {
        snprintf(why, EGRESS_WORDS, "%.300s is in EGRESS_DENY (%.100s)", place, denied->written);
        return false;
    }
    bool open = subject.count == 0 && !target->proxied && may_match(&egress->allow, &subject);
    if (egress->allow.count == 0 || open || find_entry(&egress->allow, &subject, subject.count > 0))
        return true;
    snprintf(why, EGRESS_WORDS, "%.300s is not in EGRESS_ALLOW", place);
    return false;
}
