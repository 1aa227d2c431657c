/* Shared by the files of this room only.
 *
 *   dead_letters.c  life, the list of writes, when one is tried again, what is logged
 *   directory.c     batches of lines to the thread pool and back
 *   day_file.c      what happens there: lock, bound, append, fsync. Blocking, no loop
 *   line.c          a letter to a line of JSON
 *   seal.c          a letter's MAC (seal.h)
 *   producer.c      letters to a Kafka producer, its delivery reports back (producer.h)
 *   producer_conf.c settings to librdkafka's configuration
 */
#pragma once
#include "deadletter/dead_letter.h"
#include "deadletter/seal.h"
#include <sys/queue.h>

enum { LETTER_ID_SIZE = 17, BATCH_BYTES = 1 << 20 };

enum write_state { WRITE_WAITING, WRITE_UNDER_WAY };

struct dead_letter_write {
    TAILQ_ENTRY(dead_letter_write) all;
    struct dead_letters *letters;
    /** Key and value borrowed, the texts in `texts`. */
    struct dead_letter letter;
    char *texts;
    char id[LETTER_ID_SIZE];
    enum write_state state;
    /** That it holds in the Kafka client while under way. */
    size_t bytes;
    /** While under way: freed when that ends. */
    bool forgotten;
    unsigned failures;
    /** Monotonic: when it may be tried (again). */
    int64_t not_before_ms;
    void (*done)(void *ctx);
    void *ctx;
};

struct directory;
struct producer;

struct dead_letters {
    uv_loop_t *loop;
    const struct clock *clock;
    struct letter_seal *seal;
    int64_t first_backoff_ms, max_backoff_ms;
    /** One of the two. */
    struct directory *directory;
    struct producer *producer;
    /** The next time something may be tried. */
    uv_timer_t timer;
    /** The oldest first. */
    TAILQ_HEAD(dead_letter_writes, dead_letter_write) writes;
    struct dead_letters_counters counters;
    /** Logged: something could not be written, and nothing was since; ever logged. */
    bool failing, said;
    /** When it was said last. */
    int64_t said_ms;
    /** How many letters have failed so far and wait, since when there are such, and why the last one failed.
     */
    size_t stuck;
    int64_t stuck_ms;
    char stuck_reason[200];
    bool closing;
    unsigned closing_parts;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* dead_letters.c, for whoever keeps a letter's texts in one allocation */
/** A NUL-terminated copy at *at, which moves on behind it. */
const char *letter_text(char **at, struct slice text);

/* dead_letters.c, for the two kinds */
/** The next write after `after` (NULL: from the first) that may be tried at `now_ms`; NULL: none. */
PA_MUST_USE struct dead_letter_write *write_due(struct dead_letters *letters, struct dead_letter_write *after,
                                                int64_t now_ms);
/** It is durable: tells whoever waits for it, and frees it. */
void write_succeeded(struct dead_letter_write *write);
/** It is not: the reason is logged, and it is tried again later. */
void write_failed(struct dead_letter_write *write, const char *reason);
/** Space again for writes that wait: looks through them from the loop, soon. */
void letters_wake(struct dead_letters *letters);
/** A part that dead_letters_close waits for is closed. */
void letters_part_closed(struct dead_letters *letters);

/* directory.c */
PA_MUST_USE struct directory *directory_new(struct dead_letters *letters, const char *path, int64_t max_bytes,
                                            struct error *err);
/** Hands what is due to the thread pool, unless something is there already. */
void directory_pump(struct directory *directory, int64_t now_ms);
/** letters_part_closed follows when nothing is under way any more; then it is freed. */
void directory_close(struct directory *directory);

/* producer.c */
PA_MUST_USE struct producer *producer_new(struct dead_letters *letters,
                                          const struct dead_letters_options *options, struct error *err);
/** Hands what is due to the client, as much as it may hold. */
void producer_pump(struct producer *producer, int64_t now_ms);
/** As directory_close. */
void producer_close(struct producer *producer);

/* line.c */
/** Appends the letter as one line of JSON, newline included. */
void line_append(struct buffer *out, const char *id, const struct dead_letter *letter, const char *mac);

/* opening.c */
enum { LETTERS_FILE_MODE = 0600, LETTERS_NAME_SIZE = 64 };
/** The directory; no link in its place is followed. -1 with errno. */
PA_MUST_USE int letters_directory_open(const char *path);
/** A file of the directory with this descriptor; with O_CREAT in the flags it is made. Nothing else that has
 * the name is waited for or followed: EINVAL for what is no file, ELOOP for a link. -1 with errno. */
PA_MUST_USE int letters_file_open(int directory, const char *name, int flags);
/** It consists of holes for the most part: who reads it reads zeros for as long as it says it is. */
PA_MUST_USE bool letters_file_is_hollow(int fd);
/** Why it could not be opened. */
const char *letters_file_words(int error);
/** The file to append to. Where its name is taken by something else, the first of "….1.jsonl" to "….9.jsonl"
 * that is not, whose name is then in `name`. -1 with errno. */
PA_MUST_USE int letters_day_file_open(int directory, char name[LETTERS_NAME_SIZE]);
/** Bytes of all letters; -1 with errno. */
PA_MUST_USE int64_t letters_bytes(int directory);
/** The lock under which lines are appended, in the directory of this descriptor; to be closed. -1 with errno,
 * after two seconds at most. */
PA_MUST_USE int day_file_lock(int directory);

/* day_file.c */
/** One line to append, and what became of it. */
struct day_line {
    struct slice bytes;
    /** 0: durable. */
    int error;
    /** In words, for a user; "" when durable. */
    char reason[160];
};
/** Appends the lines to the file ("dead-letters-2026-01-13.jsonl") in the directory, each whole or not at
 * all, and syncs them. `name` is afterwards that of the file where they are (letters_day_file_open). Waits at
 * most two seconds for other agents that write there. Blocking; every line gets its answer. */
void day_file_append(const char *directory, char name[LETTERS_NAME_SIZE], int64_t max_bytes,
                     struct day_line *lines, size_t count);
/** 0, or an errno: can letters be written there? Makes the directory if it is missing. */
PA_MUST_USE int day_file_prepare(const char *directory);
