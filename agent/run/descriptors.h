/* How the file descriptors that the process may have are shared out: connections for webhooks, in use and
 * idle, and for Port's API, and what the source, the resolver, files and the mappings' process need beside
 * them. */
#pragma once
#include <stddef.h>

struct descriptors {
    /** Of the process (ulimit -n); SIZE_MAX: none. */
    size_t limit;
    /** Webhooks at once, at least 1. */
    unsigned window;
    /** Calls to Port at once, at least 2. */
    unsigned port;
    /** Connections for webhooks that may be idle beside those of the webhooks under way. */
    unsigned idle;
};

/** Shares out what `limit` leaves beside the `open` ones, for at most so many of each and as many as
 * the source needs (struct source_class). Pure. */
struct descriptors descriptors_share(size_t limit, size_t open, unsigned source, unsigned max_window,
                                     unsigned max_port);
/** The same for this process as it is now. */
struct descriptors descriptors_of_process(unsigned source, unsigned max_window, unsigned max_port);
