/* Shared by the files of the replay source only.
 *
 *   source.c  as a source: letters to the sink, tickets back
 *   batch.c   the thread pool's part: marks are written, then letters are read
 *   same.c    letters of one record
 *   check.c   which letters are believed (check.h)
 */
#pragma once
#include "source.h"

enum { BATCH_LETTERS = 256, BATCH_LETTER_BYTES = 4 << 20, MARKS_MAX = 256 };

struct replay_letter {
    /** First: the seam's view of it. */
    struct ticket ticket;
    struct replay_letter *next, *previous;
    struct replay_source *replay;
    /** Its bytes are in `bytes`. */
    struct dead_letter_entry entry;
    struct buffer bytes;
    char *record_id;
    /** Why it is not replayed; NULL: it is. */
    char *refusal;
    struct same_record *same;
    void *note;
};

struct letter_list {
    struct replay_letter *first, *last;
};

/** All that is known of a record that letters are of. */
struct same_record {
    char *id;
    bool ended, marked;
    /** Other letters of it, until the first has ended. */
    struct letter_list waiting;
};

/** One round of the thread pool's. */
struct batch {
    uv_work_t work;
    bool under_way;
    /** Letters are wanted, not marks alone. */
    bool read;
    struct dead_letter_ref marks[MARKS_MAX];
    size_t mark_count;
    /** The letters that were read. */
    struct letter_list letters;
    /** There are no more. */
    bool end;
    int failed;
    struct error err;
};

struct replay_source {
    /** First: the seam's view of it. */
    struct source source;
    struct source_options options;
    struct replay_options replay;
    /** Goes on from the loop, never from inside a call of the sink's. */
    uv_timer_t wake;
    struct batch batch;
    struct letter_list ready, with_sink;
    /** Still to be written. */
    struct dead_letter_ref *marks;
    size_t mark_count, mark_room;
    /** tsearch(3) tree of struct same_record. */
    void *same;
    bool end, stopped, finished;
    bool closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* source.c */
void letters_append(struct letter_list *list, struct replay_letter *letter);
void letters_remove(struct letter_list *list, struct replay_letter *letter);
void letter_free(struct replay_letter *letter);
/** Its way has ended: tells so, remembers what is to be marked, and frees it. True: it is to be marked
 * (which matters only where others wait for it). */
PA_MAY_IGNORE bool letter_end(struct replay_letter *letter, enum replay_end end);
/** The thread pool is through. */
void replay_batch_done(struct replay_source *replay);

/* batch.c */
void batch_start(struct replay_source *replay, bool read);

/* same.c */
/** True: the letter is the first of its record, or there is no memory to know; false: it waits for the first
 * one's end, or has ended with it. */
PA_MUST_USE bool same_enter(struct replay_letter *letter);
/** The first letter's way has ended: those that wait end too. */
void same_end(struct replay_source *replay, struct same_record *same, bool marked);
void same_free(struct replay_source *replay);
