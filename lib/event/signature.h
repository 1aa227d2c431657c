/* Port's signature scheme (contract, section 2): "v1," + base64(HMAC-SHA-256(secret, timestamp "." payload)).
 */
#pragma once
#include "base/slice.h"
#include "event/event.h"
#include <stdint.h>

/** A key, ready to sign: one EVP_MAC_CTX reused for every message. Not for use by two threads at once. */
struct signer;

enum { SIGNATURE_SIZE = 48 /* "v1," + 44 base64 characters + NUL */ };

/** `secret` is copied into OpenSSL's context. NULL: out of memory, or OpenSSL has no HMAC-SHA-256. */
struct signer *signer_new(struct slice secret);
void signer_free(struct signer *signer);

/** Writes "v1,…" over `timestamp_s` (decimal seconds) "." `payload`. 0, or PA_ERR_MEMORY. */
int signer_sign(struct signer *signer, int64_t timestamp_s, struct slice payload, char out[SIGNATURE_SIZE]);
/** The same with the timestamp as text, as an incoming event carries it. */
int signer_sign_text(struct signer *signer, struct slice timestamp, struct slice payload,
                     char out[SIGNATURE_SIZE]);

enum signature_verdict { SIGNATURE_VALID, SIGNATURE_MISSING, SIGNATURE_WRONG, SIGNATURE_UNCHECKED };
/** Verifies an event against its own members, comparing in constant time. MISSING: one of the two members is
 * absent; WRONG: they are there but not texts, or do not match; UNCHECKED: out of memory, nothing is known.
 */
enum signature_verdict signer_verify(struct signer *signer, const struct event *event);
