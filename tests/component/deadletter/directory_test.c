/* Letters in a directory: on disk before `done`, never lost, never half there. */
#include "agent/dead_letters/reader/reader.h"
#include "deadletter/seal.h"
#include "letters.h"
#include <cjson/cJSON.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[64];

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/dead-letters-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

/** Empties the directory; with `remove` it goes too. */
static void empty_directory(bool remove)
{
    char path[sizeof directory + 256 + 2];
    DIR *entries = opendir(directory);
    struct dirent *entry;
    while (entries && (entry = readdir(entries))) {
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    if (entries)
        closedir(entries);
    if (remove)
        rmdir(directory);
}

static int remove_directory(void **state)
{
    (void)state;
    empty_directory(true);
    return 0;
}

static void open_directory(struct world *world, int64_t max_bytes)
{
    struct dead_letters_options options = {.directory = directory, .max_bytes = max_bytes};
    world_open(world, &options);
}

static void todays_path(char *path, size_t size)
{
    char day[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall_ms(clock_system()), day);
    snprintf(path, size, "%s/dead-letters-%.10s.jsonl", directory, day);
}

/** Today's file; the caller frees. */
static char *read_today(void)
{
    char path[256], chunk[4096];
    struct buffer text = {0};
    size_t got;
    todays_path(path, sizeof path);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        buffer_append(&text, chunk, got);
    fclose(file);
    return buffer_take(&text, NULL);
}

/** Checks that every line is a letter and returns how many there are. */
static unsigned count_letters(const char *text)
{
    unsigned count = 0;
    while (*text) {
        const char *end = strchr(text, '\n');
        assert_non_null(end);
        cJSON *line = cJSON_ParseWithLength(text, (size_t)(end - text));
        if (!line)
            fail_msg("not JSON: %.*s", (int)(end - text), text);
        assert_non_null(cJSON_GetObjectItem(line, "reason"));
        cJSON_Delete(line);
        text = end + 1;
        count++;
    }
    return count;
}

static const char *text_of(const cJSON *line, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItem(line, name));
}

static void a_letter_is_a_line_with_everything_in_it(void **state)
{
    (void)state;
    struct world world;
    struct dead_letter letter = letter_of(77, "{\"title\":\"Zo\xc3\xab\",\"big\":9007199254740993}\n");
    open_directory(&world, 1 << 20);
    letter.key = (struct slice){"\xff\x00key", 5};
    world_write(&world, &letter);
    assert_int_equal(world.done, 0);
    world_run_done(&world, 1);
    world_close(&world);

    char *text = read_today();
    cJSON *line = cJSON_Parse(text);
    assert_non_null(line);
    assert_int_equal(strlen(text_of(line, "id")), 16);
    assert_string_equal(text_of(line, "time"), "2026-01-13T15:20:16.641Z");
    assert_string_equal(text_of(line, "reason"), letter.reason);
    assert_int_equal(cJSON_GetObjectItem(line, "attempts")->valueint, 5);
    assert_int_equal(cJSON_GetObjectItem(line, "status")->valueint, 503);
    assert_string_equal(text_of(line, "topic"), "org.runs");
    assert_int_equal(cJSON_GetObjectItem(line, "partition")->valueint, 2);
    assert_int_equal(cJSON_GetObjectItem(line, "offset")->valueint, 77);
    assert_string_equal(text_of(line, "record_id"), "org.runs-2-77");
    assert_string_equal(text_of(line, "url"), letter.url);
    assert_string_equal(text_of(line, "run_id"), "r_1");
    assert_string_equal(text_of(line, "key_encoding"), "base64");
    assert_string_equal(text_of(line, "key"), "/wBrZXk=");
    assert_string_equal(text_of(line, "value_encoding"), "text");
    assert_string_equal(text_of(line, "value"), letter.value.ptr);
    cJSON_Delete(line);
    free(text);
}

static void many_letters_go_in_few_batches_and_each_is_there_once(void **state)
{
    (void)state;
    struct world world;
    open_directory(&world, 64 << 20);
    for (unsigned i = 0; i < 1000; i++) {
        struct dead_letter letter = letter_of(i, "{}");
        world_write(&world, &letter);
    }
    world_run_done(&world, 1000);
    struct dead_letters_counters counters;
    dead_letters_counters(world.letters, &counters);
    assert_int_equal(counters.written, 1000);
    assert_int_equal(counters.waiting, 0);
    assert_int_equal(counters.failures, 0);
    world_close(&world);
    char *text = read_today();
    assert_int_equal(count_letters(text), 1000);
    free(text);
}

