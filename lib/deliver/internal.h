/* Shared by the files of this room only, in the order of an event's way.
 *
 *   intake.c       a record to a delivery, or to a line that says why not
 *   refusal.c      events that are not to be believed
 *   minute.c       what is told once a minute
 *   dedup.c        records that were delivered a moment ago
 *   mapping.c      what its mapping makes of it
 *   route.c        where it goes
 *   attempt.c      one request: signed, sent, answered; tried again or not
 *   retry.c        which failures are tried again, and when
 *   outcome.c      what an answer means
 *   telling.c      what lib/observe is told of
 *   conclusion.c   after the last answer
 *   letter.c       its dead letter
 *   report.c       what its mapping reports, its result
 *   life.c         its states (life.h) and ends
 *   withdraw.c     deliveries that are taken back
 *   memory.c       is there room (memory.h)
 *   target.c       URLs parsed once
 *   deliver.c      making, counters, ending
 */
#pragma once
#include "deliver/deliver.h"
#include "deliver/life.h"
#include "deliver/memory.h"
#include "http/url.h"
#include "map/request.h"
#include <stddef.h>
#include <sys/queue.h>

enum { METHOD_SIZE = 33, MEMORY_WAIT_MS = 1000 };

/** A URL, parsed; shared by the deliveries that go there. */
struct target {
    unsigned references;
    uint64_t hash;
    /** As events have it; sent is what `parts` has. */
    char *written;
    struct url_parts parts;
};

/** What an answer means. */
struct outcome {
    bool success;
    /** The endpoint's answer is there, whole. */
    bool answered;
    /** 0: no answer. */
    int status;
    /** "" for a success. */
    const char *error_type;
    /** In words; empty for a success. */
    struct buffer cause;
    /** Ready-made JSON for the run; empty: none. */
    struct buffer response;
    struct buffer summary;
    /** The endpoint's answer, cut and masked; empty: not wanted or none. */
    struct buffer detail;
};

struct delivery {
    LIST_ENTRY(delivery) all;
    struct slot slot;
    struct deliver *deliver;
    enum life_state state;
    struct ticket *ticket;
    const void *assignment;
    /** Stored behind `id`; NULL: none, and then partition and offset are -1. */
    const char *topic;
    int32_t partition;
    int64_t offset;
    /** The record's own timestamp; -1: none. */
    int64_t record_ms;
    /** As in struct record. */
    bool unrepeatable;
    struct event event;
    /** It has a run to report to. */
    bool is_run;
    bool synchronized;
    /** The record's own bytes, for a dead letter; empty where none are written. */
    struct buffer key, value;
    bool has_key;
    /** Target and destination are known. */
    bool addressed;
    /** From dedup_content. */
    uint64_t content;
    /** The fields its mapping gave. */
    struct buffer mapped;
    /** Its slices point into `mapped`. */
    struct mapped_request request;
    char method[METHOD_SIZE];
    /** Of its last attempt; "": none yet. */
    char signature[SIGNATURE_SIZE];
    /** Of a request that a redirect left without its body. */
    char redirected_signature[SIGNATURE_SIZE];
    /** NULL: not known yet. */
    struct target *target;
    struct map_call *map_call;
    struct dead_letter_write *burial;
    struct http_call *call;
    /** Attempts started so far. */
    unsigned attempt;
    /** Its run has been told that it started. */
    bool start_told;
    /** When its first attempt began. */
    int64_t started_ms;
    /** When its next attempt begins. */
    struct due due;
    /** Of its last attempt. */
    struct outcome outcome;
    /** What its mapping's report is made from. */
    struct buffer context;
    struct run_report *report;
    struct charge charge;
    /** The record's, with a NUL; behind it its topic. */
    char id[];
};

static inline struct delivery *delivery_of_slot(struct slot *slot)
{
    return (struct delivery *)(void *)((char *)slot - offsetof(struct delivery, slot));
}

static inline struct delivery *delivery_of_due(struct due *due)
{
    return (struct delivery *)(void *)((char *)due - offsetof(struct delivery, due));
}

/** What dedup.c keeps of a record that was delivered. */
struct delivered;
struct dedup {
    struct delivered *ring;
    size_t *buckets;
    size_t window, bucket_count, next, kept_reports, kept_bytes, max_kept_bytes;
};

