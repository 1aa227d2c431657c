/* URLs, parsed once for all deliveries that go there. Knows no delivery. */
#pragma once
#include "http/url.h"

/** A URL, parsed; shared by the deliveries that go there. */
struct target {
    unsigned references;
    uint64_t hash;
    /** As events have it; sent is what `parts` has. */
    char *written;
    struct url_parts parts;
};

/** Those that are kept for the next event; all zero: none. */
struct targets {
    /** LOG_URL_PATHS is false: logs show no paths. */
    bool hide_paths;
    /** By hash, one in each slot. */
    struct target *kept[256];
};

/** NULL with the cause in err. Release with target_release. */
PA_MUST_USE struct target *target_find(struct targets *targets, struct slice url, struct error *err);
void target_release(struct target *target);
void targets_free(struct targets *targets);
