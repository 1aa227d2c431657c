/* Mappings that run out of time again and again: whom they hold up, and how often. */
#include "map/mapper.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { CALLS_MAX = 128 };

struct world {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct mapper *mapper;
    pid_t process;
    /** The calls that are answered, in order, by the letter that they were asked with. */
    char order[CALLS_MAX];
    size_t answers, asked;
    struct asked {
        struct world *world;
        struct map_call *call;
        char letter;
    } calls[CALLS_MAX];
};

static void lost(void *ctx)
{
    (void)ctx;
    fail_msg("the mappings' process is gone");
}

static void late(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("no answer in two minutes");
}

static struct world *world_new(const char *file, int64_t cpu_ms)
{
    struct world *world = calloc(1, sizeof *world);
    struct map_process_options options = {.file = slice_of(file), .cpu_ms = cpu_ms};
    struct buffer problems = {0}, warnings = {0};
    struct mapper_options mapper = {.loop = &world->loop, .lost = lost, .ctx = world};
    if (map_process_start(&options, &mapper.process, &problems, &warnings) != 0)
        fail_msg("%s", buffer_text(&problems));
    world->process = mapper.process.pid;
    uv_loop_init(&world->loop);
    uv_timer_init(&world->loop, &world->deadline);
    uv_timer_start(&world->deadline, late, 120000, 0);
    world->mapper = mapper_new(&mapper);
    assert_non_null(world->mapper);
    buffer_clear(&problems);
    buffer_clear(&warnings);
    return world;
}

static void world_free(struct world *world)
{
    for (size_t i = 0; i < world->asked; i++)
        if (world->calls[i].call)
            map_call_forget(world->calls[i].call);
    mapper_close(world->mapper, NULL, NULL);
    uv_close((uv_handle_t *)&world->deadline, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    free(world);
}

static void answered(void *ctx, struct slice fields, const char *failure)
{
    struct asked *asked = ctx;
    (void)fields;
    (void)failure;
    asked->call = NULL;
    asked->world->order[asked->world->answers++] = asked->letter;
}

static void ask(struct world *world, char letter, const char *event, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct asked *asked = &world->calls[world->asked++];
        *asked = (struct asked){.world = world, .letter = letter};
        asked->call = mapper_request(world->mapper, slice_of(event), answered, asked);
        assert_non_null(asked->call);
    }
}

static size_t answered_of(const struct world *world, char letter)
{
    size_t count = 0;
    for (size_t i = 0; i < world->answers; i++)
        count += world->order[i] == letter;
    return count;
}

static void wait_for(struct world *world, char letter, size_t count)
{
    while (answered_of(world, letter) < count)
        uv_run(&world->loop, UV_RUN_ONCE);
}

/** What the evaluators that have ended used of the processor, in ms. */
static long used_by_the_dead(pid_t process)
{
    char path[64], text[1024];
    long utime = 0, stime = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    /* The 16th and the 17th, of which the third follows the name. */
    assert_int_equal(sscanf(strrchr(text, ')') + 1,
                            " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %ld %ld", &utime, &stime),
                     2);
    return (utime + stime) * 1000 / sysconf(_SC_CLK_TCK);
}

/** The first of a crowd that runs out of time costs the quick evaluator its 25 ms, the others nothing. */
static void one_life_for_a_crowd(const char *file, const char *crowd, const char *quick)
{
    struct world *world = world_new(file, 600000);
    ask(world, 'a', crowd, 60);
    ask(world, 'q', quick, 40);
    wait_for(world, 'q', 40);
    assert_int_equal(world->answers, 40);
    long used = used_by_the_dead(world->process);
    if (used >= 60 * 25 / 4)
        fail_msg("%ld ms were used up", used);
    world_free(world);
}

static void a_crowd_that_runs_out_of_time_costs_the_quick_evaluator_one_life(void **state)
{
    (void)state;
    one_life_for_a_crowd("[{\"enabled\":\".a\",\"body\":\"last(repeat(1))\"},{\"body\":\".n\"}]",
                         "{\"a\":true}", "{\"n\":1}");
}

/** So it is where it runs out of time before the mapping is chosen, and then no event of this file is quick.
 */
static void one_that_runs_out_of_time_while_it_is_chosen_is_remembered_too(void **state)
{
    (void)state;
    one_life_for_a_crowd("[{\"body\":\".n\",\"enabled\":\".n\"},{\"enabled\":\"last(repeat(1))\"}]", "{}",
                         "{\"n\":true}");
}

/** Ten events of a mapping that never ends are there first; the slow ones that do end wait for one of them.
 */
static void slow_mappings_that_end_go_before_one_that_never_does(void **state)
{
    (void)state;
    struct world *world =
        world_new("[{\"enabled\":\".a\",\"body\":\"last(repeat(1))\"},{\"body\":\"last(range(.n))\"}]", 2000);
    ask(world, 'a', "{\"a\":true}", 10);
    ask(world, 's', "{\"n\":600000}", 5);
    wait_for(world, 's', 5);
    size_t before = answered_of(world, 'a');
    assert_in_range(before, 1, 2);
    world_free(world);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the agent does */
    if (getenv("TEST_UNDER_VALGRIND"))
        return 0; /* no evaluation takes as little as the quick evaluator gives there */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_that_runs_out_of_time_costs_the_quick_evaluator_one_life),
        cmocka_unit_test(one_that_runs_out_of_time_while_it_is_chosen_is_remembered_too),
        cmocka_unit_test(slow_mappings_that_end_go_before_one_that_never_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
