/* Readers of either kind, and what they have in common. */
#include "reader.h"
#include "internal.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

int dead_letter_reader_next(struct dead_letter_reader *reader, struct dead_letter_entry *entry,
                            struct error *err)
{
    *entry = (struct dead_letter_entry){0};
    int got = reader->class->next(reader, entry, err);
    if (got == 1)
        entry->number = ++reader->number;
    return got;
}

size_t dead_letter_reader_broken(const struct dead_letter_reader *reader)
{
    return reader->broken;
}

void dead_letter_reader_tell(struct dead_letter_reader *reader,
                             void (*broken)(void *ctx, const char *where, const char *why), void *ctx)
{
    reader->tell = broken;
    reader->tell_ctx = ctx;
}

void reader_broken(struct dead_letter_reader *reader, const char *where, const char *why)
{
    reader->broken++;
    if (reader->tell)
        reader->tell(reader->tell_ctx, where, why);
}

int dead_letter_reader_mark(struct dead_letter_reader *reader, const struct dead_letter_ref *refs,
                            size_t count, struct error *err)
{
    return count > 0 ? reader->class->mark(reader, refs, count, err) : 0;
}

void dead_letter_reader_free(struct dead_letter_reader *reader)
{
    if (reader)
        reader->class->free(reader);
}

/* What was replayed */

bool replayed_add(struct replayed_ids *set, uint64_t id)
{
    if (set->count == set->room) {
        size_t room = set->room ? set->room * 2 : 64;
        uint64_t *grown = realloc(set->ids, room * sizeof *grown);
        if (!grown)
            return false;
        set->ids = grown;
        set->room = room;
    }
    set->ids[set->count++] = id;
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

void replayed_sort(struct replayed_ids *set)
{
    if (set->count > 1)
        qsort(set->ids, set->count, sizeof *set->ids, compare_ids);
}

bool replayed_has(const struct replayed_ids *set, uint64_t id)
{
    return set->count > 0 && bsearch(&id, set->ids, set->count, sizeof id, compare_ids);
}

void replayed_clear(struct replayed_ids *set)
{
    free(set->ids);
    *set = (struct replayed_ids){0};
}

bool letter_id_number(struct slice text, uint64_t *out)
{
    static const char digits[] = "0123456789abcdef";
    *out = 0;
    if (text.len != LETTER_ID_SIZE - 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.ptr[i] ? strchr(digits, text.ptr[i]) : NULL;
        if (!digit)
            return false;
        *out = *out << 4 | (uint64_t)(digit - digits);
    }
    return true;
}

bool letter_time_read(const char *text, int64_t *out)
{
    struct tm fields = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &fields);
    if (!rest)
        return false;
    int64_t millis = 0;
    if (*rest == '.') {
        int64_t unit = 100;
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
            millis += (*rest - '0') * unit;
    }
    *out = (int64_t)timegm(&fields) * 1000 + millis;
    return strcmp(rest, "Z") == 0;
}

int64_t letter_time(struct slice text)
{
    char copy[CLOCK_RFC3339_SIZE + 8];
    int64_t time_ms;
    if (text.len >= sizeof copy)
        return -1;
    slice_copy_cut(text, copy, sizeof copy);
    return letter_time_read(copy, &time_ms) ? time_ms : -1;
}
