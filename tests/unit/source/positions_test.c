/* Where partitions begin: the facts beside a note, and what follows from them. */
#include "../edge.h"
#include "source/kafka/facts.h"
#include "source/kafka/start.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOTE_MAX = 4096 };

static struct facts some_facts(void)
{
    struct facts facts;
    memset(&facts, 0, sizeof facts);
    facts.first.known = true;
    return facts;
}

static void check_same(const struct facts *a, const struct facts *b)
{
    assert_int_equal(a->topic.known, b->topic.known);
    assert_memory_equal(a->topic.bytes, b->topic.bytes, TOPIC_ID_BYTES);
    assert_true(a->first.known == b->first.known && a->first.incomplete == b->first.incomplete);
    assert_int_equal(a->first.count, b->first.count);
    for (size_t i = 0; i < a->first.count; i++) {
        const struct first_entry *entry = &a->first.entries[i], *other = &b->first.entries[i];
        assert_int_equal(entry->change_log, other->change_log);
        assert_int_equal(entry->partition, other->partition);
        assert_int_equal(entry->offset, other->offset);
    }
}

static void check_facts(const struct facts *facts)
{
    struct buffer note = {0};
    struct facts read;
    facts_append(facts, &note, NOTE_MAX);
    assert_true(note.len > 0 && note.ptr[note.len - 1] == '\0' && note.len - 1 <= FACTS_TEXT_MAX);
    assert_true(facts_read(buffer_slice(&note), &read));
    check_same(&read, facts);
    assert_true(
        facts_read((struct slice){note.ptr, note.len - 1}, &read)); /* a reader that cuts the NUL off */
    assert_int_equal(facts_strip(buffer_slice(&note)).len, 0);
    buffer_clear(&note);
}

/* Facts */

static void facts_are_read_as_they_were_written(void **state)
{
    (void)state;
    struct facts facts = some_facts();
    check_facts(&facts);
    facts.first.incomplete = true;
    check_facts(&facts);
    facts.topic.known = true;
    for (int i = 0; i < 256; i++) {
        for (size_t at = 0; at < TOPIC_ID_BYTES; at++)
            facts.topic.bytes[at] = (unsigned char)(i + (int)at * 17);
        check_facts(&facts);
    }
    static const int64_t offsets[] = {0, 1, 127, 128, 16383, 16384, INT32_MAX, INT64_MAX};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
        first_start_add(&facts.first, i % 2 == 1, (int32_t)i, offsets[i]);
    check_facts(&facts);
}

static void entries_that_do_not_fit_are_said_to_be_missing(void **state)
{
    (void)state;
    struct facts facts = some_facts(), read;
    struct buffer note = {0};
    facts.topic.known = true;
    for (int32_t i = 0; i < FACTS_ENTRIES_MAX; i++)
        first_start_add(&facts.first, true, INT32_MAX - 100 + i, INT64_MAX - i);
    assert_false(facts.first.incomplete);
    facts_append(&facts, &note, NOTE_MAX);
    assert_true(note.len - 1 <= FACTS_TEXT_MAX);
    assert_true(facts_read(buffer_slice(&note), &read));
    assert_true(read.first.incomplete && read.first.count > 0 && read.first.count < facts.first.count);
    facts.first.count = read.first.count;
    facts.first.incomplete = true;
    check_same(&read, &facts);
    facts.first.count = FACTS_ENTRIES_MAX;
    facts.first.incomplete = false;
    buffer_clear(&note);

    struct first_start *first = &facts.first;
    first_start_add(first, false, 3, 9); /* one more than there is room for */
    assert_true(first->incomplete && first->count == FACTS_ENTRIES_MAX);
}

