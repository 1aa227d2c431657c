/* What the agent counts, in one table: the struct, the summary line and the table in docs/operating.md come
 * from it (a test compares the last). Must never count by itself: observe.c adds to totals as events happen,
 * and whoever knows what is there now fills in the rest. Pure. */
#pragma once
#include "base/log.h"

/** X(name, unit, kind, help), in the order of the summary line. A name is the struct's member and the line's
 * field. TOTAL: since the start. NOW: what is there at this moment. */
#define COUNTERS(X)                                                                                        \
    X(taken, "records", TOTAL, "records that the source handed over")                                      \
    X(delivered, "events", TOTAL, "webhooks that were answered with a status under 400")                   \
    X(failed, "events", TOTAL, "events that failed for good, those that nothing was sent for included")    \
    X(retries, "attempts", TOTAL, "failed attempts that are followed by another")                          \
    X(skipped, "events", TOTAL, "events that are not for an agent, or that no mapping wants")              \
    X(expired, "events", TOTAL, "events that were older than `EVENT_MAX_AGE_SECONDS`; they failed")        \
    X(stale, "events", TOTAL,                                                                              \
      "events that were signed longer ago than `REPLAY_TOLERANCE_SECONDS`; they failed")                   \
    X(deduplicated, "records", TOTAL, "records that came again and had been delivered")                    \
    X(bad_records, "records", TOTAL, "records that cannot be read as an event")                            \
    X(bad_signatures, "events", TOTAL, "events that were refused: signature, timestamp or topic is wrong") \
    X(dropped, "records", TOTAL, "records that were given back undone: they are delivered again")          \
    X(refused_results, "results", TOTAL, "results of runs that Port refused for good")                     \
    X(resent, "webhooks", TOTAL,                                                                           \
      "webhooks that were sent twice, because a reused connection died unanswered")                        \
    X(read_again, "records", TOTAL, "records that were kept by reference, and were read a second time")    \
    X(gone, "records", TOTAL, "records that were kept by reference and had left their topic: they failed") \
    X(signature_age_s, "seconds", NOW,                                                                     \
      "how long ago the event was signed that was verified last (once there was one)")                     \
    X(queued, "events", NOW, "events whose mapping is evaluated, or that wait for their turn")             \
    X(in_flight, "webhooks", NOW, "webhooks that are being sent, or wait for their answer")                \
    X(kept, "events", NOW, "events that are kept by reference: their records are read again later")        \
    X(waiting_for_retry, "events", NOW, "events that wait for their next attempt")                         \
    X(waiting_for_port, "events", NOW,                                                                     \
      "events whose dead letter is being written, or whose result Port has not accepted yet")              \
    X(circuits_open, "destinations", NOW, "destinations that only fail, and are probed")                   \
    X(bytes_held, "bytes", NOW, "memory that records and their answers take")                              \
    X(report_bytes, "bytes", NOW, "memory that results and progress logs take while they wait for Port")   \
    X(dead_letters_written, "letters", TOTAL, "dead letters that were written (where they are kept)")      \
    X(dead_letters_waiting, "letters", NOW, "dead letters that wait to be written (where they are kept)")  \
    X(spans_dropped, "spans", TOTAL, "spans of traces that no collector took (where they are recorded)")

enum counter_kind { COUNTER_TOTAL, COUNTER_NOW };

#define COUNTER_MEMBER_(name_, unit_, kind_, help_) uint64_t name_;
struct counters {
    COUNTERS(COUNTER_MEMBER_)
};
#undef COUNTER_MEMBER_

enum { COUNTERS_COUNT = sizeof(struct counters) / sizeof(uint64_t) };

/** The value of a counter that this agent does not have: it is in no line. */
#define COUNTER_NONE UINT64_MAX

/** One row of the table; its text lives for ever. */
struct counter {
    struct slice name;
    const char *unit, *help;
    enum counter_kind kind;
};

/** The table, in the order of the summary line, which is that of the struct's members. */
extern const struct counter counters_table[COUNTERS_COUNT];

/** The value of counters_table[index]; `index` is less than COUNTERS_COUNT. */
uint64_t counters_value(const struct counters *counters, size_t index);
/** Writes the summary line at INFO: the counters, then `count` more fields (those of the source). */
void counters_log_summary(const struct counters *counters, const struct log_field *more, size_t count);
