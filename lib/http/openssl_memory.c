/* See openssl_memory.h. */
#include "http/openssl_memory.h"
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

bool openssl_out_of_memory(void)
{
    unsigned long code;
    bool silent = ERR_peek_error() == 0, found = false;
    while ((code = ERR_get_error()) != 0)
        found |= ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
    return silent || found;
}

int openssl_key_bits(const EVP_PKEY *key)
{
    int bits = key ? EVP_PKEY_get_security_bits(key) : 0;
    return bits > 0 ? bits : 0;
}

/** So OpenSSL does not know this kind of key, as reading it once more shows; false: there was no memory. */
static bool has_no_bits(const X509 *certificate)
{
    unsigned char *bytes = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &bytes);
    const unsigned char *at = bytes;
    EVP_PKEY *key = len > 0 ? d2i_PUBKEY(NULL, &at, len) : NULL;
    bool none = len > 0 && openssl_key_bits(key) == 0;
    EVP_PKEY_free(key);
    OPENSSL_free(bytes);
    return none;
}

bool openssl_has_read(X509 *certificate)
{
    ERR_clear_error();
    bool read = X509_check_purpose(certificate, -1, 0) == 1 || !openssl_out_of_memory();
    read = read && (openssl_key_bits(X509_get0_pubkey(certificate)) > 0 || has_no_bits(certificate));
    ERR_clear_error();
    return read;
}
