/* URLs, parsed once for all deliveries that go there. Knows no delivery. */
#pragma once
#include "http/url.h"
#include <sys/queue.h>

enum {
    TARGETS_BUCKETS = 1024,
    /** What those that are kept may hold, about: room for a few thousand URLs of the usual length. */
    TARGETS_BYTES = 2 * 1024 * 1024
};

/** A URL, parsed; shared by the deliveries that go there. */
struct target {
    unsigned references;
    uint64_t hash;
    /** As events have it; sent is what `parts` has. */
    char *written;
    struct url_parts parts;
    /** Of those that are kept: of the same hash's bucket, and in the order in which they were asked for. */
    LIST_ENTRY(target) bucket;
    TAILQ_ENTRY(target) order;
};
LIST_HEAD(targets_bucket, target);
TAILQ_HEAD(target_list, target);

/** Those that are kept for the next event. */
struct targets {
    /** LOG_URL_PATHS is false: logs show no paths. */
    bool hide_paths;
    struct targets_bucket buckets[TARGETS_BUCKETS];
    /** The one that nobody has asked for for longest comes first. */
    struct target_list kept;
    /** That they hold, about. */
    size_t bytes;
};

/** No URL is kept yet. */
void targets_open(struct targets *targets, bool hide_paths);

/** NULL with the cause in err. Release with target_release. */
PA_MUST_USE struct target *target_find(struct targets *targets, struct slice url, struct error *err);
void target_release(struct target *target);
void targets_free(struct targets *targets);
