/* A day's file: what is appended whole, what is refused and why, and what a crash left. The lock and the disk
 * answer as a test says. */
#include "deadletter/internal.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define NAME "dead-letters-2026-01-13.jsonl"

static char directory[64];
/** Of the file that was appended to last. */
static char name[LETTERS_NAME_SIZE];
/** What flock(2) answers so many times, and how often it was asked; what fdatasync(2) answers. */
static int lock_error, lock_failures, lock_calls, sync_error;

int flock(int fd, int operation)
{
    (void)fd;
    assert_int_equal(operation, LOCK_EX | LOCK_NB);
    lock_calls++;
    errno = lock_error;
    return lock_failures-- > 0 ? -1 : 0;
}

int fdatasync(int fd)
{
    (void)fd;
    errno = sync_error;
    return sync_error ? -1 : 0;
}

/** What the disk answers: errors of each call (0: none), how many bytes it writes at once, and how many
 * writes are interrupted first. */
static struct {
    int write_error, pread_error, fsync_error, ftruncate_error, interruptions;
    size_t at_once;
    size_t fsyncs;
} disk;

ssize_t write(int fd, const void *bytes, size_t len)
{
    bool interrupted = disk.interruptions > 0 && disk.interruptions-- > 0;
    errno = interrupted ? EINTR : disk.write_error;
    if (errno)
        return -1;
    return syscall(SYS_write, fd, bytes, len < disk.at_once ? len : disk.at_once);
}

ssize_t pread(int fd, void *bytes, size_t len, off_t offset)
{
    errno = disk.pread_error;
    return errno ? -1 : syscall(SYS_pread64, fd, bytes, len, offset);
}

int fsync(int fd)
{
    (void)fd;
    disk.fsyncs++;
    errno = disk.fsync_error;
    return errno ? -1 : 0;
}

int ftruncate(int fd, off_t size)
{
    errno = disk.ftruncate_error;
    return errno ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

static int begin(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/day-file-XXXXXX");
    lock_error = lock_failures = lock_calls = sync_error = 0;
    memset(&disk, 0, sizeof disk);
    disk.at_once = SIZE_MAX;
    return mkdtemp(directory) && rmdir(directory) == 0 ? 0 : -1;
}

static const char *path_of(const char *file)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    return path;
}

static int end(void **state)
{
    (void)state;
    unlink(path_of(NAME));
    unlink(path_of("dead-letters-2026-01-12.jsonl"));
    unlink(path_of("dead-letters.lock"));
    unlink(path_of("other"));
    unlink(path_of("dead-letters-2026-01-13.1.jsonl"));
    return rmdir(directory);
}

static void write_file(const char *which, const char *text)
{
    FILE *file = fopen(path_of(which), "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_file(const char *expected)
{
    char text[256];
    FILE *file = fopen(path_of(NAME), "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, expected);
}

/** Appends "one\n" and "three\n" and what became of them. */
static void append(int64_t max_bytes, struct day_line lines[2])
{
    lines[0] = (struct day_line){.bytes = SLICE_LITERAL("one\n")};
    lines[1] = (struct day_line){.bytes = SLICE_LITERAL("three\n")};
    strcpy(name, NAME);
    day_file_append(directory, name, max_bytes, lines, 2);
}

static void assert_errors(const struct day_line lines[2], int first, int second)
{
    assert_int_equal(lines[0].error, first);
    assert_int_equal(lines[1].error, second);
    assert_int_equal(*lines[0].reason != '\0', first != 0);
    assert_int_equal(*lines[1].reason != '\0', second != 0);
}

static void lines_are_appended_and_the_directory_is_made(void **state)
{
    (void)state;
    struct day_line lines[2];
    struct stat status;
    append(1000, lines);
    assert_errors(lines, 0, 0);
    append(1000, lines);
    assert_errors(lines, 0, 0);
    assert_file("one\nthree\none\nthree\n");
    assert_int_equal(stat(directory, &status), 0);
    assert_int_equal(status.st_mode & 07007, 0);
    assert_int_equal(stat(path_of(NAME), &status), 0);
    assert_int_equal(status.st_mode & 07117, 0);
}

/** As on a disk that is full: a file has no more bytes than that. 0: as many as ever. */
static void limit_files(rlim_t bytes)
{
    static struct rlimit before;
    static void (*handler)(int);
    if (bytes > 0) {
        handler = signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){bytes, before.rlim_max}), 0);
    } else {
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        signal(SIGXFSZ, handler);
    }
}

