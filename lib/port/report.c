/* One ordered queue per run. A step is a call; a log step has one attempt, a result step as many as it takes.
 * Must never lose a result, hold one up for a log's sake, or let logs pile up without bound.
 *
 *     OPEN ──finish──▶ FINISHED ──last result step answered──▶ (done called, freed)
 *       steps are sent one after another in either state; WAITING is a result step between two attempts
 *
 * A log under way is watched: it has five seconds, and once the run is finished all its logs together have
 * two. They are counted in ticks of the loop, not by the clock, so that a process that stood still does not
 * give up an answer that lies there to be read; and only while the log is on its way, since where it queues
 * the result would queue too. While logs fail in this way one after another they are left out, except one in
 * half a minute: else those of other runs would take every connection there is.
 */
#include "port/report.h"
#include "base/log.h"
#include "event/event.h"
#include "port/lasting.h"
#include "port/result_body.h"
#include "port/step.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { FIRST_BACKOFF_MS = 500, MAX_BACKOFF_MS = 30000, LOGS_MAX = 10000, SAY_AGAIN_MS = 10000 };
enum { CALL_OVERHEAD = 256, LOG_BYTES_MAX = 4 << 20 };
/** OVERDUE_MAX: logs in a row. */
enum { LOG_TICK_MS = 500, LOG_TICKS = 10, LAST_LOGS_TICKS = 4, OVERDUE_MAX = 3, PROBE_LOG_MS = 30000 };

struct run_report {
    LIST_ENTRY(run_report) all;
    struct reports *reports;
    char run_id[132];
    /** "": it has none. */
    char trace_id[33];
    bool node_run;
    struct step *first, *last;
    struct port_call *call;
    /** A result's next attempt, a log's ticks; on the heap: it outlives us while it closes. */
    uv_timer_t *timer;
    unsigned attempt, log_ticks;
    bool finished, has_result;
    /** Counted among the results that wait: not while it is paused. */
    bool waits;
    /** When it was finished. */
    int64_t finished_ms;
    enum report_verdict verdict;
    /** Port's words where it refused; NULL: it did not, or out of memory. */
    char *refusal;
    /** Done is owed from the loop: linked in the list of those. */
    bool deferred;
    LIST_ENTRY(run_report) owed;
    /** Held by the call under way. */
    size_t call_bytes;
    report_done *done;
    void *ctx;
};

struct reports {
    struct reports_options options;
    LIST_HEAD(run_reports, run_report) all, owed;
    uv_idle_t *deferred;
    size_t bytes, waiting, logs, log_bytes;
    /** Results between attempts; those accepted since there were none. */
    size_t retrying, accepted_late;
    uint64_t logs_failed, refused_in_a_row;
    int64_t said_ms, next_log_ms;
    /** Logs given up in a row. */
    unsigned overdue;
};

#define F_TRACE(report_) F_STR("trace_id", *(report_)->trace_id ? (report_)->trace_id : NULL)

static void report_advance(struct run_report *report);

/* Steps */

static void step_free(struct reports *reports, struct step *step)
{
    reports->bytes -= step_bytes(step);
    if (!step->result) {
        reports->logs--;
        reports->log_bytes -= step_bytes(step);
    }
    step_discard(step);
}

static void step_append(struct run_report *report, struct step *step)
{
    struct reports *reports = report->reports;
    reports->bytes += step_bytes(step);
    if (step->result) {
        report->has_result = true;
    } else {
        reports->logs++;
        reports->log_bytes += step_bytes(step);
    }
    if (report->last)
        report->last->next = step;
    else
        report->first = step;
    report->last = step;
}

static void step_drop(struct run_report *report)
{
    struct step *step = report->first;
    report->first = step->next;
    if (!report->first)
        report->last = NULL;
    step_free(report->reports, step);
}

/* Reports */

static void timer_free(uv_handle_t *handle)
{
    free(handle);
}

static void undefer(struct run_report *report)
{
    if (!report->deferred)
        return;
    report->deferred = false;
    LIST_REMOVE(report, owed);
}

static void call_ended(struct run_report *report)
{
    report->call = NULL;
    report->reports->bytes -= report->call_bytes;
    report->call_bytes = 0;
}

static void call_drop(struct run_report *report)
{
    if (!report->call)
        return;
    port_call_cancel(report->call);
    call_ended(report);
}

static void set_waits(struct run_report *report, bool waits)
{
    report->reports->waiting += waits;
    report->reports->waiting -= report->waits;
    report->waits = waits;
}

static void result_ended(struct run_report *report)
{
    set_waits(report, false);
    report->has_result = false;
}

