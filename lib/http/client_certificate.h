/* One client certificate with its key: read, checked against each other, and kept in memory as one PEM file
 * that libcurl and librdkafka both read. A key is never written to a file system, nor shown. */
#pragma once
#include "http/pem_file.h"

/** Zero-initialise: none. */
struct client_certificate {
    /** "": none. */
    char path[PEM_FILE_PATH_SIZE];
    /** Of the memfd behind it. */
    int fd;
    /** Of its bytes. */
    unsigned char digest[PEM_DIGEST_SIZE];
};

/** Where a certificate comes from. All is borrowed during the call. */
struct client_certificate_source {
    /** What sentences begin with: "WEBHOOK_CLIENT_CERT". */
    const char *cert_name, *key_name;
    /** Each PEM itself, or the path of a file of it: certificates, the client's own first, then those that
     * signed it; and a private key. `key` NULL or "": it is in `cert` too. */
    const char *cert, *key;
    /** About what is odd but works; during the call only. NULL: nobody wants to know. */
    void (*warn)(void *ctx, const char *sentence);
    /** About each file that decides, before it is read; during the call only. NULL: nobody wants to know. */
    void (*reads)(void *ctx, const char *path);
    void *ctx;
};

/** 0; PA_ERR_INVALID with a sentence that begins with one of the names (a file that cannot be read, no
 * certificate or key in it, a key with a passphrase, a key of another certificate); PA_ERR_MEMORY or
 * PA_ERR_IO. Release with client_certificate_clear in all cases. */
PA_MUST_USE int client_certificate_read(const struct client_certificate_source *source,
                                        struct client_certificate *out, struct error *err);
void client_certificate_clear(struct client_certificate *certificate);

/** Is it PEM, as opposed to a path? */
PA_MUST_USE bool client_certificate_is_pem(const char *text);
