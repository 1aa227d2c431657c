/* The replay source: dead letters' records again, as they first came. Which topic a letter names decides
 * whether it is a run, whose signature is verified again, or a change-log event; a letter without a topic is
 * a polled run's, and is believed only where the letters themselves are (a directory of the operator's). */
#pragma once
#include "deadletter/reader.h"
#include "source/class.h"

/** A letter on its way through the sink. Valid until `ended` has returned for it. */
struct replay_letter;

/** How a letter's way ended. */
enum replay_end {
    REPLAY_DONE,      /* the sink is done with its record, whatever came of it */
    REPLAY_DROPPED,   /* the sink did not get to it, or gave it up */
    REPLAY_SAME_DONE, /* it is of a record that another letter is of, and that one is remembered as replayed
                       */
    REPLAY_SAME_LEFT, /* the same, and that one is not */
    REPLAY_REFUSED    /* its topic is neither of the two */
};

struct replay_options {
    struct dead_letter_reader *reader;         /* borrowed until closed; used in the thread pool */
    const char *runs_topic, *change_log_topic; /* borrowed */
    bool without_topic; /* letters that name none are polled runs; false: they are refused */
    /** Is this letter to be replayed? Called in the thread pool, one call at a time. */
    bool (*wanted)(void *ctx, const struct dead_letter_entry *entry);
    /** A wanted letter's way has ended: true: remember it as replayed. */
    bool (*ended)(void *ctx, struct replay_letter *letter, enum replay_end end);
    /** All letters were read and have ended, or it cannot go on (`reason`; NULL: all well). Called once, from
     * the loop; the source must still be closed. */
    void (*finished)(void *ctx, const char *reason);
    void *ctx;
};

/** A source as source_new makes them. */
struct source *replay_source_new(const struct replay_options *replay, const struct source_options *options,
                                 struct error *err);

/** The letter of this record that is with the sink now; NULL: none. `topic` NULL: by its run alone. */
struct replay_letter *replay_find(const struct source *source, const char *topic, int32_t partition,
                                  int64_t offset, struct slice run_id);
const struct dead_letter_entry *replay_letter_entry(const struct replay_letter *letter);
/** A pointer of the caller's, NULL at first. */
void replay_letter_set(struct replay_letter *letter, void *note);
void *replay_letter_get(const struct replay_letter *letter);
