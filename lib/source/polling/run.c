/* A claimed run, from the claim to its end. It is in the list from the moment it is claimed: a run that is
 * claimed again meanwhile is acknowledged again and not handed over twice. Once acknowledged it is nobody
 * else's, so it is held until the sink has it. */
#include "base/log.h"
#include "source/polling/internal.h"
#include <search.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { ACK_ATTEMPTS = 3, ACK_BACKOFF_MS = 250, ACK_BACKOFF_CAP_MS = 5000, AGAIN_MS = 500 };

/* The list */

static int compare(const void *left, const void *right)
{
    return strcmp(left, right);
}

static void settled(struct ticket *ticket, bool done);

/** NULL: out of memory, nothing changed. */
static struct polled_run *run_new(struct poller *poller, const struct claimed *claimed)
{
    struct polling_source *source = poller->source;
    struct polled_run *run = calloc(1, sizeof *run + claimed->id.len + 1);
    if (!run)
        return NULL;
    memcpy(run->id, claimed->id.ptr, claimed->id.len);
    run->ticket.settle = settled;
    run->poller = poller;
    run->agent = claimed->agent;
    run->broken = claimed->broken ? strdup(claimed->broken) : NULL;
    if ((claimed->broken && !run->broken) || !tsearch(run->id, &source->by_id, compare)) {
        free(run->broken);
        free(run);
        return NULL;
    }
    run->event = buffer_take(claimed->event, &run->event_len);
    LIST_INSERT_HEAD(&source->runs, run, all);
    source->held++;
    return run;
}

static void run_free(struct polled_run *run)
{
    struct polling_source *source = run->poller->source;
    tdelete(run->id, &source->by_id, compare);
    LIST_REMOVE(run, all);
    source->held--;
    free(run->broken);
    free(run->event);
    free(run);
}

/** The run that has this id; NULL: none is held. */
static struct polled_run *run_find(const struct polling_source *source, const char *id)
{
    char *const *key = tfind(id, &source->by_id, compare);
    return key ? (struct polled_run *)(void *)(*key - offsetof(struct polled_run, id)) : NULL;
}

/* Into the sink, and back */

static void lose(struct polled_run *run)
{
    run->poller->source->lost++;
    log_error("run given up: it was acknowledged, so nobody else delivers it", F_STR("port.run_id", run->id));
    run_free(run);
}

static void settled(struct ticket *ticket, bool done)
{
    struct polled_run *run = (struct polled_run *)(void *)ticket;
    bool handing_over = run->state == RUN_HANDING_OVER;
    if (handing_over && done) {
        run->settled = true;
    } else if (handing_over) {
        run->state = RUN_WAITING;
    } else if (done) {
        run_free(run);
    } else {
        lose(run);
    }
}

/** False: it has to wait. */
static bool hand_over(struct polled_run *run)
{
    struct poller *poller = run->poller;
    struct polling_source *source = poller->source;
    struct record record = {
        .kind = EVENT_RUN,
        .trusted = true,
        .unrepeatable = true,
        .id = slice_of(run->id),
        .run_id = slice_of(run->id),
        .broken = run->broken,
        .partition = -1,
        .offset = -1,
        .timestamp_ms = -1,
        .value = {run->event, run->event_len},
        .assignment = source,
    };
    run->state = RUN_HANDING_OVER;
    source->options.sink.take(source->options.sink.ctx, &record, &run->ticket);
    if (run->state == RUN_WAITING) {
        poller_due_in(poller, AGAIN_MS);
        return false;
    }
    run->state = RUN_TAKEN;
    free(run->event);
    run->event = NULL;
    if (run->settled)
        run_free(run);
    poller_advance(poller);
    return true;
}

/** Not acknowledged: Port gives it to somebody else, or to us again. */
static void leave(struct polled_run *run)
{
    struct poller *poller = run->poller;
    poller->source->refused_acks++;
    run_free(run);
    poller_advance(poller);
}

/* Acknowledging */

static void ours(struct polled_run *run)
{
    run->poller->acked++;
    if (run->agent) {
        hand_over(run);
        return;
    }
    struct poller *poller = run->poller;
    log_warning("run skipped: its invocation method is not for an agent", F_STR("port.run_id", run->id));
    run_free(run);
    poller_advance(poller);
}

/** What fails for want of memory is no attempt: Port may have the run as ours, from one whose answer was
 * lost, and then nobody gets it any more. */