/** Each of 20 entries takes five bytes or six; a byte of facts is four characters. */
static void entries_fit_to_the_last_byte(void **state)
{
    (void)state;
    enum { ENTRIES = 20, HEAD = 2, MAX = FACTS_TEXT_MAX / 4 };
    for (int with_id = 0; with_id < 2; with_id++)
        for (int wider = 0; wider <= ENTRIES; wider++) {
            struct facts facts = some_facts(), read;
            struct buffer note = {0};
            size_t id = with_id ? TOPIC_ID_BYTES : 0, size = HEAD + id + 5 * ENTRIES + (size_t)wider;
            int more = with_id ? 0 : 20 - 4; /* to come as near without an id */
            facts.topic.known = with_id;
            for (int i = 0; i < ENTRIES; i++) {
                bool wide = i < wider, wider_still = i < more;
                first_start_add(&facts.first, false, i,
                                INT64_C(1)
                                    << (7 * (3 + wide + wider_still))); /* the least of so many bytes */
            }
            size += (size_t)more;
            facts_append(&facts, &note, NOTE_MAX);
            assert_true(note.len - 1 <= FACTS_TEXT_MAX);
            assert_true(facts_read(buffer_slice(&note), &read));
            assert_int_equal(read.first.count == ENTRIES, size <= MAX);
            assert_int_equal(read.first.incomplete, size > MAX);
            buffer_clear(&note);
        }
}

static void facts_that_do_not_fit_beside_a_note_are_left_out(void **state)
{
    (void)state;
    struct facts facts = some_facts(), read;
    struct buffer note = {0};
    buffer_append(&note, "UEFP", 5); /* with its NUL */
    facts_append(&facts, &note, 5 + 8 - 1);
    assert_int_equal(note.len, 5);
    facts_append(&facts, &note, 5 + 8);
    assert_int_equal(note.len, 5 + 8);
    assert_true(facts_read(buffer_slice(&note), &read));
    struct slice base = facts_strip(buffer_slice(&note));
    assert_true(slice_equal_text(base, "UEFP"));
    buffer_clear(&note);
}

static void other_metadata_has_no_facts(void **state)
{
    (void)state;
    static const char *const notes[] = {"",         " ",          "    ",         "hello",
                                        "hello ",   "e30=",       "    \t\t\t\t", "   \t",
                                        "   \t   ", "   \t   \t", "   \t  \r\r"};
    struct facts facts;
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        bool ours = facts_read(edge_of(notes[i]), &facts);
        assert_int_equal(ours, false);
        assert_false(facts.first.known || facts.topic.known || facts.first.count > 0);
    }
    assert_false(facts_read((struct slice){NULL, 0}, &facts));
    assert_false(facts_read((struct slice){"\0", 1}, &facts));
}

/** Whatever is changed in them: they are refused, or they say something that can be written again. */
static void every_corruption_of_facts_is_survived(void **state)
{
    (void)state;
    struct facts facts = some_facts(), read;
    struct buffer note = {0};
    facts.topic.known = true;
    for (int32_t i = 0; i < 5; i++)
        first_start_add(&facts.first, i % 2 == 0, i * 50, (int64_t)i * 1000);
    facts_append(&facts, &note, NOTE_MAX);
    for (size_t i = 0; i < note.len; i++) {
        for (int c = 0; c < 256; c++) {
            char *copy = malloc(note.len);
            memcpy(copy, note.ptr, note.len);
            copy[i] = (char)c;
            if (facts_read((struct slice){copy, note.len}, &read))
                check_facts(&read);
            if (facts_read((struct slice){copy, i}, &read))
                check_facts(&read);
            free(copy);
        }
    }
    buffer_clear(&note);
}

