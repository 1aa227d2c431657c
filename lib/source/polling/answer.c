/* A long answer to a claim, read in libuv's thread pool: so many runs or bytes at a time, which the loop
 * hands out before the next are read. So neither the loop's turn nor what waits between the two grows with
 * the answer. The thread has nothing but the answer's own bytes, which nobody else looks at. */
#include "source/polling/internal.h"
#include <stdlib.h>
#include <string.h>

enum { STEP_RUNS = 64, STEP_BYTES = ANSWER_BYTES };

/** As in struct claimed; everything is its own. */
struct read_run {
    STAILQ_ENTRY(read_run) next;
    bool has_id, agent;
    char *broken;
    struct buffer event;
    size_t id_len;
    char id[];
};

struct answer {
    /** NULL: nobody waits for it. */
    struct poller *poller;
    enum claim_kind kind;
    char *body;
    size_t len;
    struct claim_reader reader;
    bool opened, over;
    /** Of this step: read, and not handed out. */
    STAILQ_HEAD(read_runs, read_run) runs;
    size_t count;
    int failed;
    struct error err;
    uv_work_t work;
};

/* In the thread pool */

static void read_run_free(struct read_run *run)
{
    if (!run)
        return;
    buffer_clear(&run->event);
    free(run->broken);
    free(run);
}

/** NULL: out of memory; the event is left. */
static struct read_run *keep_run(const struct claimed *claimed)
{
    struct read_run *run = calloc(1, sizeof *run + claimed->id.len + 1);
    if (!run)
        return NULL;
    run->has_id = claimed->id.ptr != NULL;
    run->agent = claimed->agent;
    run->id_len = claimed->id.len;
    if (run->has_id)
        memcpy(run->id, claimed->id.ptr, claimed->id.len);
    run->broken = claimed->broken ? strdup(claimed->broken) : NULL;
    if (claimed->broken && !run->broken) {
        read_run_free(run);
        return NULL;
    }
    run->event = *claimed->event;
    *claimed->event = (struct buffer){0};
    return run;
}

static void was_read(void *ctx, const struct claimed *claimed)
{
    struct answer *answer = ctx;
    struct read_run *run = keep_run(claimed);
    if (!run) {
        answer->failed = error_set(&answer->err, PA_ERR_MEMORY, "out of memory");
        return;
    }
    STAILQ_INSERT_TAIL(&answer->runs, run, next);
    answer->count++;
}

static void read_step(uv_work_t *work)
{
    struct answer *answer = work->data;
    struct claim_reader *reader = &answer->reader;
    if (!answer->opened)
        answer->failed =
            claim_open(reader, answer->kind, (struct slice){answer->body, answer->len}, &answer->err);
    answer->opened = true;
    size_t before = answer->failed ? 0 : reader->walk.rest.len;
    while (!answer->failed && !answer->over && answer->count < STEP_RUNS &&
           before - reader->walk.rest.len < STEP_BYTES) {
        int failed = claim_next(reader, was_read, answer, &answer->over, &answer->err);
        answer->failed = answer->failed ? answer->failed : failed;
    }
}

/* On the loop */

static void answer_free(struct answer *answer)
{
    struct read_run *run;
    while ((run = STAILQ_FIRST(&answer->runs)) != NULL) {
        STAILQ_REMOVE_HEAD(&answer->runs, next);
        read_run_free(run);
    }
    free(answer->body);
    free(answer);
}

static void hand_out(struct answer *answer)
{
    struct read_run *run;
    while (answer->poller && (run = STAILQ_FIRST(&answer->runs)) != NULL) {
        const struct claimed claimed = {.id = {run->has_id ? run->id : NULL, run->id_len},
                                        .agent = run->agent,
                                        .broken = run->broken,
                                        .event = &run->event};
        STAILQ_REMOVE_HEAD(&answer->runs, next);
        run_claimed(answer->poller, &claimed);
        read_run_free(run);
    }
    answer->count = 0;
}

static void step_done(uv_work_t *work, int status);

static bool start_step(struct answer *answer)
{
    return uv_queue_work(answer->poller->source->options.loop, &answer->work, read_step, step_done) == 0;
}

static void step_done(uv_work_t *work, int status)
{
    struct answer *answer = work->data;
    (void)status; /* nobody cancels it */
    hand_out(answer);
    bool goes_on = answer->poller && !answer->failed && !answer->over;
    if (goes_on && start_step(answer))
        return;
    if (answer->poller)
        poller_answer_read(answer->poller, answer->failed ? answer->err.message
                                           : goes_on      ? "out of memory"
                                                          : NULL);
    answer_free(answer);
}

struct answer *answer_start(struct poller *poller, struct buffer *body)
{
    struct answer *answer = calloc(1, sizeof *answer);
    if (!answer)
        return NULL;
    STAILQ_INIT(&answer->runs);
    answer->poller = poller;
    answer->kind = poller->kind;
    answer->work.data = answer;
    answer->body = buffer_take(body, &answer->len);
    if (!answer->body || !start_step(answer)) {
        answer_free(answer);
        return NULL;
    }
    return answer;
}

void answer_forget(struct answer *answer)
{
    answer->poller = NULL;
}
