/* See offsets.h for the idea and the note's format. */
#include "source/kafka/offsets.h"
#include "source/kafka/facts.h"
#include "source/kafka/varint.h"
#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_MAX = 4 + 1 + 10 + 10 + 2,
    /** A NUL follows the base64. */
    RAW_MAX = (OFFSETS_NOTE_MAX - 1) / 4 * 3,
    /* What is taken leaves space for the facts; a note from before there were any may be longer. */
    DATA_MAX = (OFFSETS_NOTE_MAX - 1 - FACTS_TEXT_MAX) / 4 * 3 - HEADER_MAX,
    ENCODING_RUNS = 0,
    ENCODING_BITMAP = 1
};
static const char MAGIC[4] = {'P', 'A', 'O', '1'};

/** Bytes that `entry` takes in the runs encoding: the first one is the committed offset itself and takes
 * none. */
static size_t entry_bytes(const struct offset_entry *entry)
{
    return entry->previous ? varint_size(entry->offset - entry->previous->offset - 1) : 0;
}

void offsets_init(struct offsets *offsets, int64_t position)
{
    *offsets = (struct offsets){.position = position, .passed = -1, .restored_end = -1};
}

void offsets_clear(struct offsets *offsets)
{
    free(offsets->restored);
    *offsets = (struct offsets){.position = -1, .passed = -1, .restored_end = -1};
}

void offsets_rewind(struct offsets *offsets, int64_t position)
{
    offsets_clear(offsets);
    offsets->position = position;
}

void offsets_back(struct offsets *offsets, int64_t position)
{
    free(offsets->restored);
    offsets->restored = NULL;
    offsets->restored_count = offsets->restored_index = 0;
    offsets->restored_end = offsets->passed = -1;
    offsets->position = position;
}

static int64_t end_of(const struct offsets *offsets)
{
    return offsets->position > offsets->restored_end ? offsets->position : offsets->restored_end;
}

int64_t offsets_committable(const struct offsets *offsets)
{
    if (offsets->first)
        return offsets->first->offset;
    if (offsets->restored_index < offsets->restored_count)
        return offsets->restored[offsets->restored_index];
    return end_of(offsets) > offsets->passed ? end_of(offsets) : offsets->passed;
}

int64_t offsets_next(const struct offsets *offsets)
{
    return offsets->position > offsets->passed ? offsets->position : offsets->passed;
}

bool offsets_has_room(const struct offsets *offsets, int64_t offset)
{
    if (offset < offsets->restored_end || !offsets->first || offset <= offsets->last->offset)
        return true; /* it is in the note already, or it is all there is in it, or it starts a new one */
    if (offsets->run_bytes + varint_size(offset - offsets->last->offset - 1) <= DATA_MAX)
        return true;
    return offset + 1 - offsets->first->offset <= (int64_t)DATA_MAX * 8;
}

static void entry_link(struct offsets *offsets, struct offset_entry *entry)
{
    entry->previous = offsets->last;
    entry->next = NULL;
    if (offsets->last)
        offsets->last->next = entry;
    else
        offsets->first = entry;
    offsets->last = entry;
    offsets->in_progress++;
    offsets->run_bytes += entry_bytes(entry);
}

/** Offsets of the note that were passed over do not exist any more. */
static void restored_skip(struct offsets *offsets, int64_t offset)
{
    while (offsets->restored_index < offsets->restored_count &&
           offsets->restored[offsets->restored_index] < offset)
        offsets->restored_index++;
}

enum offsets_take offsets_take(struct offsets *offsets, struct offset_entry *entry, int64_t offset)
{
    if (offset < offsets->position)
        return OFFSETS_REWOUND;
    offsets->position = offset + 1;
    restored_skip(offsets, offset);
    if (offset < offsets->restored_end) {
        bool undone = offsets->restored_index < offsets->restored_count &&
                      offsets->restored[offsets->restored_index] == offset;
        if (!undone)
            return OFFSETS_DONE_BEFORE;
        offsets->restored_index++;
    }
    entry->offset = offset;
    entry_link(offsets, entry);
    return OFFSETS_TAKEN;
}

