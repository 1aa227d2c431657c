/* Port's signature scheme (docs/contract.md#signatures):
 * "v1," + base64(HMAC-SHA-256(secret, timestamp "." payload)). */
#pragma once
#include "base/slice.h"
#include "event/event.h"
#include <stdint.h>

/** A key, ready to sign: one EVP_MAC_CTX reused for every message. Not for use by two threads at once. */
struct signer;

enum { SIGNATURE_SIZE = 48 /* "v1," + 44 base64 characters + NUL */ };

/** `secret` is copied into OpenSSL's context. NULL: out of memory, or OpenSSL has no HMAC-SHA-256. */
PA_MUST_USE struct signer *signer_new(struct slice secret);
void signer_free(struct signer *signer);
/** Another one with the same keys, for another thread. NULL: out of memory. */
PA_MUST_USE struct signer *signer_copy(const struct signer *signer);
/** Events that were signed with this secret are valid too, while Port's is being changed; nothing is signed
 * with it. It may be called for several. Empty: none. 0, or PA_ERR_MEMORY. */
PA_MUST_USE int signer_accept_too(struct signer *signer, struct slice secret);
/** The signer's secret is this one from now on, and events signed with one of the `count` in `too` are valid
 * too; all it had before is forgotten. 0; PA_ERR_MEMORY, and nothing has changed. */
PA_MUST_USE int signer_change(struct signer *signer, struct slice secret, const struct slice *too,
                              size_t count);

/** Writes "v1,…" over `timestamp_s` (decimal seconds) "." `payload`. 0, or PA_ERR_MEMORY. */
PA_MUST_USE int signer_sign(struct signer *signer, int64_t timestamp_s, struct slice payload,
                            char out[SIGNATURE_SIZE]);
/** The same with the timestamp as text, as an incoming event carries it. */
PA_MUST_USE int signer_sign_text(struct signer *signer, struct slice timestamp, struct slice payload,
                                 char out[SIGNATURE_SIZE]);
/** The same in pieces: begun, the payload's pieces one after another, and ended. 0, or PA_ERR_MEMORY. */
PA_MUST_USE int signer_begin(struct signer *signer, int64_t timestamp_s);
PA_MUST_USE int signer_add(struct signer *signer, struct slice piece);
PA_MUST_USE int signer_end(struct signer *signer, char out[SIGNATURE_SIZE]);

/** True for whole seconds since the epoch in decimal: 1 to 18 digits and nothing else. A timestamp of any
 * other form is malformed, whoever signed it. */
PA_MUST_USE bool signature_timestamp_is_usable(struct slice timestamp);

enum signature_verdict {
    SIGNATURE_VALID,
    /** One of the two members is absent. */
    SIGNATURE_MISSING,
    /** The timestamp is neither a text nor a number of whole seconds in decimal. */
    SIGNATURE_MALFORMED,
    /** Both are there, but the signature is not a text, or does not match. */
    SIGNATURE_WRONG,
    /** Out of memory: nothing is known. */
    SIGNATURE_UNCHECKED
};
/** Verifies an event against its own members, comparing in constant time. */
PA_MUST_USE enum signature_verdict signer_verify(struct signer *signer, const struct event *event);
