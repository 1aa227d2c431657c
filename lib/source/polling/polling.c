/* When Port is asked for runs. Each of its two queues has a poller: a claim, then the acknowledgement and the
 * handing over of the claimed runs, then the next claim: at once after a full batch, otherwise after the
 * interval, and after a growing wait when something failed. A round ends when its last run is in the sink, so
 * what is claimed and not yet acknowledged is one batch at most. */
#include "base/log.h"
#include "observe/conditions.h"
#include "source/polling/internal.h"
#include <stdlib.h>
#include <string.h>

enum {
    RUN_BYTES_FIRST = 16384,
    RUN_BYTES_LEAST = 1024,
    /** A queue's share is this part of QUEUE_MAX_BYTES: an eighth of what the sink has. */
    SHARES = 16,
    ANSWER_SLACK = 1 << 20,
    APART_MAX = 100,
    /** Rounds in a row; fewer are a moment. */
    FAILURES_MIN = 3,
    APART_MS = 1000,
    APART_STOPPED_MS = 100
};

static struct polling_source *polling_of(struct source *source)
{
    return (struct polling_source *)source;
}

static const struct polling_source *own_const(const struct source *source)
{
    return (const struct polling_source *)source;
}

static const struct polling_config *settings(const struct poller *poller)
{
    return &poller->source->options.config->polling;
}

/* Waiting */

static void due(uv_timer_t *timer);

void poller_due_in(struct poller *poller, int64_t wait_ms)
{
    uint64_t wait = wait_ms > 0 ? (uint64_t)wait_ms : 0;
    if (uv_is_active((uv_handle_t *)&poller->timer) && uv_timer_get_due_in(&poller->timer) <= wait)
        return;
    uv_update_time(poller->source->options.loop);
    uv_timer_start(&poller->timer, due, wait, 0);
}

static void wait_for(struct poller *poller, int64_t wait_ms)
{
    poller->state = POLLER_WAITING;
    uv_timer_stop(&poller->timer);
    poller_due_in(poller, wait_ms);
}

/* Failures */

void poller_note_failure(struct poller *poller, const char *reason, int64_t retry_after_ms)
{
    slice_copy_cut(slice_of(reason), poller->error, sizeof poller->error);
    if (retry_after_ms > poller->retry_after_ms)
        poller->retry_after_ms = retry_after_ms;
}

static void polling_fatal(struct polling_source *source)
{
    if (!source->fatal_said)
        source->options.fatal(source->options.ctx);
    source->fatal_said = true;
}

/** POLLING_INITIAL_BACKOFF_SECONDS, grown with each failure in a row, and a random part of it on top. */
static int64_t backoff_ms(const struct poller *poller)
{
    const struct polling_config *polling = settings(poller);
    const struct clock *clock = poller->source->options.clock;
    double wait = (double)polling->initial_backoff_ms, cap = (double)polling->max_backoff_ms;
    for (unsigned i = 0; i < poller->failures && wait < cap; i++)
        wait *= polling->backoff_factor;
    wait = wait > cap ? cap : wait;
    return (int64_t)(wait + wait * polling->backoff_jitter * clock->random(clock->ctx));
}

static void failed_round(struct poller *poller)
{
    struct polling_source *source = poller->source;
    int64_t now = clock_monotonic_ms(source->options.clock);
    if (source->failing_since_ms < 0)
        source->failing_since_ms = now;
    int64_t left_ms = settings(poller)->max_failure_ms - (now - source->failing_since_ms);
    if (left_ms <= 0) {
        log_critical("polling has done nothing but fail for POLLING_MAX_FAILURE_DURATION_SECONDS",
                     F_SECONDS("failing_for", now - source->failing_since_ms),
                     F_STR("error.message", poller->error));
        poller->state = POLLER_WAITING;
        polling_fatal(source);
        return;
    }
    int64_t wait_ms = backoff_ms(poller);
    if (wait_ms < poller->retry_after_ms)
        wait_ms = poller->retry_after_ms;
    if (wait_ms > left_ms)
        wait_ms = left_ms; /* the last try is when the time is up */
    if (wait_ms < 1)
        wait_ms = 1;
    poller->failures++;
    log_warning("polling failed; trying again", F_STR("url.path", claim_path(poller->kind)),
                F_STR("error.message", poller->error), F_SECONDS("next_attempt_in", wait_ms));
    if (poller->failures >= FAILURES_MIN)
        condition_stands_with(source->options.conditions, CONDITION_PORT_GIVES_NOTHING,
                              claim_path(poller->kind), 0, poller->error,
                              "'port-agent check --connect' goes the way to Port");
    wait_for(poller, wait_ms);
}