/** Of the first line a part is written, and taken back. */
static void a_line_that_does_not_fit_whole_is_taken_back_and_the_next_is_written(void **state)
{
    (void)state;
    struct day_line lines[2];
    strcpy(name, NAME);
    lines[0] = (struct day_line){.bytes = SLICE_LITERAL("twelve bytes\n")};
    lines[1] = (struct day_line){.bytes = SLICE_LITERAL("three\n")};
    assert_int_equal(mkdir(directory, 0700), 0);
    limit_files(10);
    day_file_append(directory, name, 1000, lines, 2);
    limit_files(0);
    assert_errors(lines, EFBIG, 0);
    assert_file("three\n");
}

static void what_a_crash_left_is_closed(void **state)
{
    (void)state;
    struct day_line lines[2];
    assert_int_equal(mkdir(directory, 0700), 0);
    write_file(NAME, "half");
    append(1000, lines);
    assert_errors(lines, 0, 0);
    assert_file("half\none\nthree\n");
}

static void all_letters_together_have_a_bound(void **state)
{
    (void)state;
    struct day_line lines[2];
    assert_int_equal(mkdir(directory, 0700), 0);
    write_file("dead-letters-2026-01-12.jsonl", "12345");
    write_file("other", "not a letter");
    append(15, lines); /* 5 are there, and 4 and 6 fit */
    assert_errors(lines, 0, 0);
    assert_file("one\nthree\n");
    append(24, lines);
    assert_errors(lines, 0, ENOSPC);
    assert_non_null(strstr(lines[1].reason, "DEAD_LETTER_MAX_BYTES is reached"));
    append(18, lines);
    assert_errors(lines, ENOSPC, ENOSPC);
    assert_file("one\nthree\none\n");
}

/** One that does not fit does not keep out those behind it. */
static void one_that_fits_is_written_behind_one_that_does_not(void **state)
{
    (void)state;
    struct day_line lines[2] = {{.bytes = SLICE_LITERAL("too long\n")}, {.bytes = SLICE_LITERAL("one\n")}};
    strcpy(name, NAME);
    day_file_append(directory, name, 4, lines, 2);
    assert_errors(lines, ENOSPC, 0);
    assert_file("one\n");
}

static void a_lock_that_another_has_is_waited_for(void **state)
{
    (void)state;
    struct day_line lines[2];
    lock_error = EWOULDBLOCK;
    lock_failures = 3;
    append(1000, lines);
    assert_errors(lines, 0, 0);
    assert_int_equal(lock_calls, 4);
    lock_error = EINTR;
    lock_failures = 1;
    append(1000, lines);
    assert_errors(lines, 0, 0);
    lock_error = ENOLCK; /* there are none: waiting helps nobody */
    lock_failures = 1000;
    lock_calls = 0;
    append(1000, lines);
    assert_errors(lines, ENOLCK, ENOLCK);
    assert_int_equal(lock_calls, 1);
    assert_non_null(strstr(lines[0].reason, "locking the directory: "));
    assert_file("one\nthree\none\nthree\n");
}

static void what_may_not_be_on_disk_is_taken_back(void **state)
{
    (void)state;
    struct day_line lines[2];
    append(10, lines);
    sync_error = EIO;
    append(14, lines);
    assert_errors(lines, EIO, ENOSPC); /* each has its own cause */
    assert_non_null(strstr(lines[0].reason, "fsync: "));
    assert_file("one\nthree\n");
    append(13, lines); /* nothing was written: nothing to sync */
    assert_errors(lines, ENOSPC, ENOSPC);
}

static void a_line_is_whole_however_it_is_written(void **state)
{
    (void)state;
    struct day_line lines[2];
    disk.at_once = 1;
    disk.interruptions = 3;
    append(1000, lines);
    assert_errors(lines, 0, 0);
    assert_file("one\nthree\n");
    assert_int_equal(disk.fsyncs, 1); /* the file's name */
    append(1000, lines);
    assert_errors(lines, 0, 0);
    assert_int_equal(disk.fsyncs, 1);
    disk.at_once = 0; /* the disk takes nothing, and says no error */
    append(1000, lines);
    assert_errors(lines, EIO, EIO);
    assert_file("one\nthree\none\nthree\n");
}

