/* HMAC-SHA-256 with one reused EVP_MAC_CTX per key. */
#include "event/signature.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

enum { HMAC_BYTES = 32, TIMESTAMP_DIGITS_MAX = 18 };

struct signer {
    EVP_MAC *mac;
    EVP_MAC_CTX *keyed;
    /** Whose signatures are accepted too; NULL: nobody's. */
    struct signer *previous;
};

static int set_key(struct signer *signer, struct slice secret)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
    const unsigned char *key = (const unsigned char *)(secret.ptr ? secret.ptr : "");
    return EVP_MAC_init(signer->keyed, key, secret.len, parameters);
}

struct signer *signer_new(struct slice secret)
{
    struct signer *signer = calloc(1, sizeof *signer);
    if (!signer)
        return NULL;
    signer->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    signer->keyed = signer->mac ? EVP_MAC_CTX_new(signer->mac) : NULL;
    if (!signer->keyed || set_key(signer, secret) != 1) {
        signer_free(signer);
        return NULL;
    }
    return signer;
}

void signer_free(struct signer *signer)
{
    if (!signer)
        return;
    signer_free(signer->previous);
    EVP_MAC_CTX_free(signer->keyed);
    EVP_MAC_free(signer->mac);
    free(signer);
}

struct signer *signer_copy(const struct signer *signer)
{
    struct signer *copy = calloc(1, sizeof *copy);
    if (!copy)
        return NULL;
    copy->keyed = EVP_MAC_CTX_dup(signer->keyed);
    copy->previous = signer->previous ? signer_copy(signer->previous) : NULL;
    if (copy->keyed && (copy->previous || !signer->previous))
        return copy;
    signer_free(copy);
    return NULL;
}

int signer_accept_too(struct signer *signer, struct slice secret)
{
    if (secret.len == 0)
        return 0;
    while (signer->previous)
        signer = signer->previous;
    signer->previous = signer_new(secret);
    return signer->previous ? 0 : PA_ERR_MEMORY;
}

int signer_change(struct signer *signer, struct slice secret, const struct slice *too, size_t count)
{
    struct signer *made = signer_new(secret), before = *signer;
    int failed = made ? 0 : PA_ERR_MEMORY;
    for (size_t i = 0; i < count && !failed; i++)
        failed = signer_accept_too(made, too[i]);
    if (!failed) {
        *signer = *made;
        *made = before;
    }
    signer_free(made);
    return failed;
}

static int begin(struct signer *signer, struct slice timestamp)
{
    bool begun = EVP_MAC_init(signer->keyed, NULL, 0, NULL) == 1 &&
                 EVP_MAC_update(signer->keyed, (const unsigned char *)timestamp.ptr, timestamp.len) == 1 &&
                 EVP_MAC_update(signer->keyed, (const unsigned char *)".", 1) == 1;
    return begun ? 0 : PA_ERR_MEMORY;
}

int signer_add(struct signer *signer, struct slice piece)
{
    bool added = EVP_MAC_update(signer->keyed, (const unsigned char *)piece.ptr, piece.len) == 1;
    return added ? 0 : PA_ERR_MEMORY;
}

int signer_end(struct signer *signer, char out[SIGNATURE_SIZE])
{
    unsigned char digest[HMAC_BYTES];
    size_t len = 0;
    if (EVP_MAC_final(signer->keyed, digest, &len, HMAC_BYTES) != 1)
        return PA_ERR_MEMORY;
    out[0] = 'v';
    out[1] = '1';
    out[2] = ',';
    EVP_EncodeBlock((unsigned char *)out + 3, digest, sizeof digest);
    return 0;
}

int signer_sign_text(struct signer *signer, struct slice timestamp, struct slice payload,
                     char out[SIGNATURE_SIZE])
{
    int failed = begin(signer, timestamp);
    if (!failed)
        failed = signer_add(signer, payload);
    return failed ? failed : signer_end(signer, out);
}

enum { SECONDS_SIZE = 24 };

static struct slice seconds_text(int64_t timestamp_s, char out[SECONDS_SIZE])
{
    struct buffer text = {.ptr = out, .cap = SECONDS_SIZE};
    buffer_append_int(&text, timestamp_s);
    return buffer_slice(&text);
}

int signer_begin(struct signer *signer, int64_t timestamp_s)
{
    char text[SECONDS_SIZE];
    return begin(signer, seconds_text(timestamp_s, text));
}

int signer_sign(struct signer *signer, int64_t timestamp_s, struct slice payload, char out[SIGNATURE_SIZE])
{
    char text[SECONDS_SIZE];
    return signer_sign_text(signer, seconds_text(timestamp_s, text), payload, out);
}

bool signature_timestamp_is_usable(struct slice timestamp)
{
    for (size_t i = 0; i < timestamp.len; i++)
        if (timestamp.ptr[i] < '0' || timestamp.ptr[i] > '9')
            return false;
    return timestamp.len > 0 && timestamp.len <= TIMESTAMP_DIGITS_MAX;
}

enum signature_verdict signer_verify(struct signer *signer, const struct event *event)
{
    if (!event->has_signature_member || !event->has_timestamp_member)
        return SIGNATURE_MISSING;
    char expected[SIGNATURE_SIZE];
    if (!signature_timestamp_is_usable(event->timestamp))
        return SIGNATURE_MALFORMED;
    if (slice_is_null(event->signature))
        return SIGNATURE_WRONG;
    if (event->signature.len != SIGNATURE_SIZE - 1)
        return SIGNATURE_WRONG;
    if (signer_sign_text(signer, event->timestamp, buffer_slice(&event->payload), expected) != 0)
        return SIGNATURE_UNCHECKED;
    if (CRYPTO_memcmp(event->signature.ptr, expected, SIGNATURE_SIZE - 1) == 0)
        return SIGNATURE_VALID;
    return signer->previous ? signer_verify(signer->previous, event) : SIGNATURE_WRONG;
}
