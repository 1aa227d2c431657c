/* Offsets: what may be committed, and the note that survives a restart. */
#include "../edge.h"
#include "source/kafka/facts.h"
#include "source/kafka/offsets.h"
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct offset_entry entries[200000];

static void take_range(struct offsets *offsets, int64_t from, int64_t to)
{
    for (int64_t offset = from; offset < to; offset++)
        assert_int_equal(offsets_take(offsets, &entries[offset], offset), OFFSETS_TAKEN);
}

static void done(struct offsets *offsets, int64_t offset)
{
    offsets_done(offsets, &entries[offset]);
}

static void nothing_is_committable_before_anything_is_known(void **state)
{
    (void)state;
    struct offsets offsets;
    offsets_init(&offsets, -1);
    assert_int_equal(offsets_committable(&offsets), -1);
    assert_int_equal(offsets_take(&offsets, &entries[7], 7), OFFSETS_TAKEN);
    assert_int_equal(offsets_committable(&offsets), 7);
    done(&offsets, 7);
    assert_int_equal(offsets_committable(&offsets), 8);
    offsets_clear(&offsets);
}

static void commits_stop_at_the_first_gap(void **state)
{
    (void)state;
    struct offsets offsets;
    offsets_init(&offsets, 0);
    take_range(&offsets, 0, 10);
    done(&offsets, 1);
    done(&offsets, 2);
    assert_int_equal(offsets_committable(&offsets), 0);
    done(&offsets, 0);
    assert_int_equal(offsets_committable(&offsets), 3);
    for (int64_t offset = 9; offset >= 3; offset--)
        done(&offsets, offset);
    assert_int_equal(offsets_committable(&offsets), 10);
    offsets_clear(&offsets);
}

static void offsets_that_never_come_count_as_done(void **state)
{
    (void)state;
    struct offsets offsets;
    offsets_init(&offsets, 100);
    assert_int_equal(offsets_take(&offsets, &entries[105], 105),
                     OFFSETS_TAKEN); /* 100 to 104 were compacted away */
    assert_int_equal(offsets_committable(&offsets), 105);
    assert_int_equal(offsets_take(&offsets, &entries[120], 120), OFFSETS_TAKEN);
    done(&offsets, 105);
    assert_int_equal(offsets_committable(&offsets), 120);
    offsets_clear(&offsets);
}

/** Writes a note, restores it elsewhere, and checks that exactly the records not done come again. */
static void check_restored(const struct offsets *offsets, int64_t end)
{
    struct buffer note = {0};
    offsets_note(offsets, &note);
    assert_true(note.len <= OFFSETS_NOTE_MAX);
    struct offsets restored;
    offsets_init(&restored, offsets_committable(offsets));
    bool had_note = note.len > 0;
    assert_true(!had_note ||
                strlen(note.ptr) == note.len - 1); /* a C string, for clients that read it as one */
    assert_int_equal(offsets_restore(&restored, buffer_slice(&note)), had_note);
    assert_int_equal(offsets_committable(&restored), offsets_committable(offsets));

    static struct offset_entry again[200000];
    const struct offset_entry *expected = offsets->first;
    for (int64_t offset = offsets_committable(offsets); offset < end; offset++) {
        enum offsets_take taken = offsets_take(&restored, &again[offset], offset);
        bool undone = expected && expected->offset == offset;
        assert_int_equal(taken, undone ? OFFSETS_TAKEN : OFFSETS_DONE_BEFORE);
        if (undone)
            expected = expected->next;
    }
    assert_null(expected);
    offsets_clear(&restored);
    buffer_clear(&note);
}

static void a_restart_takes_only_what_was_not_done(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        struct offsets offsets;
        srand(seed);
        int64_t start = rand() % 1000, count = 1 + rand() % 5000;
        int keep_one_in = 2 + rand() % 50;
        offsets_init(&offsets, start);
        take_range(&offsets, start, start + count);
        for (int64_t offset = start; offset < start + count; offset++)
            if (rand() % keep_one_in != 0)
                done(&offsets, offset);
        check_restored(&offsets, start + count);
        offsets_clear(&offsets);
    }
}

