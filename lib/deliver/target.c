/* URLs parsed once: most events go to few URLs, and parsing one costs as much as signing a request. */
#include "deliver/target.h"
#include <stdlib.h>
#include <string.h>

/** Bytes of a URL that is kept for the next event: those that are longer are made for one event alone. */
enum { KEPT_MAX = 2048, PARSED_BYTES = 512 };

void targets_open(struct targets *targets, bool hide_paths)
{
    *targets = (struct targets){.hide_paths = hide_paths};
    TAILQ_INIT(&targets->kept);
}

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

/** The written form, the normalised one, libcurl's parts of it, and those for logs. */
static size_t target_bytes(const struct target *target)
{
    return sizeof *target + PARSED_BYTES + strlen(target->written) + 2 * strlen(target->parts.url) +
           strlen(target->parts.redacted);
}

static struct targets_bucket *targets_bucket_of(struct targets *targets, uint64_t hash)
{
    return &targets->buckets[hash % TARGETS_BUCKETS];
}

static void target_forget(struct targets *targets, struct target *target)
{
    LIST_REMOVE(target, bucket);
    TAILQ_REMOVE(&targets->kept, target, order);
    targets->bytes -= target_bytes(target);
    target_release(target);
}

/** Those that nobody has asked for for longest go, until the others hold at most so many bytes. */
static void keep_within(struct targets *targets, size_t bytes)
{
    struct target *target = TAILQ_FIRST(&targets->kept);
    while (target && targets->bytes > bytes) {
        struct target *next = TAILQ_NEXT(target, order);
        target_forget(targets, target);
        target = next;
    }
}

static void target_keep(struct targets *targets, struct target *target)
{
    target->references = 1; /* the table's */
    targets->bytes += target_bytes(target);
    LIST_INSERT_HEAD(targets_bucket_of(targets, target->hash), target, bucket);
    TAILQ_INSERT_TAIL(&targets->kept, target, order);
    keep_within(targets, TARGETS_BYTES);
}

static struct target *find_kept(struct targets *targets, struct slice url, uint64_t hash)
{
    struct target *target;
    LIST_FOREACH(target, targets_bucket_of(targets, hash), bucket)
    if (target->hash == hash && slice_equal_text(url, target->written))
        break;
    if (target && target != TAILQ_LAST(&targets->kept, target_list)) {
        TAILQ_REMOVE(&targets->kept, target, order);
        TAILQ_INSERT_TAIL(&targets->kept, target, order);
    }
    return target;
}

struct target *target_find(struct targets *targets, struct slice url, struct error *err)
{
    uint64_t hash = slice_hash(url);
    struct target *target = find_kept(targets, url, hash);
    if (!target) {
        target = target_new(targets->hide_paths, url, hash, err);
        if (!target)
            return NULL;
        if (url.len <= KEPT_MAX)
            target_keep(targets, target);
    }
    target->references++;
    return target;
}

void targets_free(struct targets *targets)
{
    keep_within(targets, 0);
}