static void round_worked(struct poller *poller)
{
    if (poller->failures > 0)
        log_info("polling works again", F_STR("url.path", claim_path(poller->kind)));
    condition_ended(poller->source->options.conditions, CONDITION_PORT_GIVES_NOTHING,
                    claim_path(poller->kind), 0);
    poller->failures = 0;
}

/** Port answered what it was asked for, in part at least. */
static void port_works(struct poller *poller)
{
    struct polling_source *source = poller->source;
    if (!source->worked)
        log_info("polling", F_SECONDS("interval", settings(poller)->interval_ms),
                 F_INT("batch_size", settings(poller)->batch_size));
    source->worked = true;
    source->failing_since_ms = -1;
}

/* Rounds */

static void end_round(struct poller *poller)
{
    left_flush(poller, false);
    if (!*poller->error || poller->answered > 0)
        port_works(poller);
    if (poller->source->stopped) {
        poller->state = POLLER_WAITING;
        return;
    }
    if (*poller->error) {
        failed_round(poller);
        return;
    }
    round_worked(poller);
    bool full = poller->came >= poller->asked && poller->taken > 0;
    wait_for(poller, full ? 0 : settings(poller)->interval_ms);
}

void poller_advance(struct poller *poller)
{
    if (--poller->pending == 0 && poller->state == POLLER_TAKING)
        end_round(poller);
}

/** The answer was cut off: fewer runs may fit. */
static void too_long(struct poller *poller)
{
    if (poller->asked > 1) {
        poller->limit = poller->asked / 2;
        log_warning("Port's answer to a claim is too long; claiming fewer runs at once",
                    F_STR("url.path", claim_path(poller->kind)), F_INT("limit", poller->limit));
        wait_for(poller, 0);
        return;
    }
    poller_note_failure(poller, "a run is larger than RECORD_MAX_BYTES", -1);
    failed_round(poller);
}

void poller_answer_read(struct poller *poller, const char *failure)
{
    poller->answer = NULL;
    if (failure)
        poller_note_failure(poller, failure, -1);
    else if (poller->limit < (size_t)settings(poller)->batch_size)
        poller->limit *= 2;
    if (poller->came > 0)
        log_debug("claimed", F_STR("url.path", claim_path(poller->kind)), F_INT("runs", poller->came));
    poller_advance(poller);
}

static void read_answer(struct poller *poller, const struct port_result *result)
{
    struct error err = {0};
    poller->state = POLLER_TAKING;
    poller->pending++; /* this reading, so that the round does not end under it */
    if (result->body.len > ANSWER_BYTES) {
        poller->answer = answer_start(poller, result->owned_body);
        if (!poller->answer)
            poller_answer_read(poller, "out of memory");
        return;
    }
    int failed = claim_read(poller->kind, result->body, run_claimed, poller, &err);
    poller_answer_read(poller, failed ? err.message : NULL);
}

/** What has not been read of an answer is left to Port. */
static void leave_answer(struct poller *poller)
{
    if (!poller->answer)
        return;
    answer_forget(poller->answer);
    poller->answer = NULL;
    poller_advance(poller);
}

static void claim_answered(void *ctx, const struct port_result *result)
{
    struct poller *poller = ctx;
    struct polling_source *source = poller->source;
    poller->call = NULL;
    if (result->answer == PORT_ACCEPTED && result->body_cut) {
        too_long(poller);
    } else if (result->answer == PORT_ACCEPTED) {
        read_answer(poller, result);
    } else if (result->authentication && !source->worked) {
        log_critical(
            "Port refused our credentials: check PORT_CLIENT_ID, PORT_CLIENT_SECRET and PORT_API_BASE_URL",
            F_STATUS(result->status), F_STR("error.message", result->reason));
        poller->state = POLLER_WAITING;
        polling_fatal(source);
    } else {
        poller_note_failure(poller, result->reason, result->retry_after_ms);
        failed_round(poller);
    }
}

/** What is free of the other queues' shares. Nobody reads an acknowledged run again, so what one queue's runs
 * take cannot be given up for another's: each queue finds its share, whatever the other's runs wait for. */