static void notes_of_several_partitions_say_one_thing(void **state)
{
    (void)state;
    struct first_start first = {0}, other = {.known = true};
    first_start_add(&first, false, 1, 10);
    first_start_add(&first, true, 1, 11);
    first_start_add(&first, false, 0, 12);
    assert_int_equal(first.entries[0].partition, 0);
    assert_true(first.entries[2].change_log);
    first_start_add(&other, false, 1, 7); /* the earlier one is right */
    first_start_add(&other, true, 1, 99);
    first_start_add(&other, true, 0, 3);
    first_start_merge(&first, &other);
    assert_true(first.known && first.count == 4);
    assert_int_equal(first_start_find(&first, false, 1)->offset, 7);
    assert_int_equal(first_start_find(&first, true, 1)->offset, 11);
    first_start_remove(&first, false, 1);
    first_start_remove(&first, false, 77);
    assert_null(first_start_find(&first, false, 1));
    assert_int_equal(first.count, 3);
    assert_int_equal(first_start_find(&first, true, 0)->offset, 3);
}

static void topics_differ_only_when_both_ids_are_known(void **state)
{
    (void)state;
    struct topic_id none = {0}, a = {.known = true}, b = {.known = true, .bytes = {1}};
    assert_false(topic_id_differs(&none, &a));
    assert_false(topic_id_differs(&a, &none));
    assert_false(topic_id_differs(&a, &a));
    assert_true(topic_id_differs(&a, &b));
}

/* Starts */

static enum start_reason start(bool latest, bool offsets, const struct first_start *first, int32_t partition,
                               int64_t *offset)
{
    struct start_question question = {.latest = latest, .offsets = offsets, .first = first};
    return start_without_offset(&question, false, partition, offset);
}

static void a_partition_without_an_offset_begins_as_the_group_did(void **state)
{
    (void)state;
    int64_t offset = -1;
    struct first_start nothing = {0}, began = {.known = true};
    first_start_add(&began, false, 1, 40);
    assert_int_equal(start(true, false, &nothing, 0, &offset), START_GROUP_NEW);
    assert_int_equal(start(false, false, &nothing, 0, &offset), START_GROUP_NEW);
    assert_int_equal(start(true, true, &nothing, 0, &offset), START_TAKEN_OVER);
    assert_int_equal(start(false, true, &nothing, 0, &offset), START_GROUP_NEW);
    assert_int_equal(start(true, true, &began, 0, &offset), START_APPEARED);
    assert_int_equal(start(true, false, &began, 0, &offset), START_APPEARED);
    assert_int_equal(start(false, true, &began, 1, &offset), START_APPEARED);
    assert_int_equal(offset, -1);
    assert_int_equal(start(true, true, &began, 1, &offset), START_GROUP_BEGAN);
    assert_int_equal(offset, 40);
    began.incomplete = true;
    assert_int_equal(start(true, true, &began, 1, &offset), START_GROUP_BEGAN);
    assert_int_equal(start(true, true, &began, 2, &offset), START_TAKEN_OVER);

    struct start_question missed = {.latest = true, .topic_appeared = true, .first = &nothing};
    assert_int_equal(start_without_offset(&missed, false, 0, &offset), START_APPEARED);
}

static void only_a_new_or_foreign_group_begins_at_an_end(void **state)
{
    (void)state;
    for (enum start_reason reason = START_COMMITTED; reason <= START_APPEARED; reason++) {
        assert_int_equal(start_at_end(reason, true), reason == START_GROUP_NEW || reason == START_TAKEN_OVER);
        assert_int_equal(start_at_end(reason, false), reason == START_TAKEN_OVER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_read_as_they_were_written),
        cmocka_unit_test(entries_that_do_not_fit_are_said_to_be_missing),
        cmocka_unit_test(entries_fit_to_the_last_byte),
        cmocka_unit_test(facts_that_do_not_fit_beside_a_note_are_left_out),
        cmocka_unit_test(other_metadata_has_no_facts),
        cmocka_unit_test(every_corruption_of_facts_is_survived),
        cmocka_unit_test(notes_of_several_partitions_say_one_thing),
        cmocka_unit_test(topics_differ_only_when_both_ids_are_known),
        cmocka_unit_test(a_partition_without_an_offset_begins_as_the_group_did),
        cmocka_unit_test(only_a_new_or_foreign_group_begins_at_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
