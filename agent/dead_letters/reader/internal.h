/* Shared by the files of the readers only: what a reader of either kind is to reader.c, the first member of
 * its own struct. */
#pragma once
#include "deadletter/internal.h"
#include "reader.h"
#include <cjson/cJSON.h>

struct reader_class {
    int (*next)(struct dead_letter_reader *reader, struct dead_letter_entry *entry, struct error *err);
    int (*mark)(struct dead_letter_reader *reader, const struct dead_letter_ref *refs, size_t count,
                struct error *err);
    void (*free)(struct dead_letter_reader *reader);
};

struct dead_letter_reader {
    const struct reader_class *class;
    uint64_t number;
    size_t broken;
    /** NULL: nobody wants to know. */
    void (*tell)(void *ctx, const char *where, const char *why);
    void *tell_ctx;
};

/** Counts what is no letter, and tells of it. */
void reader_broken(struct dead_letter_reader *reader, const char *where, const char *why);

/* line_parse.c */
/** A line read back. The letter's texts live in the members. */
struct line {
    cJSON *json;
    /** Decoded base64. */
    struct buffer key, value;
    const char *id;
    /** Null: none. */
    struct slice mac;
    struct dead_letter letter;
};
/** NULL, or why the line is no letter, in words. Clear it in both cases. */
const char *line_parse(struct slice text, struct line *line);
void line_clear(struct line *line);

/** Which IDs of one file or partition were replayed. Zero-initialise. */
struct replayed_ids {
    uint64_t *ids;
    size_t count, room;
};
/** False: out of memory. */
PA_MUST_USE bool replayed_add(struct replayed_ids *set, uint64_t id);
/** Once all are added, before the first question. */
void replayed_sort(struct replayed_ids *set);
PA_MUST_USE bool replayed_has(const struct replayed_ids *set, uint64_t id);
void replayed_clear(struct replayed_ids *set);

/** The ID of a letter, 16 hexadecimal digits as the agent writes them, as a number; false: the text is no
 * such ID. */
PA_MUST_USE bool letter_id_number(struct slice text, uint64_t *out);

/** The same as letter_time_read gives; -1: not a time. */
int64_t letter_time(struct slice text);
