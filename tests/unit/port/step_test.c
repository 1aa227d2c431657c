/* Calls that wait in a run's queue: what is asked for, and what they hold of the memory. */
#include "port/step.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct step *new_step(bool node_run, const char *suffix, size_t len, size_t reserved)
{
    struct buffer body = {0};
    assert_int_equal(buffer_reserve_to(&body, reserved), 0);
    for (size_t i = 0; i < len; i++)
        buffer_append_char(&body, 'x');
    struct step *step = step_new(node_run, "r_1", false, suffix, &body);
    assert_null(body.ptr);
    assert_non_null(step);
    return step;
}

static void the_path_names_the_run_and_its_kind(void **state)
{
    (void)state;
    struct step *step = new_step(false, "/logs", 1, 64);
    assert_string_equal(step->path, "/v1/actions/runs/r_1/logs");
    step_discard(step);
    step = new_step(true, "", 1, 64);
    assert_string_equal(step->path, "/v1/workflows/nodes/runs/r_1");
    step_discard(step);
}

/** Buffers grow by doubling: what they have reserved and do not need must not be held while a call waits. */
static void a_body_holds_what_it_needs_and_that_is_counted(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 100000; len *= 10) {
        struct step *step = new_step(false, "/logs", len, 2 * len);
        assert_int_equal(step->body.len, len);
        assert_int_equal(step_bytes(step), sizeof *step + step->path_size + step->body.cap);
        assert_int_equal(step->body.cap, len);
        step_discard(step);
    }
}

static void a_body_that_could_not_be_written_is_no_step(void **state)
{
    (void)state;
    struct buffer body = {.failed = true};
    assert_null(step_new(false, "r_1", false, "", &body));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_path_names_the_run_and_its_kind),
        cmocka_unit_test(a_body_holds_what_it_needs_and_that_is_counted),
        cmocka_unit_test(a_body_that_could_not_be_written_is_no_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
