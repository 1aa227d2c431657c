/* Files that change behind a path: told by what the path leads to, whatever size and time say. */
#include "config/watched.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/watched-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"a", "b", "link", "next", "late"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(names[i]);
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/** The time of modification that every file of these tests gets. */
static void set_time(const char *path)
{
    const struct timespec times[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static struct buffer marks_of(const char *paths, size_t len)
{
    struct buffer marks = {0};
    PA_IGNORE(watched_look((struct slice){paths, len}, &marks)); /* all of this is recent */
    assert_false(marks.failed);
    return marks;
}

/** Are they those of `before`, which become the present ones? */
static bool look_same(struct buffer *before, const char *paths, size_t len)
{
    struct buffer now = marks_of(paths, len);
    bool same = slice_equal(buffer_slice(before), buffer_slice(&now));
    buffer_clear(before);
    *before = now;
    return same;
}

static void a_link_that_leads_elsewhere_is_noticed(void **state)
{
    (void)state;
    static const char paths[] = "link";
    write_file("a", "one");
    write_file("b", "two");
    set_time("a");
    set_time("b");
    assert_int_equal(symlink("a", "link"), 0);
    struct buffer marks = marks_of(paths, sizeof paths);
    assert_true(look_same(&marks, paths, sizeof paths));
    assert_int_equal(symlink("b", "next"), 0);
    assert_int_equal(rename("next", "link"), 0);
    assert_false(look_same(&marks, paths, sizeof paths));
    assert_true(look_same(&marks, paths, sizeof paths));
    buffer_clear(&marks);
}

static void the_same_size_and_time_hide_nothing(void **state)
{
    (void)state;
    static const char paths[] = "a\0b";
    write_file("a", "one");
    set_time("a");
    struct buffer marks = marks_of(paths, sizeof paths);
    struct stat before, after;
    assert_int_equal(stat("a", &before), 0);
    do { /* until the file system's clock has gone on */
        write_file("a", "two");
        set_time("a");
        assert_int_equal(stat("a", &after), 0);
    } while (after.st_ctim.tv_sec == before.st_ctim.tv_sec &&
             after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
    assert_int_equal(after.st_size, before.st_size);
    assert_int_equal(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
    assert_false(look_same(&marks, paths, sizeof paths));
    buffer_clear(&marks);
}

/** A change that the next one could hide, both within a tick of the clock, is looked at once more. */
static void what_is_recent_is_said(void **state)
{
    (void)state;
    struct buffer marks = {0};
    write_file("a", "one");
    assert_true(watched_look(SLICE_LITERAL("a\0"), &marks));
    assert_true(watched_look(SLICE_LITERAL("/proc/self/exe/none\0a\0"), &marks)); /* the second alone */
    assert_false(watched_look(SLICE_LITERAL("/proc/self/exe/none\0"), &marks));
    assert_false(watched_look((struct slice){NULL, 0}, &marks));
    buffer_clear(&marks);
}

static void a_file_that_comes_or_goes_is_noticed(void **state)
{
    (void)state;
    static const char paths[] = "late";
    struct buffer marks = marks_of(paths, sizeof paths);
    assert_true(look_same(&marks, paths, sizeof paths));
    write_file("late", "");
    assert_false(look_same(&marks, paths, sizeof paths));
    assert_int_equal(unlink("late"), 0);
    assert_false(look_same(&marks, paths, sizeof paths));
    buffer_clear(&marks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_that_leads_elsewhere_is_noticed),
        cmocka_unit_test(the_same_size_and_time_hide_nothing),
        cmocka_unit_test(what_is_recent_is_said),
        cmocka_unit_test(a_file_that_comes_or_goes_is_noticed),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
