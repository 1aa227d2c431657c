/* The commit's metadata. The first byte decides what the rest is: a note from outside with the offset it is
 * restored at; a program of takes and dones, whose note must restore to what it was made from, facts beside
 * it or not; the inside of a note, with a true header around it; or the bytes of facts. */
#include "fuzz.h"
#include "source/kafka/facts.h"
#include "source/kafka/offsets.h"
#include <openssl/evp.h>

enum { ENTRIES = 4096, GAP_MAX = 30, STEPS_MAX = 64 };

/** Walks a restored partition: what is not done comes ascending, and nothing else is taken. */
static void check_restored(struct offsets *offsets, int64_t position)
{
    int64_t end = offsets->restored_end;
    EXPECT(offsets->restored_count > 0 && offsets->restored[0] == position);
    EXPECT(offsets_committable(offsets) == position && end > position);
    for (size_t i = 1; i < offsets->restored_count; i++)
        EXPECT(offsets->restored[i] > offsets->restored[i - 1] && offsets->restored[i] < end);
    struct buffer note = {0};
    offsets_note(offsets, &note);
    EXPECT(note.len <= OFFSETS_NOTE_MAX);
    if (note.len > 0) { /* written again it says the same */
        struct offsets again;
        offsets_init(&again, position);
        EXPECT(offsets_restore(&again, buffer_slice(&note)));
        EXPECT(again.restored_end == end && again.restored_count == offsets->restored_count);
        EXPECT(memcmp(again.restored, offsets->restored, again.restored_count * sizeof *again.restored) == 0);
        offsets_clear(&again);
    }
    buffer_clear(&note);
    size_t taken = 0;
    struct offset_entry entry;
    for (int64_t offset = position; offset < end && offset - position < 2 * ENTRIES; offset++) {
        if (offsets_take(offsets, &entry, offset) != OFFSETS_TAKEN)
            continue;
        taken++;
        offsets_done(offsets, &entry);
    }
    EXPECT(taken <= offsets->restored_count);
    if (end - position < 2 * ENTRIES)
        EXPECT(taken == offsets->restored_count && offsets_committable(offsets) == end);
}

/** What is read can be written again, and then reads the same. */
static void check_facts(struct slice note)
{
    struct facts facts, again;
    struct buffer text = {0};
    if (!facts_read(note, &facts)) {
        EXPECT(!facts.first.known && !facts.topic.known && facts.first.count == 0);
        return;
    }
    EXPECT(facts.first.known && facts.first.count <= FACTS_ENTRIES_MAX);
    for (size_t i = 0; i < facts.first.count; i++) {
        const struct first_entry *entry = &facts.first.entries[i];
        EXPECT(entry->partition >= 0 && entry->offset >= 0);
        EXPECT(first_start_find(&facts.first, entry->change_log, entry->partition) == entry);
    }
    facts_append(&facts, &text, OFFSETS_NOTE_MAX);
    EXPECT(text.len > 0 && text.len <= FACTS_TEXT_MAX + 1);
    EXPECT(facts_read(buffer_slice(&text), &again));
    EXPECT(again.first.count == facts.first.count && again.topic.known == facts.topic.known);
    EXPECT(again.first.incomplete == facts.first.incomplete);
    for (size_t i = 0; i < facts.first.count; i++)
        EXPECT(again.first.entries[i].offset == facts.first.entries[i].offset);
    buffer_clear(&text);
}

static void read_facts(struct slice bytes)
{
    struct buffer text = {0};
    for (size_t i = 0; i < bytes.len; i++)
        for (unsigned shift = 8; shift > 0; shift -= 2)
            buffer_append_char(&text, " \t\n\r"[((unsigned char)bytes.ptr[i] >> (shift - 2)) & 3]);
    check_facts(buffer_slice(&text));
    buffer_clear(&text);
}

static void restore_foreign(struct slice note)
{
    struct offsets offsets;
    int64_t position = (int64_t)fuzz_byte(&note) << 8;
    position |= fuzz_byte(&note);
    offsets_init(&offsets, position);
    check_facts(note);
    if (offsets_restore(&offsets, note))
        check_restored(&offsets, position);
    else
        EXPECT(offsets_committable(&offsets) == position && !offsets.restored);
    offsets_clear(&offsets);
}

