/* See authorities.h. Added certificates are read with OpenSSL and written anew, so that a key, a stray text
 * or a missing last newline in an operator's file breaks nothing; the system's bundle is copied as it is. The
 * whole goes into a memfd: it has a path (/proc/self/fd/N) also where no file system can be written. */
#include "http/authorities.h"
#include "base/buffer.h"
#include "http/openssl_memory.h"
#include "http/pem_file.h"
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIRECTORY_DEPTH = 4 };

struct authorities {
    /** Of the memfd; -1: none. */
    int fd;
    size_t added;
    char *bundle;
    /** NULL: there is no bundle. */
    X509_STORE *store;
    unsigned char digest[PEM_DIGEST_SIZE];
};

struct gathering {
    const struct authorities_options *options;
    /** NULL: none. */
    const char *system_bundle;
    /** The system's own, and those that are added. */
    STACK_OF(X509) * system, *certificates;
};

static const char *const SYSTEM_BUNDLES[] = {
    "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Alpine, Arch, and the container image */
    "/etc/pki/tls/certs/ca-bundle.crt",                  /* Fedora, RHEL */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* newer of the two */
    "/etc/ssl/ca-bundle.pem",                            /* SUSE */
    "/etc/ssl/cert.pem"};                                /* BSD's place, Alpine too */

static int unreadable(const char *path, struct error *err)
{
    return error_set(err, PA_ERR_INVALID, "'%.200s' cannot be read: %s", path, strerror(errno));
}

static const char *find_system_bundle(const struct authorities_options *options)
{
    if (options->system_bundle)
        return access(options->system_bundle, R_OK) == 0 ? options->system_bundle : NULL;
    for (size_t i = 0; i < sizeof SYSTEM_BUNDLES / sizeof *SYSTEM_BUNDLES; i++)
        if (access(SYSTEM_BUNDLES[i], R_OK) == 0)
            return SYSTEM_BUNDLES[i];
    return NULL;
}

/* One file */

/** Without it OpenSSL would ask the terminal about an encrypted block. */
static int no_passphrase(char *buffer, int size, int writing, void *ctx)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)ctx;
    return -1;
}

/** Ends at the last block, or at one that cannot be read. */
static int read_certificates(BIO *pem, STACK_OF(X509) * to, size_t *count)
{
    X509 *certificate;
    ERR_clear_error();
    while ((certificate = PEM_read_bio_X509_AUX(pem, NULL, no_passphrase, NULL))) {
        ++*count;
        if (!openssl_has_read(certificate) ||
            !X509_add_cert(to, certificate, X509_ADD_FLAG_UP_REF | X509_ADD_FLAG_NO_DUP)) {
            X509_free(certificate);
            return PA_ERR_MEMORY;
        }
        X509_free(certificate);
    }
    unsigned long code = ERR_peek_last_error();
    bool over = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    int result = over ? 0 : openssl_out_of_memory() ? PA_ERR_MEMORY : PA_ERR_INVALID;
    ERR_clear_error();
    return result;
}

static int no_certificate(const char *path, struct slice bytes, struct error *err)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    X509 *binary = bytes.len > 0 ? d2i_X509(NULL, &at, (long)bytes.len) : NULL;
    ERR_clear_error();
    if (!binary)
        return error_set(err, PA_ERR_INVALID, "'%.200s' holds no certificate in PEM form", path);
    X509_free(binary);
    return error_set(err, PA_ERR_INVALID,
                     "'%.120s' is a certificate in DER form; make it PEM: openssl x509 -inform der -in "
                     "%.120s -out cert.crt",
                     path, path);
}

static void tell_of(const struct gathering *gathering, const char *path)
{
    if (gathering->options->reads)
        gathering->options->reads(gathering->options->ctx, path);
}

/** Those in the file's text. */
static int add_from_text(const char *path, struct slice text, STACK_OF(X509) * to, struct error *err)
{
    size_t count = 0;
    if (slice_starts_with(text, "\xef\xbb\xbf")) { /* a byte order mark hides the first block */
        text.ptr += 3;
        text.len -= 3;
    }
    BIO *pem = BIO_new_mem_buf(text.ptr, (int)text.len);
    int result = pem ? read_certificates(pem, to, &count) : PA_ERR_MEMORY;
    BIO_free(pem);
    if (result == PA_ERR_MEMORY)
        error_set(err, PA_ERR_MEMORY, "out of memory");
    else if (result != 0)
        error_set(err, result, "'%.200s': certificate %zu is damaged", path, count + 1);
    else if (count == 0)
        result = no_certificate(path, text, err);
    return result;
}

static int add_file(struct gathering *gathering, const char *path, struct error *err)
{
    struct buffer bytes = {0};
    tell_of(gathering, path);
    int result = pem_file_read(path, &bytes, err);
    if (result == 0)
        result = add_from_text(path, buffer_slice(&bytes), gathering->certificates, err);
    buffer_clear(&bytes);
    return result;
}

