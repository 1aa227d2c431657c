/* Encrypted properties (docs/contract.md#encrypted-properties): base64 of IV (16 bytes), ciphertext and tag
 * (16 bytes); AES-256-GCM (NIST SP 800-38D), key = the first 32 bytes of the client secret. Private to the
 * map room. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"

enum { DECRYPT_KEY_SIZE = 32 };

/** OpenSSL reads its configuration now: later it may not be able to. */
void decrypt_prepare(void);
/** Decrypts `text` with the first 32 bytes of `secret`, appending to `out`. 0; PA_ERR_INVALID with the cause
 * in words (a secret under 32 bytes, not base64, too short, the tag does not match, not UTF-8);
 * PA_ERR_MEMORY. */
PA_MUST_USE int decrypt_field(struct slice secret, struct slice text, struct buffer *out, struct error *err);