bool offsets_pass(struct offsets *offsets, int64_t offset)
{
    if (offset <= offsets_next(offsets))
        return false;
    offsets->passed = offset;
    restored_skip(offsets, offset);
    return true;
}

void offsets_done(struct offsets *offsets, struct offset_entry *entry)
{
    struct offset_entry *after = entry->next;
    offsets->run_bytes -= entry_bytes(entry) + (after ? entry_bytes(after) : 0);
    if (entry->previous)
        entry->previous->next = after;
    else
        offsets->first = after;
    if (after)
        after->previous = entry->previous;
    else
        offsets->last = entry->previous;
    if (after)
        offsets->run_bytes += entry_bytes(after);
    offsets->in_progress--;
}

/** Calls back for every offset that is not done, ascending. */
struct undone_walk {
    const struct offsets *offsets;
    const struct offset_entry *entry;
    size_t index;
};

static bool undone_next(struct undone_walk *walk, int64_t *offset)
{
    if (walk->entry) {
        *offset = walk->entry->offset;
        walk->entry = walk->entry->next;
        return true;
    }
    if (walk->index < walk->offsets->restored_count) {
        *offset = walk->offsets->restored[walk->index++];
        return true;
    }
    return false;
}

static struct undone_walk undone_walk(const struct offsets *offsets)
{
    return (struct undone_walk){offsets, offsets->first, offsets->restored_index};
}

static void append_runs(const struct offsets *offsets, struct buffer *data)
{
    struct undone_walk walk = undone_walk(offsets);
    int64_t previous = 0, offset = 0;
    PA_IGNORE(undone_next(&walk, &previous)); /* the committed offset itself */
    while (data->len <= RAW_MAX && undone_next(&walk, &offset)) {
        varint_append(data, offset - previous - 1);
        previous = offset;
    }
}

static void append_bitmap(const struct offsets *offsets, int64_t first, int64_t span, struct buffer *data)
{
    size_t bytes = (size_t)(span + 7) / 8;
    if (buffer_reserve(data, bytes) != 0)
        return;
    char *bits = data->ptr + data->len;
    memset(bits, 0, bytes);
    struct undone_walk walk = undone_walk(offsets);
    for (int64_t offset; undone_next(&walk, &offset);) {
        size_t bit = (size_t)(offset - first);
        bits[bit / 8] = (char)(bits[bit / 8] | (1 << (bit % 8)));
    }
    data->len += bytes;
}

/** The span is as wide as makes the whole a multiple of three bytes: the base64 of those needs no padding,
 * which an agent from before there were facts looks for at the very end of the note. */
static void append_raw(struct buffer *raw, char encoding, int64_t first, int64_t span,
                       const struct buffer *data)
{
    buffer_append(raw, MAGIC, sizeof MAGIC);
    buffer_append_char(raw, encoding);
    varint_append(raw, first);
    size_t size = varint_size(span), extra = (3 - (raw->len + size + data->len) % 3) % 3;
    varint_append_wide(raw, span, size + extra <= VARINT_MAX ? extra : 0); /* no log is that long */
    buffer_append_slice(raw, buffer_slice(data));
    raw->failed |= data->failed;
}

void offsets_note(const struct offsets *offsets, struct buffer *out)
{
    int64_t first = offsets_committable(offsets), span = end_of(offsets) - first;
    size_t undone = offsets->in_progress + (offsets->restored_count - offsets->restored_index);
    if (first < 0 || span <= 0 || (int64_t)undone == span)
        return; /* nothing beyond the commit is done */

    struct buffer data = {0}, raw = {0};
    char encoding = ENCODING_RUNS;
    append_runs(offsets, &data);
    size_t bitmap_bytes = span <= (int64_t)RAW_MAX * 8 ? (size_t)(span + 7) / 8 : SIZE_MAX;
    if (bitmap_bytes < data.len) {
        encoding = ENCODING_BITMAP;
        data.len = 0;
        append_bitmap(offsets, first, span, &data);
    }
    append_raw(&raw, encoding, first, span, &data);
    /* offsets_has_room keeps it within the bound; a note that is left out only costs repeats. */
    if (!raw.failed && raw.len <= RAW_MAX && buffer_reserve(out, OFFSETS_NOTE_MAX) == 0) {
        int written =
            EVP_EncodeBlock((unsigned char *)out->ptr + out->len, (unsigned char *)raw.ptr, (int)raw.len);
        out->len += (size_t)written + 1; /* EVP_EncodeBlock writes the NUL */
    }
    buffer_clear(&data);
    buffer_clear(&raw);
}

