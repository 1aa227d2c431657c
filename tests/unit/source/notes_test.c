/* Notes of commits that no agent writes: each is refused for one thing that is wrong with it. */
#include "../edge.h"
#include "source/kafka/facts.h"
#include "source/kafka/offsets.h"
#include "source/kafka/varint.h"
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RUNS = 0, BITMAP = 1, POSITION = 10 };

static struct buffer note_of(const struct buffer *raw)
{
    struct buffer note = {0};
    assert_int_equal(buffer_reserve(&note, raw->len * 2 + 8), 0);
    note.len = (size_t)EVP_EncodeBlock((unsigned char *)note.ptr, (unsigned char *)raw->ptr, (int)raw->len);
    return note;
}

/** Is a note of this content taken for ours? It must not leave a trace where it is not. */
static bool taken(const struct buffer *raw)
{
    struct buffer note = note_of(raw);
    struct offsets offsets;
    offsets_init(&offsets, POSITION);
    bool ours = offsets_restore(&offsets, buffer_slice(&note));
    if (!ours) {
        assert_int_equal(offsets.restored_count, 0);
        assert_int_equal(offsets.restored_end, -1);
        assert_int_equal(offsets_committable(&offsets), POSITION);
    }
    offsets_clear(&offsets);
    buffer_clear(&note);
    return ours;
}

static bool taken_parts(char encoding, int64_t first, int64_t span, const char *data, size_t len)
{
    struct buffer raw = {0};
    buffer_append(&raw, "PAO1", 4);
    buffer_append_char(&raw, encoding);
    varint_append(&raw, first);
    varint_append(&raw, span);
    buffer_append(&raw, data, len);
    bool ours = taken(&raw);
    buffer_clear(&raw);
    return ours;
}

static void runs_stay_below_the_end(void **state)
{
    (void)state;
    assert_true(taken_parts(RUNS, POSITION, 10, "", 0));
    assert_true(taken_parts(RUNS, POSITION, 10, "\x01\x06", 2)); /* 12 and 19 */
    assert_true(taken_parts(RUNS, POSITION, 10, "\x08", 1));
    assert_false(taken_parts(RUNS, POSITION, 10, "\x09", 1)); /* the end itself */
    assert_false(taken_parts(RUNS, POSITION, 10, "\x0a", 1));
    assert_false(taken_parts(RUNS, POSITION, 10, "\x7f", 1));
    assert_false(taken_parts(RUNS, POSITION, 10, "\x01\x07", 2));
    assert_false(taken_parts(RUNS, POSITION, 10, "\x80", 1)); /* a number that does not end */
}

static void maps_are_as_long_as_they_say(void **state)
{
    (void)state;
    assert_true(taken_parts(BITMAP, POSITION, 10, "\x05\x02", 2));
    assert_true(taken_parts(BITMAP, POSITION, 16, "\x05\x02", 2));
    assert_false(taken_parts(BITMAP, POSITION, 17, "\x05\x02", 2));
    assert_false(taken_parts(BITMAP, POSITION, 8, "\x05\x02", 2));
    assert_false(taken_parts(BITMAP, POSITION, 10, "\x04\x02", 2)); /* the committed offset is done */
    assert_false(taken_parts(BITMAP, POSITION, 10, "", 0));
}

static void another_kind_of_note_is_not_ours(void **state)
{
    (void)state;
    struct buffer raw = {0};
    assert_false(taken_parts(2, POSITION, 10, "", 0));
    buffer_append(&raw, "PAO1", 4);
    assert_false(taken(&raw));
    buffer_append_char(&raw, RUNS);
    assert_false(taken(&raw));
    varint_append(&raw, POSITION);
    assert_false(taken(&raw));
    varint_append(&raw, 1);
    assert_true(taken(&raw));
    raw.ptr[3] = '2';
    assert_false(taken(&raw));
    buffer_clear(&raw);
}

static void a_note_speaks_of_this_position_and_of_something_behind_it(void **state)
{
    (void)state;
    assert_false(taken_parts(RUNS, POSITION + 1, 10, "", 0));
    assert_false(taken_parts(RUNS, POSITION - 1, 10, "", 0));
    assert_false(taken_parts(RUNS, POSITION, 0, "", 0));
    assert_true(taken_parts(RUNS, POSITION, INT64_MAX - POSITION, "", 0));
    assert_false(taken_parts(RUNS, POSITION, INT64_MAX - POSITION + 1, "", 0));
}