static void a_restart_in_the_middle_of_a_restart_forgets_nothing(void **state)
{
    (void)state;
    struct offsets offsets, second, third;
    offsets_init(&offsets, 0);
    take_range(&offsets, 0, 100);
    for (int64_t offset = 1; offset < 100; offset++)
        if (offset % 10 != 0)
            done(&offsets, offset);
    struct buffer note = {0}, note2 = {0};
    offsets_note(&offsets, &note);
    offsets_init(&second, 0);
    assert_true(offsets_restore(&second, buffer_slice(&note)));
    static struct offset_entry again[100];
    assert_int_equal(offsets_take(&second, &again[0], 0), OFFSETS_TAKEN);
    offsets_done(&second, &again[0]); /* and stops here: 10, 20 … 90 have not come again */
    assert_int_equal(offsets_committable(&second), 10);
    offsets_note(&second, &note2);
    offsets_init(&third, 10);
    assert_true(offsets_restore(&third, buffer_slice(&note2)));
    for (int64_t offset = 10; offset < 100; offset++)
        assert_int_equal(offsets_take(&third, &again[offset], offset),
                         offset % 10 == 0 ? OFFSETS_TAKEN : OFFSETS_DONE_BEFORE);
    offsets_clear(&offsets);
    offsets_clear(&second);
    offsets_clear(&third);
    buffer_clear(&note);
    buffer_clear(&note2);
}

static void a_note_always_fits_once_its_records_were_taken(void **state)
{
    (void)state;
    /* Worst cases: one stuck record and all else done; every second, every third … record stuck. */
    for (int64_t every = 2; every < 200; every += every < 10 ? 1 : 37) {
        struct offsets offsets;
        offsets_init(&offsets, 0);
        int64_t offset = 0;
        for (; offset < 150000 && offsets_has_room(&offsets, offset); offset++) {
            assert_int_equal(offsets_take(&offsets, &entries[offset], offset), OFFSETS_TAKEN);
            if (offset % every != 0)
                done(&offsets, offset);
        }
        check_restored(&offsets, offset);
        offsets_clear(&offsets);
    }
}

static void no_room_while_the_note_would_not_fit_and_room_again_later(void **state)
{
    (void)state;
    struct offsets offsets;
    offsets_init(&offsets, 0);
    int64_t offset = 0;
    while (offset < 150000 && offsets_has_room(&offsets, offset)) {
        assert_int_equal(offsets_take(&offsets, &entries[offset], offset), OFFSETS_TAKEN);
        offset++;
    }
    assert_true(offset < 150000);
    assert_false(offsets_has_room(&offsets, offset));
    for (int64_t i = 0; i < offset; i++)
        done(&offsets, i);
    assert_true(offsets_has_room(&offsets, offset));
    assert_int_equal(offsets_committable(&offsets), offset);
    offsets_clear(&offsets);
}

/* More records in progress than runs have room for, up to the end of what a bitmap holds: a gap leaves both.
 */
static void a_gap_takes_room_as_well(void **state)
{
    (void)state;
    struct offsets offsets;
    offsets_init(&offsets, 0);
    int64_t offset = 0;
    while (offsets_has_room(&offsets, offset + 1)) {
        assert_int_equal(offsets_take(&offsets, &entries[offset], offset), OFFSETS_TAKEN);
        offset++;
    }
    assert_true(offset > 20000);
    assert_true(offsets_has_room(&offsets, offset));
    assert_false(offsets_has_room(&offsets, offset + 1));
    assert_false(offsets_has_room(&offsets, offset + 1000));
    for (int64_t i = 0; i < offset; i += 2)
        done(&offsets, i);
    check_restored(&offsets, offset);
    offsets_clear(&offsets);
}

static void nothing_to_note_when_nothing_is_done_out_of_order(void **state)
{
    (void)state;
    struct offsets offsets;
    struct buffer note = {0};
    offsets_init(&offsets, 5);
    offsets_note(&offsets, &note);
    take_range(&offsets, 5, 50);
    offsets_note(&offsets, &note);
    assert_int_equal(note.len, 0);
    offsets_clear(&offsets);
}

static void foreign_metadata_is_ignored(void **state)
{
    (void)state;
    static const char *const notes[] = {"",
                                        "x",
                                        "hello",
                                        "e30=",
                                        "UEFPMQ==",
                                        "UEFPMQA=",
                                        "UEFPMQAA",
                                        "UEFPMQAAAA==",
                                        "UEFPMQAFAA==",
                                        "UEFPMQD///////////8B",
                                        "UEFPMQIFAQ==",
                                        "UEFPMQEF//////8H",
                                        "===="};
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        struct offsets offsets;
        offsets_init(&offsets, 5);
        assert_false(offsets_restore(&offsets, edge_of(notes[i])));
        assert_int_equal(offsets_committable(&offsets), 5);
        assert_int_equal(offsets_take(&offsets, &entries[5], 5), OFFSETS_TAKEN);
        offsets_clear(&offsets);
    }
}

