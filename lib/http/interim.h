/* What a proxy says before its answer to CONNECT. Any request may have interim answers (1xx, RFC 9110,
 * section 15.2); libcurl takes the first of them for the final one, and gives the connection up. So they are
 * taken off the socket before libcurl reads it. Nothing else ever is. */
#pragma once
#include "base/must_use.h"
#include <stdbool.h>
#include <stddef.h>

/** One socket's. Zero-initialised: nothing is expected of it. */
struct interim {
    /** The final answer has not begun. */
    bool expected;
    /** An interim answer has begun and has not ended. */
    bool within;
    /** Its present line has not ended either. */
    bool in_line;
    size_t taken;
};

/** libcurl reads at once after it has sent CONNECT, and would find the answer of a fast proxy there. So what
 * it sends on a new socket is held back (TCP_CORK, tcp(7): for 200 ms at most) until interim_expect. */
void interim_hold_request(int fd);
/** The request has been written, and goes out now. From now on the socket is readable when enough is there to
 * tell an interim answer from a final one. */
void interim_expect(struct interim *interim, int fd);
/** The socket is readable. True: let libcurl read it; false: all there was is taken, and the socket is to be
 * watched on. */
PA_MUST_USE bool interim_take(struct interim *interim, int fd);
/** Takes what is there of interim answers; the socket may not be readable at all. */
void interim_take_so_far(struct interim *interim, int fd);
