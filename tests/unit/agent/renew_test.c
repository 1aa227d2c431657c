/* What asks the daemon while it closes, when its parts are gone already. */
#include "agent/run/daemon_internal.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_daemon_without_mapper_has_no_nursery(void **state)
{
    (void)state;
    struct daemon daemon = {.state = CLOSING};
    assert_int_equal(daemon_nursery(&daemon), -1);
    assert_int_equal(daemon_mapping_files(&daemon), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_daemon_without_mapper_has_no_nursery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
