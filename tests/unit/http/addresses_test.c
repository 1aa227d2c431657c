/* How long addresses that were looked up may be used. */
#include "http/addresses.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void addresses_are_used_for_a_minute_unless_nothing_came_from_there(void **state)
{
    (void)state;
    struct addresses addresses = {0};
    assert_int_equal(addresses_age(&addresses, 7, 1000), ADDRESSES_AGE_S);
    addresses_doubt(&addresses, 7, 1000);
    assert_int_equal(addresses_age(&addresses, 7, 1000), 0);
    assert_int_equal(addresses_age(&addresses, 7, 1999), 0);
    assert_int_equal(addresses_age(&addresses, 7, 2000), 1);
    assert_int_equal(addresses_age(&addresses, 8, 2000), ADDRESSES_AGE_S);
    assert_int_equal(addresses_age(&addresses, 7, 60999), 59);
    assert_int_equal(addresses_age(&addresses, 7, 61000), ADDRESSES_AGE_S);
    addresses_doubt(&addresses, 7, 50000);
    assert_int_equal(addresses_age(&addresses, 7, 61000), 11);
}

static void origins_that_share_a_number_are_doubted_together(void **state)
{
    (void)state;
    struct addresses addresses = {0};
    addresses_doubt(&addresses, 7, 1000);
    assert_int_equal(addresses_age(&addresses, 7 + ADDRESSES_ORIGINS, 3000), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_used_for_a_minute_unless_nothing_came_from_there),
        cmocka_unit_test(origins_that_share_a_number_are_doubted_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
