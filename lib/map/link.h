/* The loop's end of one evaluator's socket: frames out, frames in. An evaluator that goes takes its socket
 * with it, so nothing has to find out how far it had read. Private to the map room. */
#pragma once
#include "map/process.h"
#include <stdbool.h>
#include <uv.h>

struct map_link;

struct map_link_options {
    uv_loop_t *loop;
    /** Taken over, with its closing. */
    int fd;
    /** A whole frame came; `bytes` are borrowed until it returns. */
    void (*frame)(void *ctx, uint32_t what, struct slice bytes);
    /** Once; close the link then. `by_itself`: the evaluator is gone, and everything it wrote has been given
     * to `frame`; otherwise memory has run out, or the socket fails. */
    void (*gone)(void *ctx, bool by_itself);
    void *ctx;
};

/** NULL: out of memory, or the socket cannot be watched. */
PA_MUST_USE struct map_link *map_link_open(const struct map_link_options *options);
/** Adds a frame to what the next map_link_flush writes. False: out of memory, nothing was added. */
PA_MUST_USE bool map_link_put(struct map_link *link, uint32_t what, struct slice bytes);
void map_link_flush(struct map_link *link);
/** No callback of the options runs any more. `closed` runs from the loop. */
void map_link_close(struct map_link *link, void (*closed)(void *ctx), void *ctx);
