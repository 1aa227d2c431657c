/* The environment in memory of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/containment.h"
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/** What was taken stays for good, as it does in the agent: setenv(3) keeps pointers into it. */
static char **before, **taken;
static char bytes[64], *entries[3];

static int keep_environment(void **state)
{
    (void)state;
    before = environ;
    memset(bytes, 0, sizeof bytes);
    return 0;
}

/** Everybody reads it, sanitizers too. */
static int restore_environment(void **state)
{
    (void)state;
    environ = before;
    return 0;
}

/** An environment as main() gets one. */
static void come_with(const char *first, const char *second)
{
    strcpy(bytes, first);
    strcpy(bytes + strlen(first) + 1, second);
    entries[0] = bytes;
    entries[1] = bytes + strlen(first) + 1;
    entries[2] = NULL;
    environ = entries;
}

static void what_came_is_wiped_and_what_is_read_stays(void **state)
{
    static const char nothing[64];
    (void)state;
    come_with("SECRET=abc", "EMPTY=");
    assert_true(environment_take());
    taken = environ;
    assert_memory_equal(bytes, nothing, sizeof bytes);
    assert_string_equal(taken[0], "SECRET=abc");
    assert_string_equal(getenv("SECRET"), "abc");
    assert_string_equal(getenv("EMPTY"), "");
    assert_null(getenv("OTHER"));
    assert_int_equal(setenv("OTHER", "x", 1), 0);
    assert_string_equal(getenv("OTHER"), "x");
}

static void one_that_is_forgotten_is_wiped_and_gone(void **state)
{
    (void)state;
    come_with("SECRET=abc", "KEPT=def");
    environment_forget_one("SECRET");
    environment_forget_one("NEVER_THERE");
    assert_null(getenv("SECRET"));
    assert_memory_equal(bytes, "SECRET=\0\0\0", 10);
    assert_string_equal(getenv("KEPT"), "def");
}

static void all_that_is_forgotten_is_wiped(void **state)
{
    static const char nothing[64];
    (void)state;
    come_with("SECRET=abc", "MORE=def");
    environment_forget();
    assert_null(getenv("SECRET"));
    assert_memory_equal(bytes, nothing, sizeof bytes);
    environment_forget(); /* of none */
}

/** In a process of its own, which cannot take it back. */
static void a_process_leaves_no_core_and_is_nobodys_to_read(void **state)
{
    (void)state;
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit core = {1, 1};
        bool entered = containment_enter();
        bool kept = getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0;
        bool hidden = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0;
        bool bound = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
        bool again = containment_enter();
        _exit(entered && kept && hidden && bound && again ? 0 : 1);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_came_is_wiped_and_what_is_read_stays, keep_environment,
                                        restore_environment),
        cmocka_unit_test_setup_teardown(one_that_is_forgotten_is_wiped_and_gone, keep_environment,
                                        restore_environment),
        cmocka_unit_test(a_process_leaves_no_core_and_is_nobodys_to_read),
        cmocka_unit_test_setup_teardown(all_that_is_forgotten_is_wiped, keep_environment,
                                        restore_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