static void a_full_directory_holds_letters_back_until_there_is_room(void **state)
{
    (void)state;
    struct world world;
    char large[3000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    open_directory(&world, 4096);
    struct dead_letter first = letter_of(1, large), second = letter_of(2, large), small = letter_of(3, "{}");
    world_write(&world, &first);
    world_run_done(&world, 1);
    world_write(&world, &second);
    world_run_failures(&world, 2);
    assert_int_equal(world.done, 1);
    world_write(&world, &small); /* what fits is not held up by what does not */
    world_run_done(&world, 2);
    assert_true(dead_letters_view(world.letters).failing);
    assert_non_null(strstr(dead_letters_view(world.letters).reason, "DEAD_LETTER_MAX_BYTES"));
    empty_directory(false);
    world_run_done(&world, 3);
    assert_false(dead_letters_view(world.letters).failing);
    world_close(&world);
    char *text = read_today();
    assert_int_equal(count_letters(text), 1);
    free(text);
}

static void what_a_full_disk_cut_off_is_taken_back_and_written_later(void **state)
{
    (void)state;
    struct world world;
    struct rlimit before, limit;
    char large[5000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
    open_directory(&world, 1 << 20);
    struct dead_letter small = letter_of(1, "{}"), letter = letter_of(2, large);
    world_write(&world, &small);
    world_run_done(&world, 1);
    setrlimit(RLIMIT_FSIZE, &limit);
    world_write(&world, &letter);
    world_run_failures(&world, 1);
    setrlimit(RLIMIT_FSIZE, &before);
    char *text = read_today();
    assert_int_equal(count_letters(text), 1);
    free(text);
    world_run_done(&world, 2);
    world_close(&world);
    text = read_today();
    assert_int_equal(count_letters(text), 2);
    free(text);
}

static void a_line_that_a_crash_left_unfinished_is_closed_by_the_next(void **state)
{
    (void)state;
    struct world world;
    char path[256];
    todays_path(path, sizeof path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs("{\"id\":\"0123", file);
    fclose(file);
    open_directory(&world, 1 << 20);
    struct dead_letter letter = letter_of(1, "{}");
    world_write(&world, &letter);
    world_run_done(&world, 1);
    world_close(&world);
    char *text = read_today();
    const char *rest = strchr(text, '\n');
    assert_non_null(rest);
    assert_int_equal(rest - text, strlen("{\"id\":\"0123"));
    assert_int_equal(count_letters(rest + 1), 1);
    free(text);
}

static void a_forgotten_letter_tells_nobody_and_its_bytes_are_not_read_again(void **state)
{
    (void)state;
    struct world world;
    open_directory(&world, 1 << 20);
    for (int64_t i = 0; i < 2; i++) {
        char *value = strdup("{\"short\":\"lived\"}");
        struct dead_letter letter = letter_of(i, value);
        struct dead_letter_write *write = world_write(&world, &letter);
        /* Once before the loop has seen it, once while the thread pool has it. */
        while (i == 1 && uv_loop_alive(&world.loop) && uv_run(&world.loop, UV_RUN_NOWAIT) &&
               world.loop.active_reqs.count == 0)
            ;
        dead_letter_write_forget(write);
        free(value);
    }
    struct dead_letter last = letter_of(2, "{}");
    world_write(&world, &last);
    world_run_done(&world, 1);
    struct dead_letters_counters counters;
    dead_letters_counters(world.letters, &counters);
    assert_int_equal(counters.waiting, 0);
    world_close(&world);
    char *text = read_today();
    assert_int_equal(count_letters(text), 2);
    free(text);
}

static void a_failure_is_logged_at_once_and_then_once_a_minute(void **state)
{
    (void)state;
    struct world world;
    char text[65536] = "";
    FILE *file = tmpfile();
    assert_non_null(file);
    struct log_options options = {.fd = fileno(file), .format = LOG_FORMAT_JSON, .level = LOG_DEBUG};
    struct log *log = log_new(&options), *before = log_set_current(log);
    open_directory(&world, 10);
    struct dead_letter letter = letter_of(77, "{\"hidden\":\"payload\"}");
    world_write(&world, &letter);
    world_run_failures(&world, 5);
    world_close(&world);
    log_set_current(before);
    log_free(log, 2000);
    assert_true(pread(fileno(file), text, sizeof text - 1, 0) > 0);
    fclose(file);
    const char *first = strstr(text, "a dead letter cannot be written");
    assert_non_null(first);
    assert_non_null(strstr(text, "DEAD_LETTER_MAX_BYTES is reached"));
    assert_non_null(strstr(text, "\"messaging.kafka.offset\":77"));
    assert_null(strstr(first + 1, "a dead letter cannot be written"));
    assert_null(strstr(text, "payload"));
}

static void closing_forgets_what_waits_and_waits_for_what_is_under_way(void **state)
{
    (void)state;
    struct world world;
    open_directory(&world, 10);
    struct dead_letter letter = letter_of(1, "{}");
    world_write(&world, &letter);
    world_run_failures(&world, 1);
    world_write(&world, &letter);
    uv_run(&world.loop, UV_RUN_NOWAIT);
    world_close(&world);
    assert_int_equal(world.done, 0);
}

enum { AGENTS = 3, LETTERS = 150 };

/** What each of several agents does, in a process of its own. */
static int write_letters(void)
{
    char value[2000];
    struct world world;
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    open_directory(&world, 64 << 20);
    for (unsigned i = 0; i < LETTERS; i++) {
        struct dead_letter letter = letter_of(i, value);
        world_write(&world, &letter);
        if (i % 10 == 9)
            world_run_done(&world, i + 1);
    }
    world_close(&world);
    return 0;
}

static void several_agents_share_a_directory(void **state)
{
    (void)state;
    char program[256] =
        ""; /* by its path: under valgrind /proc/self/exe is valgrind, but the link is read as ours */
    assert_in_range(readlink("/proc/self/exe", program, sizeof program - 1), 1, sizeof program - 2);
    for (int agent = 0; agent < AGENTS; agent++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            execl(program, "agent", directory, (char *)NULL);
            _exit(1);
        }
    }
    for (int agent = 0; agent < AGENTS; agent++) {
        int status = -1;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    char *text = read_today();
    assert_int_equal(count_letters(text), AGENTS * LETTERS);
    free(text);
}

static void an_agent_that_stopped_with_the_lock_holds_nobody_for_ever(void **state)
{
    (void)state;
    struct world world;
    char path[256];
    snprintf(path, sizeof path, "%s/dead-letters.lock", directory);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    assert_true(lock >= 0);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    open_directory(&world, 1 << 20);
    struct dead_letter letter = letter_of(1, "{}");
    world_write(&world, &letter);
    world_run_failures(&world, 1);
    assert_int_equal(world.done, 0);
    close(lock);
    world_run_done(&world, 1);
    world_close(&world);
}

static void places_that_cannot_be_are_refused_at_once(void **state)
{
    (void)state;
    char path[256];
    uv_loop_t loop;
    struct error err = {0};
    uv_loop_init(&loop);
    todays_path(path, sizeof path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fclose(file);
    struct dead_letters_options options = {
        .loop = &loop, .clock = clock_system(), .directory = path, .max_bytes = 1 << 20};
    assert_null(dead_letters_new(&options, &err));
    assert_non_null(strstr(err.message, "PORT_CLIENT_SECRET"));
    options.secret = SLICE_LITERAL("the client secret");
    assert_null(dead_letters_new(&options, &err));
    assert_non_null(strstr(err.message, "is not a directory"));
    options.directory = directory;
    options.topic = "letters";
    assert_null(dead_letters_new(&options, &err));
    options.directory = options.topic = "";
    assert_null(dead_letters_new(&options, &err));
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void a_directory_that_is_missing_is_made(void **state)
{
    (void)state;
    struct world world;
    rmdir(directory);
    open_directory(&world, 1 << 20);
    rmdir(directory); /* gone again, while the agent runs */
    struct dead_letter letter = letter_of(1, "{}");
    world_write(&world, &letter);
    world_run_done(&world, 1);
    world_close(&world);
    char *text = read_today();
    assert_int_equal(count_letters(text), 1);
    free(text);
}

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

/* Reading */

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

#define IN_A_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(int argc, char **argv)
{
    if (argc > 1) {
        snprintf(directory, sizeof directory, "%s", argv[1]);
        return write_letters();
    }
    const struct CMUnitTest tests[] = {
        IN_A_DIRECTORY(a_letter_is_a_line_with_everything_in_it),
        IN_A_DIRECTORY(many_letters_go_in_few_batches_and_each_is_there_once),
        IN_A_DIRECTORY(a_full_directory_holds_letters_back_until_there_is_room),
        IN_A_DIRECTORY(what_a_full_disk_cut_off_is_taken_back_and_written_later),
        IN_A_DIRECTORY(a_line_that_a_crash_left_unfinished_is_closed_by_the_next),
        IN_A_DIRECTORY(a_forgotten_letter_tells_nobody_and_its_bytes_are_not_read_again),
        IN_A_DIRECTORY(a_failure_is_logged_at_once_and_then_once_a_minute),
        IN_A_DIRECTORY(closing_forgets_what_waits_and_waits_for_what_is_under_way),
        IN_A_DIRECTORY(several_agents_share_a_directory),
        IN_A_DIRECTORY(an_agent_that_stopped_with_the_lock_holds_nobody_for_ever),
        IN_A_DIRECTORY(places_that_cannot_be_are_refused_at_once),
        IN_A_DIRECTORY(a_directory_that_is_missing_is_made),
        IN_A_DIRECTORY(one_process_replays_a_directory_at_a_time),
        IN_A_DIRECTORY(a_line_that_is_being_written_is_waited_for),
        IN_A_DIRECTORY(a_whole_last_line_is_a_letter_without_its_line_break),
        IN_A_DIRECTORY(what_is_no_letter_is_told_with_file_and_line),
        IN_A_DIRECTORY(a_letters_mac_is_over_what_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
