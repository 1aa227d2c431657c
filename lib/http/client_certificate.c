/* See client_certificate.h. What is kept is written anew by OpenSSL, so that it is what was checked, and
 * nothing else of the operator's files is in it. */
#include "http/client_certificate.h"
#include "http/openssl_memory.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/** The PEM of both, and what it means. */
struct reading {
    const struct client_certificate_source *source;
    struct buffer cert_text, key_text;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
};

bool client_certificate_is_pem(const char *text)
{
    return strstr(text, "-----BEGIN") != NULL;
}

/** A path in quotes, or what stands for PEM itself. */
static void where(const char *value, char out[256])
{
    if (client_certificate_is_pem(value))
        snprintf(out, 256, "its text");
    else
        snprintf(out, 256, "'%.200s'", value);
}

static int problem(struct error *err, const char *name, const char *value, const char *rest)
{
    char place[256];
    where(value, place);
    return error_set(err, PA_ERR_INVALID, "%s: %s %s", name, place, rest);
}

static int read_text(const struct client_certificate_source *source, const char *name, const char *value,
                     struct buffer *out, struct error *err)
{
    struct error own = {0};
    if (client_certificate_is_pem(value)) {
        buffer_append_text(out, value);
        return out->failed ? error_set(err, PA_ERR_MEMORY, "out of memory") : 0;
    }
    if (source->reads)
        source->reads(source->ctx, value);
    int failed = pem_file_read(value, out, &own);
    return failed ? error_set(err, failed, "%s: %s", name, own.message) : 0;
}

/** OpenSSL asks for a passphrase: it is told none, and it is remembered that it asked. */
static int passphrase_asked(char *buffer, int size, int writing, void *ctx)
{
    (void)buffer;
    (void)size;
    (void)writing;
    if (ctx)
        *(bool *)ctx = true;
    return -1;
}

/* The certificate */

/** 0, PA_ERR_MEMORY, or PA_ERR_INVALID: one is damaged. */
static int read_certificates_of(struct reading *reading)
{
    BIO *pem = BIO_new_mem_buf(reading->cert_text.ptr, (int)reading->cert_text.len);
    X509 *certificate;
    bool kept = pem != NULL;
    ERR_clear_error();
    while (kept && (certificate = PEM_read_bio_X509(pem, NULL, passphrase_asked, NULL))) {
        kept = openssl_has_read(certificate) && sk_X509_push(reading->chain, certificate) > 0;
        if (!kept)
            X509_free(certificate);
    }
    unsigned long code = ERR_peek_last_error();
    bool over = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    BIO_free(pem);
    bool memory = !over && openssl_out_of_memory();
    ERR_clear_error();
    return !kept || memory ? PA_ERR_MEMORY : over ? 0 : PA_ERR_INVALID;
}

/** OpenSSL 3.5 does not always say that it had no memory, so what is damaged is read once more. */
static int read_chain(struct reading *reading, struct error *err)
{
    const struct client_certificate_source *source = reading->source;
    int failed = read_certificates_of(reading);
    if (failed == PA_ERR_INVALID) {
        while (sk_X509_num(reading->chain) > 0)
            X509_free(sk_X509_pop(reading->chain));
        failed = read_certificates_of(reading);
    }
    if (failed == PA_ERR_MEMORY)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    if (failed)
        return problem(err, source->cert_name, source->cert, "holds a certificate that is damaged");
    return sk_X509_num(reading->chain) > 0
               ? 0
               : problem(err, source->cert_name, source->cert, "holds no certificate in PEM form");
}

static void warn_of_its_time(const struct reading *reading)
{
    const struct client_certificate_source *source = reading->source;
    const X509 *own = sk_X509_value(reading->chain, 0);
    bool expired = X509_cmp_current_time(X509_get0_notAfter(own)) < 0;
    char place[256], sentence[400];
    if (!source->warn || (!expired && X509_cmp_current_time(X509_get0_notBefore(own)) < 0))
        return;
    where(source->cert, place);
    snprintf(sentence, sizeof sentence, "%s: the certificate in %s %s", source->cert_name, place,
             expired ? "has expired: whoever asks for it will refuse it"
                     : "is not valid yet: is this machine's clock right?");
    source->warn(source->ctx, sentence);
}

/* The key */

static int no_key(const char *name, const char *value, struct slice text, bool asked, struct error *err)
{
    static const char label[] = "PRIVATE KEY-----";
    bool there = text.len > 0 && memmem(text.ptr, text.len, label, sizeof label - 1);
    if (asked)
        return problem(err, name, value,
                       "holds a key with a passphrase, which the agent cannot ask for; write it without: "
                       "openssl pkey -in key.pem -out plain-key.pem");
    if (there)
        return problem(err, name, value, "holds a private key that is damaged, or of an unknown kind");
    return problem(err, name, value, "holds no private key in PEM form");
}

