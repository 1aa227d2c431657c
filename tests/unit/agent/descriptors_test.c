/* How file descriptors are shared out. */
#include "agent/run/descriptors.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void enough_descriptors_bound_nothing(void **state)
{
    (void)state;
    for (size_t limit = 1024; limit > 0; limit = limit == 1024 ? SIZE_MAX : 0) {
        struct descriptors shared = descriptors_share(limit, 30, 24, 256, 32);
        assert_int_equal(shared.window, 256);
        assert_int_equal(shared.port, 32);
        assert_int_equal(shared.idle, limit == 1024 ? 1024 - 30 - 8 - 24 - 32 - 2 * 256 : 1200);
    }
}

static void few_descriptors_are_shared_and_something_is_always_left(void **state)
{
    (void)state;
    for (size_t limit = 0; limit < 2000; limit++) {
        for (size_t open = 0; open < 100; open += 7) {
            struct descriptors shared = descriptors_share(limit, open, open % 2 ? 24 : 0, 300, 32);
            assert_in_range(shared.window, 1, 300);
            assert_in_range(shared.port, 2, 32);
            if (shared.window > 1 && open + 2 * (size_t)shared.window + shared.port + shared.idle > limit)
                fail_msg("limit %zu, %zu open: %u, %u and %u", limit, open, shared.window, shared.port,
                         shared.idle);
            if (shared.idle > 1) /* what is left when the others have all that they want */
                assert_true(shared.window == 300 && shared.port == 32);
        }
    }
    assert_true(descriptors_share(64, 20, 24, 256, 32).window < descriptors_share(64, 20, 0, 256, 32).window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enough_descriptors_bound_nothing),
        cmocka_unit_test(few_descriptors_are_shared_and_something_is_always_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
