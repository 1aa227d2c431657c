/* What else may stand where letters are written and read: links, pipes, folders, files of holes. None of it
 * is followed, and none of it holds anything back. */
#include "agent/dead_letters/reader/reader.h"
#include "deadletter/internal.h"
#include "letters.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64], elsewhere[64];

static int make_directories(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/taken-names-XXXXXX");
    strcpy(elsewhere, "/tmp/taken-names-XXXXXX");
    return mkdtemp(directory) && mkdtemp(elsewhere) ? 0 : -1;
}

static int remove_directories(void **state)
{
    char command[192];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s %s", directory, elsewhere);
    return system(command);
}

static const char *path_of(const char *name)
{
    static char paths[4][256];
    static size_t next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

/** "dead-letters-2026-01-13" of today. */
static const char *today(void)
{
    static char name[64];
    char now[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall_ms(clock_system()), now);
    snprintf(name, sizeof name, "dead-letters-%.10s", now);
    return name;
}

static const char *named(const char *end)
{
    static char names[4][96];
    static size_t next;
    char *name = names[next++ % 4];
    snprintf(name, sizeof names[0], "%s%s", today(), end);
    return name;
}

static void write_letters(unsigned count)
{
    struct world world;
    struct dead_letters_options options = {.directory = directory, .max_bytes = 1 << 20};
    world_open(&world, &options);
    for (unsigned i = 0; i < count; i++) {
        struct dead_letter letter = letter_of((int64_t)i, "{\"a\":\"b\"}");
        world_write(&world, &letter);
    }
    world_run_done(&world, count);
    world_close(&world);
}

static unsigned mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    return (unsigned)status.st_mode & 07777;
}

static off_t size_of(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? status.st_size : -1;
}

static void note_broken(void *ctx, const char *where, const char *why)
{
    buffer_appendf(ctx, "%s|%s\n", strrchr(where, '/') + 1, why);
}

/** How many letters are read, with what was told of the rest in `notes`. */
static unsigned read_letters(struct buffer *notes, struct dead_letter_ref *last)
{
    struct error err = {0};
    struct dead_letter_entry entry;
    unsigned count = 0;
    struct dead_letter_reader *reader = dead_letter_reader_directory(directory, 1 << 10, &err);
    if (!reader)
        fail_msg("%s", err.message);
    dead_letter_reader_tell(reader, note_broken, notes);
    int got;
    while ((got = dead_letter_reader_next(reader, &entry, &err)) == 1) {
        count++;
        *last = entry.ref;
        if (entry.replayed)
            buffer_appendf(notes, "replayed\n");
    }
    if (got != 0)
        fail_msg("%s", err.message);
    dead_letter_reader_free(reader);
    return count;
}

static void letters_are_for_the_agent_alone(void **state)
{
    (void)state;
    mode_t before = umask(0);
    rmdir(directory);
    write_letters(1);
    assert_int_equal(mode_of(directory), 0700);
    assert_int_equal(mode_of(path_of(named(".jsonl"))), 0600);
    assert_int_equal(mode_of(path_of("dead-letters.lock")), 0600);
    struct error err = {0};
    int lock = dead_letter_replay_lock(directory, false, &err);
    assert_true(lock >= 0);
    close(lock);
    assert_int_equal(mode_of(path_of("dead-letters.replay.lock")), 0600);
    assert_int_equal(chmod(path_of(named(".jsonl")), 0644), 0); /* as an earlier agent made it */
    write_letters(1);
    assert_int_equal(mode_of(path_of(named(".jsonl"))), 0600);
    umask(before);
}

