/* OpenSSL's AES-256-GCM. Must give out no plain byte before the tag has been checked. */
#include "map/decrypt.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { IV_SIZE = 16, TAG_SIZE = 16 };

/** Standard base64, blanks ignored. The bytes, to be freed; NULL: not base64, or out of memory. */
static unsigned char *decode(struct slice text, size_t *len)
{
    unsigned char *packed = malloc(text.len + 1), *bytes = malloc(text.len + 1);
    size_t count = 0, padding = 0;
    for (size_t i = 0; packed && i < text.len; i++)
        if (!strchr(" \t\r\n", text.ptr[i]))
            packed[count++] = (unsigned char)text.ptr[i];
    while (packed && padding < 2 && padding < count && packed[count - 1 - padding] == '=')
        padding++;
    bool fits = packed && bytes && count > 0 && count % 4 == 0 && count < INT32_MAX;
    int got = fits ? EVP_DecodeBlock(bytes, packed, (int)count) : -1;
    free(packed);
    if (got < (int)padding) {
        free(bytes);
        return NULL;
    }
    *len = (size_t)got - padding;
    return bytes;
}

/** The number of plain bytes written to `plain`; -1: the tag does not match, or OpenSSL failed. */
static int open_sealed(const unsigned char *key, const unsigned char *sealed, size_t len,
                       unsigned char *plain)
{
    size_t text_len = len - IV_SIZE - TAG_SIZE;
    unsigned char tag[TAG_SIZE];
    int got = 0, rest = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    memcpy(tag, sealed + len - TAG_SIZE, TAG_SIZE);
    bool opened = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, NULL, NULL) == 1 &&
                  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, IV_SIZE, NULL) == 1 &&
                  EVP_DecryptInit_ex(ctx, NULL, NULL, key, sealed) == 1 &&
                  EVP_DecryptUpdate(ctx, plain, &got, sealed + IV_SIZE, (int)text_len) == 1 &&
                  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1 &&
                  EVP_DecryptFinal_ex(ctx, plain + got, &rest) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return opened ? got + rest : -1;
}

static bool is_utf8(const unsigned char *bytes, size_t len)
{
    const char *text = (const char *)bytes;
    for (size_t at = 0; at < len;) {
        size_t step = utf8_sequence(text + at, len - at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

static int open_text(struct slice secret, const unsigned char *sealed, size_t len, struct buffer *out,
                     struct error *err)
{
    if (len < IV_SIZE + TAG_SIZE)
        return error_set(err, PA_ERR_INVALID, "too short to be encrypted (%zu bytes)", len);
    unsigned char *plain = malloc(len);
    if (!plain)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    int failed = 0, got = open_sealed((const unsigned char *)secret.ptr, sealed, len, plain);
    if (got < 0)
        failed =
            error_set(err, PA_ERR_INVALID, "it was not encrypted with this client secret, or was altered");
    else if (!is_utf8(plain, (size_t)got))
        failed = error_set(err, PA_ERR_INVALID, "what it holds is not UTF-8 text");
    else
        buffer_append(out, plain, (size_t)got);
    explicit_bzero(plain, len);
    free(plain);
    return failed;
}

void decrypt_prepare(void)
{
    EVP_CIPHER *cipher = NULL;
    if (OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) == 1)
        cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    EVP_CIPHER_free(cipher);
}

int decrypt_field(struct slice secret, struct slice text, struct buffer *out, struct error *err)
{
    size_t len = 0;
    if (secret.len < DECRYPT_KEY_SIZE)
        return error_set(err, PA_ERR_INVALID, "PORT_CLIENT_SECRET is shorter than 32 bytes");
    unsigned char *sealed = decode(text, &len);
    if (!sealed)
        return error_set(err, PA_ERR_INVALID, "it is not base64");
    int failed = open_text(secret, sealed, len, out, err);
    free(sealed);
    return failed;
}