static void attempts_ended(struct run_report *report)
{
    struct reports *reports = report->reports;
    if (report->attempt > 0 && --reports->retrying == 0)
        lasting_wait_ended(reports->options.conditions, reports->accepted_late);
    report->attempt = 0;
}

static void report_free(struct run_report *report)
{
    struct reports *reports = report->reports;
    call_drop(report);
    attempts_ended(report);
    while (report->first)
        step_drop(report);
    uv_timer_stop(report->timer);
    uv_close((uv_handle_t *)report->timer, timer_free);
    undefer(report);
    result_ended(report);
    LIST_REMOVE(report, all);
    reports->bytes -= sizeof *report;
    free(report->refusal);
    free(report);
}

/** Tells the owner once; the report may go on sending logs without an owner. */
static void report_tell(struct run_report *report)
{
    report_done *done = report->done;
    report->done = NULL;
    result_ended(report);
    if (done)
        done(report->ctx, report->verdict, report->verdict == REPORT_REFUSED ? report->refusal : NULL);
}

/** One line in ten seconds, however many logs are lost. */
static void log_lost(struct run_report *report, int status, const char *reason)
{
    struct reports *reports = report->reports;
    int64_t now = clock_monotonic_ms(reports->options.clock);
    reports->logs_failed++;
    if (reports->logs_failed > 1 && now - reports->said_ms < SAY_AGAIN_MS)
        return;
    reports->said_ms = now;
    log_warning("a run's progress log did not reach Port; logs are best effort",
                F_STR("port.run_id", report->run_id), F_STATUS(status), F_STR("error.message", reason),
                F_INT("failed_so_far", reports->logs_failed), F_TRACE(report));
}

static void retry_due(uv_timer_t *timer)
{
    struct run_report *report = timer->data;
    report_advance(report);
}

static void retry_later(struct run_report *report, const struct port_result *result)
{
    struct reports *reports = report->reports;
    int64_t wait_ms = clock_backoff_ms(reports->options.clock, reports->options.first_backoff_ms, 2.0,
                                       reports->options.max_backoff_ms, report->attempt);
    const char *reason = result ? result->reason : "out of memory";
    if (result && result->retry_after_ms > wait_ms)
        wait_ms = result->retry_after_ms;
    if (report->attempt++ == 0) {
        if (reports->retrying++ == 0)
            reports->accepted_late = 0;
        log_warning("a result waits for Port; it is tried until Port accepts it",
                    F_STR("port.run_id", report->run_id), F_STATUS(result ? result->status : 0),
                    F_STR("error.message", reason), F_TRACE(report));
    }
    lasting_wait(reports->options.conditions, reports->waiting, report->attempt, reason);
    uv_timer_start(report->timer, retry_due, (uint64_t)wait_ms, 0);
}

static void accepted(struct run_report *report)
{
    struct reports *reports = report->reports;
    report->verdict = REPORT_ACCEPTED;
    if (report->attempt > 0) {
        log_debug("a waiting result was accepted by Port", F_STR("port.run_id", report->run_id),
                  F_INT("attempts", report->attempt + 1), F_TRACE(report));
        reports->accepted_late++;
        attempts_ended(report);
    }
    lasting_acceptance(reports->options.conditions);
    reports->refused_in_a_row = 0;
}

static void log_answered(struct run_report *report, const struct port_result *result)
{
    uv_timer_stop(report->timer);
    if (result->answer != PORT_ACCEPTED)
        log_lost(report, result->status, result->reason);
    if (result->status != 0)
        report->reports->overdue = 0;
}

static void step_answered(void *ctx, const struct port_result *result)
{
    struct run_report *report = ctx;
    call_ended(report);
    if (!report->first->result) {
        log_answered(report, result);
    } else if (result->answer == PORT_UNAVAILABLE || result->status == 401) { /* not about this run */
        retry_later(report, result);
        return;
    } else if (result->answer == PORT_REFUSED) {
        log_error("result refused by Port", F_STR("port.run_id", report->run_id), F_STATUS(result->status),
                  F_STR("error.message", result->reason), F_TRACE(report));
        report->verdict = REPORT_REFUSED;
        free(report->refusal);
        report->refusal = strdup(result->reason);
        attempts_ended(report);
        lasting_refusal(report->reports->options.conditions, ++report->reports->refused_in_a_row,
                        result->reason);
    } else {
        accepted(report);
    }
    step_drop(report);
    report_advance(report);
}

/* Logs under way */

