/* Bodies that take long to sign: they are signed in libuv's thread pool, so that no turn of the loop signs
 * more than SIGNING_BYTES. This file knows no delivery. */
#pragma once
#include "event/signature.h"
#include <uv.h>

struct signing;

enum { SIGNING_BYTES = 1024 * 1024 };

/** `signature`: of SIGNATURE_SIZE bytes, borrowed; NULL: out of memory. */
typedef void body_was_signed(void *ctx, const char *signature);

/** Has `body`, which stays where it is until `done` or signing_forget, signed with a copy of `signer`. `done`
 * runs from the loop. NULL: out of memory. */
PA_MUST_USE struct signing *signing_start(uv_loop_t *loop, const struct signer *signer, int64_t timestamp_s,
                                          struct slice body, body_was_signed *done, void *ctx);
/** `done` will not run, and the body is no longer looked at. Waits for one piece at most. */
void signing_forget(struct signing *signing);