static void a_note_of_another_offset_is_ignored(void **state)
{
    (void)state;
    struct offsets offsets, other;
    struct buffer note = {0};
    offsets_init(&offsets, 0);
    take_range(&offsets, 0, 10);
    done(&offsets, 5);
    offsets_note(&offsets, &note);
    offsets_init(&other, 3); /* somebody reset the group's offset and kept the metadata */
    assert_false(offsets_restore(&other, buffer_slice(&note)));
    assert_int_equal(offsets_take(&other, &entries[20], 5), OFFSETS_TAKEN);
    offsets_clear(&offsets);
    offsets_clear(&other);
    buffer_clear(&note);
}

static void every_corruption_of_a_note_is_survived(void **state)
{
    (void)state;
    struct offsets offsets;
    struct buffer note = {0};
    offsets_init(&offsets, 0);
    take_range(&offsets, 0, 300);
    for (int64_t offset = 0; offset < 300; offset += 3)
        done(&offsets, offset + 1);
    offsets_note(&offsets, &note);
    for (size_t i = 0; i < note.len; i++) {
        for (int c = 0; c < 256; c += 5) {
            struct offsets other;
            char *copy = malloc(note.len);
            memcpy(copy, note.ptr, note.len);
            copy[i] = (char)c;
            offsets_init(&other, 0);
            PA_IGNORE(offsets_restore(&other, (struct slice){copy, note.len})); /* that it ends is enough */
            offsets_clear(&other);
            free(copy);
        }
    }
    offsets_clear(&offsets);
    buffer_clear(&note);
}

static void a_lower_offset_is_a_rewind(void **state)
{
    (void)state;
    struct offsets offsets;
    offsets_init(&offsets, 100);
    assert_int_equal(offsets_take(&offsets, &entries[100], 100), OFFSETS_TAKEN);
    assert_int_equal(offsets_take(&offsets, &entries[0], 0), OFFSETS_REWOUND);
    done(&offsets, 100);
    offsets_back(&offsets, 0);
    assert_int_equal(offsets_take(&offsets, &entries[0], 0), OFFSETS_TAKEN);
    done(&offsets, 0);
    assert_int_equal(offsets_committable(&offsets), 1);
    offsets_clear(&offsets);
}

static void what_is_not_done_below_a_rewind_stays_so(void **state)
{
    (void)state;
    struct offsets offsets;
    offsets_init(&offsets, 10);
    take_range(&offsets, 10, 16);
    done(&offsets, 11);
    assert_true(offsets_pass(&offsets, 20));
    for (int64_t offset = 13; offset < 16; offset++)
        done(&offsets, offset);
    offsets_back(&offsets, 13);
    assert_int_equal(offsets_next(&offsets), 13);
    assert_int_equal(offsets_committable(&offsets), 10);
    take_range(&offsets, 13, 14);
    done(&offsets, 10);
    assert_int_equal(offsets_committable(&offsets), 12);
    done(&offsets, 12);
    assert_int_equal(offsets_committable(&offsets), 13);
    done(&offsets, 13);
    assert_int_equal(offsets_committable(&offsets), 14);
    offsets_clear(&offsets);
}

/** It may speak of another log. */
static void a_note_says_nothing_behind_a_rewind(void **state)
{
    (void)state;
    struct offsets offsets, restored;
    struct buffer note = {0};
    offsets_init(&offsets, 20);
    take_range(&offsets, 20, 30);
    for (int64_t offset = 22; offset < 30; offset++)
        done(&offsets, offset);
    offsets_note(&offsets, &note);
    offsets_init(&restored, 20);
    assert_true(offsets_restore(&restored, buffer_slice(&note)));
    assert_int_equal(offsets_take(&restored, &entries[40], 20), OFFSETS_TAKEN);
    assert_int_equal(offsets_take(&restored, &entries[41], 26), OFFSETS_DONE_BEFORE);
    offsets_back(&restored, 21);
    assert_int_equal(offsets_take(&restored, &entries[41], 23), OFFSETS_TAKEN);
    assert_int_equal(offsets_committable(&restored), 20);
    offsets_clear(&offsets);
    offsets_clear(&restored);
    buffer_clear(&note);
}