/** True: logs are left out for now. False lets one through, or all. */
static bool logs_left_out(struct reports *reports)
{
    if (reports->overdue < OVERDUE_MAX)
        return false;
    int64_t now = clock_monotonic_ms(reports->options.clock);
    if (now < reports->next_log_ms)
        return true;
    reports->next_log_ms = now + PROBE_LOG_MS;
    return false;
}

static void drop_logs(struct run_report *report, const char *reason)
{
    for (; report->first && !report->first->result; step_drop(report))
        log_lost(report, 0, reason);
}

static void give_log_up(struct run_report *report)
{
    struct reports *reports = report->reports;
    if (port_call_is_sent(report->call) && ++reports->overdue >= OVERDUE_MAX)
        reports->next_log_ms = clock_monotonic_ms(reports->options.clock) + PROBE_LOG_MS;
    call_drop(report);
    uv_timer_stop(report->timer);
    log_lost(report, 0, "no answer in time");
    step_drop(report);
    if (report->finished)
        drop_logs(report, "the one before it had no answer in time");
    report_advance(report);
}

static void log_tick(uv_timer_t *timer)
{
    struct run_report *report = timer->data;
    bool sent = port_call_is_sent(report->call);
    if (sent ? --report->log_ticks == 0 : report->reports->overdue >= OVERDUE_MAX)
        give_log_up(report);
}

static void watch_log(struct run_report *report)
{
    uint64_t tick_ms = (uint64_t)report->reports->options.log_tick_ms;
    if (!report->finished)
        report->log_ticks = LOG_TICKS;
    uv_timer_start(report->timer, log_tick, tick_ms, tick_ms);
}

static void report_advance(struct run_report *report)
{
    bool waits_for_retry = uv_is_active((const uv_handle_t *)report->timer);
    if (waits_for_retry || report->call || report->deferred)
        return;
    for (struct step *step; (step = report->first) != NULL; step_drop(report)) {
        if (!step->result && logs_left_out(report->reports)) {
            log_lost(report, 0, "Port does not answer progress logs");
            continue;
        }
        const struct port_request request = {.method = step->result ? "PATCH" : "POST",
                                             .path = step->path,
                                             .body = buffer_slice(&step->body),
                                             .body_is_lent = true};
        report->call = port_api_start(report->reports->options.api, &request, step_answered, report);
        if (report->call) {
            report->call_bytes = step->path_size + CALL_OVERHEAD;
            report->reports->bytes += report->call_bytes;
            if (!step->result)
                watch_log(report);
            return;
        }
        if (step->result) {
            retry_later(report, NULL);
            return;
        }
        log_lost(report, 0, "out of memory");
    }
    if (!report->finished)
        return;
    report_tell(report);
    report_free(report);
}

struct run_report *run_report_open(struct reports *reports, struct slice run_id)
{
    struct run_report *report = calloc(1, sizeof *report);
    uv_timer_t *timer = calloc(1, sizeof *timer);
    if (!report || !timer) {
        free(report);
        free(timer);
        return NULL;
    }
    /* Made here, where there being no memory can still be told: a result that has to wait needs it. */
    uv_timer_init(reports->options.loop, timer);
    timer->data = report;
    report->timer = timer;
    report->reports = reports;
    reports->bytes += sizeof *report;
    slice_copy_cut(run_id, report->run_id, sizeof report->run_id);
    report->node_run = run_id_is_node_run(run_id);
    LIST_INSERT_HEAD(&reports->all, report, all);
    return report;
}

void run_report_trace(struct run_report *report, const char *trace_id)
{
    snprintf(report->trace_id, sizeof report->trace_id, "%s", trace_id);
}

void run_report_log(struct run_report *report, struct slice text)
{
    struct reports *reports = report->reports;
    if (!reports->options.run_logs)
        return;
    if (reports->logs >= LOGS_MAX || reports->log_bytes >= LOG_BYTES_MAX) {
        log_lost(report, 0, "too many logs wait for Port");
        return;
    }
    struct buffer body = {0};
    run_log_body_write(report->node_run, text, &body);
    struct step *step = step_new(report->node_run, report->run_id, false, "/logs", &body);
    if (step) {
        step_append(report, step);
        report_advance(report);
    } else {
        log_lost(report, 0, "out of memory");
    }
}

/* Results */

/** The value of a run that has one; NULL: out of memory. */
static struct step *response_step(const struct run_report *report, struct slice response)
{
    struct buffer body = {0};
    action_response_write(response, &body);
    return step_new(report->node_run, report->run_id, true, "/response", &body);
}