static void not_answered(struct polled_run *run, const char *reason, int64_t retry_after_ms)
{
    struct poller *poller = run->poller;
    if (run->attempts < ACK_ATTEMPTS && !poller->source->stopped) {
        poller_due_in(poller,
                      clock_backoff_ms(poller->source->options.clock, ACK_BACKOFF_MS, 2.0, ACK_BACKOFF_CAP_MS,
                                       run->attempts > 0 ? run->attempts - 1 : 0));
        return;
    }
    log_warning("run left to Port: it could not be acknowledged", F_STR("port.run_id", run->id),
                F_STR("error.message", reason));
    poller_note_failure(poller, reason, retry_after_ms);
    leave(run);
}

static void acknowledged(void *ctx, const struct port_result *result)
{
    struct polled_run *run = ctx;
    run->ack = NULL;
    if (result->answer == PORT_UNAVAILABLE) {
        run->attempts -= result->out_of_memory;
        not_answered(run, result->reason, result->retry_after_ms);
        return;
    }
    run->poller->answered++;
    if (result->answer == PORT_ACCEPTED && claim_acked(run->poller->kind, result->body)) {
        ours(run);
        return;
    }
    log_warning("run left to Port: it was not ours to acknowledge", F_STR("port.run_id", run->id),
                F_INT("http.response.status_code", result->status));
    leave(run);
}

static struct port_call *send_ack(const struct poller *poller, const char *id, port_done *done, void *ctx)
{
    struct buffer body = {0};
    claim_ack_body(poller->kind, slice_of(id), &body);
    struct port_request request = {.method = "PATCH",
                                   .path = claim_ack_path(poller->kind),
                                   .body = buffer_slice(&body),
                                   .reserved_usage = true};
    struct port_call *call =
        body.failed ? NULL : port_api_start(poller->source->options.port, &request, done, ctx);
    buffer_clear(&body);
    return call;
}

/** False: it has to wait, or was given up. */
static bool acknowledge(struct polled_run *run)
{
    run->attempts++;
    run->ack = send_ack(run->poller, run->id, acknowledged, run);
    if (run->ack)
        return true;
    run->attempts--;
    not_answered(run, "out of memory", -1);
    return false;
}

static void nobody(void *ctx, const struct port_result *result)
{
    (void)ctx;
    (void)result;
}

void run_claimed(void *ctx, const struct claimed *claimed)
{
    struct poller *poller = ctx;
    struct polling_source *source = poller->source;
    poller->came++;
    source->claimed++;
    if (!claimed->id.ptr) {
        log_warning("claimed run skipped: it has no id that can be reported to", F_NONE);
        return;
    }
    char *id = slice_to_text(claimed->id);
    struct polled_run *held = id ? run_find(source, id) : NULL;
    free(id);
    if (held && held->state == RUN_TAKEN) {
        log_debug("run claimed again while it is in progress", F_STR("port.run_id", held->id));
        send_ack(poller, held->id, nobody, NULL);
    }
    if (held)
        return;
    source->run_bytes = (3 * source->run_bytes + claimed->event->len) / 4;
    struct polled_run *run = run_new(poller, claimed);
    if (!run) {
        poller_note_failure(poller, "out of memory", -1);
        return;
    }
    poller->pending++;
    acknowledge(run);
}

static bool waits(const struct polled_run *run)
{
    return run->state == RUN_WAITING || (run->state == RUN_ACKNOWLEDGING && !run->ack);
}

/** One at a time: handing over may bring other tickets back, which are then gone from the list. */
void runs_go_on(struct poller *poller)
{
    struct polled_run *run = LIST_FIRST(&poller->source->runs);
    while (run && (run->poller != poller || !waits(run)))
        run = LIST_NEXT(run, all);
    if (!run)
        return;
    bool went = run->state == RUN_WAITING ? hand_over(run) : acknowledge(run);
    if (went)
        poller_due_in(poller, 0); /* for the next one */
}

void runs_stop(struct polling_source *source)
{
    struct polled_run *next;
    for (struct polled_run *run = LIST_FIRST(&source->runs); run; run = next) {
        next = LIST_NEXT(run, all);
        if (run->state == RUN_ACKNOWLEDGING && !run->ack)
            leave(run);
    }
}

void runs_free(struct polling_source *source)
{
    struct polled_run *next;
    for (struct polled_run *run = LIST_FIRST(&source->runs); run; run = next) {
        next = LIST_NEXT(run, all);
        if (run->ack)
            port_call_cancel(run->ack);
        if (run->state == RUN_ACKNOWLEDGING)
            run_free(run);
        else
            lose(run);
    }
}
