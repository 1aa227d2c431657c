/* See recent.h. */
#include "window/recent.h"
#include <string.h>

/** 0 and 1 ms have buckets of their own; from there on two to each power of two. */
static size_t bucket_of(int64_t ms)
{
    size_t power = 0;
    if (ms < 2)
        return ms > 0;
    while (ms >> (power + 1))
        power++;
    size_t bucket = 2 * power + (((uint64_t)ms >> (power - 1)) & 1);
    return bucket < RECENT_BUCKETS ? bucket : RECENT_BUCKETS - 1;
}

/** The least duration of a bucket. */
static int64_t bound_of(size_t bucket)
{
    return bucket < 2 ? (int64_t)bucket : (int64_t)(2 + bucket % 2) << (bucket / 2 - 1);
}

static void turn(struct recent *recent, int64_t now_ms)
{
    int64_t age_ms = now_ms - recent->began_ms;
    if (age_ms < RECENT_PERIOD_MS)
        return;
    if (age_ms < (int64_t)2 * RECENT_PERIOD_MS)
        memcpy(recent->counts[1], recent->counts[0], sizeof recent->counts[0]);
    else
        memset(recent->counts[1], 0, sizeof recent->counts[1]);
    memset(recent->counts[0], 0, sizeof recent->counts[0]);
    recent->began_ms = now_ms;
}

void recent_note(struct recent *recent, int64_t now_ms, int64_t ms)
{
    turn(recent, now_ms);
    uint16_t *count = &recent->counts[0][bucket_of(ms)];
    if (*count == UINT16_MAX) /* the proportions stay */
        for (size_t i = 0; i < RECENT_BUCKETS; i++)
            recent->counts[0][i] /= 2;
    ++*count;
}

int64_t recent_percentile(const struct recent *recent, int64_t now_ms, unsigned percent)
{
    struct recent now = *recent;
    uint64_t total = 0, below = 0;
    turn(&now, now_ms);
    for (size_t i = 0; i < RECENT_BUCKETS; i++)
        total += (uint64_t)now.counts[0][i] + now.counts[1][i];
    if (total == 0)
        return -1;
    uint64_t wanted = (total * percent + 99) / 100;
    for (size_t i = 0;; i++) { /* no more than all are wanted */
        uint64_t here = (uint64_t)now.counts[0][i] + now.counts[1][i];
        int64_t from_ms = bound_of(i), width_ms = bound_of(i + 1) - from_ms;
        if (below + here >= wanted) /* spread evenly over the bucket */
            return from_ms + (int64_t)((uint64_t)(width_ms - 1) * (wanted - below) / here);
        below += here;
    }
}