/** What is left of it then is closed by the next append. */
static void nothing_follows_a_line_that_cannot_be_taken_back(void **state)
{
    (void)state;
    struct day_line lines[2];
    append(10, lines);
    disk.ftruncate_error = EIO;
    limit_files(12);
    append(1000, lines);
    limit_files(0);
    assert_errors(lines, EFBIG, EFBIG);
    disk.ftruncate_error = 0;
    assert_file("one\nthree\non");
    append(1000, lines);
    assert_errors(lines, 0, 0);
    assert_file("one\nthree\non\none\nthree\n");
}

static void lines_that_were_neither_synced_nor_taken_back_are_refused(void **state)
{
    (void)state;
    struct day_line lines[2];
    sync_error = EIO;
    append(1000, lines);
    char taken_back[sizeof lines[0].reason];
    strcpy(taken_back, lines[0].reason);
    disk.ftruncate_error = EROFS;
    append(1000, lines);
    assert_errors(lines, EIO, EIO);
    assert_string_not_equal(lines[0].reason, taken_back); /* they may be there twice later */
    assert_file("one\nthree\n");
}

static void nothing_is_written_where_the_file_cannot_be_prepared(void **state)
{
    (void)state;
    struct day_line lines[2];
    disk.fsync_error = EIO;
    append(1000, lines);
    assert_errors(lines, EIO, EIO);
    assert_file("");
    disk.fsync_error = 0;
    write_file(NAME, "half");
    disk.pread_error = ENXIO;
    append(1000, lines);
    assert_errors(lines, ENXIO, ENXIO);
    disk.pread_error = 0;
    disk.write_error = ENOSPC;
    append(1000, lines);
    assert_errors(lines, ENOSPC, ENOSPC);
    assert_file("half");
}

static void a_place_that_cannot_be_is_told(void **state)
{
    (void)state;
    char below[128], path[sizeof directory];
    struct day_line lines[2];
    assert_int_equal(day_file_prepare(directory), 0);
    assert_int_equal(day_file_prepare(directory), 0);
    write_file("other", "");
    snprintf(below, sizeof below, "%s/other", directory);
    assert_int_equal(day_file_prepare(below), ENOTDIR);
    snprintf(below, sizeof below, "%s/no/where", directory);
    assert_int_equal(day_file_prepare(below), ENOENT);
    assert_int_equal(symlink("other", path_of(NAME)), 0); /* nobody's file but ours */
    append(1000, lines);
    assert_errors(lines, 0, 0);
    assert_string_equal(name, "dead-letters-2026-01-13.1.jsonl"); /* beside it */
    strcpy(path, directory);
    strcpy(directory, "/nowhere/at/all");
    append(1000, lines);
    strcpy(directory, path);
    assert_errors(lines, ENOENT, ENOENT);
    assert_non_null(strstr(lines[0].reason, "opening the directory: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_are_appended_and_the_directory_is_made, begin, end),
        cmocka_unit_test_setup_teardown(a_line_that_does_not_fit_whole_is_taken_back_and_the_next_is_written,
                                        begin, end),
        cmocka_unit_test_setup_teardown(what_a_crash_left_is_closed, begin, end),
        cmocka_unit_test_setup_teardown(all_letters_together_have_a_bound, begin, end),
        cmocka_unit_test_setup_teardown(one_that_fits_is_written_behind_one_that_does_not, begin, end),
        cmocka_unit_test_setup_teardown(a_lock_that_another_has_is_waited_for, begin, end),
        cmocka_unit_test_setup_teardown(what_may_not_be_on_disk_is_taken_back, begin, end),
        cmocka_unit_test_setup_teardown(a_line_is_whole_however_it_is_written, begin, end),
        cmocka_unit_test_setup_teardown(nothing_follows_a_line_that_cannot_be_taken_back, begin, end),
        cmocka_unit_test_setup_teardown(lines_that_were_neither_synced_nor_taken_back_are_refused, begin,
                                        end),
        cmocka_unit_test_setup_teardown(nothing_is_written_where_the_file_cannot_be_prepared, begin, end),
        cmocka_unit_test_setup_teardown(a_place_that_cannot_be_is_told, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
