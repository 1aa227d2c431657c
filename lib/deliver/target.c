/* URLs parsed once: most events go to few URLs, and parsing one costs as much as signing a request. */
#include "deliver/internal.h"
#include <stdlib.h>

static void target_free(struct target *target)
{
    url_parts_clear(&target->parts);
    free(target->url);
    free(target);
}

void target_release(struct target *target)
{
    if (target && --target->references == 0)
        target_free(target);
}

struct target *target_find(struct deliver *deliver, struct slice url, struct error *err)
{
    uint64_t hash = slice_hash(url);
    struct target **place = &deliver->targets[hash % (sizeof deliver->targets / sizeof *deliver->targets)];
    struct target *target = *place;
    if (!target || target->hash != hash || !slice_equal_text(url, target->url)) {
        target = calloc(1, sizeof *target);
        if (!target) {
            error_set(err, PA_ERR_MEMORY, "out of memory");
            return NULL;
        }
        target->hash = hash;
        int failed = url_parse(url, &target->parts, err);
        target->url = failed ? NULL : slice_to_text(url);
        if (!target->url) {
            if (!failed)
                error_set(err, PA_ERR_MEMORY, "out of memory");
            target_free(target);
            return NULL;
        }
        target_release(*place);
        target->references = 1; /* the table's */
        *place = target;
    }
    target->references++;
    return target;
}

void targets_free(struct deliver *deliver)
{
    for (size_t i = 0; i < sizeof deliver->targets / sizeof *deliver->targets; i++) {
        target_release(deliver->targets[i]);
        deliver->targets[i] = NULL;
    }
}
