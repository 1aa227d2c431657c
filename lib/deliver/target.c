/* URLs parsed once: most events go to few URLs, and parsing one costs as much as signing a request. */
#include "deliver/target.h"
#include <stdlib.h>

/** Bytes of a URL that is kept for the next event: those that are longer are made for one event alone. */
enum { KEPT_MAX = 2048 };

static void target_free(struct target *target)
{
    url_parts_clear(&target->parts);
    free(target->written);
    free(target);
}

void target_release(struct target *target)
{
    if (target && --target->references == 0)
        target_free(target);
}

static struct target *target_new(bool hide_path, struct slice url, uint64_t hash, struct error *err)
{
    struct target *target = calloc(1, sizeof *target);
    char *written = slice_to_text(url);
    int failed = target && written ? url_parse(url, &target->parts, err)
                                   : error_set(err, PA_ERR_MEMORY, "out of memory");
    if (!failed && hide_path && !url_hide_path(&target->parts)) {
        url_parts_clear(&target->parts);
        failed = error_set(err, PA_ERR_MEMORY, "out of memory");
    }
    if (failed || !target) {
        free(written);
        free(target);
        return NULL;
    }
    target->hash = hash;
    target->written = written;
    return target;
}

struct target *target_find(struct targets *targets, struct slice url, struct error *err)
{
    uint64_t hash = slice_hash(url);
    struct target **place = &targets->kept[hash % (sizeof targets->kept / sizeof *targets->kept)];
    struct target *target = *place;
    if (!target || target->hash != hash || !slice_equal_text(url, target->written)) {
        target = target_new(targets->hide_paths, url, hash, err);
        if (!target)
            return NULL;
        if (url.len <= KEPT_MAX) {
            target_release(*place);
            target->references = 1; /* the table's */
            *place = target;
        }
    }
    target->references++;
    return target;
}

void targets_free(struct targets *targets)
{
    for (size_t i = 0; i < sizeof targets->kept / sizeof *targets->kept; i++) {
        target_release(targets->kept[i]);
        targets->kept[i] = NULL;
    }
}