static void what_is_no_base64_or_too_long_is_not_ours(void **state)
{
    (void)state;
    struct buffer raw = {0};
    buffer_append(&raw, "PAO1", 4);
    buffer_append_char(&raw, RUNS);
    varint_append(&raw, POSITION);
    varint_append(&raw, 10000);
    for (size_t i = 0; i < 3064; i++)
        buffer_append_char(&raw, 0);
    assert_int_equal(raw.len, 3072); /* 4096 characters */
    assert_true(taken(&raw));
    buffer_append(&raw, "\0\0\0", 3);
    assert_false(taken(&raw));
    buffer_clear(&raw);
    struct offsets offsets;
    offsets_init(&offsets, POSITION);
    assert_false(offsets_restore(&offsets, edge_of("UEFPMQAKCg")));
    assert_false(offsets_restore(&offsets, edge_of("UEFPM!AKCg==")));
    assert_false(offsets_restore(&offsets, edge_of("")));
    offsets_init(&offsets, 0);
    assert_false(offsets_restore(&offsets, edge_of("UEFPMQ=="))); /* no encoding */
    offsets_init(&offsets, POSITION);
    assert_true(offsets_restore(&offsets, edge_of("UEFPMQAKCg==")));
    offsets_clear(&offsets);
}

/* Notes that cannot be written */

static struct offset_entry entries[100000];

static void nothing_is_noted_before_anything_is_known(void **state)
{
    (void)state;
    struct offsets offsets;
    struct buffer note = {0};
    offsets_init(&offsets, -1);
    offsets_note(&offsets, &note);
    assert_int_equal(note.len, 0);
    offsets_clear(&offsets);
}

static void a_note_that_would_be_too_long_is_left_out(void **state)
{
    (void)state;
    struct offsets offsets;
    struct buffer note = {0};
    offsets_init(&offsets, 0);
    for (int64_t offset = 0; offset < 100000; offset++)
        assert_int_equal(offsets_take(&offsets, &entries[offset], offset), OFFSETS_TAKEN);
    for (int64_t offset = 1; offset < 100000; offset += 2)
        offsets_done(&offsets, &entries[offset]);
    offsets_note(&offsets, &note);
    assert_int_equal(note.len, 0);
    buffer_clear(&note);
    offsets_clear(&offsets);
}

/** Whatever the length of its data makes of the bytes that are filled up. */
static void a_log_of_any_length_has_a_note(void **state)
{
    (void)state;
    static const int64_t farthest[] = {INT64_C(1) << 55, (INT64_C(1) << 62) + 5, INT64_MAX - 1};
    for (size_t i = 0; i < 9; i++) {
        struct offsets offsets, restored;
        struct buffer note = {0};
        int64_t undone = (int64_t)i / 3, end = farthest[i % 3];
        offsets_init(&offsets, 0);
        for (int64_t offset = 0; offset <= undone; offset++)
            assert_int_equal(offsets_take(&offsets, &entries[offset], offset), OFFSETS_TAKEN);
        assert_int_equal(offsets_take(&offsets, &entries[9], end), OFFSETS_TAKEN);
        offsets_done(&offsets, &entries[9]);
        offsets_note(&offsets, &note);
        offsets_init(&restored, 0);
        assert_true(offsets_restore(&restored, buffer_slice(&note)));
        assert_int_equal(restored.restored_end, end + 1);
        assert_int_equal(restored.restored_count, undone + 1);
        offsets_clear(&restored);
        offsets_clear(&offsets);
        buffer_clear(&note);
    }
}

/** Records so far apart that no map of them fits: each takes three bytes of runs, up to the last byte that a
 * note has beside its header (at most 27 bytes) and the facts. */
static void runs_have_room_to_the_last_byte(void **state)
{
    (void)state;
    enum { GAP = 100000, ROOM = (OFFSETS_NOTE_MAX - 1 - FACTS_TEXT_MAX) / 4 * 3 - 27 };
    struct offsets offsets;
    size_t count = 0;
    offsets_init(&offsets, 0);
    for (int64_t offset = 0; offsets_has_room(&offsets, offset); offset += GAP)
        assert_int_equal(offsets_take(&offsets, &entries[count++], offset), OFFSETS_TAKEN);
    assert_int_equal(offsets.run_bytes, 3 * (count - 1));
    assert_in_range(offsets.run_bytes, ROOM - 2, ROOM);
    offsets_clear(&offsets);
}

static void an_offset_that_comes_again_needs_no_room(void **state)
{
    (void)state;
    struct offsets offsets;
    offsets_init(&offsets, 0);
    assert_int_equal(offsets_take(&offsets, &entries[0], 0), OFFSETS_TAKEN);
    assert_int_equal(offsets_take(&offsets, &entries[1], 1), OFFSETS_TAKEN);
    offsets.run_bytes = 100000; /* as if full */
    assert_true(offsets_has_room(&offsets, 1));
    assert_true(offsets_has_room(&offsets, 2));
    assert_false(offsets_has_room(&offsets, 1000000));
    offsets.restored_end = 1000001; /* the note of before has it */
    assert_true(offsets_has_room(&offsets, 1000000));
    assert_false(offsets_has_room(&offsets, 1000001));
    offsets_clear(&offsets);
}

/* Facts */

