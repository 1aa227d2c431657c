/* The replay source: dead letters' records again, as they first came. Each letter is checked (check.h) before
 * anything of it reaches the sink. Which topic it names decides whether it is a run, whose signature the sink
 * verifies again, or a change-log event; a letter that names none is a polled run's. */
#pragma once
#include "agent/dead_letters/reader/reader.h"
#include "check.h"
#include "source/class.h"

/** A letter on its way through the sink. Valid until `ended` has returned for it. */
struct replay_letter;

/** How a letter's way ended. */
enum replay_end {
    /** The sink is done with its record, whatever came of it. */
    REPLAY_DONE,
    /** The sink did not get to it, or gave it up. */
    REPLAY_DROPPED,
    /** It is of a record that another letter is of, and that one is remembered as replayed. */
    REPLAY_SAME_DONE,
    /** The same, and that one is not. */
    REPLAY_SAME_LEFT,
    /** It is not believed: replay_letter_refusal says why. */
    REPLAY_REFUSED
};

struct replay_options {
    /** Borrowed until closed; used in the thread pool. */
    struct dead_letter_reader *reader;
    /** Borrowed too. */
    struct letter_check *check;
    /** Borrowed. */
    const char *change_log_topic;
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
PA_MUST_USE struct source *replay_source_new(const struct replay_options *replay,
                                             const struct source_options *options, struct error *err);

/** The letter of this record that is with the sink now; NULL: none. */
PA_MUST_USE struct replay_letter *replay_find(const struct source *source, struct slice record_id);
const struct dead_letter_entry *replay_letter_entry(const struct replay_letter *letter);
/** Why it is refused, in words; NULL: it is not. */
const char *replay_letter_refusal(const struct replay_letter *letter);
/** A pointer of the caller's, NULL at first. */
void replay_letter_set(struct replay_letter *letter, void *note);
PA_MUST_USE void *replay_letter_get(const struct replay_letter *letter);
