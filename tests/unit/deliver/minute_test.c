/* What is told once a minute: the counts since it began, and nothing where nothing was counted. */
#include "deliver/minute.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MINUTE_MS = 60000 };

struct world {
    uv_loop_t loop;
    struct clock clock;
    int64_t now_ms;
    struct schedule schedule;
    struct observer *observer;
    struct minute minute;
    struct observed told[4];
    unsigned count;
};

static int64_t world_now(void *ctx)
{
    return ((struct world *)ctx)->now_ms;
}

static void told(void *ctx, const struct observed *observed)
{
    struct world *world = ctx;
    assert_true(world->count < sizeof world->told / sizeof *world->told);
    world->told[world->count++] = *observed;
}

static int open_world(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->now_ms = 5000;
    world->clock = (struct clock){.ctx = world, .monotonic_ms = world_now, .wall_ms = world_now};
    uv_loop_init(&world->loop);
    assert_true(schedule_open(&world->schedule, &world->loop, &world->clock));
    world->observer =
        observer_new(&(struct observer_options){.clock = &world->clock, .told = told, .ctx = world});
    minute_open(&world->minute, &world->schedule, &world->clock, world->observer);
    *state = world;
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;
    schedule_close(&world->schedule);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    uv_loop_close(&world->loop);
    observer_free(world->observer);
    free(world);
    return 0;
}

static void assert_told(const struct world *world, unsigned at, enum observed_kind kind, uint64_t count,
                        uint64_t unreported)
{
    assert_true(at < world->count);
    assert_int_equal(world->told[at].kind, kind);
    assert_int_equal(world->told[at].count, count);
    assert_int_equal(world->told[at].unreported, unreported);
}

static void counts_are_told_a_minute_after_the_first_and_begin_anew(void **state)
{
    struct world *world = *state;
    minute_begin(&world->minute);
    world->minute.unwanted = 1;
    world->now_ms += MINUTE_MS - 1;
    minute_begin(&world->minute); /* the same minute */
    world->minute.unwanted++;
    schedule_fire(&world->schedule);
    assert_int_equal(world->count, 0);
    world->now_ms++;
    schedule_fire(&world->schedule);
    assert_int_equal(world->count, 1);
    assert_told(world, 0, OBSERVED_MORE_UNWANTED, 2, 0);
    assert_int_equal(world->minute.unwanted, 0);
    world->now_ms += (int64_t)10 * MINUTE_MS; /* nothing is counted: nothing is told */
    schedule_fire(&world->schedule);
    assert_int_equal(world->count, 1);
    minute_begin(&world->minute);
    world->minute.unwanted = 5;
    world->now_ms += MINUTE_MS;
    schedule_fire(&world->schedule);
    assert_int_equal(world->count, 2);
    assert_told(world, 1, OBSERVED_MORE_UNWANTED, 5, 0);
}

static void refusals_are_told_with_how_many_port_is_not_told_of(void **state)
{
    struct world *world = *state;
    minute_begin(&world->minute);
    world->minute.refusals_told = 10;
    world->minute.refusals_untold = 3;
    world->minute.refusals_unreported = 2;
    world->minute.unwanted = 1;
    world->now_ms += MINUTE_MS;
    schedule_fire(&world->schedule);
    assert_int_equal(world->count, 2);
    assert_told(world, 0, OBSERVED_MORE_REFUSED, 3, 2);
    assert_told(world, 1, OBSERVED_MORE_UNWANTED, 1, 0);
    assert_int_equal(world->minute.refusals_told, 0);
    assert_int_equal(world->minute.refusals_untold, 0);
    assert_int_equal(world->minute.refusals_unreported, 0);
    world->minute.refusals_unreported = 4; /* all of them had lines of their own */
    minute_begin(&world->minute);
    world->now_ms += MINUTE_MS;
    schedule_fire(&world->schedule);
    assert_int_equal(world->count, 3);
    assert_told(world, 2, OBSERVED_MORE_REFUSED, 0, 4);
}

static void lines_that_were_told_are_no_more_to_tell(void **state)
{
    struct world *world = *state;
    minute_begin(&world->minute);
    world->minute.refusals_told = 10;
    world->now_ms += MINUTE_MS;
    schedule_fire(&world->schedule);
    assert_int_equal(world->count, 0);
    assert_int_equal(world->minute.refusals_told, 0);
}

static void closing_tells_what_there_is_and_ends_the_minute(void **state)
{
    struct world *world = *state;
    minute_begin(&world->minute);
    world->minute.refusals_untold = 1;
    minute_close(&world->minute);
    assert_int_equal(world->count, 1);
    assert_told(world, 0, OBSERVED_MORE_REFUSED, 1, 0);
    world->minute.unwanted = 1;
    world->now_ms += MINUTE_MS;
    schedule_fire(&world->schedule);
    assert_int_equal(world->count, 1);
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(counts_are_told_a_minute_after_the_first_and_begin_anew),
        IN_A_WORLD(refusals_are_told_with_how_many_port_is_not_told_of),
        IN_A_WORLD(lines_that_were_told_are_no_more_to_tell),
        IN_A_WORLD(closing_tells_what_there_is_and_ends_the_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