/* Folders */

static void warn(const struct gathering *gathering, const char *sentence)
{
    if (gathering->options->warn)
        gathering->options->warn(gathering->options->ctx, sentence);
}

/** Debian takes *.crt from there, today's agent *.pem as well. */
static bool is_named_as_certificate(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && (strcmp(name + len - 4, ".crt") == 0 || strcmp(name + len - 4, ".pem") == 0);
}

/** What a file gave, `result`: only a lack of memory is a failure, everything else a warning. */
static int warn_of_bad_file(const struct gathering *gathering, int result, const struct error *problem,
                            const char *consequence, struct error *err)
{
    char sentence[sizeof problem->message + 64];
    if (result == PA_ERR_MEMORY)
        return error_set(err, result, "out of memory");
    if (result != 0) {
        snprintf(sentence, sizeof sentence, "%s; %s", problem->message, consequence);
        warn(gathering, sentence);
    }
    return 0;
}

static int add_directory(struct gathering *gathering, const char *path, bool only_named, int depth,
                         struct error *err);

/** A folder's entry: what is wrong with it is a warning, so that one bad file takes no other with it. */
static int add_entry(struct gathering *gathering, const char *path, bool only_named, int depth,
                     struct error *err)
{
    struct stat status;
    struct error problem = {0};
    int result = 0;
    bool known = stat(path, &status) == 0;
    if (known && S_ISDIR(status.st_mode))
        return only_named && depth > 0 ? add_directory(gathering, path, only_named, depth - 1, err) : 0;
    if (only_named && !is_named_as_certificate(path))
        return 0;
    result = add_file(gathering, path, &problem);
    return warn_of_bad_file(gathering, result, &problem, "no authority is taken from it", err);
}

/** Names that begin with a dot are left out: Kubernetes keeps the versions of a mount in such folders. */
static int add_directory(struct gathering *gathering, const char *path, bool only_named, int depth,
                         struct error *err)
{
    struct dirent **entries = NULL;
    tell_of(gathering, path);
    int count = scandir(path, &entries, NULL, alphasort), result = 0;
    if (count < 0)
        return unreadable(path, err);
    for (int i = 0; i < count; i++) {
        struct buffer entry = {0};
        if (result == 0 && entries[i]->d_name[0] != '.') {
            buffer_appendf(&entry, "%s/%s", path, entries[i]->d_name);
            buffer_text(&entry);
            result = entry.failed ? error_set(err, PA_ERR_MEMORY, "out of memory")
                                  : add_entry(gathering, entry.ptr, only_named, depth, err);
        }
        buffer_clear(&entry);
        free(entries[i]);
    }
    free(entries);
    return result;
}

/* Where they come from */

static bool same_file(const char *a, const char *b)
{
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

static int add_setting(struct gathering *gathering, const char *name, const char *path, struct error *err)
{
    struct stat status;
    struct error problem = {0};
    if (!path || !*path || (gathering->system_bundle && same_file(path, gathering->system_bundle)))
        return 0;
    int before = sk_X509_num(gathering->certificates), result;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        result = add_directory(gathering, path, false, 0, &problem);
        if (result == 0 && sk_X509_num(gathering->certificates) == before)
            result = error_set(&problem, PA_ERR_INVALID,
                               "no file in '%.200s' holds a certificate in PEM form", path);
    } else {
        result = add_file(gathering, path, &problem);
    }
    return result == 0 ? 0 : error_set(err, result, "%s: %s", name, problem.message);
}

static int add_mounted(struct gathering *gathering, struct error *err)
{
    const char *path = gathering->options->directory;
    struct error problem = {0};
    if (!path)
        return 0;
    if (access(path, F_OK) != 0) {
        tell_of(gathering, path);
        return 0;
    }
    int result = add_directory(gathering, path, true, DIRECTORY_DEPTH, &problem);
    if (result == PA_ERR_MEMORY)
        return error_set(err, result, "out of memory");
    if (result != 0)
        warn(gathering, problem.message);
    return 0;
}

/* The bundle */

static int append_certificates(const struct gathering *gathering, struct buffer *out)
{
    BIO *pem = BIO_new(BIO_s_mem());
    bool ok = pem != NULL;
    for (int i = 0; ok && i < sk_X509_num(gathering->certificates); i++)
        ok = PEM_write_bio_X509(pem, sk_X509_value(gathering->certificates, i)) == 1;
    char *bytes = NULL;
    long len = ok ? BIO_get_mem_data(pem, &bytes) : 0;
    buffer_append_char(out, '\n');
    buffer_append(out, bytes, (size_t)len);
    BIO_free(pem);
    return ok && !out->failed ? 0 : PA_ERR_MEMORY;
}