/** What is told once a minute, as counts (minute.c). */
struct minute {
    /** The end of the minute that has begun. */
    struct due due;
    /** Refused events that had a line of their own. */
    unsigned refusals_told;
    /** Refused events beyond those. */
    uint64_t refusals_untold;
    /** Node runs among them that Port is not told of. */
    uint64_t refusals_unreported;
    /** Events that no mapping wants. */
    uint64_t unwanted;
};

struct deliver {
    struct deliver_options options;
    LIST_HEAD(deliveries, delivery) deliveries;
    struct window *window;
    /** By hash, one in each slot. */
    struct target *targets[256];
    struct schedule schedule;
    struct dedup dedup;
    struct minute minute;
    /** That the system gives out no connections, last; 0: never. */
    int64_t shortage_told_ms;
    /** When Port may be told of another refused node run. */
    int64_t next_refusal_report_ms;
    size_t in_state[LIFE_STATES];
    struct memory memory;
    bool pumping;
    /** Takes and starts no more, except what is unrepeatable. */
    bool stopped;
    /** Nothing starts meanwhile: what starts could end and leave the list that is walked. */
    bool withdrawing;
};

/* intake.c */
void deliver_take(void *ctx, const struct record *record, struct ticket *ticket);

/* telling.c */
/** As window_options.circuit; `ctx` is the struct deliver. */
void deliver_tell_circuit(void *ctx, const char *destination, unsigned failures);
/** The record, for whoever adds to what is told. `run_id`: the event's; null: the record's own, if any. */
struct observed record_observed(const struct record *record, struct slice run_id, enum observed_kind kind);
void record_tell(const struct deliver *deliver, const struct record *record, const struct event *event,
                 enum observed_kind kind);
/** What happened to the delivery, with its last attempt's outcome, as far as there is one. */
void delivery_tell(const struct delivery *delivery, enum observed_kind kind);
void delivery_tell_move(const struct delivery *delivery, const char *from, const char *to);
/** The same with another reason. */
void delivery_tell_why(const struct delivery *delivery, enum observed_kind kind, struct slice reason);
/** An attempt begins: once, its run is told. */
void delivery_tell_start(struct delivery *delivery, struct slice body);
/** An attempt is over, and its outcome known. `wait_ms`: until the next; 0: there is none. */
void delivery_tell_attempt(const struct delivery *delivery, enum observed_kind kind,
                           const struct http_result *result, int64_t wait_ms);

/* refusal.c */
enum refusal {
    REFUSAL_NONE,
    /** No signature. */
    REFUSAL_MISSING,
    /** No usable timestamp. */
    REFUSAL_MALFORMED,
    /** The signature is of something else. */
    REFUSAL_WRONG,
    /** The event has the other topic's invocation method. */
    REFUSAL_OTHER_TOPICS,
    /** Out of memory: nothing is known. */
    REFUSAL_UNKNOWN
};
/** Is the event to be believed, by where its record comes from and by its signature? */
PA_MUST_USE enum refusal refusal_of(struct deliver *deliver, const struct record *record,
                                    const struct event *event);
/** Tells of it: the first of a minute one by one, the rest of that minute together. */
void refusal_tell(struct deliver *deliver, const struct record *record, const struct event *event,
                  enum refusal refusal);
/** Is Port told that the event's run failed? Only of workflow node runs, and of those only as many as can be
 * told within a minute, ten a second. */
PA_MUST_USE bool refusal_is_reported(struct deliver *deliver, const struct event *event,
                                     enum refusal refusal);
/** The delivery ends with a failure reported for its run, when it is its turn. */
void refusal_report(struct delivery *delivery, enum refusal refusal);

/* minute.c */
/** Something is counted: a minute begins, unless one has. */
void minute_begin(struct deliver *deliver);
/** Tells what has been counted so far. */
void minute_close(struct deliver *deliver);

/* dedup.c */
/** Reports that are owed to remembered records are kept up to `max_kept_bytes`. False: out of memory. */
PA_MUST_USE bool dedup_open(struct dedup *dedup, size_t window, size_t max_kept_bytes);
void dedup_close(struct dedup *dedup);
/** Remembers that the delivery had its last answer. */
void dedup_add(struct dedup *dedup, const struct delivery *delivery);
/** The delivery is withdrawn while its report is under way: keeps the report for when the record comes back.
 * False: the record is forgotten, and will be delivered again. */
PA_MUST_USE bool dedup_keep_report(struct dedup *dedup, struct delivery *delivery);
/** It will be delivered again after all. */
void dedup_forget(struct dedup *dedup, const struct delivery *delivery);
/** What tells the record from another that might have its id. */
uint64_t dedup_content(const struct dedup *dedup, const struct record *record, const struct event *event);
/** Was this record delivered? *report: its report that is still owed, or NULL. Forgets the report. */
PA_MUST_USE bool dedup_find(struct dedup *dedup, const struct record *record, const struct event *event,
                            struct run_report **report);

