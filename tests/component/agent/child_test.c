/* Further processes of the demo: what they are given, what is heard of them, how they end. This program
 * starts itself. */
#include "agent/demo/child.h"
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { LOOKS = 6000, LOOK_MS = 10, STRANGE_FROM = 100 };

/** As the child: says what it was given. */
static int say(int strange)
{
    char text[64] = "", folder[64] = "";
    int file = open(CHILD_FILE, O_RDONLY | O_CLOEXEC);
    ssize_t got = read(file, text, sizeof text - 1);
    printf("file: %s\nNAME: %s\nHOME: %s\nfolder: %s\nstrange: %s\n", got > 0 ? text : "none", getenv("NAME"),
           getenv("HOME") ? "known" : "unknown", getcwd(folder, sizeof folder),
           fcntl(strange, F_GETFD) < 0 ? "closed" : "open");
    fputs("and this is an error\n", stderr);
    return 7;
}

static void wait_for_end(struct child *child)
{
    for (int i = 0; i < LOOKS && !child->ended; i++) {
        child_look(child);
        poll(NULL, 0, LOOK_MS);
    }
    assert_true(child->ended);
}

static void wait_for_line(struct child *child, const char *line)
{
    for (int i = 0; i < LOOKS && slice_is_null(child_line_with(child, line)); i++) {
        child_look(child);
        poll(NULL, 0, LOOK_MS);
    }
}

static void assert_says(struct child *child, const char *line)
{
    struct slice found = child_line_with(child, line);
    if (!slice_equal_text(found, line))
        fail_msg("'%s' is not a line of: %s", line, buffer_text(&child->said));
}

static void a_child_has_its_settings_and_its_file_and_nothing_else(void **state)
{
    struct child child = {0};
    struct child_settings settings = {0};
    struct error err = {0};
    char strange[16];
    (void)state;
    int file = memfd_create("given", MFD_CLOEXEC), other = fcntl(STDERR_FILENO, F_DUPFD, STRANGE_FROM);
    assert_int_equal(write(file, "a text", 6), 6);
    snprintf(strange, sizeof strange, "%d", other);
    const char *const words[] = {"child", "say", strange, NULL};
    setenv("HOME", "/root", 1);
    child_set(&settings, "NAME", "before");
    child_set(&settings, "NAMES", "others");
    child_set(&settings, "NAME", "%s %d", "value", 5);
    assert_int_equal(settings.count, 2);
    assert_int_equal(child_start(&child, words, &settings, file, &err), 0);
    wait_for_end(&child);
    assert_says(&child, "file: a text");
    assert_says(&child, "NAME: value 5");
    assert_says(&child, "HOME: unknown");
    assert_says(&child, "folder: /proc");
    assert_says(&child, "strange: closed");
    assert_says(&child, "and this is an error");
    assert_int_equal(child.exit_code, 7);
    child_end(&child);
    close(file);
    close(other);
}

static void a_child_that_is_killed_or_stopped_is_heard_of_and_starts_again(void **state)
{
    const char *const words[] = {"child", "wait", NULL};
    struct child child = {0};
    struct child_settings settings = {0};
    struct error err = {0};
    (void)state;
    children_adopt();
    assert_int_equal(child_start(&child, words, &settings, -1, &err), 0);
    child_kill(&child);
    wait_for_end(&child);
    assert_int_equal(child.exit_code, 128 + SIGKILL);
    assert_int_equal(child_start(&child, words, &settings, -1, &err), 0);
    assert_false(child.ended);
    wait_for_line(&child, "waiting"); /* valgrind may lose a signal that comes before the program has begun */
    child_stop(&child);
    wait_for_end(&child);
    assert_int_equal(child.exit_code, 128 + SIGTERM);
    assert_int_equal(child_start(&child, words, &settings, -1, &err), 0);
    child_end(&child);
    assert_int_equal(child.pid, 0);
    assert_true(children_gone());
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_has_its_settings_and_its_file_and_nothing_else),
        cmocka_unit_test(a_child_that_is_killed_or_stopped_is_heard_of_and_starts_again),
    };
    if (argc > 2 && strcmp(argv[1], "say") == 0)
        return say((int)strtol(argv[2], NULL, 10));
    if (argc > 1 && strcmp(argv[1], "wait") == 0) {
        puts("waiting");
        fflush(stdout);
        return pause();
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
