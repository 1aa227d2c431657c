/* Letters in a directory: on disk before `done`, never lost, never half there. */
#include "directory.h"
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../logs.h"

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

static void a_letter_of_no_topic_is_told_of_without_one(void **state)
{
    (void)state;
    struct world world;
    struct caught caught = logs_catch();
    open_directory(&world, 10);
    struct dead_letter letter = letter_of(-1, "{}");
    letter.topic = "";
    letter.partition = -1;
    world_write(&world, &letter);
    world_run_failures(&world, 1);
    world_close(&world);
    char *text = logs_end(&caught);
    assert_non_null(strstr(text, "a dead letter cannot be written"));
    assert_null(strstr(text, "messaging."));
    free(text);
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

/** How often it is said at the start that letters cannot be written to this place. */
static size_t said_at_the_start(const char *place)
{
    struct world world;
    struct caught caught = logs_catch();
    world_open(&world, &(struct dead_letters_options){.directory = place, .max_bytes = 1 << 20});
    world_close(&world);
    char *text = logs_end(&caught);
    size_t said = occurrences(text, "dead letters cannot be written now");
    free(text);
    return said;
}

static void a_place_that_may_come_later_is_told_at_the_start(void **state)
{
    (void)state;
    char place[256];
    assert_int_equal(said_at_the_start(directory), 0);
    snprintf(place, sizeof place, "%s/not/mounted/yet", directory);
    assert_int_equal(said_at_the_start(place), 1);
}

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
        IN_A_DIRECTORY(a_letter_of_no_topic_is_told_of_without_one),
        IN_A_DIRECTORY(closing_forgets_what_waits_and_waits_for_what_is_under_way),
        IN_A_DIRECTORY(several_agents_share_a_directory),
        IN_A_DIRECTORY(an_agent_that_stopped_with_the_lock_holds_nobody_for_ever),
        IN_A_DIRECTORY(places_that_cannot_be_are_refused_at_once),
        IN_A_DIRECTORY(a_directory_that_is_missing_is_made),
        IN_A_DIRECTORY(a_place_that_may_come_later_is_told_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