static void what_holds_no_record_is_passed_once_everything_before_it_is_done(void **state)
{
    (void)state;
    struct offsets offsets;
    offsets_init(&offsets, 10);
    take_range(&offsets, 10, 12);
    assert_true(offsets_pass(&offsets, 14)); /* two markers */
    assert_false(offsets_pass(&offsets, 14));
    assert_false(offsets_pass(&offsets, 13));
    assert_int_equal(offsets_next(&offsets), 14);
    done(&offsets, 11);
    assert_int_equal(offsets_committable(&offsets), 10);
    check_restored(&offsets, 12);
    done(&offsets, 10);
    assert_int_equal(offsets_committable(&offsets), 14);
    struct buffer note = {0};
    offsets_note(&offsets, &note);
    assert_int_equal(note.len, 0);
    take_range(&offsets, 14, 15);
    assert_int_equal(offsets_committable(&offsets), 14);
    done(&offsets, 14);
    assert_int_equal(offsets_committable(&offsets), 15);
    assert_int_equal(offsets_next(&offsets), 15);
    assert_false(offsets_pass(&offsets, 15));
    offsets_clear(&offsets);
    buffer_clear(&note);
}

static void the_end_of_an_empty_partition_is_its_position(void **state)
{
    (void)state;
    struct offsets offsets;
    offsets_init(&offsets, -1);
    assert_int_equal(offsets_next(&offsets), -1);
    assert_true(offsets_pass(&offsets, 0));
    assert_int_equal(offsets_committable(&offsets), 0);
    offsets_rewind(&offsets, 5);
    assert_int_equal(offsets_next(&offsets), 5);
    assert_int_equal(offsets_committable(&offsets), 5);
    offsets_clear(&offsets);
}

/** The note says that 20 and 25 are not done, and neither is there any more. */
static void records_of_a_note_that_never_come_are_passed_at_the_end(void **state)
{
    (void)state;
    struct offsets offsets, restored;
    struct buffer note = {0};
    offsets_init(&offsets, 20);
    take_range(&offsets, 20, 30);
    for (int64_t offset = 20; offset < 30; offset++)
        if (offset % 5 != 0)
            done(&offsets, offset);
    offsets_note(&offsets, &note);
    offsets_init(&restored, 20);
    assert_true(offsets_restore(&restored, buffer_slice(&note)));
    assert_true(offsets_pass(&restored, 25));
    assert_int_equal(offsets_committable(&restored), 25);
    assert_true(offsets_pass(&restored, 40));
    assert_int_equal(offsets_committable(&restored), 40);
    offsets_clear(&offsets);
    offsets_clear(&restored);
    buffer_clear(&note);
}

/** What an agent from before there were facts makes of a note: base64 whose padding it looks for at the very
 * end. */
