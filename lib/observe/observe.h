/* What is told of a record or a delivery: whoever moves one fills in a struct and makes one call, and
 * listeners do the rest: counters, log lines, progress logs on the run, and whoever has asked to be told
 * (subcommands that deliver, the outcomes of redeliveries). The words and fields of each line stand in this
 * room and nowhere else.
 *
 * A listener must never change what it is told of, or block. Nothing is formatted for a level that is off,
 * and a call allocates nothing for itself. */
#pragma once
#include "base/clock.h"
#include "observe/conditions.h"
#include "observe/counters.h"
#include "trace/context.h"

struct observer;
struct metrics;
struct run_report;
struct run_memory;
struct flow;

/** What happened. Behind each: the members of struct observed that say more, beside those of its record. */
enum observed_kind {
    /** The source handed a record over. */
    OBSERVED_TAKEN,
    /** An event is not for an agent. Nothing is done for it. */
    OBSERVED_NOT_FOR_AGENT,
    /** A record came again that had been delivered. */
    OBSERVED_REPEATED,
    /** A record that was kept by reference was read again. */
    OBSERVED_READ_AGAIN,
    /** It is no longer in its topic; OBSERVED_UNSENT follows. */
    OBSERVED_GONE,
    /** A record cannot be read as an event, and no run can be told: reason. */
    OBSERVED_UNREADABLE,
    /** The same, where the source knows the run; OBSERVED_UNSENT follows. */
    OBSERVED_UNREADABLE_OF_RUN,
    /** An event is not to be believed: reason (OBSERVED_OTHER_TOPICS alone), unlisted. */
    OBSERVED_UNSIGNED,
    OBSERVED_TIMESTAMP_MALFORMED,
    OBSERVED_SIGNATURE_WRONG,
    OBSERVED_OTHER_TOPICS,
    /** So many of those had no line of their own within a minute: count, unreported. */
    OBSERVED_MORE_REFUSED,
    /** The run's id cannot stand in a path of Port's API: the run is delivered, and nothing is reported. */
    OBSERVED_UNREPORTABLE,
    /** Its mapping was evaluated, whatever came of that: duration_ms. */
    OBSERVED_MAPPED,
    /** An expression of its mapping gave nothing: reason. */
    OBSERVED_EXPRESSION_EMPTY,
    /** What its mapping reports of the run could not be evaluated: reason. */
    OBSERVED_REPORT_UNMAPPED,
    /** An answer has more headers than its mapping's report sees: reason. */
    OBSERVED_HEADERS_LEFT_OUT,
    /** A delivery has gone from one of its states to another: from, to. Told at DEBUG alone. */
    OBSERVED_MOVED,
    /** No mapping wants the event. */
    OBSERVED_UNWANTED,
    /** So many of those came within a minute: count. */
    OBSERVED_MORE_UNWANTED,
    /** An attempt begins: method, url, attempt, body; wait_ms: since the record was taken. */
    OBSERVED_SENDING,
    /** An attempt failed and another follows: method, url, attempt, max_attempts, status, error_type, reason,
     * resent, wait_ms. */
    OBSERVED_RETRYING,
    /** An attempt failed, and the next one is left to another agent: resent. */
    OBSERVED_RETRY_LEFT,
    /** The last attempt was answered with a success: everything that struct observed has of an attempt. */
    OBSERVED_DELIVERED,
    /** The last attempt failed: the same, error_type, reason and answer among it. */
    OBSERVED_FAILED,
    /** An event is older than it may be; OBSERVED_UNSENT follows. */
    OBSERVED_EXPIRED,
    /** An event's signature is older than it may be; OBSERVED_UNSENT follows. */
    OBSERVED_STALE,
    /** An event failed for good and nothing was sent: error_type, reason, warning, summary. */
    OBSERVED_UNSENT,
    /** Out of memory: what is owed to the run or the record waits a little. */
    OBSERVED_OWED,
    /** Out of memory: the record is given back undone. */
    OBSERVED_LEFT,
    /** Out of memory: the endpoint's answer is missing in the result. */
    OBSERVED_ANSWER_LOST,
    /** Port refused the result for good: reason. */
    OBSERVED_RESULT_REFUSED,
    /** The record was given back undone, for whatever reason. */
    OBSERVED_DROPPED,
    /** The record was given back as done; told only where the trace is recorded: attempt, status, error_type
     * ("" for a success), wait_ms (since its last answer; -1: nothing was owed to a run). */
    OBSERVED_DONE,
    /** A destination only fails: destination, count (failures in a row). */
    OBSERVED_CIRCUIT_OPEN,
    /** It answers again: destination. */
    OBSERVED_CIRCUIT_CLOSED,
    /** The system gives out no more connections: reason, count (webhooks at once from now on). */
    OBSERVED_SHORTAGE,
    /** A run has to wait before it is sent: reason. */
    OBSERVED_WAITS,
    /** A delivery's end has its line, which says what Port says of the result: ended, port_result, waited,
     * and everything that struct observed has of an attempt. OBSERVED_DELIVERED and the like came before. */
    OBSERVED_ENDED,
};
enum { OBSERVED_KINDS = OBSERVED_ENDED + 1 };

