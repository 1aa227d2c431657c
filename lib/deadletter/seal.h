/* The MAC of a letter: anybody who can write where letters are kept must not be able to make up a letter of
 * the agent's. Its key comes from the client secret by HKDF (RFC 5869), so nothing that is signed in Port's
 * scheme, whose key is the client secret itself, can pass as a MAC, and no MAC as such a signature. It covers
 * everything that is read back from a letter, its own ID included, but not its trace, which decides nothing.
 */
#pragma once
#include "deadletter/dead_letter.h"

/** A key, ready to seal. Not for use by two threads at once. */
struct letter_seal;

enum { LETTER_MAC_SIZE = 49 /* "dl1," + 44 base64 characters + NUL */ };

/** `secret` is the client secret; only the key that comes from it is kept. NULL: out of memory,
 * or OpenSSL has no HKDF or HMAC-SHA-256. */
PA_MUST_USE struct letter_seal *letter_seal_new(struct slice secret);
void letter_seal_free(struct letter_seal *seal);
/** MACs under this secret, the one before, are valid too; none is made with it. Empty: none. 0, or
 * PA_ERR_MEMORY. */
PA_MUST_USE int letter_seal_accept_too(struct letter_seal *seal, struct slice secret);

/** Writes "dl1,…" over the letter and its ID. 0, or PA_ERR_MEMORY. */
PA_MUST_USE int letter_seal_mac(struct letter_seal *seal, struct slice letter_id,
                                const struct dead_letter *letter, char out[LETTER_MAC_SIZE]);

enum seal_verdict { SEAL_VALID, SEAL_MISSING, SEAL_WRONG, SEAL_UNCHECKED };
/** Compares in constant time. MISSING: `mac` is the null slice; WRONG: it is not this letter's, or of another
 * secret; UNCHECKED: out of memory, nothing is known. */
PA_MUST_USE enum seal_verdict letter_seal_verify(struct letter_seal *seal, struct slice letter_id,
                                                 const struct dead_letter *letter, struct slice mac);
