/* Letters in a directory as they are read back, while others may be written. */
#include "agent/dead_letters/reader/reader.h"
#include "deadletter/seal.h"
#include "directory.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>

static void one_process_replays_a_directory_at_a_time(void **state)
{
    (void)state;
    struct error err = {0};
    int lock = dead_letter_replay_lock(directory, false, &err);
    assert_true(lock >= 0);
    assert_int_equal(dead_letter_replay_lock(directory, false, &err), PA_ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, directory));
    close(lock);
    lock = dead_letter_replay_lock(directory, true, &err);
    assert_true(lock >= 0);
    close(lock);
    assert_int_equal(dead_letter_replay_lock("/nowhere", true, &err), PA_ERR_IO);
}

struct reading {
    struct dead_letter_reader *reader;
    struct dead_letter_entry entry;
    int got;
};

static void *read_next(void *ctx)
{
    struct reading *reading = ctx;
    struct error err = {0};
    reading->got = dead_letter_reader_next(reading->reader, &reading->entry, &err);
    return NULL;
}

/** Today's file with the line of one letter, without its line break when `unfinished`; a copy, to be freed.
 */
static char *write_line(bool unfinished)
{
    char path[256];
    struct world world;
    open_directory(&world, 1 << 20);
    struct dead_letter letter = letter_of(1, "{\"a\":\"b\"}");
    world_write(&world, &letter);
    world_run_done(&world, 1);
    world_close(&world);
    char *text = read_today();
    todays_path(path, sizeof path);
    if (unfinished)
        assert_int_equal(truncate(path, (off_t)strlen(text) - 1), 0);
    return text;
}

static struct dead_letter_reader *open_reader(void)
{
    struct error err = {0};
    struct dead_letter_reader *reader = dead_letter_reader_directory(directory, 1 << 20, &err);
    if (!reader)
        fail_msg("%s", err.message);
    return reader;
}

static void a_line_that_is_being_written_is_waited_for(void **state)
{
    (void)state;
    char path[256];
    char *text = write_line(false);
    todays_path(path, sizeof path);
    int file = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    snprintf(path, sizeof path, "%s/dead-letters.lock", directory);
    int lock = open(path, O_RDWR | O_CLOEXEC);
    assert_true(file >= 0 && lock >= 0);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_int_equal(ftruncate(file, 100), 0);
    struct reading reading = {.reader = open_reader(), .got = -1};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_next, &reading), 0);
    assert_int_equal(write(file, text + 100, strlen(text + 100)), strlen(text + 100));
    close(lock);
    pthread_join(thread, NULL);
    assert_int_equal(reading.got, 1);
    assert_int_equal(dead_letter_reader_broken(reading.reader), 0);
    assert_int_equal(reading.entry.letter.offset, 1);
    dead_letter_reader_free(reading.reader);
    close(file);
    free(text);
}

static void a_whole_last_line_is_a_letter_without_its_line_break(void **state)
{
    (void)state;
    free(write_line(true));
    struct error err = {0};
    struct dead_letter_entry entry;
    struct dead_letter_reader *reader = open_reader();
    assert_int_equal(dead_letter_reader_next(reader, &entry, &err), 1);
    assert_string_equal(entry.letter.topic, "org.runs");
    struct dead_letter_ref ref = entry.ref;
    assert_int_equal(dead_letter_reader_next(reader, &entry, &err), 0);
    assert_int_equal(dead_letter_reader_mark(reader, &ref, 1, &err), 0);
    dead_letter_reader_free(reader);
    free(write_line(false)); /* the next one begins a line of its own */
    reader = open_reader();
    assert_int_equal(dead_letter_reader_next(reader, &entry, &err), 1);
    assert_true(entry.replayed);
    assert_int_equal(dead_letter_reader_next(reader, &entry, &err), 1);
    assert_false(entry.replayed);
    assert_int_equal(dead_letter_reader_next(reader, &entry, &err), 0);
    assert_int_equal(dead_letter_reader_broken(reader), 0);
    dead_letter_reader_free(reader);
}

