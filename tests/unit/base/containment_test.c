/* The environment in memory of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/containment.h"
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

/** An environment as main() gets one, in `bytes`. */
static void come_with(char *bytes, char **entries, const char *first, const char *second)
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
    char bytes[64] = {0}, nothing[64] = {0}, *entries[3];
    (void)state;
    come_with(bytes, entries, "SECRET=abc", "EMPTY=");
    assert_true(environment_take());
    assert_memory_equal(bytes, nothing, sizeof bytes);
    assert_string_equal(getenv("SECRET"), "abc");
    assert_string_equal(getenv("EMPTY"), "");
    assert_null(getenv("OTHER"));
    assert_int_equal(setenv("OTHER", "x", 1), 0);
    assert_string_equal(getenv("OTHER"), "x");
}

static void one_that_is_forgotten_is_wiped_and_gone(void **state)
{
    char bytes[64] = {0}, *entries[3];
    (void)state;
    come_with(bytes, entries, "SECRET=abc", "KEPT=def");
    environment_forget_one("SECRET");
    environment_forget_one("NEVER_THERE");
    assert_null(getenv("SECRET"));
    assert_memory_equal(bytes, "SECRET=\0\0\0", 10);
    assert_string_equal(getenv("KEPT"), "def");
}

static void all_that_is_forgotten_is_wiped(void **state)
{
    char bytes[64] = {0}, nothing[64] = {0}, *entries[3];
    (void)state;
    come_with(bytes, entries, "SECRET=abc", "MORE=def");
    environment_forget();
    assert_null(getenv("SECRET"));
    assert_memory_equal(bytes, nothing, sizeof bytes);
    environment_forget(); /* of none */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_is_wiped_and_what_is_read_stays),
        cmocka_unit_test(one_that_is_forgotten_is_wiped_and_gone),
        cmocka_unit_test(all_that_is_forgotten_is_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
