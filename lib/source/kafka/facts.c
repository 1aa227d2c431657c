/* See facts.h for the format. */
#include "source/kafka/facts.h"
#include "source/kafka/varint.h"
#include <string.h>

enum { FACTS_VERSION = 1, FLAG_TOPIC_ID = 1, FLAG_INCOMPLETE = 2, BYTES_MAX = FACTS_TEXT_MAX / 4 };
static const char DIGITS[4] = {' ', '\t', '\n', '\r'};

bool topic_id_differs(const struct topic_id *a, const struct topic_id *b)
{
    return a->known && b->known && memcmp(a->bytes, b->bytes, TOPIC_ID_BYTES) != 0;
}

/* The group's first start */

static int64_t entry_key(bool change_log, int32_t partition)
{
    return (int64_t)partition * 2 + change_log;
}

/** Where the entry is, or belongs. */
static size_t entry_index(const struct first_start *first, int64_t key)
{
    size_t index = 0;
    while (index < first->count &&
           entry_key(first->entries[index].change_log, first->entries[index].partition) < key)
        index++;
    return index;
}

const struct first_entry *first_start_find(const struct first_start *first, bool change_log,
                                           int32_t partition)
{
    size_t index = entry_index(first, entry_key(change_log, partition));
    if (index == first->count || first->entries[index].partition != partition ||
        first->entries[index].change_log != change_log)
        return NULL;
    return &first->entries[index];
}

void first_start_add(struct first_start *first, bool change_log, int32_t partition, int64_t offset)
{
    size_t index = entry_index(first, entry_key(change_log, partition));
    struct first_entry *entry = &first->entries[index];
    if (first_start_find(first, change_log, partition)) {
        if (offset < entry->offset)
            entry->offset = offset;
        return;
    }
    if (first->count == FACTS_ENTRIES_MAX) {
        first->incomplete = true;
        return;
    }
    memmove(entry + 1, entry, (first->count - index) * sizeof *entry);
    *entry = (struct first_entry){change_log, partition, offset};
    first->count++;
}

void first_start_remove(struct first_start *first, bool change_log, int32_t partition)
{
    if (!first_start_find(first, change_log, partition))
        return;
    size_t index = entry_index(first, entry_key(change_log, partition));
    struct first_entry *entry = &first->entries[index];
    first->count--;
    memmove(entry, entry + 1, (first->count - index) * sizeof *entry);
}

void first_start_merge(struct first_start *first, const struct first_start *other)
{
    first->known |= other->known;
    first->incomplete |= other->incomplete;
    for (size_t i = 0; i < other->count; i++)
        first_start_add(first, other->entries[i].change_log, other->entries[i].partition,
                        other->entries[i].offset);
}

/* Writing */

static void append_bytes(const struct facts *facts, struct buffer *out)
{
    const struct first_start *first = &facts->first;
    bool incomplete = first->incomplete;
    size_t entries = out->len + 2 + (facts->topic.known ? TOPIC_ID_BYTES : 0), fitting = 0;
    for (size_t size = entries; fitting < first->count; fitting++) {
        const struct first_entry *entry = &first->entries[fitting];
        size += varint_size(entry_key(entry->change_log, entry->partition)) + varint_size(entry->offset);
        if (size > BYTES_MAX)
            break;
    }
    incomplete |= fitting < first->count;
    buffer_append_char(out, FACTS_VERSION);
    buffer_append_char(out,
                       (char)((facts->topic.known ? FLAG_TOPIC_ID : 0) | (incomplete ? FLAG_INCOMPLETE : 0)));
    if (facts->topic.known)
        buffer_append(out, facts->topic.bytes, TOPIC_ID_BYTES);
    for (size_t i = 0; i < fitting; i++) {
        varint_append(out, entry_key(first->entries[i].change_log, first->entries[i].partition));
        varint_append(out, first->entries[i].offset);
    }
}

void facts_append(const struct facts *facts, struct buffer *note, size_t max)
{
    struct buffer bytes = {0};
    append_bytes(facts, &bytes);
    size_t text = note->len > 0 ? note->len - 1 : 0; /* without the NUL */
    if (!bytes.failed && text + 4 * bytes.len + 1 <= max && buffer_reserve(note, 4 * bytes.len + 1) == 0) {
        note->len = text;
        for (size_t i = 0; i < bytes.len; i++)
            for (unsigned shift = 8; shift > 0; shift -= 2)
                note->ptr[note->len++] = DIGITS[((unsigned char)bytes.ptr[i] >> (shift - 2)) & 3];
        note->ptr[note->len++] = '\0';
    }
    buffer_clear(&bytes);
}

/* Reading */

static int digit_of(char c)
{
    const char *at = memchr(DIGITS, c, sizeof DIGITS);
    return at ? (int)(at - DIGITS) : -1;
}

static struct slice without_nul(struct slice note)
{
    if (note.len > 0 && note.ptr[note.len - 1] == '\0')
        note.len--;
    return note;
}

struct slice facts_strip(struct slice note)
{
    note = without_nul(note);
    while (note.len > 0 && digit_of(note.ptr[note.len - 1]) >= 0)
        note.len--;
    return note;
}

static bool read_entries(struct slice in, struct first_start *first)
{
    for (int64_t last = -1; in.len > 0;) {
        int64_t key, offset;
        if (!varint_read(&in, &key) || !varint_read(&in, &offset) || key <= last || key / 2 > INT32_MAX ||
            first->count == FACTS_ENTRIES_MAX)
            return false;
        first->entries[first->count++] = (struct first_entry){key % 2 == 1, (int32_t)(key / 2), offset};
        last = key;
    }
    return true;
}

static bool read_bytes(struct slice in, struct facts *out)
{
    if (in.len < 2 || in.ptr[0] != FACTS_VERSION)
        return false;
    unsigned char flags = (unsigned char)in.ptr[1];
    in = (struct slice){in.ptr + 2, in.len - 2};
    out->first.known = true;
    out->first.incomplete = flags & FLAG_INCOMPLETE;
    if (flags & FLAG_TOPIC_ID) {
        if (in.len < TOPIC_ID_BYTES)
            return false;
        out->topic.known = true;
        memcpy(out->topic.bytes, in.ptr, TOPIC_ID_BYTES);
        in = (struct slice){in.ptr + TOPIC_ID_BYTES, in.len - TOPIC_ID_BYTES};
    }
    return read_entries(in, &out->first);
}

bool facts_read(struct slice note, struct facts *out)
{
    char bytes[BYTES_MAX];
    *out = (struct facts){0};
    note = without_nul(note);
    size_t start = facts_strip(note).len, len = note.len - start;
    if (len == 0 || len % 4 != 0 || len > FACTS_TEXT_MAX)
        return false;
    for (size_t i = 0; i < len / 4; i++) {
        unsigned byte = 0;
        for (size_t digit = 0; digit < 4; digit++)
            byte = byte << 2 | (unsigned)digit_of(note.ptr[start + 4 * i + digit]);
        bytes[i] = (char)byte;
    }
    bool ours = read_bytes((struct slice){bytes, len / 4}, out);
    if (!ours)
        *out = (struct facts){0};
    return ours;
}