/* mapping.c */
/** Asks for the mapping of a delivery, or sends it on its way at once where none is needed. */
void delivery_map(struct delivery *delivery);

/* route.c */
/** Method, URL, destination. PA_ERR_INVALID with the cause when it cannot go anywhere; PA_ERR_MEMORY. */
PA_MUST_USE int delivery_address(struct delivery *delivery, struct error *err);
/** A change-log event without a key keeps its place among those that go to the same destination. */
PA_MUST_USE int delivery_enter_lane(struct delivery *delivery);

/* target.c */
/** NULL with the cause in err. Release with target_release. */
PA_MUST_USE struct target *target_find(struct deliver *deliver, struct slice url, struct error *err);
void target_release(struct target *target);
void targets_free(struct deliver *deliver);

/* life.c */
/** Charges what the delivery holds now. */
void delivery_charge(struct delivery *delivery);
/** Frees it, and gives its record back as done. */
void delivery_done(struct delivery *delivery);
/** It is addressed and it is its turn in its lane: queues it at its destination. The caller pumps. */
void delivery_ready(struct delivery *delivery);
/** The lane goes on without this delivery: the next in it may be ready by that, and the caller pumps. */
void delivery_leave_lane(struct delivery *delivery);
/** Ends a delivery that may be the head of its lane, and whose report may be open: its record is not done,
 * and whoever owns the partition next delivers it again. The caller pumps. */
void delivery_leave(struct delivery *delivery);

/* withdraw.c */
struct withdrawal {
    /** Of this one alone; NULL: of all. */
    const void *assignment;
    /** What has started as well. */
    bool started;
    /** What nobody gets again as well. */
    bool unrepeatable;
};

/** Withdraws what matches. Leaving a lane may start the next in it, so those that have not started go first,
 * the last of a lane before the first: the list has the newest in front. */
void withdraw_matching(struct deliver *deliver, const struct withdrawal *what);
void deliver_withdraw(void *ctx, const void *assignment, bool cancel_started);

/* attempt.c */
/** Waits, outside of the window, and is queued again. */
void delivery_wait(struct delivery *delivery, int64_t wait_ms);
/** Starts what may start. What answers take bounds it, beside the window. */
void deliver_pump(struct deliver *deliver);
/** Ends the attempt under way without a word to anybody. */
void delivery_cancel_attempt(struct delivery *delivery);
/** The delivery fails for good, wherever it stands before its last answer; nothing is under way for it. */
void delivery_give_up(struct delivery *delivery);

/* retry.c */
/** Is there another attempt after this result? Then in how many milliseconds. */
PA_MUST_USE bool retry_wait(const struct delivery *delivery, const struct http_result *result,
                            int64_t *wait_ms);

/* conclusion.c */
/** The last attempt's outcome is in delivery->outcome: what is owed to it, and then it is done. */
void delivery_conclude(struct delivery *delivery);
/** Ends a delivery that sent nothing, with a failure for its run, if it has one. `error_type`: constant. */
void delivery_fail_unsent(struct delivery *delivery, const char *error_type, const char *reason);

/* letter.c */
/** Writes its dead letter, then reports. */
void delivery_bury(struct delivery *delivery);

/* report.c */
void delivery_open_report(struct delivery *delivery);
/** What its mapping reports, the result, and then it is done. */
void delivery_report(struct delivery *delivery);
/** Memory is out: what is owed is owed all the same, a little later. */
void delivery_later(struct delivery *delivery, void (*again)(struct due *due));
/** Ends a delivery whose event is refused: its run is reported failed, nothing else. */
void delivery_report_refused(struct delivery *delivery);
void delivery_report_accepted(void *delivery, enum report_verdict verdict);

/* outcome.c */
/** `out` is initialised, its old content released. */
void outcome_of(const struct delivery *delivery, const struct http_result *result, bool detailed,
                struct outcome *out);
void outcome_clear(struct outcome *outcome);
/** Appends a URL or text of the delivery as it may be shown: without decrypted values. */
void outcome_shown(const struct delivery *delivery, struct slice text, struct buffer *out);
/** Appends the context of a mapping's report (docs/contract.md#report-context). */
void outcome_context(const struct delivery *delivery, const struct http_result *result, struct slice body,
                     struct buffer *out);
