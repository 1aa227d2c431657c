/* HMAC-SHA-256 under a derived key, over the letter's members in a form that no other letter has: each is
 * written with its length before it, in a fixed order, and a member that is null is not an empty one. */
#include "deadletter/seal.h"
#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = 32, MAC_BYTES = 32, PREFIX_BYTES = 4 };
static const char PREFIX[] = "dl1,", PURPOSE[] = "port-agent dead letters 1", BEGINNING[] = "dead letter 1\n";

struct letter_seal {
    EVP_MAC *mac;
    EVP_MAC_CTX *keyed;
    /** Whose MACs are accepted too; NULL: nobody's. */
    struct letter_seal *previous;
};

/* The key */

static bool derive(struct slice secret, unsigned char key[KEY_BYTES])
{
    char digest[] = "SHA256", purpose[sizeof PURPOSE];
    memcpy(purpose, PURPOSE, sizeof PURPOSE);
    /* OpenSSL takes these without const, and changes nothing. */
    void *bytes = (void *)(uintptr_t)(secret.ptr ? secret.ptr : "");
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, bytes, secret.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, purpose, sizeof PURPOSE - 1),
        OSSL_PARAM_construct_end()};
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    bool derived = context && EVP_KDF_derive(context, key, KEY_BYTES, parameters) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return derived;
}

static bool set_key(struct letter_seal *seal, struct slice secret)
{
    char digest[] = "SHA256";
    unsigned char key[KEY_BYTES];
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
    bool set = derive(secret, key) && EVP_MAC_init(seal->keyed, key, sizeof key, parameters) == 1;
    OPENSSL_cleanse(key, sizeof key);
    return set;
}

struct letter_seal *letter_seal_new(struct slice secret)
{
    struct letter_seal *seal = calloc(1, sizeof *seal);
    if (!seal)
        return NULL;
    seal->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    seal->keyed = seal->mac ? EVP_MAC_CTX_new(seal->mac) : NULL;
    if (!seal->keyed || !set_key(seal, secret)) {
        letter_seal_free(seal);
        return NULL;
    }
    return seal;
}

void letter_seal_free(struct letter_seal *seal)
{
    if (!seal)
        return;
    letter_seal_free(seal->previous);
    EVP_MAC_CTX_free(seal->keyed);
    EVP_MAC_free(seal->mac);
    free(seal);
}

/* The message */

int letter_seal_accept_too(struct letter_seal *seal, struct slice secret)
{
    if (secret.len == 0)
        return 0;
    letter_seal_free(seal->previous);
    seal->previous = letter_seal_new(secret);
    return seal->previous ? 0 : PA_ERR_MEMORY;
}

static bool seal_add(struct letter_seal *seal, struct slice bytes)
{
    return bytes.len == 0 || EVP_MAC_update(seal->keyed, (const unsigned char *)bytes.ptr, bytes.len) == 1;
}

/** "5:value,", or "-," for null. */
static bool add_member(struct letter_seal *seal, struct slice value)
{
    char before[24];
    if (slice_is_null(value))
        return seal_add(seal, SLICE_LITERAL("-,"));
    snprintf(before, sizeof before, "%zu:", value.len);
    return seal_add(seal, slice_of(before)) && seal_add(seal, value) && seal_add(seal, SLICE_LITERAL(","));
}

static bool add_number(struct letter_seal *seal, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    return add_member(seal, slice_of(text));
}

static bool add_letter(struct letter_seal *seal, struct slice letter_id, const struct dead_letter *letter)
{
    return seal_add(seal, slice_of(BEGINNING)) && add_member(seal, letter_id) &&
           add_number(seal, letter->time_ms) && add_member(seal, slice_of(letter->reason)) &&
           add_number(seal, letter->attempts) && add_number(seal, letter->status) &&
           add_member(seal, slice_of(letter->topic)) && add_number(seal, letter->partition) &&
           add_number(seal, letter->offset) && add_member(seal, letter->id) &&
           add_member(seal, slice_of(letter->url)) && add_member(seal, letter->run_id) &&
           add_member(seal, letter->key) && add_member(seal, letter->value);
}

int letter_seal_mac(struct letter_seal *seal, struct slice letter_id, const struct dead_letter *letter,
                    char out[LETTER_MAC_SIZE])
{
    unsigned char digest[MAC_BYTES];
    size_t len = 0;
    if (EVP_MAC_init(seal->keyed, NULL, 0, NULL) != 1 || !add_letter(seal, letter_id, letter) ||
        EVP_MAC_final(seal->keyed, digest, &len, sizeof digest) != 1 || len != sizeof digest)
        return PA_ERR_MEMORY;
    memcpy(out, PREFIX, PREFIX_BYTES);
    EVP_EncodeBlock((unsigned char *)out + PREFIX_BYTES, digest, sizeof digest);
    return 0;
}

enum seal_verdict letter_seal_verify(struct letter_seal *seal, struct slice letter_id,
                                     const struct dead_letter *letter, struct slice mac)
{
    char expected[LETTER_MAC_SIZE];
    if (slice_is_null(mac))
        return SEAL_MISSING;
    if (mac.len != LETTER_MAC_SIZE - 1)
        return SEAL_WRONG;
    if (letter_seal_mac(seal, letter_id, letter, expected) != 0)
        return SEAL_UNCHECKED;
    if (CRYPTO_memcmp(mac.ptr, expected, LETTER_MAC_SIZE - 1) == 0)
        return SEAL_VALID;
    return seal->previous ? letter_seal_verify(seal->previous, letter_id, letter, mac) : SEAL_WRONG;
}
