/* Letters in a directory whose agent gets another client secret: each has the seal of its own time. */
#include "agent/dead_letters/reader/reader.h"
#include "deadletter/seal.h"
#include "letters.h"
#include <stdlib.h>
#include <unistd.h>

static void assert_sealed(struct dead_letter_reader *reader, struct letter_seal *by,
                          struct letter_seal *not_by)
{
    struct dead_letter_entry entry;
    struct error err = {0};
    assert_int_equal(dead_letter_reader_next(reader, &entry, &err), 1);
    assert_int_equal(letter_seal_verify(by, entry.letter_id, &entry.letter, entry.mac), SEAL_VALID);
    assert_int_not_equal(letter_seal_verify(not_by, entry.letter_id, &entry.letter, entry.mac), SEAL_VALID);
}

static void a_letter_has_the_seal_of_the_secret_that_it_was_written_under(void **state)
{
    (void)state;
    char directory[] = "/tmp/dead-letters-XXXXXX", command[64];
    struct world world;
    struct error err = {0};
    struct letter_seal *before = letter_seal_new(SLICE_LITERAL("the client secret"));
    struct letter_seal *after = letter_seal_new(SLICE_LITERAL("another"));
    const struct dead_letter letter = letter_of(7, "{}");
    assert_non_null(mkdtemp(directory));
    struct dead_letters_options options = {.directory = directory, .max_bytes = 1 << 20};
    world_open(&world, &options);
    world_write(&world, &letter);
    world_run_done(&world, 1);
    assert_int_equal(dead_letters_use_secret(world.letters, SLICE_LITERAL("another")), 0);
    world_write(&world, &letter);
    world_run_done(&world, 2);
    world_close(&world);
    struct dead_letter_reader *reader = dead_letter_reader_directory(directory, 1 << 20, &err);
    assert_non_null(reader);
    assert_sealed(reader, before, after);
    assert_sealed(reader, after, before);
    dead_letter_reader_free(reader);
    letter_seal_free(before);
    letter_seal_free(after);
    snprintf(command, sizeof command, "rm -r %s", directory);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_has_the_seal_of_the_secret_that_it_was_written_under),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
