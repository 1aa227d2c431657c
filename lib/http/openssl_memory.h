/* Whether OpenSSL had the memory that it needed: where it had not, what it says, or keeps, is wrong
 * otherwise. */
#pragma once
#include "base/must_use.h"
#include <openssl/types.h>
#include <stdbool.h>

/** Asked after it has failed, its errors cleared before; they are cleared again. Where it says nothing there
 * was no memory for that. */
PA_MUST_USE bool openssl_out_of_memory(void);
/** How hard the key is to find. 0: there is none, it is of a kind that OpenSSL does not know, or OpenSSL had
 * no memory to find out when it read the key, and keeps that. */
PA_MUST_USE int openssl_key_bits(const EVP_PKEY *key);
/** What OpenSSL finds out about a certificate, or had no memory to find out, it keeps for good: so it is made
 * to find out here, before anything else is done with it. False: out of memory, and it is of no use. Clears
 * errors. */
PA_MUST_USE bool openssl_has_read(X509 *certificate);