/** The same bytes as the inside of a note, so that the base64 is no wall. */
static void restore_wrapped(struct slice raw)
{
    char encoded[OFFSETS_NOTE_MAX + 1];
    unsigned char whole[(OFFSETS_NOTE_MAX - 1) / 4 * 3] = "PAO1";
    size_t len = raw.len < 2 ? 0 : raw.len - 2;
    if (len > sizeof whole - 4)
        len = sizeof whole - 4;
    if (len > 0)
        memcpy(whole + 4, raw.ptr + 2, len);
    int written = EVP_EncodeBlock((unsigned char *)encoded, whole, (int)(4 + len));
    struct buffer note = {0};
    buffer_append(&note, raw.len >= 2 ? raw.ptr : "\0\0", 2);
    buffer_append(&note, encoded, (size_t)written);
    restore_foreign(buffer_slice(&note));
    buffer_clear(&note);
}

static void check_round_trip(const struct offsets *offsets, const bool *done, int64_t start)
{
    struct buffer note = {0};
    int64_t position = offsets_committable(offsets), end = offsets->position;
    offsets_note(offsets, &note);
    EXPECT(note.len <= OFFSETS_NOTE_MAX);
    struct facts facts = {.topic = {.known = true}, .first = {.known = true}};
    for (int32_t i = 0; i < (int32_t)(position % FACTS_ENTRIES_MAX); i++)
        first_start_add(&facts.first, i % 2 == 1, i, position);
    struct buffer with = {0};
    buffer_append_slice(&with, buffer_slice(&note));
    facts_append(&facts, &with, OFFSETS_NOTE_MAX);
    EXPECT(with.len > note.len && with.len <= OFFSETS_NOTE_MAX);
    check_facts(buffer_slice(&with));
    EXPECT(offsets_is_note(buffer_slice(&with), position) == (note.len > 0));
    buffer_clear(&with);
    if (note.len == 0) {
        for (int64_t offset = position; offset < end; offset++)
            EXPECT(!done[offset - start]); /* has_room saw to it that the note fits */
    } else {
        struct offsets again;
        struct offset_entry entry;
        offsets_init(&again, position);
        EXPECT(offsets_restore(&again, buffer_slice(&note)));
        for (int64_t offset = position; offset < end; offset++) {
            enum offsets_take taken = offsets_take(&again, &entry, offset);
            EXPECT(taken == (done[offset - start] ? OFFSETS_DONE_BEFORE : OFFSETS_TAKEN));
            if (taken == OFFSETS_TAKEN)
                offsets_done(&again, &entry);
        }
        EXPECT(offsets_committable(&again) == end);
        offsets_clear(&again);
    }
    buffer_clear(&note);
}

static void run_program(struct slice program)
{
    static struct offset_entry entries[ENTRIES];
    static bool linked[ENTRIES], done[ENTRIES * (GAP_MAX + 1)];
    struct offsets offsets;
    int64_t start = (int64_t)fuzz_byte(&program) << 24, next = start;
    size_t count = 0;
    offsets_init(&offsets, start);
    for (size_t steps = 0; program.len > 0 && steps < STEPS_MAX; steps++) {
        unsigned step = fuzz_byte(&program), operand = fuzz_byte(&program);
        if (step & 1) { /* take some, one `step / 2`-th of a gap apart */
            size_t gap = step / 2 < GAP_MAX ? step / 2 : GAP_MAX;
            for (unsigned i = 0; i < operand && count < ENTRIES; i++, count++) {
                if (!offsets_has_room(&offsets, next + (int64_t)gap))
                    break;
                memset(done + (size_t)(next - start), true, gap);
                next += (int64_t)gap;
                EXPECT(offsets_take(&offsets, &entries[count], next) == OFFSETS_TAKEN);
                linked[count] = true;
                done[next - start] = false;
                next++;
            }
        } else { /* done: every (operand + 1)-th from one on */
            for (size_t i = step / 2; i < count; i += operand + 1) {
                if (!linked[i])
                    continue;
                done[entries[i].offset - start] = true;
                offsets_done(&offsets, &entries[i]);
                linked[i] = false;
            }
        }
    }
    check_round_trip(&offsets, done, start);
    offsets_clear(&offsets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = fuzz_input(data, size);
    switch (fuzz_byte(&in) % 4) {
    case 0:
        restore_foreign(in);
        break;
    case 1:
        run_program(in);
        break;
    case 2:
        restore_wrapped(in);
        break;
    default:
        read_facts(in);
    }
    return 0;
}
