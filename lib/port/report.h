/* What Port is told of runs: progress logs and the result, in order within a run, side by side across runs.
 * Logs are best effort (one attempt, and no more than two seconds of a result's time); a result is retried
 * with backoff until Port accepts it or refuses it for good. */
#pragma once
#include "port/api.h"

struct reports;    /* all runs */
struct run_report; /* one run's ordered queue */

struct reports_options {
    /** Borrowed. */
    struct port_api *api;
    /** Borrowed. */
    uv_loop_t *loop;
    /** Borrowed. */
    const struct clock *clock;
    /** Borrowed; NULL: nobody is told of what lasts. */
    struct conditions *conditions;
    /** False: report_log does nothing. */
    bool run_logs;
    /** The first wait after a failure; 0: 500. */
    int64_t first_backoff_ms;
    /** The longest such wait; 0: 30000. */
    int64_t max_backoff_ms;
    /** A log that has no answer after ten of these is given up; 0: 500. */
    int64_t log_tick_ms;
};
PA_MUST_USE struct reports *reports_new(const struct reports_options *options);
/** Drops what is queued; no callback runs after it. */
void reports_free(struct reports *reports);

/** Opens the queue of one run. `run_id` is copied; it must satisfy run_id_is_usable. NULL: out of memory. */
PA_MUST_USE struct run_report *run_report_open(struct reports *reports, struct slice run_id);
/** Log lines about the run end with this id of its trace; copied. "": they have none. */
void run_report_trace(struct run_report *report, const char *trace_id);
/** Queues POST …/logs {"message": text} (workflow node runs: their form). Text is copied. The log may be
 * lost, with a warning: when Port refuses it or does not answer in time, when too many wait, and while Port
 * leaves one after another unanswered. */
void run_report_log(struct run_report *report, struct slice text);

/** The result of a run, docs/contract.md#results. Null slices are left out. */
struct run_result {
    /** Action runs: the value of {"response": …}, ready-made JSON; null: no PATCH …/response. */
    struct slice response;
    /** "SUCCESS", "FAILURE"; null: none. */
    struct slice status;
    struct slice summary;
    /** A text or a list of them, ready-made JSON. */
    struct slice link_json;
    struct slice external_run_id;
};
enum report_verdict { REPORT_ACCEPTED, REPORT_REFUSED };
/** `refusal`: Port's words where it refused; NULL: it did not, or out of memory. Borrowed during the call. */
typedef void report_done(void *ctx, enum report_verdict verdict, const char *refusal);
/** Queues the result behind what is queued (logs still queued or under way get four ticks together, then they
 * are given up), and closes the report: `done` runs exactly once, when Port has
 * accepted or refused everything that is a result (at once, from the loop, when the result is empty: then
 * logs still queued are sent without anybody waiting for them). The report must not be used by the caller
 * afterwards, except with run_report_cancel. For a workflow node run `status` FAILURE gives
 * {"status":"COMPLETED","result":"FAILED"} and SUCCESS gives result SUCCESS with `response` as output. False:
 * out of memory; nothing is queued, `done` will not run, and the report is as open as before. */
PA_MUST_USE bool run_report_finish(struct run_report *report, const struct run_result *result,
                                   report_done *done, void *ctx);
/** Forgets the run: nothing more is sent, done will not run. Valid until done has run. */
void run_report_cancel(struct run_report *report);

/** Sends nothing more until it is resumed, and done will not run: for an owner that goes away and may come
 * back. After run_report_finish only; a call under way is cancelled, and made again. */
void run_report_pause(struct run_report *report);
/** Goes on where it was paused, with a new owner: `done` as in run_report_finish. */
void run_report_resume(struct run_report *report, report_done *done, void *ctx);

/** port_api_secrets of the API that is told. */
void reports_secrets(const struct reports *reports, struct secrets *out);
/** Bytes that this one holds. */
size_t run_report_bytes(const struct run_report *report);
/** Bytes held by queued results and logs, and runs whose result waits: for back pressure and the summary. */
size_t reports_bytes(const struct reports *reports);
size_t reports_waiting(const struct reports *reports);
/** Since when the oldest of these results waits (monotonic); -1: none waits. */
int64_t reports_waiting_since_ms(const struct reports *reports);
/** Log messages not yet sent or given up: what a drain waits for beside results. */
size_t reports_logs_pending(const struct reports *reports);