/** Decodes base64 into `raw`; false when it is no base64 or over the bound. */
static bool note_decode(struct slice note, struct buffer *raw)
{
    note = facts_strip(note);
    if (note.len == 0 || note.len > OFFSETS_NOTE_MAX || note.len % 4 != 0 ||
        buffer_reserve(raw, note.len) != 0)
        return false;
    int length = EVP_DecodeBlock((unsigned char *)raw->ptr, (const unsigned char *)note.ptr, (int)note.len);
    if (length < 0)
        return false;
    size_t padding = (note.ptr[note.len - 1] == '=') + (size_t)(note.ptr[note.len - 2] == '=');
    raw->len = (size_t)length - padding;
    return true;
}

static bool restore_runs(struct offsets *offsets, struct slice data, int64_t first, int64_t end)
{
    offsets->restored = malloc((data.len + 1) * sizeof *offsets->restored);
    if (!offsets->restored)
        return false;
    offsets->restored[offsets->restored_count++] = first;
    while (data.len > 0) {
        int64_t run;
        if (!varint_read(&data, &run) || run >= end - first - 1)
            return false;
        first += run + 1;
        offsets->restored[offsets->restored_count++] = first;
    }
    return true;
}

static bool restore_bitmap(struct offsets *offsets, struct slice data, int64_t first, int64_t end)
{
    size_t span = (size_t)(end - first);
    /* A map begins with a record that is not done: the first bit is set. */
    if ((span + 7) / 8 != data.len || !(data.ptr[0] & 1))
        return false;
    offsets->restored = malloc(span * sizeof *offsets->restored);
    if (!offsets->restored)
        return false;
    for (size_t bit = 0; bit < span; bit++) /* bits from the end on stand for nothing */
        if ((data.ptr[bit / 8] >> (bit % 8)) & 1)
            offsets->restored[offsets->restored_count++] = first + (int64_t)bit;
    return true;
}

static bool note_read(struct offsets *offsets, struct slice raw)
{
    if (raw.len < sizeof MAGIC + 1 || memcmp(raw.ptr, MAGIC, sizeof MAGIC) != 0)
        return false;
    char encoding = raw.ptr[sizeof MAGIC];
    raw.ptr += sizeof MAGIC + 1;
    raw.len -= sizeof MAGIC + 1;
    int64_t first, span;
    if (!varint_read(&raw, &first) || !varint_read(&raw, &span))
        return false;
    if (first != offsets->position || span <= 0 || span > INT64_MAX - first)
        return false;
    offsets->restored_end = first + span;
    if (encoding == ENCODING_RUNS)
        return restore_runs(offsets, raw, first, offsets->restored_end);
    return encoding == ENCODING_BITMAP && restore_bitmap(offsets, raw, first, offsets->restored_end);
}

bool offsets_restore(struct offsets *offsets, struct slice note)
{
    assert(!offsets->first && !offsets->restored);
    struct buffer raw = {0};
    bool ours = note_decode(note, &raw) && note_read(offsets, buffer_slice(&raw));
    buffer_clear(&raw);
    if (!ours)
        offsets_rewind(offsets, offsets->position);
    return ours;
}

bool offsets_is_note(struct slice note, int64_t position)
{
    struct offsets offsets;
    offsets_init(&offsets, position);
    bool ours = offsets_restore(&offsets, note);
    offsets_clear(&offsets);
    return ours;
}
