/* Reading dead letters back, and remembering which were replayed. For commands: everything here blocks, and
 * belongs to one thread at a time.
 *
 * What was replayed is remembered beside the letters: in a directory by lines "ID TIME" in the day's
 * dead-letters-YYYY-MM-DD.replayed; in a topic by a message without key and value in the letter's own
 * partition, whose header dead-letter.replayed is the letter's partition and offset, "partition:offset", and
 * dead-letter.id its ID. A letter that was moved or copied is the same letter: its ID counts wherever it is.
 */
#pragma once
#include "deadletter/dead_letter.h"
#include "kafka/connection.h"

enum { LETTER_ENTRY_ID_SIZE = 48 };

/** Which letter: what marking it needs. */
struct dead_letter_ref {
    /** In a directory 16 hexadecimal digits, in a topic "partition:offset". */
    char id[LETTER_ENTRY_ID_SIZE];
    /** Of its file; "" in a topic. */
    char day[11];
    /** In a topic: the letter's own 16 digits; "" for one by an earlier agent. */
    char letter_id[17];
};

/** The texts are borrowed until the next call. */
struct dead_letter_entry {
    struct dead_letter_ref ref;
    /** From 1, in the order they are read. */
    uint64_t number;
    /** For people: "DIR/dead-letters-2026-01-13.jsonl:7", or "topic[partition]@offset". */
    const char *where;
    bool replayed;
    /** Of a topic: a letter that says it has the same ID was, elsewhere in it. If this one is what the agent
     * wrote (seal.h) it is that letter; else the ID is a claim. */
    bool copy_replayed;
    /** What seal.h needs; null: it has none (of a topic, by an earlier agent). */
    struct slice letter_id, mac;
    struct dead_letter letter;
};

struct dead_letter_reader;

/** A line that is too long for a letter of a record of `record_max_bytes` is none. NULL with the cause in
 * err. */
PA_MUST_USE struct dead_letter_reader *dead_letter_reader_directory(const char *path, size_t record_max_bytes,
                                                                    struct error *err);
/** Two replays of one directory at once would send each letter twice: a lock that only one process has, until
 * its descriptor is closed or the process ends. The descriptor; PA_ERR_UNAVAILABLE when another process has
 * it (never with `wait`: then this blocks until that one is through); PA_ERR_IO. A topic knows no such lock.
 */
PA_MUST_USE int dead_letter_replay_lock(const char *directory, bool wait, struct error *err);
/** Reads what the topic holds now, partition after partition. The connection's texts are copied;
 * `record_max_bytes` as in dead_letters_options. NULL with the cause in err: no broker answers within ten
 * seconds, there is no such topic, and so on. */
PA_MUST_USE struct dead_letter_reader *dead_letter_reader_topic(const struct kafka_connection *connection,
                                                                const char *topic, size_t record_max_bytes,
                                                                struct error *err);
void dead_letter_reader_free(struct dead_letter_reader *reader);
/** 1: the next letter, oldest first within a day's file or a partition; 0: there are no more; or an error
 * (enum pa_err) with the cause in err. What cannot be read as a letter is counted and told, not returned. */
PA_MUST_USE int dead_letter_reader_next(struct dead_letter_reader *reader, struct dead_letter_entry *entry,
                                        struct error *err);
/** Lines or messages that were no letters, so far: written by somebody else, or cut off by a crash. */
size_t dead_letter_reader_broken(const struct dead_letter_reader *reader);
/** From now on `broken` is called with each of them, by whichever thread reads: where it is, as in an entry,
 * and why it is no letter. */
void dead_letter_reader_tell(struct dead_letter_reader *reader,
                             void (*broken)(void *ctx, const char *where, const char *why), void *ctx);
/** Remembers durably that these were replayed. 0, or an error with the cause in err. */
PA_MUST_USE int dead_letter_reader_mark(struct dead_letter_reader *reader, const struct dead_letter_ref *refs,
                                        size_t count, struct error *err);
/** "2026-01-13T15:20:16.641Z" (or without the fraction) to milliseconds since the epoch; false: not a time.
 */
PA_MUST_USE bool letter_time_read(const char *text, int64_t *out);
