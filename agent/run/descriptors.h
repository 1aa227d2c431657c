/* How the file descriptors that the process may have are shared out: connections for webhooks and for Port's
 * API, and what Kafka's client, the resolver, files and the mappings' process need beside them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct descriptors {
    size_t limit;    /* of the process (ulimit -n); SIZE_MAX: none */
    unsigned window; /* webhooks at once, at least 1 */
    unsigned port;   /* calls to Port at once, at least 2 */
};

/** Shares out what `limit` leaves beside the `open` ones, for at most so many of each. Pure. */
struct descriptors descriptors_share(size_t limit, size_t open, bool kafka, unsigned max_window,
                                     unsigned max_port);
/** The same for this process as it is now. */
struct descriptors descriptors_of_process(bool kafka, unsigned max_window, unsigned max_port);