static void take(const char *name, const char *kind)
{
    char target[160];
    snprintf(target, sizeof target, "%s/target", elsewhere);
    if (strcmp(kind, "pipe") == 0)
        assert_int_equal(mkfifo(path_of(name), 0600), 0);
    else if (strcmp(kind, "folder") == 0)
        assert_int_equal(mkdir(path_of(name), 0700), 0);
    else if (strcmp(kind, "link") == 0 || strcmp(kind, "link to a file") == 0)
        assert_int_equal(symlink(target, path_of(name)), 0);
    else { /* holes */
        int fd = open(path_of(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(ftruncate(fd, (off_t)1 << 42), 0);
        close(fd);
    }
    if (strcmp(kind, "link to a file") == 0)
        close(open(target, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

/** All that may be there, in the places of as many files. */
static void in_the_place_of_the_days_file_it_holds_no_letter_back(void **state)
{
    (void)state;
    static const char *const kinds[] = {"pipe", "folder", "link", "link to a file", "holes"};
    static const char *const places[] = {"", ".1", ".2", ".3", ".4"};
    struct buffer notes = {0};
    struct dead_letter_ref last;
    struct error err = {0};
    char target[160], end[32], told[96];
    snprintf(target, sizeof target, "%s/target", elsewhere);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        snprintf(end, sizeof end, "%s.jsonl", places[i]);
        take(named(end), kinds[i]);
        snprintf(end, sizeof end, "%s.replayed", places[i]);
        take(named(end), kinds[i]);
    }
    write_letters(2);
    assert_int_equal(mode_of(path_of(named(".5.jsonl"))), 0600);
    assert_int_equal(size_of(target), 0);
    assert_int_equal(read_letters(&notes, &last), 2);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        snprintf(told, sizeof told, "%s%s.jsonl|it ", today(), places[i]);
        if (!strstr(buffer_text(&notes), told))
            fail_msg("%s: %s", kinds[i], notes.ptr);
        snprintf(told, sizeof told, "%s%s.replayed|it ", today(), places[i]);
        if (!strstr(notes.ptr, told))
            fail_msg("%s: %s", kinds[i], notes.ptr);
    }
    /* what was replayed is remembered all the same */
    struct dead_letter_reader *reader = dead_letter_reader_directory(directory, 1 << 20, &err);
    assert_int_equal(dead_letter_reader_mark(reader, &last, 1, &err), 0);
    dead_letter_reader_free(reader);
    notes.len = 0;
    assert_int_equal(read_letters(&notes, &last), 2);
    assert_non_null(strstr(buffer_text(&notes), "replayed\n"));
    assert_int_equal(size_of(target), 0);
    buffer_clear(&notes);
}

static void in_the_place_of_the_lock_it_holds_no_letter_back(void **state)
{
    (void)state;
    static const char *const kinds[] = {"pipe", "folder", "link"};
    char target[160];
    snprintf(target, sizeof target, "%s/target", elsewhere);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct day_line line = {.bytes = SLICE_LITERAL("a line\n")};
        char name[LETTERS_NAME_SIZE] = "dead-letters-2026-01-13.jsonl";
        take("dead-letters.lock", kinds[i]);
        day_file_append(directory, name, 1 << 20, &line, 1);
        assert_int_equal(line.error, 0);
        assert_int_equal(size_of(path_of(name)), (i + 1) * line.bytes.len);
        assert_int_equal(size_of(target), -1);
        assert_int_equal(remove(path_of("dead-letters.lock")), 0);
    }
}

static void in_the_place_of_the_directory_a_link_is_not_followed(void **state)
{
    (void)state;
    char link[128], slashed[136];
    struct error err = {0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    snprintf(link, sizeof link, "%s/link", elsewhere);
    snprintf(slashed, sizeof slashed, "%s//", link);
    assert_int_equal(symlink(directory, link), 0);
    struct dead_letters_options options = {.loop = &loop,
                                           .clock = clock_system(),
                                           .secret = SLICE_LITERAL("the client secret"),
                                           .directory = link,
                                           .max_bytes = 1 << 20};
    assert_null(dead_letters_new(&options, &err));
    assert_non_null(strstr(err.message, "is not a directory"));
    assert_null(dead_letter_reader_directory(link, 1 << 20, &err));
    assert_null(dead_letter_reader_directory(slashed, 1 << 20, &err));
    assert_true(dead_letter_replay_lock(slashed, false, &err) < 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void what_is_no_letter_file_takes_no_room_from_letters(void **state)
{
    (void)state;
    take("dead-letters-of-nobody", "holes");
    take("dead-letters-2026-01-01.jsonl", "holes");
    write_letters(1);
    assert_true(size_of(path_of(named(".jsonl"))) > 0);
}

static void a_line_that_is_too_long_is_passed_over_in_bounded_memory(void **state)
{
    (void)state;
    struct buffer notes = {0};
    struct dead_letter_ref last;
    char block[65536];
    write_letters(1);
    FILE *file = fopen(path_of("dead-letters-2026-01-01.jsonl"), "we");
    assert_non_null(file);
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 20; i++) /* more than a MiB */
        assert_int_equal(fwrite(block, sizeof block, 1, file), 1);
    fputs("\nno letter\n", file);
    fclose(file);
    assert_int_equal(read_letters(&notes, &last), 1);
    assert_string_equal(
        buffer_text(&notes),
        "dead-letters-2026-01-01.jsonl:1|it is longer than any letter (RECORD_MAX_BYTES says how "
        "long they are)\ndead-letters-2026-01-01.jsonl:2|not one JSON object\n");
    buffer_clear(&notes);
}

#define IN_A_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directories, remove_directories)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_DIRECTORY(letters_are_for_the_agent_alone),
        IN_A_DIRECTORY(in_the_place_of_the_days_file_it_holds_no_letter_back),
        IN_A_DIRECTORY(in_the_place_of_the_lock_it_holds_no_letter_back),
        IN_A_DIRECTORY(in_the_place_of_the_directory_a_link_is_not_followed),
        IN_A_DIRECTORY(what_is_no_letter_file_takes_no_room_from_letters),
        IN_A_DIRECTORY(a_line_that_is_too_long_is_passed_over_in_bounded_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
