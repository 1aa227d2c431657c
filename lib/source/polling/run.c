/* A claimed run, from the claim to its end. It is in the list from the moment it is claimed: a run that is
 * claimed again meanwhile is acknowledged again and not handed over twice. Once acknowledged it belongs to
 * this agent alone, so it is held until the sink has it, and then until its ticket is back. */
#include "base/container_of.h"
#include "base/log.h"
#include "source/polling/internal.h"
#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { AGAIN_MS = 500 };

/* The list */

static int compare_runs(const void *left, const void *right)
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
    run->broken = claimed->broken ? strdup(claimed->broken) : NULL;
    if ((claimed->broken && !run->broken) || !tsearch(run->id, &source->by_id, compare_runs)) {
        free(run->broken);
        free(run);
        return NULL;
    }
    run->event = buffer_take(claimed->event, &run->event_len);
    LIST_INSERT_HEAD(&source->runs, run, all);
    source->held++;
    poller->held_bytes += run->event_len + RUN_OVERHEAD;
    return run;
}

static void run_free(struct polled_run *run)
{
    struct polling_source *source = run->poller->source;
    tdelete(run->id, &source->by_id, compare_runs);
    LIST_REMOVE(run, all);
    turn_unqueue(&source->turn, run);
    source->held--;
    run->poller->held_bytes -= run->event_len + RUN_OVERHEAD;
    source->apart -= run->apart;
    source->apart_bytes -= run->apart ? run->event_len : 0;
    free(run->broken);
    free(run->event);
    free(run);
}

/** The run that has this id; NULL: none is held. */
static struct polled_run *run_find(const struct polling_source *source, const char *id)
{
    char *const *key = tfind(id, &source->by_id, compare_runs);
    return key ? CONTAINER_OF(*key, struct polled_run, id) : NULL;
}

/* Into the sink, and back */

/** Nobody else gets it, as far as is known. */
static bool may_be_ours(const struct polled_run *run)
{
    return run->state != RUN_ACKNOWLEDGING || run->in_doubt || (run->ack && port_call_is_sent(run->ack));
}

static void say_given_up(const struct polled_run *run)
{
    log_error(run->state == RUN_ACKNOWLEDGING
                  ? "run given up: Port has not answered its acknowledgement, so nobody else may deliver it"
                  : "run given up: it was acknowledged, so nobody else delivers it",
              F_STR("port.run_id", run->id));
}

static void lose(struct polled_run *run)
{
    run->poller->source->lost++;
    say_given_up(run);
    run_free(run);
}

