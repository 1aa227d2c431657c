/* Which failed attempts at a webhook are tried again: what an endpoint provably did not process, and what
 * WEBHOOK_RETRY_ON adds to that. */
#pragma once
#include "base/buffer.h"
#include <stdbool.h>
#include <stdint.h>

enum { RETRY_STATUS_MIN = 300, RETRY_STATUS_MAX = 599 };

struct retry_on {
    /** Not even what the endpoint did not process. */
    bool nothing;
    /** Silence, or the total time over, after the request was sent. */
    bool timeout;
    /** The connection was lost before the whole answer. */
    bool reset;
    /** A bit a status. */
    uint64_t statuses[(RETRY_STATUS_MAX - RETRY_STATUS_MIN) / 64 + 1];
};

/** Reads "502,504,timeout", "4xx 5xx reset", "none" or nothing at all; words are separated by commas or
 * blanks. False, with the word at fault in `wrong` (within `text`), for anything else. */
PA_MUST_USE bool retry_on_parse(struct slice text, struct retry_on *out, struct slice *wrong);
PA_MUST_USE bool retry_on_status(const struct retry_on *on, int status);
/** Appends it in the form that retry_on_parse reads; nothing where it adds nothing. */
void retry_on_append(const struct retry_on *on, struct buffer *out);
