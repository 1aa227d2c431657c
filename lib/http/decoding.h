/* A body's content codings undone in the order that its Content-Encoding lines give (RFC 9110, section 8.4):
 * bytes in, bytes out, a piece at a time, with bounds. Pure. */
#pragma once
#include "http/coding.h"

enum { DECODING_CODINGS_MAX = 5 };

/** What the Content-Encoding lines of one response say; zero-initialise. */
struct codings {
    /** In the order in which they were done. */
    enum coding list[DECODING_CODINGS_MAX];
    size_t count;
    /** A name is unknown: the bytes are taken as they are. */
    bool unknown;
    /** More than DECODING_CODINGS_MAX, and none unknown. */
    bool too_many;
};

/** What requests ask for where no mapping says anything else. */
#define DECODING_ACCEPTED "deflate, gzip, br, zstd"

/** Reads one line's value. Names in any case; "identity" and empty elements are nothing. */
void codings_read(struct codings *codings, struct slice value);

struct decoding;

/** `max_between`: bytes that may pass between two codings. NULL: out of memory, or refused by `may_hold`. */
PA_MUST_USE struct decoding *decoding_new(const struct codings *codings, size_t max_between,
                                          coding_may_hold *may_hold, void *ctx);
void decoding_free(struct decoding *decoding);
/** As coder_run (coding.h), for all codings of the list. */
PA_MUST_USE enum coding_verdict decoding_run(struct decoding *decoding, struct slice *in, char *out,
                                             size_t room, size_t *made);
/** The body may end here: no coding is in the middle of something. */
PA_MUST_USE bool decoding_is_whole(const struct decoding *decoding);