static size_t left_to_others(const struct poller *poller)
{
    const struct polling_source *source = poller->source;
    size_t share = (size_t)source->options.config->queue_max_bytes / SHARES, bytes = 0;
    for (size_t i = 0; i < CLAIM_KINDS; i++)
        if (&source->pollers[i] != poller && source->pollers[i].held_bytes < share)
            bytes += share - source->pollers[i].held_bytes;
    return bytes;
}

/** How many runs the sink has space for now; 0: none. */
static size_t room_for(const struct poller *poller)
{
    const struct source_sink *sink = &poller->source->options.sink;
    size_t run_bytes =
        poller->source->run_bytes < RUN_BYTES_LEAST ? RUN_BYTES_LEAST : poller->source->run_bytes;
    size_t others = poller->source->apart_bytes + left_to_others(poller);
    size_t most = (size_t)settings(poller)->batch_size;
    size_t count = poller->limit < most ? poller->limit : most;
    while (count > 0 && !sink->has_room(sink->ctx, count * run_bytes + others))
        count /= 2;
    return count;
}

/** What is cut off is lost to us until Port offers it again, so the bound is generous: room_for keeps answers
 * small once it is known how large runs are, and a single run may be as large as any record. */
static size_t answer_bound(const struct config *config)
{
    int64_t bytes = config->queue_max_bytes > config->record_max_bytes ? config->queue_max_bytes
                                                                       : config->record_max_bytes;
    return (size_t)bytes + ANSWER_SLACK;
}

static void claim(struct poller *poller)
{
    struct polling_source *source = poller->source;
    uv_timer_stop(&poller->timer);
    poller->asked = room_for(poller);
    poller->came = poller->taken = poller->answered = 0;
    *poller->error = '\0';
    poller->retry_after_ms = -1;
    if (poller->asked == 0) {
        poller->state = POLLER_FULL;
        return;
    }
    if (source->apart >= APART_MAX) {
        poller_note_failure(poller, "too many runs wait for the answers to their acknowledgements", -1);
        failed_round(poller);
        return;
    }
    struct buffer body = {0};
    claim_body(poller->kind, poller->asked, &body);
    struct port_request request = {.method = "POST",
                                   .path = claim_path(poller->kind),
                                   .body = buffer_slice(&body),
                                   .reserved_usage = true,
                                   .max_response_bytes = answer_bound(source->options.config)};
    poller->state = POLLER_CLAIMING;
    poller->call =
        body.failed ? NULL : port_api_start(source->options.port, &request, claim_answered, poller);
    buffer_clear(&body);
    source->claims++;
    if (!poller->call) {
        poller_note_failure(poller, "out of memory", -1);
        failed_round(poller);
    }
}

static void apart_due(uv_timer_t *timer)
{
    struct polling_source *source = timer->data;
    runs_apart_go_on(source);
    if (source->apart == 0)
        uv_timer_stop(timer);
}

void poller_watch_apart(struct polling_source *source)
{
    uint64_t every_ms = source->stopped ? APART_STOPPED_MS : APART_MS;
    if (!uv_is_active((uv_handle_t *)&source->apart_timer))
        uv_timer_start(&source->apart_timer, apart_due, every_ms, every_ms);
}

static void due(uv_timer_t *timer)
{
    struct poller *poller = timer->data;
    if (poller->state == POLLER_TAKING)
        runs_go_on(poller);
    else if (!poller->source->stopped)
        claim(poller);
}

/* As a source */

static void polling_resume(struct source *source)
{
    struct polling_source *polling = polling_of(source);
    for (size_t i = 0; i < CLAIM_KINDS; i++)
        if (polling->pollers[i].state == POLLER_FULL && !polling->stopped)
            claim(&polling->pollers[i]);
}

static void polling_stop_taking(struct source *source)
{
    struct polling_source *polling = polling_of(source);
    polling->stopped = true;
    for (size_t i = 0; i < CLAIM_KINDS; i++) {
        struct poller *poller = &polling->pollers[i];
        if (poller->call)
            port_call_cancel(poller->call);
        poller->call = NULL;
        leave_answer(poller);
        if (poller->state != POLLER_TAKING)
            wait_for(poller, 0);
    }
    runs_stop(polling);
    for (size_t i = 0; i < CLAIM_KINDS; i++)
        left_flush(&polling->pollers[i], true);
    uv_timer_stop(&polling->apart_timer);
    if (polling->apart > 0)
        poller_watch_apart(polling);
}

