/* What is told of a destination's circuit. */
#include "deliver/shared.h"
#include "deliver/telling.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct {
    size_t count;
    enum observed_kind kind;
    uint64_t failures;
    char destination[32];
} told;

static void keep_told(void *ctx, const struct observed *observed)
{
    (void)ctx;
    told.count++;
    told.kind = observed->kind;
    told.failures = observed->count;
    snprintf(told.destination, sizeof told.destination, "%s", observed->destination);
}

static void it_opens_after_any_number_of_failures_and_closes_after_none(void **state)
{
    (void)state;
    static const unsigned failures[] = {1, 2, 20, 0};
    struct observer *observer =
        observer_new(&(struct observer_options){.clock = clock_system(), .told = keep_told});
    assert_non_null(observer);
    const struct deliver deliver = {.options = {.observer = observer}};
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        deliver_tell_circuit(&deliver, "http://a.internal", failures[i]);
        assert_int_equal(told.count, i + 1);
        assert_int_equal(told.kind, failures[i] > 0 ? OBSERVED_CIRCUIT_OPEN : OBSERVED_CIRCUIT_CLOSED);
        assert_int_equal(told.failures, failures[i]);
        assert_string_equal(told.destination, "http://a.internal");
    }
    observer_free(observer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_after_any_number_of_failures_and_closes_after_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
