/* See client_certificates.h. */
#include "http/client_certificates.h"
#include "base/json_tree.h"
#include "http/egress_address.h"
#include <assert.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Each takes a descriptor. */
enum { HOSTS_MAX = 128 };

struct host_certificate {
    /** As it was written; the rest says what it means. */
    char *name;
    /** Within the name: behind "*" of "*.domain", and "" for "*" alone. */
    struct slice host;
    bool below;
    /** The host is an address, which may be written in several ways. */
    bool is_address;
    struct egress_address address;
    /** 0: any. */
    int port;
    struct client_certificate certificate;
};

struct client_certificates {
    const char *setting;
    struct host_certificate *hosts;
    size_t count;
};

/* Names */

/** The port behind the last colon, if there is one; false: what stands there is no port. */
static bool cut_port(struct slice *name, int *port)
{
    const char *colon = name->len > 0 ? memrchr(name->ptr, ':', name->len) : NULL;
    const char *bracket = name->len > 0 ? memrchr(name->ptr, ']', name->len) : NULL;
    *port = 0;
    if (!colon || (bracket && colon < bracket))
        return true;
    struct slice digits = {colon + 1, name->len - (size_t)(colon + 1 - name->ptr)};
    if (digits.len == 0 || digits.len > 5)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (!char_is_digit(digits.ptr[i]))
            return false;
        *port = *port * 10 + (digits.ptr[i] - '0');
    }
    name->len = (size_t)(colon - name->ptr);
    return *port >= 1 && *port <= 65535;
}

static bool is_host_text(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!char_is_letter(text.ptr[i]) && !char_is_digit(text.ptr[i]) && !memchr("-._", text.ptr[i], 3))
            return false;
    return text.len > 0;
}

static bool is_address_text(struct slice text)
{
    static const char accepted[] = "0123456789abcdefABCDEF:.";
    return text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']' &&
           strspn(text.ptr + 1, accepted) == text.len - 2;
}

/** "svc." is "svc". */
static struct slice without_final_dot(struct slice name)
{
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--;
    return name;
}

static bool read_address(struct slice host, struct egress_address *address)
{
    char text[64];
    slice_copy_cut(host, text, sizeof text);
    return host.len < sizeof text && egress_address_of_host(text, address);
}

/** False: it names no host. */
static bool read_name(struct host_certificate *entry)
{
    struct slice name = slice_of(entry->name);
    if (!cut_port(&name, &entry->port))
        return false;
    name = without_final_dot(name);
    entry->below = name.len > 0 && name.ptr[0] == '*';
    entry->host = entry->below ? (struct slice){name.ptr + 1, name.len - 1} : name;
    if (entry->below)
        return entry->host.len == 0 || (entry->host.ptr[0] == '.' && is_host_text(entry->host));
    entry->is_address = read_address(entry->host, &entry->address);
    return is_host_text(entry->host) || is_address_text(entry->host);
}

static bool names_host(const struct host_certificate *entry, struct slice host)
{
    struct egress_address address;
    if (entry->is_address && read_address(host, &address))
        return memcmp(address.bytes, entry->address.bytes, sizeof address.bytes) == 0;
    return slice_equal_ignore_case(host, entry->host);
}

/** How exactly the entry means this host; 0: not at all. */
static size_t exactness(const struct host_certificate *entry, struct slice host, int port)
{
    struct slice end = {host.ptr + host.len - entry->host.len, entry->host.len};
    if (entry->port != 0 && entry->port != port)
        return 0;
    if (entry->below && (host.len <= entry->host.len || !slice_equal_ignore_case(end, entry->host)))
        return 0;
    if (!entry->below && !names_host(entry, host))
        return 0;
    size_t named = entry->host.len + (entry->below ? 0 : host.len);
    return 1 + (entry->port ? 1U : 0U) + 2 * named;
}

const char *client_certificates_for(const struct client_certificates *certificates, const char *host,
                                    int port)
{
    struct slice name = without_final_dot(slice_of(host));
    size_t best = 0;
    const char *path = NULL;
    for (size_t i = 0; i < certificates->count; i++) {
        size_t exact = exactness(&certificates->hosts[i], name, port);
        if (exact > best) {
            best = exact;
            path = certificates->hosts[i].certificate.path;
        }
    }
    return path;
}

/* Reading */

static bool mean_the_same(const struct host_certificate *a, const struct host_certificate *b)
{
    if (a->port != b->port || a->below != b->below)
        return false;
    return a->below ? slice_equal_ignore_case(a->host, b->host) : names_host(a, b->host);
}

static int add_host(struct client_certificates *certificates, const char *name,
                    const struct client_certificate_source *source, struct error *err)
{
    assert(certificates->hosts);
    struct host_certificate *entry = &certificates->hosts[certificates->count];
    *entry = (struct host_certificate){.name = strdup(name)};
    if (!entry->name)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    certificates->count++;
    if (!read_name(entry))
        return error_set(err, PA_ERR_INVALID,
                         "%s: '%.200s' names no host; write host, host:port, *.domain or * (an international "
                         "name in its xn-- form)",
                         certificates->setting, name);
    for (size_t i = 0; i + 1 < certificates->count; i++)
        if (mean_the_same(&certificates->hosts[i], entry))
            return error_set(err, PA_ERR_INVALID, "%s: '%.200s' is there twice", certificates->setting, name);
    return client_certificate_read(source, &entry->certificate, err);
}

