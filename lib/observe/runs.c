/* See runs.h. Two rings; the hashes of a ring's runs lie together, so that one is found without looking at
 * the rest. */
#include "observe/runs.h"
#include "observe/internal.h"
#include <stdlib.h>
#include <string.h>

struct run_memory {
    const struct clock *clock;
    size_t next, next_passed;
    /** 0: the place is free. */
    uint64_t hashes[RUNS_MAX], passed_hashes[RUNS_PASSED_MAX];
    struct run_seen seen[RUNS_MAX];
    struct run_passed passed[RUNS_PASSED_MAX];
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

/** What is asked for is among the newest most of the time. */
static size_t place_of_run(const struct run_memory *runs, struct slice run_id)
{
    uint64_t hash = hash_of(run_id);
    for (size_t i = 0, place = runs->next; i < RUNS_MAX; i++) {
        place = (place > 0 ? place : RUNS_MAX) - 1;
        if (runs->hashes[place] == hash && slice_equal_text(run_id, runs->seen[place].run_id))
            return place;
    }
    return RUNS_MAX;
}

static size_t place_of_passed(const struct run_memory *runs, struct slice run_id)
{
    uint64_t hash = hash_of(run_id);
    size_t place = 0;
    while (place < RUNS_PASSED_MAX &&
           (runs->passed_hashes[place] != hash || !slice_equal_text(run_id, runs->passed[place].run_id)))
        place++;
    return place;
}

const struct run_seen *run_memory_find(const struct run_memory *runs, struct slice run_id)
{
    size_t place = place_of_run(runs, run_id);
    return place < RUNS_MAX ? &runs->seen[place] : NULL;
}

const struct run_seen *run_memory_failed(const struct run_memory *runs, const struct run_seen *before)
{
    size_t place = before ? (size_t)(before - runs->seen) : runs->next;
    size_t left = before ? (place + RUNS_MAX - runs->next) % RUNS_MAX : RUNS_MAX;
    for (; left > 0; left--) {
        place = (place > 0 ? place : RUNS_MAX) - 1;
        const struct run_seen *seen = &runs->seen[place];
        if (runs->hashes[place] != 0 && seen->ended_ms > 0 && (!seen->delivered || seen->refused))
            return seen;
    }
    return NULL;
}

const struct run_passed *run_memory_refused(const struct run_memory *runs, const struct run_passed *before)
{
    size_t place = before ? (size_t)(before - runs->passed) : runs->next_passed;
    size_t left = before ? (place + RUNS_PASSED_MAX - runs->next_passed) % RUNS_PASSED_MAX : RUNS_PASSED_MAX;
    for (; left > 0; left--) {
        place = (place > 0 ? place : RUNS_PASSED_MAX) - 1;
        if (runs->passed[place].refused)
            return &runs->passed[place];
    }
    return NULL;
}

const struct run_passed *run_memory_passed(const struct run_memory *runs, struct slice run_id)
{
    size_t place = place_of_passed(runs, run_id);
    return place < RUNS_PASSED_MAX ? &runs->passed[place] : NULL;
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
    observed_cause(observed, try->cause, sizeof try->cause);
}

static void note_attempt(struct run_memory *runs, const struct observed *observed)
{
    struct run_seen *seen = seen_of(runs, observed);
    int64_t now_ms = clock_wall_ms(runs->clock);
    seen->refused = false;
    *seen->port_result = '\0';
    seen->record_ms = observed->record_ms;
    seen->ended_ms = observed->kind == OBSERVED_RETRYING ? 0 : now_ms;
    seen->duration_ms = observed->duration_ms;
    seen->attempts = observed->attempt;
    seen->status = observed->status;
    seen->delivered = observed->kind == OBSERVED_DELIVERED;
    seen->hint = observed_hint(observed);
    slice_copy_cut(slice_of(observed->reported), seen->reported, sizeof seen->reported);
    if (!observed->show) /* with secrets in it, it would have to be formatted */
        slice_copy_cut(observed->url, seen->url, sizeof seen->url);
    if (!seen->delivered)
        note_try(seen, observed, now_ms);
}

/** A run that nothing is known of is not remembered for this alone. */
static void note_result(struct run_memory *runs, const struct observed *observed)
{
    size_t place = place_of_run(runs, observed->run_id);
    if (place == RUNS_MAX)
        return;
    struct run_seen *seen = &runs->seen[place];
    if (observed->kind == OBSERVED_RESULT_REFUSED) {
        seen->refused = true;
        slice_copy_cut(observed->reason, seen->refusal, sizeof seen->refusal);
    } else {
        slice_copy_cut(slice_of(observed->port_result), seen->port_result, sizeof seen->port_result);
    }
}

static void note_passed(struct run_memory *runs, const struct observed *observed)
{
    size_t place = place_of_passed(runs, observed->run_id);
    if (place == RUNS_PASSED_MAX) {
        place = runs->next_passed;
        runs->next_passed = (runs->next_passed + 1) % RUNS_PASSED_MAX;
    }
    struct run_passed *passed = &runs->passed[place];
    runs->passed_hashes[place] = hash_of(observed->run_id);
    slice_copy_cut(observed->run_id, passed->run_id, sizeof passed->run_id);
    passed->at_ms = clock_wall_ms(runs->clock);
    passed->refused = observed_end(observed->kind) == END_REFUSED;
    passed->why = observed_message(observed->kind);
    passed->hint = observed_hint(observed);
}

/** Of most runs nothing is reported, and there is nothing to note. */
static bool is_result(const struct observed *observed)
{
    return observed->kind == OBSERVED_RESULT_REFUSED ||
           (observed->kind == OBSERVED_ENDED && !slice_equal_text(slice_of(observed->port_result), "none"));
}

void run_memory_note(struct run_memory *runs, const struct observed *observed)
{
    enum observed_end end = observed_end(observed->kind);
    if (observed->run_id.len == 0)
        return;
    if (end == END_DELIVERED || end == END_FAILED || observed->kind == OBSERVED_RETRYING)
        note_attempt(runs, observed);
    else if (is_result(observed))
        note_result(runs, observed);
    else if (end == END_REFUSED || observed->kind == OBSERVED_UNWANTED)
        note_passed(runs, observed);
}
