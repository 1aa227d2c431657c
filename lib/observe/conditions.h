/* What goes on being wrong: a standing condition begins, is met again and again, and ends. It has one warning
 * when it begins, one a minute while it stands (with how often it was met), and its end at INFO.
 *
 * How to tell of another one: a kind in the enum below, its words in conditions.c's table and its label in
 * agent/status/metrics.c (without one it counts as "other" there), then condition_met wherever it shows,
 * however often that is (or condition_stands, where somebody looks from time to time), and condition_ended
 * wherever it shows that it is over (nothing happens when it does not stand, so every success may say so).
 * What may stand for several things at once (destinations, partitions) names the one that is meant as its
 * subject.
 *
 * Bounded: CONDITIONS_MAX of them stand at a time, the last few places being for kinds without subjects;
 * those that find no space are told together, once a minute. NULL for `conditions`: nobody is told.
 * Must never allocate after conditions_new, or keep what it is given: texts are copied, and cut to fit. */
#pragma once
#include "base/clock.h"
#include "base/log.h"

enum condition_kind {
    /** This machine's clock; value: seconds ahead of Port's. */
    CONDITION_CLOCK_OFF,
    /** An event was signed ahead of this machine's clock; value: seconds. */
    CONDITION_SIGNED_AHEAD,
    /** A partition whose next records cannot be read, or do not come although its log goes on. */
    CONDITION_UNREADABLE,
    /** A partition from which no more is taken: so much is done behind its oldest record that is not done
     * that the commit's note holds no more; value: that record's offset. */
    CONDITION_NOTE_FULL,
    /** Evaluators of mappings end again and again before they have answered anything. */
    CONDITION_NO_EVALUATOR,
    /** A person holds a destination, or all of them (no subject). */
    CONDITION_PAUSED,
    /** No more can be kept by reference; value: how many are. */
    CONDITION_REFERENCES_FULL,
    /** The collector of traces does not take them; value: how many spans were dropped so far. */
    CONDITION_SPANS,
    /** A destination only fails, and is probed; value: how many events wait there. */
    CONDITION_CIRCUIT_OPEN,
    /** There are events, and no mapping has wanted one for a while; value: how many. */
    CONDITION_NOTHING_WANTED,
    /** No signature is valid; value: how many in a row. */
    CONDITION_SIGNATURES_REFUSED,
    /** No broker answers. */
    CONDITION_BROKERS_AWAY,
    /** Brokers refuse the credentials. */
    CONDITION_KAFKA_CREDENTIALS,
    /** A topic that does not exist, or may not be read. */
    CONDITION_TOPIC_MISSING,
    /** Other members hold all partitions. */
    CONDITION_NOTHING_ASSIGNED,
    /** Port gives out no token for the credentials. */
    CONDITION_PORT_CREDENTIALS,
    /** Port is not there for results, or has no time for them; value: how many wait. */
    CONDITION_RESULTS_WAIT,
    /** Port refuses results for good; value: how many in a row. */
    CONDITION_RESULTS_REFUSED,
    /** What the source asks Port for (claims of runs, Kafka credentials) fails; subject: the call. */
    CONDITION_PORT_GIVES_NOTHING,
    /** The Kafka user may not use the consumer group. */
    CONDITION_GROUP_REFUSED,
    /** What was read again cannot be used, and what it was before stays in force. */
    CONDITION_RELOAD_REFUSED
};
enum { CONDITION_KINDS = CONDITION_RELOAD_REFUSED + 1 };

enum {
    CONDITIONS_MAX = 32,
    /** Of them, for kinds without a subject: many destinations must not hide what is wrong with the rest. */
    CONDITIONS_OF_THE_AGENT = 12,
    CONDITION_EVERY_MS = 60000,
    /** Of a sentence, with its NUL: a library's words, and ours. */
    CONDITION_SENTENCE_SIZE = 448
};

/** One that stands. */
struct condition {
    enum condition_kind kind;
    /** "": it has none. */
    char subject[128];
    char sentence[CONDITION_SENTENCE_SIZE];
    /** What to look at; NULL: the sentence says all. */
    const char *hint;
    int64_t value;
    /** How often it was met. */
    uint64_t count;
    /** It is looked for from time to time, so how often says nothing. */
    bool seen;
    /** Monotonic: when it began, when it was warned of last. */
    int64_t since_ms, told_ms;
};

struct conditions;

/** `clock` is borrowed. NULL: out of memory. */
PA_MUST_USE struct conditions *conditions_new(const struct clock *clock);
void conditions_free(struct conditions *conditions);
/** It is so now: it begins, or was met once more. `subject`: NULL where the kind has none. `value`: as the
 * enum says, 0 where it says nothing. `sentence`: why, for a user. */
void condition_met(struct conditions *conditions, enum condition_kind kind, const char *subject,
                   int64_t value, const char *sentence);
/** The same, for somebody who looks from time to time: it is not counted as met, and only its beginning is
 * told at once. */
void condition_stands(struct conditions *conditions, enum condition_kind kind, const char *subject,
                      int64_t value, const char *sentence);
/** The same, with what to look at, which has to live for ever; NULL: the sentence says all. */
void condition_stands_with(struct conditions *conditions, enum condition_kind kind, const char *subject,
                           int64_t value, const char *sentence, const char *hint);
/** It is not so, or no longer. `value`: as above, now. */
void condition_ended(struct conditions *conditions, enum condition_kind kind, const char *subject,
                     int64_t value);
/** Warns again of what has stood for a minute without a warning: for whoever asks every few seconds. */
void conditions_tick(struct conditions *conditions);
/** Those that stand, one after another: the first for NULL; NULL after the last. */
const struct condition *conditions_next(const struct conditions *conditions, const struct condition *before);
/** What its warning says; lives for ever. */
const char *condition_text(const struct conditions *conditions, const struct condition *condition);
