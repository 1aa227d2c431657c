/* Where requests may go. Input: a list of what is allowed, a line of what is denied, a line with a host, and
 * up to 16 bytes of an address. */
#include "fuzz.h"
#include "http/egress.h"
#include "http/egress_address.h"
#include <netinet/in.h>

static void told(void *ctx, enum egress_note note, struct slice entry, const char *words)
{
    size_t *wrong = ctx;
    EXPECT(entry.ptr && *words);
    *wrong += note == EGRESS_ENTRY_WRONG && !strstr(words, "names nothing");
}

static bool lets(const struct egress *egress, const char *host, const struct egress_address *to)
{
    char why[EGRESS_WORDS] = "";
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    const struct egress_target target = {.host = host, .port = 443};
    memcpy(&address.sin6_addr, to->bytes, sizeof to->bytes);
    bool allowed = egress_lets(egress, &target, (const struct sockaddr *)(const void *)&address, why);
    EXPECT(allowed || *why);
    return allowed;
}

static void check(const struct egress *lists, const struct egress *none, const char *host,
                  const struct egress_address *to)
{
    struct egress_address forms[EGRESS_FORMS_MAX], literal;
    size_t count = egress_address_forms(to, forms);
    bool any = false, any_never = false, never;
    char why[EGRESS_WORDS];
    for (size_t i = 0; i < count; i++) {
        any |= egress_address_kind(&forms[i], &never) != NULL;
        any_never |= never;
    }
    EXPECT(lets(none, host, to) == !any);
    bool allowed = lets(lists, host, to);
    EXPECT(!allowed || !any_never);
    /* what is judged before the name is looked up refuses nothing that its address would not */
    const struct egress_target target = {.host = host, .port = 443};
    if (allowed && !egress_address_of_host(host, &literal))
        EXPECT(egress_lets(lists, &target, NULL, why));
}

static void check_metadata(const struct egress *lists, const char *host)
{
    static const char *const never[] = {"169.254.169.254",  "169.254.170.2",      "168.63.129.16",
                                        "fd00:ec2::254",    "64:ff9b::a9fe:a9fe", "::169.254.169.254",
                                        "2002:a9fe:a9fe::1"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        struct egress_address address;
        EXPECT(egress_address_parse(never[i], &address) && !lets(lists, host, &address));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = fuzz_input(data, size);
    char *allow = slice_to_text(fuzz_until(&rest, '\n')), *deny = slice_to_text(fuzz_until(&rest, '\n'));
    char *host = slice_to_text(fuzz_until(&rest, '\n'));
    struct egress_address address = {{0}};
    struct error err = {0};
    size_t wrong = 0;
    memcpy(address.bytes, rest.ptr, rest.len < sizeof address.bytes ? rest.len : sizeof address.bytes);
    struct egress *lists = egress_new(allow, deny, &err), *none = egress_new(NULL, NULL, &err);
    egress_check(allow, true, told, &wrong);
    egress_check(deny, false, told, &wrong);
    EXPECT((lists != NULL) == (wrong == 0));
    if (lists) {
        check(lists, none, host, &address);
        check_metadata(lists, host);
    }
    egress_free(lists);
    egress_free(none);
    free(allow);
    free(deny);
    free(host);
    return 0;
}
