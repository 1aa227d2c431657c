/* Records that had their last answer a moment ago: a ring of the last `window` of them, and a hash table over
 * it. One that comes back (its partition was taken away before its offset was committed, and came again) is
 * not delivered again; a report that was still owed to it waits here.
 *
 * An id alone does not name a record: a topic that was deleted and made again counts from 0. So what was
 * signed is remembered with it, as a hash, and the record's own time: the same event may be written again. Of
 * the id a hash is kept too: two records that share both hashes do not occur. */
#include "deliver/dedup.h"
#include "deliver/delivery.h"
#include <stdlib.h>

enum { REPORTS_MAX = 1024 };

struct delivered {
    bool used;
    /** Hash of the record's id. */
    uint64_t id;
    uint64_t content;
    /** In the same bucket: an index from 1; 0: the last. */
    size_t next;
    /** Still owed; NULL: none. */
    struct run_report *report;
    size_t report_bytes;
};

/** The signature stands for the whole event; one without is hashed itself. */
static uint64_t content_of(const struct event *event, int64_t timestamp_ms)
{
    uint64_t hash =
        slice_hash(slice_is_null(event->signature) ? buffer_slice(&event->payload) : event->signature);
    return hash ^ ((uint64_t)timestamp_ms * UINT64_C(0x9E3779B97F4A7C15));
}

/** Records come in the order of their numbers, with which their ids end. Those that differ in no more than
 * the last two digits are neighbours in the table, so that a line of the processor's cache serves several. */
static uint64_t hash_of_id(struct slice id)
{
    enum { TAIL = 2, TAIL_BITS = 7 };
    uint64_t tail = 0;
    for (size_t i = 0; i < TAIL && id.len > 0; i++) {
        id.len--;
        tail += (uint64_t)(unsigned char)id.ptr[id.len] * (i == 0 ? 1 : 10);
    }
    return slice_hash(id) << TAIL_BITS ^ (tail & ((1u << TAIL_BITS) - 1));
}

static size_t *bucket_of(const struct dedup *dedup, uint64_t id)
{
    return &dedup->buckets[(id ^ (id >> 32)) & (dedup->bucket_count - 1)];
}

/** The entry's report is not kept here any more. */
static void let_go(struct dedup *dedup, struct delivered *entry)
{
    dedup->kept_reports--;
    dedup->kept_bytes -= entry->report_bytes;
    entry->report = NULL;
}

static void drop_report(struct dedup *dedup, struct delivered *entry)
{
    if (!entry->report)
        return;
    run_report_cancel(entry->report);
    let_go(dedup, entry);
}

static void forget(struct dedup *dedup, struct delivered *entry)
{
    size_t index = (size_t)(entry - dedup->ring) + 1;
    size_t *link = bucket_of(dedup, entry->id);
    while (*link != index)
        link = &dedup->ring[*link - 1].next;
    *link = entry->next;
    drop_report(dedup, entry);
    *entry = (struct delivered){0};
}

static struct delivered *find(const struct dedup *dedup, uint64_t id)
{
    if (dedup->window == 0)
        return NULL;
    for (size_t index = *bucket_of(dedup, id); index > 0; index = dedup->ring[index - 1].next)
        if (dedup->ring[index - 1].id == id)
            return &dedup->ring[index - 1];
    return NULL;
}

bool dedup_open(struct dedup *dedup, size_t window, size_t max_kept_bytes)
{
    size_t buckets = 1;
    while (buckets < window)
        buckets *= 2;
    *dedup = (struct dedup){.window = window, .bucket_count = buckets, .max_kept_bytes = max_kept_bytes};
    if (window == 0)
        return true;
    dedup->ring = calloc(window, sizeof *dedup->ring);
    dedup->buckets = calloc(buckets, sizeof *dedup->buckets);
    return dedup->ring && dedup->buckets;
}

void dedup_close(struct dedup *dedup)
{
    for (size_t i = 0; dedup->ring && i < dedup->window; i++)
        drop_report(dedup, &dedup->ring[i]);
    free(dedup->ring);
    free(dedup->buckets);
    *dedup = (struct dedup){0};
}

void dedup_add(struct dedup *dedup, const struct delivery *delivery)
{
    if (dedup->window == 0)
        return;
    uint64_t id = hash_of_id(slice_of(delivery->id));
    struct delivered *known = find(dedup, id);
    if (known)
        forget(dedup, known);
    struct delivered *entry = &dedup->ring[dedup->next];
    dedup->next = (dedup->next + 1) % dedup->window;
    if (entry->used)
        forget(dedup, entry);
    size_t *bucket = bucket_of(dedup, id);
    *entry = (struct delivered){.used = true, .id = id, .content = delivery->content, .next = *bucket};
    *bucket = (size_t)(entry - dedup->ring) + 1;
}

bool dedup_keep_report(struct dedup *dedup, struct delivery *delivery)
{
    struct delivered *entry = find(dedup, hash_of_id(slice_of(delivery->id)));
    if (!entry)
        return false;
    if (entry->report || !delivery->report || dedup->kept_reports >= REPORTS_MAX ||
        dedup->kept_bytes + run_report_bytes(delivery->report) > dedup->max_kept_bytes) {
        forget(dedup, entry);
        return false;
    }
    run_report_pause(delivery->report);
    entry->report = delivery->report;
    entry->report_bytes = run_report_bytes(entry->report);
    delivery->report = NULL;
    dedup->kept_reports++;
    dedup->kept_bytes += entry->report_bytes;
    return true;
}

void dedup_forget(struct dedup *dedup, const struct delivery *delivery)
{
    struct delivered *entry = find(dedup, hash_of_id(slice_of(delivery->id)));
    if (entry)
        forget(dedup, entry);
}

bool dedup_find(struct dedup *dedup, const struct record *record, const struct event *event,
                struct run_report **report)
{
    struct delivered *entry = find(dedup, hash_of_id(record->id));
    *report = NULL;
    if (!entry)
        return false;
    if (entry->content != content_of(event, record->timestamp_ms)) {
        forget(dedup, entry);
        return false;
    }
    *report = entry->report;
    if (entry->report)
        let_go(dedup, entry);
    return true;
}

uint64_t dedup_content(const struct record *record, const struct event *event)
{
    return content_of(event, record->timestamp_ms);
}