static bool decode_as_before(struct slice note, struct buffer *raw)
{
    if (note.len > 0 && note.ptr[note.len - 1] == '\0')
        note.len--;
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

static void check_beside_facts(const struct offsets *offsets, const struct facts *facts, bool had_note)
{
    struct buffer note = {0}, with = {0}, plain = {0}, raw = {0};
    struct facts read;
    offsets_note(offsets, &note);
    offsets_note(offsets, &with);
    assert_int_equal(note.len > 0, had_note);
    facts_append(facts, &with, OFFSETS_NOTE_MAX);
    assert_true(with.len <= OFFSETS_NOTE_MAX && with.len > note.len && strlen(with.ptr) == with.len - 1);
    assert_true(facts_read(buffer_slice(&with), &read));
    assert_true(read.first.known && read.first.incomplete == facts->first.incomplete);
    assert_int_equal(read.first.count, facts->first.count);
    assert_memory_equal(&read.topic.bytes, facts->topic.bytes, sizeof read.topic.bytes);
    assert_int_equal(decode_as_before(buffer_slice(&with), &raw) && raw.len > 0, had_note);
    if (had_note) {
        assert_true(decode_as_before(buffer_slice(&note), &plain));
        assert_int_equal(plain.len, raw.len);
        assert_memory_equal(plain.ptr, raw.ptr, raw.len);
    }
    struct offsets restored;
    offsets_init(&restored, offsets_committable(offsets));
    assert_int_equal(offsets_restore(&restored, buffer_slice(&with)), had_note);
    assert_int_equal(offsets_is_note(buffer_slice(&with), offsets_committable(offsets)), had_note);
    offsets_clear(&restored);
    buffer_clear(&note);
    buffer_clear(&with);
    buffer_clear(&plain);
    buffer_clear(&raw);
}

/** Every length of the base64's last group, with the least and with the most that facts can say. */
static void a_note_with_facts_reads_as_the_same_note_to_an_agent_from_before_there_were_facts(void **state)
{
    (void)state;
    struct facts least, most;
    memset(&least, 0, sizeof least);
    least.first.known = true;
    memset(&most, 0, sizeof most);
    most.first.known = most.first.incomplete = most.topic.known = true;
    memset(most.topic.bytes, 0xff, sizeof most.topic.bytes);
    for (int32_t partition = 0; partition < FACTS_ENTRIES_MAX; partition++)
        first_start_add(&most.first, partition % 2 == 1, partition, partition);
    for (int64_t start = 0; start < 5000; start = start * 3 + 1) {
        for (int64_t count = 1; count < 40; count++) {
            struct offsets offsets;
            offsets_init(&offsets, start);
            take_range(&offsets, start, start + count);
            for (int64_t offset = start + 1; offset < start + count; offset += 1 + count % 3)
                done(&offsets, offset);
            check_beside_facts(&offsets, &least, count > 1);
            check_beside_facts(&offsets, &most, count > 1);
            offsets_clear(&offsets);
        }
    }
}

/** As much as may be taken, in either encoding. */
static void facts_have_room_beside_every_note(void **state)
{
    (void)state;
    struct facts most;
    memset(&most, 0, sizeof most);
    most.first.known = most.topic.known = true;
    for (int32_t partition = 0; partition < 18; partition++)
        first_start_add(&most.first, false, 100000 + partition, 300);
    for (int64_t every = 2; every < 200; every += every < 10 ? 1 : 37) {
        struct offsets offsets;
        offsets_init(&offsets, 0);
        for (int64_t offset = 0; offset < 150000 && offsets_has_room(&offsets, offset); offset++) {
            assert_int_equal(offsets_take(&offsets, &entries[offset], offset), OFFSETS_TAKEN);
            if (offset % every != 0)
                done(&offsets, offset);
        }
        check_beside_facts(&offsets, &most, true);
        offsets_clear(&offsets);
    }
}

/** 24,000 records behind the first, as an agent from before there were facts could take. */
static void a_note_that_leaves_no_room_for_facts_is_written_without_them(void **state)
{
    (void)state;
    struct offsets offsets;
    struct buffer note = {0};
    struct facts facts, read;
    memset(&facts, 0, sizeof facts);
    facts.first.known = true;
    offsets_init(&offsets, 0);
    take_range(&offsets, 0, 24300);
    for (int64_t offset = 1; offset < 24300; offset += 2)
        done(&offsets, offset);
    offsets_note(&offsets, &note);
    assert_true(note.len > OFFSETS_NOTE_MAX - 64);
    check_restored(&offsets, 24300);
    facts_append(&facts, &note, OFFSETS_NOTE_MAX);
    assert_true(note.len <= OFFSETS_NOTE_MAX);
    facts_read(buffer_slice(&note), &read);
    assert_true(offsets_is_note(buffer_slice(&note), 0));
    offsets_clear(&offsets);
    buffer_clear(&note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_committable_before_anything_is_known),
        cmocka_unit_test(commits_stop_at_the_first_gap),
        cmocka_unit_test(offsets_that_never_come_count_as_done),
        cmocka_unit_test(a_restart_takes_only_what_was_not_done),
        cmocka_unit_test(a_restart_in_the_middle_of_a_restart_forgets_nothing),
        cmocka_unit_test(a_note_always_fits_once_its_records_were_taken),
        cmocka_unit_test(no_room_while_the_note_would_not_fit_and_room_again_later),
        cmocka_unit_test(a_gap_takes_room_as_well),
        cmocka_unit_test(nothing_to_note_when_nothing_is_done_out_of_order),
        cmocka_unit_test(foreign_metadata_is_ignored),
        cmocka_unit_test(a_note_of_another_offset_is_ignored),
        cmocka_unit_test(every_corruption_of_a_note_is_survived),
        cmocka_unit_test(a_lower_offset_is_a_rewind),
        cmocka_unit_test(what_is_not_done_below_a_rewind_stays_so),
        cmocka_unit_test(a_note_says_nothing_behind_a_rewind),
        cmocka_unit_test(what_holds_no_record_is_passed_once_everything_before_it_is_done),
        cmocka_unit_test(the_end_of_an_empty_partition_is_its_position),
        cmocka_unit_test(records_of_a_note_that_never_come_are_passed_at_the_end),
        cmocka_unit_test(a_note_with_facts_reads_as_the_same_note_to_an_agent_from_before_there_were_facts),
        cmocka_unit_test(facts_have_room_beside_every_note),
        cmocka_unit_test(a_note_that_leaves_no_room_for_facts_is_written_without_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