static void note_broken(void *ctx, const char *where, const char *why)
{
    struct buffer *notes = ctx;
    buffer_appendf(notes, "%s|%s\n", strrchr(where, '/') + 1, why);
}

static void what_is_no_letter_is_told_with_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *line, *why;
    } cases[] = {
        {"", "not one JSON object"},
        {"no json", "not one JSON object"},
        {"{}", "\"id\" is not one text"},
        {"[]", "not one JSON object"},
        {"{\"id\":\"0123456789abcdef\"", "not one JSON object"},
    };
    char path[256], expected[512];
    struct buffer notes = {0};
    struct error err = {0};
    struct dead_letter_entry entry;
    snprintf(path, sizeof path, "%s/dead-letters-2026-01-13.jsonl", directory);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        fprintf(file, "%s\n", cases[i].line);
    fputs("{\"id\":", file);
    fclose(file);
    struct dead_letter_reader *reader = open_reader();
    dead_letter_reader_tell(reader, note_broken, &notes);
    assert_int_equal(dead_letter_reader_next(reader, &entry, &err), 0);
    const char *at = buffer_text(&notes);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int len = snprintf(expected, sizeof expected, "dead-letters-2026-01-13.jsonl:%zu|%s\n", i + 1,
                           cases[i].why);
        if (strncmp(at, expected, (size_t)len) != 0)
            fail_msg("'%s' does not begin with '%s'", at, expected);
        at += len;
    }
    assert_string_equal(at, "dead-letters-2026-01-13.jsonl:6|the file ends in the middle of it\n");
    assert_int_equal(dead_letter_reader_broken(reader), 6);
    dead_letter_reader_free(reader);
    buffer_clear(&notes);
}

/** What an endpoint or an event says need not be text; what its MAC is over must be what is read back. */
static void a_letters_mac_is_over_what_is_read_back(void **state)
{
    (void)state;
    struct world world;
    struct error err = {0};
    struct dead_letter_entry entry;
    struct letter_seal *seal = letter_seal_new(SLICE_LITERAL("the client secret"));
    struct dead_letter letter = letter_of(INT64_C(9007199254740000), "{\"a\":\"\xc3\xab\"}");
    letter.reason = "no\xff text \xed\xa0\x80\x01\"\\";
    letter.run_id = (struct slice){"r\0\xfe", 3};
    letter.url = "http://h/\xc3";
    letter.key = (struct slice){"\0k\xff", 3};
    letter.traceparent = SLICE_LITERAL("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    letter.tracestate = SLICE_LITERAL("a=1");
    open_directory(&world, 1 << 20);
    world_write(&world, &letter);
    letter.key = letter.value = letter.run_id = letter.traceparent = letter.tracestate =
        (struct slice){NULL, 0};
    letter.topic = "";
    letter.partition = -1;
    letter.offset = -1;
    letter.status = -1;
    world_write(&world, &letter);
    letter.value = (struct slice){"\xff", 1};
    world_write(&world, &letter);
    world_run_done(&world, 3);
    world_close(&world);
    struct dead_letter_reader *reader = open_reader();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(dead_letter_reader_next(reader, &entry, &err), 1);
        assert_int_equal(letter_seal_verify(seal, entry.letter_id, &entry.letter, entry.mac), SEAL_VALID);
        assert_int_equal(slice_equal_text(entry.letter.tracestate, "a=1"), i == 0);
        assert_int_equal(slice_starts_with(entry.letter.traceparent, "00-0af7651916cd43dd"), i == 0);
    }
    assert_int_equal(dead_letter_reader_next(reader, &entry, &err), 0);
    dead_letter_reader_free(reader);
    letter_seal_free(seal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_DIRECTORY(one_process_replays_a_directory_at_a_time),
        IN_A_DIRECTORY(a_line_that_is_being_written_is_waited_for),
        IN_A_DIRECTORY(a_whole_last_line_is_a_letter_without_its_line_break),
        IN_A_DIRECTORY(what_is_no_letter_is_told_with_file_and_line),
        IN_A_DIRECTORY(a_letters_mac_is_over_what_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
