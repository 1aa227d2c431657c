/* One partition's offsets: which records are taken and not done, what may be committed, and the note that
 * goes into the commit's metadata so that records done beyond the committed offset are not delivered again
 * after a restart. Pure: no Kafka, no loop.
 *
 * The list holds the records that are NOT done (linked, in offset order, one entry per record in progress):
 * every offset below the end that is not in the list is done, gaps left by compaction and transaction markers
 * included. The list is small whatever the distance, and it only shrinks when records are done, so a note
 * that fits when a record is taken fits for ever.
 *
 * The note (our own format): base64 of
 *     "PAO1"  encoding (1 byte: 0 runs, 1 bitmap)  varint first  varint span  data
 * where `first` is the committed offset (itself not done) and `first + span` the end of what was taken. Data,
 * runs: for every further record not done, a varint with the length of the run of done offsets before it.
 * Data, bitmap: bit i (lowest first) set: first + i is not done. Varints are LEB128. The shorter one is
 * written. The span may be wider than it need be, so that the whole is a multiple of three bytes. Kafka's
 * brokers accept 4096 bytes (offset.metadata.max.bytes). What follows the base64 is facts.h's.
 *
 * A NUL ends the base64: clients built on librdkafka (such as confluent-kafka) write one too, and pass
 * metadata that they read on as a C string; without the NUL an operator's tool would read past its end. */
#pragma once
#include "base/buffer.h"
#include <stdbool.h>
#include <stdint.h>

enum { OFFSETS_NOTE_MAX = 4096 };

/** A record in progress. Embedded in its owner's struct; unlinked by offsets_done. */
struct offset_entry {
    struct offset_entry *previous, *next;
    int64_t offset;
};

struct offsets {
    /** Taken and not done, ascending. */
    struct offset_entry *first, *last;
    /** Entries in that list. */
    size_t in_progress;
    /** Data bytes of the runs encoding of that list. */
    size_t run_bytes;
    /** One past the last record taken; -1: none yet and no committed offset. */
    int64_t position;
    /** From `position` to here there are no more records; -1: not known. */
    int64_t passed;
    /** Offsets that a note says are not done, ascending. */
    int64_t *restored;
    /** The ones from restored_index on have not come again yet. */
    size_t restored_count, restored_index;
    /** End of the offsets that the note describes; -1: no note. */
    int64_t restored_end;
};

/** `position` is where the partition starts: the committed offset, or -1 when there is none. */
void offsets_init(struct offsets *offsets, int64_t position);
/** Frees the note's memory. Entries belong to their owners and are merely forgotten. */
void offsets_clear(struct offsets *offsets);
/** Reads a commit's metadata, with or without the NUL. True when it is one of ours and speaks of `position`;
 * anything else is ignored (false). */
PA_MUST_USE bool offsets_restore(struct offsets *offsets, struct slice note);
/** Is it a note of ours that speaks of `position`? */
PA_MUST_USE bool offsets_is_note(struct slice note, int64_t position);

/** May the record at `offset` be taken with the note still fitting? A gap before it (compaction, transaction
 * markers) takes space as well. */
PA_MUST_USE bool offsets_has_room(const struct offsets *offsets, int64_t offset);
enum offsets_take {
    /** In progress now; `entry` is linked. */
    OFFSETS_TAKEN,
    /** The note says it is done: skip it; `entry` is not linked. */
    OFFSETS_DONE_BEFORE,
    /** Lower than what was taken before (the log was reset): call offsets_back first; nothing changed. */
    OFFSETS_REWOUND
};
PA_MUST_USE enum offsets_take offsets_take(struct offsets *offsets, struct offset_entry *entry,
                                           int64_t offset);
/** The log has no more records below `offset`: only control records, or gaps of compaction or retention.
 * Counts once every record before it is done. False: this was known. */
PA_MUST_USE bool offsets_pass(struct offsets *offsets, int64_t offset);
/** The record is done: unlinks its entry. */
void offsets_done(struct offsets *offsets, struct offset_entry *entry);
/** Forgets everything and starts again at `position`; the owners of entries must not pass them to
 * offsets_done any more. */
void offsets_rewind(struct offsets *offsets, int64_t position);
/** Goes back to `position`, which is lower than that of the last record taken: whatever is there comes again,
 * and what a note said of it is forgotten. The owners must have passed the entries from there on to
 * offsets_done; those below stay, not done. */
void offsets_back(struct offsets *offsets, int64_t position);

/** The offset to commit: the end of the contiguous run of done records; -1: nothing is known yet. */
int64_t offsets_committable(const struct offsets *offsets);
/** Where the next record is expected, at the earliest; -1: nothing is known yet. */
int64_t offsets_next(const struct offsets *offsets);
/** Appends the note for a commit of offsets_committable(): empty when nothing beyond it is done; at most
 * OFFSETS_NOTE_MAX bytes, the NUL at its end included. */
void offsets_note(const struct offsets *offsets, struct buffer *out);
