/* The whole agent in one process, against librdkafka's mock cluster: the demo checks what happened and says
 * so by its exit code. Run under the sanitizers, it covers every room. */
#include "agent/commands.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/** The C library's, except that mappings have no bound of memory: sanitizers need more than that for
 * themselves. */
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limits)
{
    return resource == RLIMIT_DATA ? 0 : (int)syscall(SYS_prlimit64, 0, resource, limits, NULL);
}

static void the_demo_goes_through_and_everything_is_as_it_should(void **state)
{
    (void)state;
    assert_int_equal(command_demo(0, NULL), EXIT_CODE_OK);
}

/** The demo starts this program again, for the agent and a subcommand in processes of their own. */
int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "run") == 0)
        return command_run(argc - 2, argv + 2);
    if (argc > 1 && strcmp(argv[1], "dead-letters") == 0)
        return command_dead_letters(argc - 2, argv + 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_demo_goes_through_and_everything_is_as_it_should)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