/** Queues all of the result, or, when out of memory, nothing of it: false. */
static bool result_append(struct run_report *report, const struct run_result *result)
{
    struct step *response = NULL, *result_step = NULL;
    struct buffer body = {0};
    if (report->node_run)
        node_result_write(result, &body);
    else
        action_result_write(result, &body);
    bool has_response = !report->node_run && !slice_is_null(result->response);
    bool has_result = body.len > 0 || body.failed;
    if (has_result)
        result_step = step_new(report->node_run, report->run_id, true, "", &body);
    if (has_response)
        response = response_step(report, result->response);
    if ((has_result && !result_step) || (has_response && !response)) {
        step_discard(result_step);
        step_discard(response);
        return false;
    }
    if (response)
        step_append(report, response);
    if (result_step)
        step_append(report, result_step);
    return true;
}

static void deferred_due(uv_idle_t *idle)
{
    struct reports *reports = idle->data;
    for (struct run_report *report; (report = LIST_FIRST(&reports->owed)) != NULL;) {
        undefer(report);
        report_tell(report);
        report_advance(report);
    }
    uv_idle_stop(idle);
}

/** `done` is owed, though there is nothing left to send: not before the caller has returned. */
static void defer(struct run_report *report)
{
    report->deferred = true;
    LIST_INSERT_HEAD(&report->reports->owed, report, owed);
    uv_idle_start(report->reports->deferred, deferred_due);
}

bool run_report_finish(struct run_report *report, const struct run_result *result, report_done *done,
                       void *ctx)
{
    if (!result_append(report, result))
        return false;
    report->done = done;
    report->ctx = ctx;
    report->finished = true;
    report->finished_ms = clock_monotonic_ms(report->reports->options.clock);
    report->log_ticks = LAST_LOGS_TICKS;
    if (report->has_result) {
        set_waits(report, true);
        report_advance(report);
        return true;
    }
    defer(report);
    return true;
}

void run_report_pause(struct run_report *report)
{
    report->done = NULL;
    set_waits(report, false);
    call_drop(report);
    attempts_ended(report);
    uv_timer_stop(report->timer);
    undefer(report);
}

void run_report_resume(struct run_report *report, report_done *done, void *ctx)
{
    report->done = done;
    report->ctx = ctx;
    set_waits(report, report->has_result);
    if (report->first)
        report_advance(report);
    else
        defer(report);
}

size_t run_report_bytes(const struct run_report *report)
{
    size_t bytes = sizeof *report + report->call_bytes;
    for (const struct step *step = report->first; step; step = step->next)
        bytes += step_bytes(step);
    return bytes;
}

void run_report_cancel(struct run_report *report)
{
    report_free(report);
}

void reports_secrets(const struct reports *reports, struct secrets *out)
{
    port_api_secrets(reports->options.api, out);
}

size_t reports_bytes(const struct reports *reports)
{
    return reports->bytes;
}

size_t reports_waiting(const struct reports *reports)
{
    return reports->waiting;
}

size_t reports_logs_pending(const struct reports *reports)
{
    return reports->logs;
}

static int64_t or_usual(int64_t value, int64_t usual)
{
    return value == 0 ? usual : value;
}

struct reports *reports_new(const struct reports_options *options)
{
    struct reports *reports = calloc(1, sizeof *reports);
    if (!reports)
        return NULL;
    reports->options = *options;
    reports->options.first_backoff_ms = or_usual(options->first_backoff_ms, FIRST_BACKOFF_MS);
    reports->options.max_backoff_ms = or_usual(options->max_backoff_ms, MAX_BACKOFF_MS);
    reports->options.log_tick_ms = or_usual(options->log_tick_ms, LOG_TICK_MS);
    reports->deferred = calloc(1, sizeof *reports->deferred);
    if (!reports->deferred) {
        free(reports);
        return NULL;
    }
    uv_idle_init(options->loop, reports->deferred);
    reports->deferred->data = reports;
    return reports;
}

void reports_free(struct reports *reports)
{
    if (!reports)
        return;
    reports->options.conditions = NULL; /* that what waits is dropped is no news of Port */
    while (!LIST_EMPTY(&reports->all)) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyser does not follow the list */
        report_free(LIST_FIRST(&reports->all));
    }
    uv_close((uv_handle_t *)reports->deferred, timer_free);
    free(reports);
}

int64_t reports_waiting_since_ms(const struct reports *reports)
{
    int64_t since_ms = -1;
    const struct run_report *report;
    LIST_FOREACH(report, &reports->all, all)
    if (report->waits && (since_ms < 0 || report->finished_ms < since_ms))
        since_ms = report->finished_ms;
    return since_ms;
}