static int publish(struct authorities *authorities, struct slice bytes, struct error *err)
{
    char path[PEM_FILE_PATH_SIZE];
    authorities->fd = pem_file_keep("authorities", bytes, path);
    if (authorities->fd < 0)
        return error_set(err, PA_ERR_IO, "the certificate authorities cannot be kept in memory: %s",
                         strerror(errno));
    authorities->bundle = strdup(path);
    if (!authorities->bundle)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    if (access(path, R_OK) != 0)
        return error_set(err, PA_ERR_IO,
                         "%s cannot be read: %s; additional certificate authorities need /proc to be mounted",
                         path, strerror(errno));
    return 0;
}

/** A damaged one is a warning: what is added to it counts all the same. */
static int read_system(const struct gathering *gathering, struct buffer *bytes, struct error *err)
{
    const char *path = gathering->system_bundle;
    struct error problem = {0};
    if (!path) {
        if (sk_X509_num(gathering->certificates) > 0)
            warn(gathering,
                 "no bundle of the system's certificate authorities was found: only the added ones "
                 "are trusted");
        return 0;
    }
    tell_of(gathering, path);
    int result = pem_file_read(path, bytes, err);
    if (result != 0)
        return result;
    result = add_from_text(path, buffer_slice(bytes), gathering->system, &problem);
    return warn_of_bad_file(gathering, result, &problem, "no more authorities are taken from it", err);
}

static bool add_to_store(X509_STORE *store, const STACK_OF(X509) * certificates)
{
    bool added = true;
    for (int i = 0; added && i < sk_X509_num(certificates); i++)
        added = X509_STORE_add_cert(store, sk_X509_value(certificates, i)) == 1;
    return added;
}

/** One that somebody else signed is an authority all the same, as in libcurl's own stores. */
static int make_store(struct authorities *authorities, const struct gathering *gathering, struct error *err)
{
    if (!*authorities->bundle)
        return 0;
    authorities->store = X509_STORE_new();
    bool made = authorities->store &&
                X509_STORE_set_flags(authorities->store,
                                     X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
                add_to_store(authorities->store, gathering->system) &&
                add_to_store(authorities->store, gathering->certificates);
    ERR_clear_error();
    return made ? 0 : error_set(err, PA_ERR_MEMORY, "out of memory");
}

static int make_bundle(struct authorities *authorities, const struct gathering *gathering, struct error *err)
{
    struct buffer bytes = {0};
    authorities->added = (size_t)sk_X509_num(gathering->certificates);
    int result = read_system(gathering, &bytes, err);
    if (result == 0 && authorities->added == 0) {
        authorities->bundle = strdup(gathering->system_bundle ? gathering->system_bundle : "");
        result = authorities->bundle ? 0 : error_set(err, PA_ERR_MEMORY, "out of memory");
    } else if (result == 0) {
        result = append_certificates(gathering, &bytes) == 0 ? publish(authorities, buffer_slice(&bytes), err)
                                                             : error_set(err, PA_ERR_MEMORY, "out of memory");
    }
    pem_file_digest(buffer_slice(&bytes), authorities->digest);
    buffer_clear(&bytes);
    return result == 0 ? make_store(authorities, gathering, err) : result;
}

struct authorities *authorities_new(const struct authorities_options *options, struct error *err)
{
    struct authorities *authorities = calloc(1, sizeof *authorities);
    struct gathering gathering = {.options = options,
                                  .system_bundle = find_system_bundle(options),
                                  .system = sk_X509_new_null(),
                                  .certificates = sk_X509_new_null()};
    int result = 0;
    if (!authorities || !gathering.system || !gathering.certificates)
        result = error_set(err, PA_ERR_MEMORY, "out of memory");
    if (authorities)
        authorities->fd = -1;
    if (result == 0)
        result = add_setting(&gathering, "SSL_CERT_FILE", options->ssl_cert_file, err);
    if (result == 0)
        result = add_setting(&gathering, "REQUESTS_CA_BUNDLE", options->requests_ca_bundle, err);
    if (result == 0)
        result = add_mounted(&gathering, err);
    if (result == 0)
        result = make_bundle(authorities, &gathering, err);
    sk_X509_pop_free(gathering.system, X509_free);
    sk_X509_pop_free(gathering.certificates, X509_free);
    if (result == 0)
        return authorities;
    authorities_free(authorities);
    return NULL;
}

const char *authorities_bundle(const struct authorities *authorities)
{
    return authorities ? authorities->bundle : "";
}

X509_STORE *authorities_store(const struct authorities *authorities)
{
    return authorities ? authorities->store : NULL;
}

const unsigned char *authorities_digest(const struct authorities *authorities)
{
    return authorities->digest;
}

size_t authorities_added(const struct authorities *authorities)
{
    return authorities->added;
}

void authorities_free(struct authorities *authorities)
{
    if (!authorities)
        return;
    if (authorities->fd >= 0)
        close(authorities->fd);
    X509_STORE_free(authorities->store);
    free(authorities->bundle);
    free(authorities);
}