/** What is missing of an answer's body, and why. */
enum observed_cut {
    OBSERVED_WHOLE,
    OBSERVED_CUT_TOO_LONG,
    OBSERVED_CUT_NO_ROOM,
    OBSERVED_CUT_UNREADABLE,
    OBSERVED_CUT_ENDED_EARLY,
    OBSERVED_CUT_UNSURE
};

/** Zero-initialise. Everything is borrowed during the call. Which members count is said by the kind; the
 * record's count where it is about one. */
struct observed {
    enum observed_kind kind;

    /* The record */

    /** What its source knows it by: lines have it where the record is in no topic, unless it is the
     * run's id. Null: not known. */
    struct slice record_id;
    /** NULL: it is in no topic, and the next two say nothing. */
    const char *topic;
    int32_t partition;
    int64_t offset;
    /** Its own timestamp; -1: none. */
    int64_t record_ms;
    /** As the event has it, whatever it is; null: none. */
    struct slice run_id;
    /** Where it is in its trace; NULL: it has none. */
    const struct trace *trace;
    /** Where the run's people read; NULL: nowhere. */
    struct run_report *report;

    /* The attempt */

    /** NULL or "": not known. */
    const char *method;
    /** Redacted; null: not known. */
    struct slice url;
    struct slice body;
    /** Appends a text without what must not be seen of it (`url`, `body`, and `reason` on the run); NULL:
     * they may be seen as they are. */
    void (*show)(const void *ctx, struct slice text, struct buffer *out);
    const void *show_ctx;
    unsigned attempt, max_attempts;
    /** Number of the mapping that made the request; 0: none. */
    size_t mapping;
    /** 0: no answer. */
    int status;
    /** An answer came whole; false with a status: a redirect that was not followed. */
    bool answered;
    /** The request was sent again because a reused connection died unanswered. */
    bool resent;
    unsigned redirects;
    enum observed_cut cut;
    size_t kept_bytes;
    int64_t duration_ms, wait_ms;
    const char *error_type;
    struct slice reason;
    /** What its mapping was warned of last, where that made no request (OBSERVED_UNSENT): it may say more
     * than the reason. Null: of nothing. */
    struct slice warning;
    /** The endpoint's, cut and masked; empty: not wanted or none. */
    struct slice answer;
    /** The endpoint's, as it came, where somebody asked for it (deliver_options.keeps_answers): for the
     * person who sent the event, never for a line. */
    struct slice whole_answer;

    /* What becomes of it */

    /** What the run's result says in words. */
    struct slice summary;
    /** The status of the run's result ("SUCCESS", "FAILURE"); "" or NULL: none is reported. */
    const char *reported;
    /** OBSERVED_DELIVERED, OBSERVED_FAILED or OBSERVED_UNSENT. */
    enum observed_kind ended;
    /** "accepted", "waiting", "refused"; "none": it has none. */
    const char *port_result;
    /** What it waited for, in words; null: for nothing. */
    struct slice waited;
    /** A dead letter is written of what failed for good; it is there by now, and keeps the event. */
    bool has_letter, letter_written;
    /** It has no line of its own: it is one of many. */
    bool unlisted;

    /** Names of states. */
    const char *from, *to;

    const char *destination;
    uint64_t count, unreported;
};

/** What a record came to, for those who show it. */
enum observed_end {
    /** Nothing yet, or nothing that is shown. */
    END_NONE,
    END_DELIVERED,
    END_FAILED,
    END_SKIPPED,
    END_UNREADABLE,
    END_REFUSED
};
PA_MUST_USE enum observed_end observed_end(enum observed_kind kind);
/** The words of a kind's log line; "" where it has none. Lives for ever. */
const char *observed_message(enum observed_kind kind);
/** Why the record ended so, in words, for those who show it; empty for a success. */
struct slice observed_why(const struct observed *observed);
/** What to look at after a failure, or where nothing was sent; NULL: the reason says all. Lives for ever. */
PA_MUST_USE const char *observed_hint(const struct observed *observed);

struct observer_options {
    /** Borrowed. */
    const struct clock *clock;
    /** A success at the first attempt, of which nothing else is to be said, has no line. */
    bool successes_unlisted;
    /** Queues a progress log on a run (run_report_log). NULL: none are written. */
    void (*tell_run)(struct run_report *report, struct slice text);
    /** Is told of everything, after counters and logs; NULL: nobody is. */
    void (*told)(void *ctx, const struct observed *observed);
    void *ctx;
};

/** NULL: out of memory. */
PA_MUST_USE struct observer *observer_new(const struct observer_options *options);
void observer_free(struct observer *observer);
/** Has `traced` told of what belongs to a recorded trace. Returns the total of spans that were dropped, for
 * whoever makes spans to add to, as long as the observer lives. */
PA_MUST_USE uint64_t *observer_trace(struct observer *observer,
                                     void (*traced)(void *ctx, const struct observed *observed), void *ctx);
/** Tells all listeners. */
void observe(struct observer *observer, const struct observed *observed);
/** The totals so far; what is there now is 0. */
const struct counters *observer_counters(const struct observer *observer);
/** What is measured (metrics.h). */
const struct metrics *observer_metrics(const struct observer *observer);
/** What is remembered of runs (runs.h). */
const struct run_memory *observer_run_memory(const struct observer *observer);
/** What happened last (flow.h). */
PA_MUST_USE struct flow *observer_flow(const struct observer *observer);
