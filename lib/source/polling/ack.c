/* Acknowledging a claimed run. Port counts a run once, so the answer that a run is not ours proves this only
 * where no earlier attempt went unanswered. A run with an unanswered attempt is in doubt. It is ours as soon
 * as Port answers at all, and the acknowledgement is tried until then, because no other agent may get the run
 * any more. Its webhook's Idempotency-Key is the run's id, in case another agent has it after all. */
#include "base/log.h"
#include "source/polling/internal.h"

enum {
    /** Attempts before a run's round goes on without it. */
    ACK_ATTEMPTS = 3,
    ACK_BACKOFF_MS = 250,
    ACK_BACKOFF_CAP_MS = 5000,
    ACK_APART_CAP_MS = 30000,
    /** Drain time is short. */
    ACK_STOPPED_CAP_MS = 500,
    /** Port says that it did not look. */
    TOO_MANY_REQUESTS = 429
};

/* Answers */

static void ours(struct polled_run *run, bool counted)
{
    if (!counted)
        log_info("run taken: an acknowledgement before this one had no answer, so it may have counted",
                 F_STR("port.run_id", run->id));
    run_hand_over(run);
}

static int64_t wait_ms(const struct polled_run *run)
{
    const struct polling_source *source = run->poller->source;
    int64_t cap_ms = source->stopped ? ACK_STOPPED_CAP_MS
                     : run->apart    ? ACK_APART_CAP_MS
                                     : ACK_BACKOFF_CAP_MS;
    return clock_backoff_ms(source->options.clock, ACK_BACKOFF_MS, 2.0, cap_ms,
                            run->attempts > 0 ? run->attempts - 1 : 0);
}

static void try_later(struct polled_run *run)
{
    if (!run->apart) {
        poller_due_in(run->poller, wait_ms(run));
        return;
    }
    run->due_ms = clock_monotonic_ms(run->poller->source->options.clock) + wait_ms(run);
    poller_watch_apart(run->poller->source);
}

/** What fails for lack of memory is no attempt. */
static void not_answered(struct polled_run *run, const char *reason, int64_t retry_after_ms)
{
    struct poller *poller = run->poller;
    bool more = run->attempts < ACK_ATTEMPTS && (!poller->source->stopped || run->in_doubt);
    if (more || run->apart) {
        try_later(run);
        return;
    }
    poller_note_failure(poller, reason, retry_after_ms);
    if (run->in_doubt) {
        log_warning("run in doubt: Port does not answer its acknowledgement; trying on",
                    F_STR("port.run_id", run->id), F_STR("error.message", reason));
        run_set_apart(run);
        try_later(run);
        return;
    }
    log_warning("run left to Port: it could not be acknowledged", F_STR("port.run_id", run->id),
                F_STR("error.message", reason));
    run_leave(run);
}

static void ack_refused(struct polled_run *run, const struct port_result *result)
{
    struct poller *poller = run->poller;
    enum left why = result->status == 401   ? LEFT_UNAUTHORISED
                    : result->status == 403 ? LEFT_FORBIDDEN
                    : result->status == 404 ? LEFT_UNKNOWN
                                            : LEFT_REFUSED;
    left_say(poller, why, slice_of(run->id), result);
    if (why == LEFT_UNAUTHORISED || why == LEFT_FORBIDDEN) /* it is not about this run */
        poller_note_failure(poller, result->reason, result->retry_after_ms);
    run_leave(run);
}

static void accepted(struct polled_run *run, const struct port_result *result)
{
    enum claim_verdict verdict = claim_acked(run->poller->kind, result->body);
    if (verdict == CLAIM_UNSAID) {
        run->in_doubt = true;
        not_answered(run, "Port's answer does not say whether the run is acknowledged", -1);
    } else if (verdict == CLAIM_OURS || run->in_doubt) {
        ours(run, verdict == CLAIM_OURS);
    } else {
        log_warning("run left to Port: it was not ours to acknowledge", F_STR("port.run_id", run->id),
                    F_STATUS(result->status));
        run_leave(run);
    }
}

static void acknowledged(void *ctx, const struct port_result *result)
{
    struct polled_run *run = ctx;
    run->ack = NULL;
    run->in_doubt |= result->resent;
    if (result->answer == PORT_UNAVAILABLE) {
        run->attempts -= result->out_of_memory;
        run->in_doubt |= result->sent && result->status != TOO_MANY_REQUESTS;
        not_answered(run, result->reason, result->retry_after_ms);
        return;
    }
    if (!run->apart)
        run->poller->answered++;
    if (result->answer == PORT_ACCEPTED)
        accepted(run, result);
    else if (run->in_doubt) /* that Port refuses this attempt says nothing of the one before */
        not_answered(run, result->reason, result->retry_after_ms);
    else
        ack_refused(run, result);
}

/* Asking */

static struct port_call *send_ack(const struct polled_run *run, port_done *done, void *ctx)
{
    const struct poller *poller = run->poller;
    struct buffer body = {0};
    claim_ack_body(poller->kind, slice_of(run->id), &body);
    struct port_request request = {.method = "PATCH",
                                   .path = claim_ack_path(poller->kind),
                                   .body = buffer_slice(&body),
                                   .reserved_usage = true};
    struct port_call *call =
        body.failed ? NULL : port_api_start(poller->source->options.port, &request, done, ctx);
    buffer_clear(&body);
    return call;
}

bool ack_start(struct polled_run *run)
{
    run->attempts++;
    run->ack = send_ack(run, acknowledged, run);
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

void ack_again(const struct polled_run *run)
{
    PA_IGNORE(send_ack(run, nobody, NULL)); /* out of memory: Port offers the run once more */
}