static int read_key(struct reading *reading, struct error *err)
{
    const struct client_certificate_source *source = reading->source;
    bool apart = source->key && *source->key, asked = false;
    const char *value = apart ? source->key : source->cert;
    const char *name = apart ? source->key_name : source->cert_name;
    int failed = apart ? read_text(source, name, value, &reading->key_text, err) : 0;
    if (failed)
        return failed;
    struct slice text = buffer_slice(apart ? &reading->key_text : &reading->cert_text);
    BIO *pem = BIO_new_mem_buf(text.ptr, (int)text.len);
    reading->key = pem ? PEM_read_bio_PrivateKey(pem, NULL, passphrase_asked, &asked) : NULL;
    if (reading->key && openssl_key_bits(reading->key) == 0) { /* for lack of memory it would be too short */
        EVP_PKEY_free(reading->key);
        reading->key =
            BIO_reset(pem) == 1 ? PEM_read_bio_PrivateKey(pem, NULL, passphrase_asked, NULL) : NULL;
    }
    bool memory = !reading->key && !asked && openssl_out_of_memory();
    BIO_free(pem);
    ERR_clear_error();
    if (!pem || memory)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    if (!reading->key && !apart && !asked && !memmem(text.ptr, text.len, "PRIVATE KEY", 11))
        return error_set(err, PA_ERR_INVALID, "%s: is not set, and %s has no private key in it",
                         source->key_name, source->cert_name);
    if (!reading->key)
        return no_key(name, value, text, asked, err);
    if (X509_check_private_key(sk_X509_value(reading->chain, 0), reading->key) == 1)
        return 0;
    if (openssl_out_of_memory())
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    return problem(err, name, value,
                   "holds the key of another certificate; the client's own certificate has to be the first");
}

/** What TLS itself says: a key may be too short for it, or a signature of the chain too weak, and then no
 * handshake would begin, not even with servers that ask for no certificate. */
static int try_both(const struct reading *reading, struct error *err)
{
    const struct client_certificate_source *source = reading->source;
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    char rest[200];
    ERR_clear_error();
    if (!tls)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    bool taken = SSL_CTX_use_certificate(tls, sk_X509_value(reading->chain, 0)) == 1 &&
                 SSL_CTX_use_PrivateKey(tls, reading->key) == 1;
    for (int i = 1; taken && i < sk_X509_num(reading->chain); i++)
        taken = SSL_CTX_add1_chain_cert(tls, sk_X509_value(reading->chain, i)) == 1;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(rest, sizeof rest, "holds a certificate that TLS does not take: %.100s",
             reason ? reason : "no reason given");
    SSL_CTX_free(tls);
    if (taken)
        return 0;
    return openssl_out_of_memory() ? error_set(err, PA_ERR_MEMORY, "out of memory")
                                   : problem(err, source->cert_name, source->cert, rest);
}

/* Keeping both */

static int keep_both(const struct reading *reading, struct client_certificate *out, struct error *err)
{
    BIO *pem = BIO_new(BIO_s_secmem()); /* its memory is wiped when it is freed */
    char path[PEM_FILE_PATH_SIZE];
    bool written = pem != NULL;
    for (int i = 0; written && i < sk_X509_num(reading->chain); i++)
        written = PEM_write_bio_X509(pem, sk_X509_value(reading->chain, i)) == 1;
    written = written && PEM_write_bio_PrivateKey(pem, reading->key, NULL, NULL, 0, NULL, NULL) == 1;
    char *bytes = NULL;
    long len = written ? BIO_get_mem_data(pem, &bytes) : 0;
    if (written) {
        pem_file_digest((struct slice){bytes, (size_t)len}, out->digest);
        out->fd = pem_file_keep("client certificate", (struct slice){bytes, (size_t)len}, path);
    }
    int error = errno;
    BIO_free(pem);
    if (!written)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    if (out->fd < 0)
        return error_set(err, PA_ERR_IO, "a client certificate cannot be kept in memory: %s",
                         strerror(error));
    memcpy(out->path, path, sizeof path);
    if (access(path, R_OK) != 0)
        return error_set(err, PA_ERR_IO,
                         "%s cannot be read: %s; client certificates need /proc to be mounted", path,
                         strerror(errno));
    return 0;
}

int client_certificate_read(const struct client_certificate_source *source, struct client_certificate *out,
                            struct error *err)
{
    struct reading reading = {.source = source, .chain = sk_X509_new_null()};
    *out = (struct client_certificate){0};
    int failed = reading.chain ? read_text(source, source->cert_name, source->cert, &reading.cert_text, err)
                               : error_set(err, PA_ERR_MEMORY, "out of memory");
    if (!failed)
        failed = read_chain(&reading, err);
    if (!failed)
        failed = read_key(&reading, err);
    if (!failed)
        failed = try_both(&reading, err);
    if (!failed)
        failed = keep_both(&reading, out, err);
    if (!failed)
        warn_of_its_time(&reading);
    sk_X509_pop_free(reading.chain, X509_free);
    EVP_PKEY_free(reading.key);
    buffer_wipe(&reading.cert_text);
    buffer_wipe(&reading.key_text);
    return failed;
}

void client_certificate_clear(struct client_certificate *certificate)
{
    if (certificate->path[0])
        close(certificate->fd);
    *certificate = (struct client_certificate){0};
}
