/* What a commit's metadata says beside the offsets (offsets.h): which topic the offset belongs to, whether
 * the group has begun, and how. Pure: no Kafka, no loop.
 *
 * The facts follow the note's base64 as white space: each byte is four characters, two bits each (most
 * significant first), of space, tab, line feed and carriage return. OpenSSL's EVP_DecodeBlock passes over
 * white space at the end of base64, so an agent from before there were facts restores the note in front of
 * them and never sees them. A NUL ends both. The bytes:
 *
 *     1  flags (1: a topic's id follows, 2: entries are missing)  [the id, 16 bytes]  entry …
 *
 * An entry is two varints (LEB128): twice the partition's number, plus one for the change-log topic; and an
 * offset. That is where a partition stood when the group first began and nobody had committed an offset for
 * it yet. Entries come in ascending order of the first varint. */
#pragma once
#include "base/buffer.h"

enum { TOPIC_ID_BYTES = 16, FACTS_TEXT_MAX = 512, FACTS_ENTRIES_MAX = 24 };

struct topic_id {
    /** Not with brokers, or a librdkafka, without topic ids. */
    bool known;
    unsigned char bytes[TOPIC_ID_BYTES];
};

/** Both known, and not the same. */
PA_MUST_USE bool topic_id_differs(const struct topic_id *a, const struct topic_id *b);

struct first_entry {
    bool change_log;
    int32_t partition;
    int64_t offset;
};

/** The group's first start. */
struct first_start {
    /** This group has begun: a partition without an offset has appeared since, or is an entry. */
    bool known;
    /** There were more partitions without an offset than entries. */
    bool incomplete;
    size_t count;
    /** Ascending by partition, the run's before the change log's. */
    struct first_entry entries[FACTS_ENTRIES_MAX];
};

/** Adds an entry, or lowers the offset of the existing one. When there is no space, the list becomes
 * incomplete. */
void first_start_add(struct first_start *first, bool change_log, int32_t partition, int64_t offset);
/** Its partition has an offset of its own now. */
void first_start_remove(struct first_start *first, bool change_log, int32_t partition);
/** NULL: no such entry. */
const struct first_entry *first_start_find(const struct first_start *first, bool change_log,
                                           int32_t partition);
/** Adds what another note of the group says. */
void first_start_merge(struct first_start *first, const struct first_start *other);

struct facts {
    struct topic_id topic;
    /** `known` in whatever facts_read reads. */
    struct first_start first;
};

/** Appends the facts to a note (empty, or as offsets_note writes it, with its NUL, which stays last), at most
 * FACTS_TEXT_MAX characters. Entries that do not fit are left out, and a flag says that some are missing.
 * Nothing is appended where the note would be longer than `max`. */
void facts_append(const struct facts *facts, struct buffer *note, size_t max);
/** Reads the facts at the end of a commit's metadata, with or without the NUL; false, and `out` empty, when
 * there are none (which `out` says as well). */
PA_MAY_IGNORE bool facts_read(struct slice note, struct facts *out);
/** The note without its facts and NUL. */
struct slice facts_strip(struct slice note);
