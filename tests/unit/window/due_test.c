/* The heap of what is due: everything fires once, in the order of its time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "window/due.h"
#include <stdlib.h>

enum { TIMES = 200 };

struct timed {
    struct due due;
    struct world *world;
    bool fired;
};

struct world {
    uv_loop_t loop;
    struct clock clock;
    int64_t now_ms, last_ms;
    struct schedule schedule;
    struct timed timed[TIMES];
    size_t fired;
    /** What `again` adds. */
    int64_t again_ms;
};

static int64_t now(void *ctx)
{
    return ((struct world *)ctx)->now_ms;
}

static struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    uv_loop_init(&world->loop);
    world->now_ms = 1000;
    world->clock = (struct clock){.ctx = world, .monotonic_ms = now, .wall_ms = now};
    assert_true(schedule_open(&world->schedule, &world->loop, &world->clock));
    for (size_t i = 0; i < TIMES; i++)
        world->timed[i].world = world;
    return world;
}

static void world_free(struct world *world)
{
    schedule_close(&world->schedule);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    free(world);
}

static void fired(struct due *due)
{
    struct timed *timed = (struct timed *)(void *)due;
    struct world *world = timed->world;
    assert_null(due->fired); /* not scheduled any more */
    assert_false(timed->fired);
    assert_true(due->at_ms <= world->now_ms && due->at_ms >= world->last_ms);
    timed->fired = true;
    world->last_ms = due->at_ms;
    world->fired++;
}

static void again(struct due *due)
{
    struct world *world = ((struct timed *)(void *)due)->world;
    world->fired++;
    if (world->fired < 3)
        schedule_add(&world->schedule, due, world->now_ms + world->again_ms, again);
}

static void add(struct world *world, size_t i, int64_t in_ms)
{
    schedule_add(&world->schedule, &world->timed[i].due, world->now_ms + in_ms, fired);
}

static void fire_at(struct world *world, int64_t in_ms)
{
    world->now_ms += in_ms;
    schedule_fire(&world->schedule);
}

static void nothing_fires_before_its_time(void **state)
{
    (void)state;
    struct world *world = world_new();
    schedule_fire(&world->schedule);
    add(world, 0, 10);
    fire_at(world, 9);
    assert_int_equal(world->fired, 0);
    fire_at(world, 1);
    assert_int_equal(world->fired, 1);
    fire_at(world, 100);
    assert_int_equal(world->fired, 1);
    world_free(world);
}

/** `count` times in an order that is neither theirs nor its reverse, some of them equal. */
static int64_t scattered(size_t i)
{
    return (int64_t)(i * 7919 % 97);
}

static void all_fire_in_the_order_of_their_times(void **state)
{
    (void)state;
    for (size_t count = 1; count <= TIMES; count += count < 20 ? 1 : 60) {
        struct world *world = world_new();
        for (size_t i = 0; i < count; i++)
            add(world, i, scattered(i));
        for (int64_t ms = 0; ms < 97; ms++)
            fire_at(world, 1);
        assert_int_equal(world->fired, count);
        world_free(world);
    }
}

static void whichever_is_removed_the_others_fire(void **state)
{
    (void)state;
    enum { COUNT = 24 };
    for (size_t removed = 0; removed < COUNT; removed++)
        for (size_t second = 0; second < COUNT; second += 5) {
            struct world *world = world_new();
            for (size_t i = 0; i < COUNT; i++)
                add(world, i, 1 + scattered(i));
            fire_at(world, 30); /* the heap has been taken apart once */
            size_t before = world->fired, left = 0;
            schedule_remove(&world->schedule, &world->timed[removed].due);
            schedule_remove(&world->schedule, &world->timed[second].due);
            for (size_t i = 0; i < COUNT; i++)
                left += !world->timed[i].fired && i != removed && i != second;
            fire_at(world, 100);
            assert_int_equal(world->fired - before, left);
            world_free(world);
        }
}

static void what_is_removed_may_be_added_again(void **state)
{
    (void)state;
    struct world *world = world_new();
    add(world, 0, 5);
    add(world, 1, 7);
    schedule_remove(&world->schedule, &world->timed[0].due);
    schedule_remove(&world->schedule, &world->timed[0].due); /* not scheduled: nothing happens */
    add(world, 0, 9);
    fire_at(world, 8);
    assert_int_equal(world->fired, 1);
    fire_at(world, 1);
    assert_int_equal(world->fired, 2);
    world_free(world);
}

static void what_is_added_while_it_fires_has_its_time(void **state)
{
    (void)state;
    struct world *world = world_new();
    world->again_ms = 0; /* due at once */
    schedule_add(&world->schedule, &world->timed[0].due, world->now_ms, again);
    fire_at(world, 0);
    assert_int_equal(world->fired, 3);
    world->fired = 0;
    world->again_ms = 5;
    schedule_add(&world->schedule, &world->timed[0].due, world->now_ms, again);
    fire_at(world, 0);
    assert_int_equal(world->fired, 1);
    fire_at(world, 5);
    assert_int_equal(world->fired, 2);
    schedule_remove(&world->schedule, &world->timed[0].due);
    world_free(world);
}

/** The loop's own time is the system's; the clock here stands, so what is due is due at once. */
static void the_timer_fires_what_is_due(void **state)
{
    (void)state;
    struct world *world = world_new();
    add(world, 0, 0);
    add(world, 1, -5);
    add(world, 2, 60000);
    while (world->fired < 2)
        uv_run(&world->loop, UV_RUN_NOWAIT); /* or the loop would wait for the third */
    assert_int_equal(world->fired, 2);
    assert_true(uv_is_active((uv_handle_t *)world->schedule.timer));
    assert_in_range(uv_timer_get_due_in(world->schedule.timer), 59000, 60000);
    schedule_remove(&world->schedule, &world->timed[2].due);
    world_free(world);
}

static void the_timer_rests_when_nothing_is_due(void **state)
{
    (void)state;
    struct world *world = world_new();
    add(world, 0, 0);
    for (int i = 0; world->fired < 1 && i < 100; i++)
        uv_run(&world->loop, UV_RUN_ONCE);
    assert_false(uv_is_active((uv_handle_t *)world->schedule.timer));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_fires_before_its_time),
        cmocka_unit_test(all_fire_in_the_order_of_their_times),
        cmocka_unit_test(whichever_is_removed_the_others_fire),
        cmocka_unit_test(what_is_removed_may_be_added_again),
        cmocka_unit_test(what_is_added_while_it_fires_has_its_time),
        cmocka_unit_test(the_timer_fires_what_is_due),
        cmocka_unit_test(the_timer_rests_when_nothing_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
