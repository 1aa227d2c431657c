/* One content coding undone (RFC 9110, section 8.4): gzip, deflate, br or zstd; bytes in, bytes out, a piece
 * at a time. Pure: what it may hold is asked of its owner. Only decoding.c uses it. */
#pragma once
#include "base/slice.h"

enum coding { CODING_GZIP, CODING_DEFLATE, CODING_BROTLI, CODING_ZSTD };

enum coding_verdict {
    CODING_GOES_ON,
    /** The bytes are not in this coding. */
    CODING_BROKEN,
    /** More between two codings than is allowed (decoding.h). */
    CODING_TOO_LONG,
    /** Out of memory, or its owner does not let it hold so much. */
    CODING_NO_MEMORY
};

struct coder;

/** Does it look back further than gzip's 32 KiB, so that its window may hold all that was decoded once more?
 */
static inline bool coding_has_large_window(enum coding coding)
{
    return coding == CODING_BROTLI || coding == CODING_ZSTD;
}

/** May a decoder hold `bytes` more than now? Always true of what it gives back (negative). Its window is not
 * asked for: no more of that is ever touched than has been decoded. */
typedef bool coding_may_hold(void *ctx, ptrdiff_t bytes);

/** NULL: out of memory, or refused by `may_hold`. */
PA_MUST_USE struct coder *coder_new(enum coding coding, coding_may_hold *may_hold, void *ctx);
void coder_free(struct coder *coder);
/** Undoes what it can of `in`, which is moved on past what was used, into at most `room` bytes (not 0) at
 * `out`; their number goes to `made`. With none made and CODING_GOES_ON all of `in` is used. Bytes after the
 * end of the coded bytes are used and ignored. */
PA_MUST_USE enum coding_verdict coder_run(struct coder *coder, struct slice *in, char *out, size_t room,
                                          size_t *made);
/** What came so far is whole: the coded bytes are at an end, where more may follow or not. */
PA_MUST_USE bool coder_is_whole(const struct coder *coder);