/** Bytes as facts' white space, read. */
static bool facts_of(const char *bytes, size_t len, struct facts *out)
{
    static const char digits[] = " \t\n\r";
    struct buffer note = {0};
    for (size_t i = 0; i < len; i++)
        for (int shift = 6; shift >= 0; shift -= 2)
            buffer_append_char(&note, digits[((unsigned char)bytes[i] >> shift) & 3]);
    bool ours = facts_read(buffer_slice(&note), out);
    buffer_clear(&note);
    return ours;
}

static void facts_are_read_as_they_stand(void **state)
{
    (void)state;
    struct facts facts;
    assert_true(facts_of("\x01\x00", 2, &facts));
    assert_true(facts.first.known && !facts.first.incomplete && !facts.topic.known);
    assert_true(facts_of("\x01\x02\x06\x07\x09\x08", 6, &facts));
    assert_true(facts.first.incomplete);
    assert_int_equal(facts.first.count, 2);
    assert_int_equal(first_start_find(&facts.first, false, 3)->offset, 7);
    assert_int_equal(first_start_find(&facts.first, true, 4)->offset, 8);
    assert_true(facts_of("\x01\x01"
                         "0123456789abcdef",
                         18, &facts));
    assert_memory_equal(facts.topic.bytes, "0123456789abcdef", 16);
}

static void facts_that_are_wrong_are_none(void **state)
{
    (void)state;
    struct facts facts, none;
    memset(&none, 0, sizeof none);
    static const struct {
        const char *bytes;
        size_t len;
    } wrong[] = {
        {"\x01", 1},
        {"\x02\x00", 2}, /* another version */
        {"\x01\x01"
         "0123456789abcde",
         17},                                    /* half an id */
        {"\x01\x00\x06", 3},                     /* no offset */
        {"\x01\x00\x80", 3},                     /* no key */
        {"\x01\x00\x06\x07\x06\x08", 6},         /* twice */
        {"\x01\x00\x06\x07\x05\x08", 6},         /* descending */
        {"\x01\x00\x80\x80\x80\x80\x10\x00", 8}, /* partition 2^31 */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(facts_of(wrong[i].bytes, wrong[i].len, &facts));
        assert_memory_equal(&facts, &none, sizeof facts);
    }
    assert_true(facts_of("\x01\x00\xfe\xff\xff\xff\x0f\x00", 8, &facts)); /* partition 2^31 - 1 */
    assert_int_equal(facts.first.entries[0].partition, INT32_MAX);
}

static void so_many_entries_are_read(void **state)
{
    (void)state;
    struct facts facts;
    struct buffer bytes = {0};
    buffer_append(&bytes, "\x01\x00", 2);
    for (int i = 0; i < FACTS_ENTRIES_MAX; i++) {
        varint_append(&bytes, i);
        varint_append(&bytes, 0);
    }
    assert_true(facts_of(bytes.ptr, bytes.len, &facts));
    assert_int_equal(facts.first.count, FACTS_ENTRIES_MAX);
    varint_append(&bytes, 100);
    varint_append(&bytes, 0);
    assert_false(facts_of(bytes.ptr, bytes.len, &facts));
    buffer_clear(&bytes);
}

static void white_space_of_another_length_is_no_facts(void **state)
{
    (void)state;
    struct facts facts;
    static char blanks[600];
    memset(blanks, ' ', sizeof blanks);
    assert_false(facts_read((struct slice){blanks, 0}, &facts));
    assert_false(facts_read(edge_of("   \t    \n"), &facts));
    assert_false(facts_read((struct slice){blanks, 516}, &facts));
    assert_true(facts_read(edge_of("   \t    "), &facts));
    assert_true(facts_read((struct slice){"   \t    ", 9}, &facts)); /* with its NUL */
}

static void facts_that_do_not_fit_beside_the_note_are_left_out(void **state)
{
    (void)state;
    struct facts facts = {.first = {.known = true}};
    struct buffer note = {0};
    facts_append(&facts, &note, 8);
    assert_int_equal(note.len, 0);
    facts_append(&facts, &note, 9);
    assert_int_equal(note.len, 9);
    buffer_clear(&note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_stay_below_the_end),
        cmocka_unit_test(maps_are_as_long_as_they_say),
        cmocka_unit_test(another_kind_of_note_is_not_ours),
        cmocka_unit_test(a_note_speaks_of_this_position_and_of_something_behind_it),
        cmocka_unit_test(what_is_no_base64_or_too_long_is_not_ours),
        cmocka_unit_test(nothing_is_noted_before_anything_is_known),
        cmocka_unit_test(a_note_that_would_be_too_long_is_left_out),
        cmocka_unit_test(a_log_of_any_length_has_a_note),
        cmocka_unit_test(runs_have_room_to_the_last_byte),
        cmocka_unit_test(an_offset_that_comes_again_needs_no_room),
        cmocka_unit_test(facts_are_read_as_they_stand),
        cmocka_unit_test(facts_that_are_wrong_are_none),
        cmocka_unit_test(so_many_entries_are_read),
        cmocka_unit_test(white_space_of_another_length_is_no_facts),
        cmocka_unit_test(facts_that_do_not_fit_beside_the_note_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