/** Its round, if it still belongs to it, does not wait for it any more. */
static void leave_round(struct poller *poller, bool apart)
{
    if (!apart)
        poller_advance(poller);
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

static void hand_over_in(struct polled_run *run, int64_t wait_ms)
{
    struct polling_source *source = run->poller->source;
    run->state = RUN_WAITING;
    if (!run->apart) {
        poller_due_in(run->poller, wait_ms);
        return;
    }
    run->due_ms = clock_monotonic_ms(source->options.clock) + wait_ms;
    poller_watch_apart(source);
}

bool run_hand_over(struct polled_run *run)
{
    struct poller *poller = run->poller;
    struct polling_source *source = poller->source;
    struct record record = {
        .kind = EVENT_RUN,
        .trusted = true,
        .unrepeatable = true,
        .id = slice_of(run->id),
        .run_id = slice_of(run->id),
        .given_up = run->given_up,
        .broken = run->broken,
        .partition = -1,
        .offset = -1,
        .timestamp_ms = -1,
        .value = {run->event, run->event_len},
        .assignment = source,
    };
    if (!source->giving_up && !turn_has_space(&source->turn, run->event_len)) {
        run->state = RUN_WAITING;
        turn_queue(&source->turn, run);
        return false;
    }
    turn_unqueue(&source->turn, run);
    run->state = RUN_HANDING_OVER;
    source->options.sink.take(source->options.sink.ctx, &record, &run->ticket);
    if (run->state == RUN_WAITING) {
        hand_over_in(run, AGAIN_MS);
        return false;
    }
    bool apart = run->apart;
    run->state = RUN_TAKEN;
    free(run->event);
    run->event = NULL;
    source->apart -= apart;
    source->apart_bytes -= apart ? run->event_len : 0;
    run->apart = false;
    poller->taken += !apart && !run->broken && !run->given_up;
    if (run->settled)
        run_free(run);
    leave_round(poller, apart);
    return true;
}

void run_leave(struct polled_run *run)
{
    struct poller *poller = run->poller;
    bool apart = run->apart;
    poller->source->refused_acks++;
    run_free(run);
    leave_round(poller, apart);
}

/* Claimed */

static bool ask_port(struct polled_run *run)
{
    turn_unqueue(&run->poller->source->turn, run);
    if (run->state != RUN_TAKEN)
        return ack_start(run);
    ack_again(run);
    return true;
}

/** False: out of memory; it is seen to. */
static bool ask_in_turn(struct polled_run *run)
{
    struct turn *turn = &run->poller->source->turn;
    if (turn_may_ask(turn))
        return ask_port(run);
    turn_queue(turn, run);
    return true;
}

bool run_has_its_turn(struct polled_run *run)
{
    if (run->state == RUN_WAITING)
        return run_hand_over(run) || !run->queued;
    if (!turn_may_ask(&run->poller->source->turn))
        return false;
    PA_IGNORE(ask_port(run)); /* it waits elsewhere then */
    return true;
}

/** It is offered again, so Port answers, and does not know yet that it is taken. */
static void offered_again(struct polled_run *run)
{
    if (run->state == RUN_TAKEN) {
        log_debug("run claimed again while it is in progress", F_STR("port.run_id", run->id));
        PA_IGNORE(ask_in_turn(run)); /* Port offers it once more */
    } else if (run->apart && run->state == RUN_ACKNOWLEDGING && !run->ack) {
        run->attempts = 0;
        PA_IGNORE(ask_in_turn(run)); /* it is due later */
    }
}

void run_claimed(void *ctx, const struct claimed *claimed)
{
    struct poller *poller = ctx;
    struct polling_source *source = poller->source;
    poller->came++;
    source->claimed++;
    if (!claimed->id.ptr || !claimed->agent) {
        source->refused_acks++;
        left_say(poller, claimed->id.ptr ? LEFT_NOT_FOR_AGENT : LEFT_NO_ID, claimed->id, NULL);
        return;
    }
    char *id = slice_to_text(claimed->id);
    struct polled_run *held = id ? run_find(source, id) : NULL;
    free(id);
    if (held) {
        offered_again(held);
        return;
    }
    source->run_bytes = (3 * source->run_bytes + claimed->event->len) / 4;
    struct polled_run *run = run_new(poller, claimed);
    if (!run) {
        poller_note_failure(poller, "out of memory", -1);
        return;
    }
    poller->pending++;
    PA_IGNORE(ask_in_turn(run)); /* it is due later */
}

/* Going on */

/** For a time, not for a turn. */
static bool waits(const struct polled_run *run)
{
    return !run->queued && (run->state == RUN_WAITING || (run->state == RUN_ACKNOWLEDGING && !run->ack));
}

static bool go_on(struct polled_run *run)
{
    return run->state == RUN_WAITING ? run_hand_over(run) : ask_in_turn(run);
}

/** One at a time: handing over may bring other tickets back, which are then gone from the list. */
void runs_go_on(struct poller *poller)
{
    struct polled_run *run = LIST_FIRST(&poller->source->runs);
    while (run && (run->poller != poller || run->apart || !waits(run)))
        run = LIST_NEXT(run, all);
    if (run && go_on(run))
        poller_due_in(poller, 0); /* for the next one */
}

void run_set_apart(struct polled_run *run)
{
    struct polling_source *source = run->poller->source;
    run->apart = true;
    run->apart_since_ms = clock_monotonic_ms(source->options.clock);
    source->apart++;
    source->apart_bytes += run->event_len;
    poller_advance(run->poller);
}

/** The first that waits apart and is due; NULL: none. */
static struct polled_run *first_apart(const struct polling_source *source, int64_t now_ms)
{
    struct polled_run *run = LIST_FIRST(&source->runs);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyser does not follow run_free */
    while (run && !(run->apart && waits(run) && run->due_ms <= now_ms))
        run = LIST_NEXT(run, all);
    return run;
}

/** Each that goes on is due later, or gone. */
void runs_apart_go_on(struct polling_source *source)
{
    int64_t now_ms = clock_monotonic_ms(source->options.clock);
    struct polled_run *run;
    while ((run = first_apart(source, now_ms)) != NULL) {
        if (run->state == RUN_ACKNOWLEDGING &&
            now_ms - run->apart_since_ms >= source->options.config->polling.max_failure_ms) {
            run->given_up = "Port has not answered the run's acknowledgement for "
                            "POLLING_MAX_FAILURE_DURATION_SECONDS";
            run->state = RUN_WAITING;
        }
        PA_IGNORE(go_on(run)); /* it is due later, or gone */
    }
}

/* Ending */

/** Ends the attempt at its acknowledgement, which nobody hears of. */
static void forget_ack(struct polled_run *run)
{
    if (run->ack)
        port_call_cancel(run->ack);
    run->ack = NULL;
}

void runs_stop(struct polling_source *source)
{
    struct polled_run *next;
    for (struct polled_run *run = LIST_FIRST(&source->runs); run; run = next) {
        next = LIST_NEXT(run, all);
        run->due_ms = 0;
        if (may_be_ours(run))
            continue;
        forget_ack(run);
        run_leave(run);
    }
}

/** The first that waits and was not tried in this call; NULL: none. */
static struct polled_run *first_untried(const struct polling_source *source)
{
    struct polled_run *run = LIST_FIRST(&source->runs);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyser does not follow run_free */
    while (run && (run->state != RUN_WAITING || run->tried))
        run = LIST_NEXT(run, all);
    return run;
}

size_t runs_give_up(struct polling_source *source)
{
    size_t count = 0;
    source->giving_up = true;
    runs_stop(source);
    for (struct polled_run *run = LIST_FIRST(&source->runs); run; run = LIST_NEXT(run, all)) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyser does not follow run_free */
        bool acknowledging = run->state == RUN_ACKNOWLEDGING;
        run->tried = false;
        if (acknowledging) {
            forget_ack(run);
            run->state = RUN_WAITING;
        }
        if (run->state == RUN_WAITING && !run->given_up)
            run->given_up = acknowledging
                                ? "the agent was stopped before Port had answered its acknowledgement"
                                : "the agent was stopped first";
    }
    for (struct polled_run *run; (run = first_untried(source)) != NULL;) {
        run->tried = true;
        count += run_hand_over(run);
    }
    return count;
}

size_t runs_abandon(const struct polling_source *source)
{
    size_t count = 0;
    for (const struct polled_run *run = LIST_FIRST(&source->runs); run; run = LIST_NEXT(run, all)) {
        if (may_be_ours(run)) {
            say_given_up(run);
            count++;
        }
    }
    return count;
}

void runs_free(struct polling_source *source)
{
    struct polled_run *next;
    for (struct polled_run *run = LIST_FIRST(&source->runs); run; run = next) {
        next = LIST_NEXT(run, all);
        bool ours = may_be_ours(run);
        forget_ack(run);
        if (ours)
            lose(run);
        else
            run_free(run);
    }
}
