/* The whole agent in one process, against librdkafka's mock cluster: the demo checks what happened and says
 * so by its exit code. Run under the sanitizers, it covers every room. */
#include "agent/commands.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_demo_goes_through_and_everything_is_as_it_should(void **state)
{
    (void)state;
    assert_int_equal(command_demo(0, NULL), EXIT_CODE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_demo_goes_through_and_everything_is_as_it_should)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