static bool polling_idle(const struct source *source)
{
    const struct polling_source *polling = own_const(source);
    for (size_t i = 0; i < CLAIM_KINDS; i++)
        if (polling->pollers[i].pending > 0)
            return false;
    return polling->apart == 0;
}

static void polling_handle_closed(struct polling_source *polling)
{
    if (--polling->open_handles > 0)
        return;
    void (*closed)(void *) = polling->closed;
    void *ctx = polling->closed_ctx;
    free(polling);
    closed(ctx);
}

static void poller_timer_closed(uv_handle_t *handle)
{
    polling_handle_closed(((const struct poller *)handle->data)->source);
}

static void own_handle_closed(uv_handle_t *handle)
{
    polling_handle_closed(handle->data);
}

static void polling_close(struct source *source, void (*closed)(void *ctx), void *ctx)
{
    struct polling_source *polling = polling_of(source);
    polling->closed = closed;
    polling->closed_ctx = ctx;
    polling_stop_taking(source);
    polling->options.sink.withdraw(polling->options.sink.ctx, polling, true);
    runs_free(polling);
    for (size_t i = 0; i < CLAIM_KINDS; i++)
        uv_close((uv_handle_t *)&polling->pollers[i].timer, poller_timer_closed);
    uv_close((uv_handle_t *)&polling->apart_timer, own_handle_closed);
    turn_close(&polling->turn, polling, own_handle_closed);
}

static size_t polling_summary(const struct source *source, struct log_field fields[SOURCE_FIELDS_MAX])
{
    const struct polling_source *polling = own_const(source);
    size_t count = 0;
    fields[count++] = F_INT("claims", polling->claims);
    fields[count++] = F_INT("claimed", polling->claimed);
    fields[count++] = F_INT("not_acknowledged", polling->refused_acks);
    fields[count++] = F_INT("in_progress", polling->held);
    fields[count++] = F_INT("given_up", polling->lost);
    return count;
}

static unsigned polling_assigned(const struct source *source)
{
    const struct polling_source *polling = own_const(source);
    return polling->worked && polling->failing_since_ms < 0;
}

static struct source_view polling_view(const struct source *source)
{
    const struct polling_source *polling = own_const(source);
    const char *state = polling->failing_since_ms >= 0 ? "claims fail"
                        : !polling->worked             ? "no claim has been answered yet"
                        : polling->stopped             ? "claiming no more"
                                                       : "claiming runs";
    return (struct source_view){.state = state, .connected = polling_assigned(source) > 0};
}

static size_t polling_give_up(struct source *source)
{
    return runs_give_up(polling_of(source));
}

static size_t abandon(const struct source *source)
{
    return runs_abandon(own_const(source));
}

static const char *without_port(const struct config *config)
{
    (void)config;
    return "no run can be claimed, and no result can be reported";
}

static struct source *polling_open(const struct source_options *options, struct error *err)
{
    struct polling_source *polling = calloc(1, sizeof *polling);
    if (!polling) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    polling->source.class = &polling_source;
    polling->options = *options;
    polling->run_bytes = RUN_BYTES_FIRST;
    polling->failing_since_ms = -1;
    uv_timer_init(options->loop, &polling->apart_timer);
    polling->apart_timer.data = polling;
    polling->open_handles += 1 + turn_open(&polling->turn, options->loop);
    for (size_t i = 0; i < CLAIM_KINDS; i++) {
        struct poller *poller = &polling->pollers[i];
        poller->source = polling;
        poller->kind = (enum claim_kind)i;
        poller->limit = (size_t)options->config->polling.batch_size;
        uv_timer_init(options->loop, &poller->timer);
        poller->timer.data = poller;
        polling->open_handles++;
        wait_for(poller, 0);
    }
    return &polling->source;
}

const struct source_class polling_source = {
    .name = "POLLING",
    .without_port = without_port,
    .open = polling_open,
    .resume = polling_resume,
    .stop_taking = polling_stop_taking,
    .idle = polling_idle,
    .close = polling_close,
    .summary = polling_summary,
    .assigned = polling_assigned,
    .view = polling_view,
    .give_up = polling_give_up,
    .abandon = abandon,
};