/** A member's text; NULL: there is none. False: it is something else. */
static bool text_member(const cJSON *object, const char *name, const char **out)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    *out = cJSON_GetStringValue(member);
    return !member || (*out && **out);
}

static int add_json_host(struct client_certificates *certificates,
                         const struct client_certificate_source *all, const cJSON *host, struct error *err)
{
    char name[160];
    struct client_certificate_source source = *all;
    bool right = cJSON_IsObject(host) && text_member(host, "cert", &source.cert) && source.cert &&
                 text_member(host, "key", &source.key) &&
                 cJSON_GetArraySize(host) == 1 + (source.key != NULL);
    if (!right)
        return error_set(err, PA_ERR_INVALID,
                         "%s: '%.200s' is not {\"cert\": \"PATH\", \"key\": \"PATH\"} (\"key\" may be left "
                         "out where it is in the file of \"cert\")",
                         certificates->setting, host->string);
    snprintf(name, sizeof name, "%s: %.100s", certificates->setting, host->string);
    source.cert_name = source.key_name = name;
    return add_host(certificates, host->string, &source, err);
}

/** `path`: the file with the text; NULL: it is the setting's own. */
static int add_json(struct client_certificates *certificates, const struct client_certificate_source *source,
                    const char *path, struct slice text, struct error *err)
{
    struct error own = {0};
    char place[256] = "its text";
    if (path)
        snprintf(place, sizeof place, "'%.200s'", path);
    cJSON *root = json_tree(text, &own);
    int count = root ? cJSON_GetArraySize(root) : 0, failed = 0;
    if (!root)
        failed = error_set(err, PA_ERR_INVALID, "%s: %s begins like JSON and %.100s", certificates->setting,
                           place, own.message);
    else if (count == 0 || count > HOSTS_MAX)
        failed = error_set(err, PA_ERR_INVALID, "%s: names %d hosts; it may name from 1 to %d",
                           certificates->setting, count, (int)HOSTS_MAX);
    else if (source->key && *source->key)
        failed =
            error_set(err, PA_ERR_INVALID, "%s: is set, and %s names a key for each host; leave this one out",
                      source->key_name, certificates->setting);
    certificates->hosts = failed ? NULL : calloc((size_t)count + 1, sizeof *certificates->hosts);
    if (!failed && !certificates->hosts)
        failed = error_set(err, PA_ERR_MEMORY, "out of memory");
    for (const cJSON *host = failed || !root ? NULL : root->child; host && !failed; host = host->next)
        failed = add_json_host(certificates, source, host, err);
    cJSON_Delete(root);
    return failed;
}

static int add_one(struct client_certificates *certificates, const struct client_certificate_source *source,
                   struct error *err)
{
    certificates->hosts = calloc(1, sizeof *certificates->hosts);
    return certificates->hosts ? add_host(certificates, "*", source, err)
                               : error_set(err, PA_ERR_MEMORY, "out of memory");
}

static bool begins_like_json(struct slice text)
{
    text = slice_trim(text);
    return text.len > 0 && text.ptr[0] == '{';
}

static int add_all(struct client_certificates *certificates, const struct client_certificate_source *source,
                   struct error *err)
{
    struct buffer text = {0};
    struct error own = {0};
    if (begins_like_json(slice_of(source->cert)))
        return add_json(certificates, source, NULL, slice_of(source->cert), err);
    if (client_certificate_is_pem(source->cert))
        return add_one(certificates, source, err);
    if (source->reads)
        source->reads(source->ctx, source->cert);
    int failed = pem_file_read(source->cert, &text, &own);
    if (failed)
        error_set(err, failed, "%s: %s", source->cert_name, own.message);
    else if (begins_like_json(buffer_slice(&text)))
        failed = add_json(certificates, source, source->cert, buffer_slice(&text), err);
    else
        failed = add_one(certificates, source, err);
    buffer_wipe(&text);
    return failed;
}

struct client_certificates *client_certificates_new(const struct client_certificate_source *source,
                                                    struct error *err)
{
    struct client_certificates *certificates = calloc(1, sizeof *certificates);
    if (!certificates) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    certificates->setting = source->cert_name;
    if (add_all(certificates, source, err) == 0)
        return certificates;
    client_certificates_free(certificates);
    return NULL;
}

void client_certificates_digest(const struct client_certificates *certificates,
                                unsigned char out[PEM_DIGEST_SIZE])
{
    memset(out, 0, PEM_DIGEST_SIZE);
    for (size_t i = 0; certificates && i < certificates->count; i++) {
        unsigned char all[3][PEM_DIGEST_SIZE];
        memcpy(all[0], out, PEM_DIGEST_SIZE);
        pem_file_digest(slice_of(certificates->hosts[i].name), all[1]);
        memcpy(all[2], certificates->hosts[i].certificate.digest, PEM_DIGEST_SIZE);
        pem_file_digest((struct slice){(const char *)all, sizeof all}, out);
    }
}

void client_certificates_free(struct client_certificates *certificates)
{
    if (!certificates)
        return;
    for (size_t i = 0; i < certificates->count; i++) {
        client_certificate_clear(&certificates->hosts[i].certificate);
        free(certificates->hosts[i].name);
    }
    free(certificates->hosts);
    free(certificates);
}
