/* See runs.h. A ring; the hashes of its runs lie together, so that one is found without looking at the rest.
 */
#include "observe/runs.h"
#include <stdlib.h>
#include <string.h>

struct run_memory {
    const struct clock *clock;
    size_t next;
    /** 0: the place is free. */
    uint64_t hashes[RUNS_MAX];
    struct run_seen seen[RUNS_MAX];
};

struct run_memory *run_memory_new(const struct clock *clock)
{
    struct run_memory *runs = calloc(1, sizeof *runs);
    if (runs)
        runs->clock = clock;
    return runs;
}

void run_memory_free(struct run_memory *runs)
{
    free(runs);
}

static uint64_t hash_of(struct slice run_id)
{
    return slice_hash(run_id) | 1;
}

static size_t place_of_run(const struct run_memory *runs, struct slice run_id)
{
    uint64_t hash = hash_of(run_id);
    size_t place = 0;
    while (place < RUNS_MAX &&
           (runs->hashes[place] != hash || !slice_equal_text(run_id, runs->seen[place].run_id)))
        place++;
    return place;
}

const struct run_seen *run_memory_find(const struct run_memory *runs, struct slice run_id)
{
    size_t place = place_of_run(runs, run_id);
    return place < RUNS_MAX ? &runs->seen[place] : NULL;
}

/** Where the run is, or in the oldest one's place. */
static struct run_seen *seen_of(struct run_memory *runs, const struct observed *observed)
{
    /* A first attempt that succeeds has nothing told of it before. */
    bool known = observed->attempt != 1 || observed->kind != OBSERVED_DELIVERED;
    size_t place = known ? place_of_run(runs, observed->run_id) : RUNS_MAX;
    if (place < RUNS_MAX)
        return &runs->seen[place];
    place = runs->next;
    runs->next = (runs->next + 1) % RUNS_MAX;
    struct run_seen *seen = &runs->seen[place];
    runs->hashes[place] = hash_of(observed->run_id);
    slice_copy_cut(observed->run_id, seen->run_id, sizeof seen->run_id);
    *seen->url = *seen->reported = '\0';
    seen->failed_tries = 0;
    return seen;
}

static void note_try(struct run_seen *seen, const struct observed *observed, int64_t now_ms)
{
    if (seen->failed_tries >= RUN_TRIES_MAX)
        memmove(seen->tries, seen->tries + 1, sizeof seen->tries - sizeof *seen->tries);
    unsigned place = seen->failed_tries < RUN_TRIES_MAX ? seen->failed_tries : RUN_TRIES_MAX - 1;
    struct run_try *try = &seen->tries[place];
    seen->failed_tries++;
    try->at_ms = now_ms;
    try->status = observed->status;
    slice_copy_cut(observed->reason, try->cause, sizeof try->cause);
}

void run_memory_note(struct run_memory *runs, const struct observed *observed)
{
    bool failed = observed->kind == OBSERVED_FAILED || observed->kind == OBSERVED_UNSENT ||
                  observed->kind == OBSERVED_RETRYING;
    bool refused = observed->kind == OBSERVED_RESULT_REFUSED;
    if (observed->run_id.len == 0 || (!failed && !refused && observed->kind != OBSERVED_DELIVERED))
        return;
    struct run_seen *seen = seen_of(runs, observed);
    int64_t now_ms = clock_wall_ms(runs->clock);
    seen->refused = refused;
    if (refused)
        return;
    seen->record_ms = observed->record_ms;
    seen->ended_ms = observed->kind == OBSERVED_RETRYING ? 0 : now_ms;
    seen->duration_ms = observed->duration_ms;
    seen->attempts = observed->attempt;
    seen->status = observed->status;
    seen->delivered = observed->kind == OBSERVED_DELIVERED;
    slice_copy_cut(slice_of(observed->reported), seen->reported, sizeof seen->reported);
    if (!observed->show) /* with secrets in it, it would have to be formatted */
        slice_copy_cut(observed->url, seen->url, sizeof seen->url);
    if (failed)
        note_try(seen, observed, now_ms);
}
