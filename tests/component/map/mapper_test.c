/* The mappings' process: answers in order, bounds of time and memory that end one evaluation and no other. */
#include "mapper_world.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/** How many of the first answers begin so: what takes longer is overtaken. */
static size_t answers_like(const struct world *world, const char *beginning)
{
    size_t count = 0;
    for (size_t i = 0; i < world->answers && i < 64; i++)
        count += strncmp(world->text[i], beginning, strlen(beginning)) == 0;
    return count;
}

static void answers_come_in_order(void **state)
{
    (void)state;
    static char events[1000][32];
    struct world *world = world_new("[{\"body\":\".n\"}]", 2000, 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(events[i], sizeof events[i], "{\"n\":%d}", i);
        assert_non_null(mapper_request(world->mapper, slice_of(events[i]), answered, world));
    }
    wait_answers(world, 1000);
    assert_string_equal(world->text[999 % 64], "i=1 b=999 ");
    assert_string_equal(world->text[990 % 64], "i=1 b=990 ");
    world_free(world);
}

static void a_program_that_does_not_end_fails_alone(void **state)
{
    (void)state;
    struct world *world = world_new("[{\"body\":\"if .loop then last(repeat(1)) else .n end\"}]", 100, 0);
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":1}"), answered, world));
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"loop\":true}"), answered, world));
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":3}"), answered, world));
    wait_answers(world, 3);
    assert_string_equal(world->text[0], "i=1 b=1 ");
    assert_string_equal(world->text[1], "i=1 b=3 ");
    assert_string_equal(world->text[2],
                        "failed: the mapping took more than 100 ms of processor time (MAPPING_TIMEOUT)");
    assert_false(world->lost);
    world_free(world);
}

/** Valgrind's own memory counts as the process's data, and jq is fifty times as slow under it. */
static void skip_under_valgrind(void)
{
    if (getenv("TEST_UNDER_VALGRIND"))
        skip();
}

/** The patient evaluator has them one after another, and nobody else waits for it. */
static void programs_that_do_not_end_hold_nobody_up(void **state)
{
    (void)state;
    skip_under_valgrind(); /* there, none takes as little as the quick evaluator gives */
    static const char loop[] = "{\"loop\":true}";
    struct world *world = world_new("[{\"body\":\"if .loop then last(repeat(1)) else .n end\"}]", 600000, 0);
    struct map_call *endless[7];
    for (size_t i = 0; i < 7; i++) {
        endless[i] = mapper_request(world->mapper, SLICE_LITERAL(loop), answered, world);
        assert_non_null(endless[i]);
    }
    for (int i = 0; i < 60; i++)
        assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":7}"), answered, world));
    wait_answers(world, 60);
    for (int i = 0; i < 60; i++)
        assert_string_equal(world->text[i], "i=1 b=7 ");
    for (size_t i = 0; i < 7; i++)
        map_call_forget(endless[i]);
    assert_false(world->lost);
    world_free(world);
}

static void an_evaluation_that_takes_its_time_is_answered(void **state)
{
    (void)state;
    struct world *world = world_new("[{\"body\":\"last(range(.n))\"}]", 600000, 0);
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":600000}"), answered, world));
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":2}"), answered, world));
    wait_answers(world, 2);
    assert_int_equal(answers_like(world, "i=1 b=1 "), 1);
    assert_int_equal(answers_like(world, "i=1 b=599999 "), 1);
    world_free(world);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their shadow memory counts as data */
static void a_program_that_eats_memory_fails_alone(void **state)
{
    (void)state;
    skip_under_valgrind();
    struct world *world =
        world_new("[{\"body\":\"if .eat then [range(1e9)] else .n end\"}]", 10000, 32 << 20);
    enum { LARGE = 48 << 20 };
    char *large = malloc(LARGE); /* not data of the process that is forked */
    memset(large, ' ', LARGE);
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"eat\":true}"), answered, world));
    assert_non_null(mapper_request(world->mapper, (struct slice){large, LARGE}, answered, world));
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":3}"), answered, world));
    wait_answers(world, 3);
    assert_int_equal(answers_like(world, "failed: the mapping needed more memory than MAPPING_MAX_MEMORY"),
                     1);
    assert_int_equal(answers_like(world, "failed: the event is too large for MAPPING_MAX_MEMORY"), 1);
    assert_int_equal(answers_like(world, "i=1 b=3 "), 1);
    world_free(world);
    free(large);
}

static void evaluators_without_memory_to_begin_with_are_told_of(void **state)
{
    (void)state;
    skip_under_valgrind();
    struct world *world = world_new("[{}]", 10000, 1 << 20);
    struct map_call *call = mapper_request(world->mapper, SLICE_LITERAL("{\"n\":1}"), answered, world);
    assert_non_null(call);
    while (world->barren_told == 0)
        uv_run(&world->loop, UV_RUN_ONCE);
    assert_string_equal(world->barren, "it had no memory to begin with: raise MAPPING_MAX_MEMORY");
    assert_int_equal(world->answers, 0);
    map_call_forget(call);
    world_free(world);
}

/** What one evaluator has, the other one lacks: together they have what the setting says. */
static void evaluators_share_the_memory(void **state)
{
    (void)state;
    skip_under_valgrind();
    static const char greedy[] = "[{\"body\":\"\\\"x\\\" * .n | length\"}]";
    struct world *world = world_new(greedy, 600000, 32 << 20);
    static const char *const events[] = {"{\"n\":1}", "{\"n\":4200000}", "{\"n\":12000000}"};
    for (size_t i = 0; i < 3; i++)
        assert_non_null(mapper_request(world->mapper, slice_of(events[i]), answered, world));
    wait_answers(world, 3);
    assert_string_equal(world->text[0], "i=1 b=1 ");
    assert_string_equal(world->text[1], "i=1 b=4200000 "); /* 12 MB: beyond the quick one's share */
    assert_non_null(strstr(world->text[2], "MAPPING_MAX_MEMORY (25165824 bytes)")); /* of 32 MiB */
    world_free(world);
}
#endif

/** The process that evaluates now: the only child of the only compiler. */
static pid_t evaluator_of(pid_t process)
{
    return only_child_of(only_child_of(process));
}

/** Kills the evaluator at work, once it is another than `before`; runs the loop meanwhile. */
static pid_t kill_evaluator(struct world *world, pid_t before)
{
    pid_t pid;
    while ((pid = evaluator_of(world->process)) == before || pid == 0)
        uv_run(&world->loop, UV_RUN_NOWAIT);
    kill(pid, SIGKILL);
    return pid;
}

static void an_idle_evaluator_that_is_killed_is_replaced(void **state)
{
    (void)state;
    struct world *world = world_new("[{\"body\":\".n\"}]", 2000, 0);
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":1}"), answered, world));
    wait_answers(world, 1);
    pid_t first = kill_evaluator(world, 0);
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":2}"), answered, world));
    wait_answers(world, 2);
    assert_string_equal(world->text[1], "i=1 b=2 ");
    assert_int_not_equal(evaluator_of(world->process), first);
    assert_false(world->lost);
    world_free(world);
}

static void evaluators_that_end_before_they_answer_are_told_of(void **state)
{
    (void)state;
    struct world *world = world_new("[{\"body\":\"last(range(.n))\"}]", 0, 0);
    pid_t pid = 0;
    struct map_call *calls[4];
    for (size_t i = 0; i < 4; i++) {
        calls[i] = mapper_request(world->mapper, SLICE_LITERAL("{\"n\":100000000}"), answered, world);
        assert_non_null(calls[i]);
    }
    for (int i = 0; i < 3; i++)
        pid = kill_evaluator(world, pid);
    assert_int_equal(world->answers, 1); /* two were killed over it */
    for (size_t i = 1; i < 4; i++)
        map_call_forget(calls[i]);
    while (world->barren_told == 0)
        uv_run(&world->loop, UV_RUN_ONCE);
    assert_string_equal(world->barren, "another process kills them: give the agent more memory, or lower "
                                       "MAPPING_MAX_MEMORY");
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":5}"), answered, world));
    wait_answers(world, 2);
    assert_string_equal(world->text[1], "i=1 b=4 ");
    assert_int_equal(world->barren_told, 2);
    assert_string_equal(world->barren, "");
    world_free(world);
}

static void what_a_killed_evaluator_was_at_is_tried_again(void **state)
{
    (void)state;
    static char events[200][32];
    struct world *world = world_new("[{\"body\":\"last(range(.n))\"}]", 0, 0);
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":1000000}"), answered, world));
    for (int i = 0; i < 200; i++) {
        snprintf(events[i], sizeof events[i], "{\"n\":%d}", i + 1);
        assert_non_null(mapper_request(world->mapper, slice_of(events[i]), answered, world));
    }
    kill_evaluator(world, 0);
    wait_answers(world, 201);
    assert_string_equal(world->text[200 % 64], "i=1 b=199 ");
    assert_string_equal(world->text[137 % 64], "i=1 b=136 ");
    assert_false(world->lost);
    world_free(world);
}

static void what_evaluators_are_killed_over_twice_fails_alone(void **state)
{
    (void)state;
    struct world *world = world_new("[{\"body\":\"if .loop then last(repeat(1)) else .n end\"}]", 0, 0);
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"loop\":true}"), answered, world));
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":2}"), answered, world));
    kill_evaluator(world, kill_evaluator(world, 0));
    wait_answers(world, 2);
    assert_string_equal(
        world->text[0],
        "failed: the process that evaluated the mapping was killed by another (signal 9, SIGKILL)");
    assert_string_equal(world->text[1], "i=1 b=2 ");
    assert_false(world->lost);
    world_free(world);
}

/** What is sent again must still be there: a forgotten call's event is not. */
static void a_forgotten_call_is_not_tried_again(void **state)
{
    (void)state;
    struct world *world = world_new("[{\"body\":\"if .loop then last(repeat(1)) else .n end\"}]", 0, 0);
    char *endless = strdup("{\"loop\":true}"), *waiting = strdup("{\"n\":1}");
    struct map_call *first = mapper_request(world->mapper, slice_of(endless), answered, world);
    struct map_call *second = mapper_request(world->mapper, slice_of(waiting), answered, world);
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":3}"), answered, world));
    pid_t pid;
    while ((pid = evaluator_of(world->process)) == 0)
        uv_run(&world->loop, UV_RUN_NOWAIT);
    map_call_forget(second);
    map_call_forget(first);
    free(endless);
    free(waiting);
    kill(pid, SIGKILL);
    wait_answers(world, 1);
    assert_string_equal(world->text[0], "i=1 b=3 ");
    assert_false(world->lost);
    world_free(world);
}

/** More than sockets hold, in both directions. */
static void large_events_and_answers_come_through(void **state)
{
    (void)state;
    enum { LARGE = 3 << 20 };
    struct world *world = world_new("[{\"body\":\"[.]\",\"query\":{\"l\":\".t|length\"}}]", 0, 0);
    char *event = malloc(LARGE + 16);
    size_t len = (size_t)sprintf(event, "{\"t\":\"");
    memset(event + len, 'x', LARGE);
    strcpy(event + len + LARGE, "\"}");
    for (int i = 0; i < 6; i++)
        assert_non_null(mapper_request(world->mapper, slice_of(event), answered, world));
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"t\":\"a\"}"), answered, world));
    wait_answers(world, 7);
    assert_int_equal(answers_like(world, "i=1 q=l=3145728 b=[{\"t\":\"xxx"), 6);
    assert_int_equal(answers_like(world, "i=1 q=l=1 b=[{\"t\":\"a\"}] "), 1);
    free(event);
    world_free(world);
}

/** What one event needed must not count against the bound of those that follow, nor stay taken. */
static void an_evaluator_that_has_grown_is_replaced(void **state)
{
    (void)state;
    skip_under_valgrind();
    struct world *world = world_new("[{\"body\":\"[range(.n)] | length\"}]", 0, 0);
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":1}"), answered, world));
    wait_answers(world, 1);
    pid_t first = evaluator_of(world->process);
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":2}"), answered, world));
    wait_answers(world, 2);
    assert_int_equal(evaluator_of(world->process), first);
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":5000000}"), answered, world));
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":4}"), answered, world));
    wait_answers(world, 4);
    assert_string_equal(world->text[2], "i=1 b=5000000 ");
    assert_string_equal(world->text[3], "i=1 b=4 ");
    assert_int_not_equal(evaluator_of(world->process), first);
    assert_false(world->lost);
    world_free(world);
}

static void a_forgotten_call_is_not_answered(void **state)
{
    (void)state;
    struct world *world = world_new("[{\"body\":\".n\"}]", 2000, 0);
    struct map_call *first = mapper_request(world->mapper, SLICE_LITERAL("{\"n\":1}"), answered, world);
    struct map_call *second = mapper_request(world->mapper, SLICE_LITERAL("{\"n\":2}"), answered, world);
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":3}"), answered, world));
    map_call_forget(second);
    uv_run(&world->loop, UV_RUN_NOWAIT); /* sends */
    if (world->answers == 0)
        map_call_forget(first);
    wait_answers(world, world->answers + 1);
    assert_string_equal(world->text[world->answers - 1], "i=1 b=3 ");
    world_free(world);
}

static void the_builtin_is_compiled_when_needed(void **state)
{
    (void)state;
    struct world *world = world_new(NULL, 2000, 0);
    assert_non_null(mapper_request(
        world->mapper,
        SLICE_LITERAL(
            "{\"payload\":{\"action\":{\"invocationMethod\":{\"type\":\"GITLAB\",\"groupName\":\"g\","
            "\"projectName\":\"p\",\"omitPayload\":true}}}}"),
        answered, world));
    wait_answers(world, 1);
    assert_non_null(strstr(world->text[0], "u=https://gitlab.com/api/v4/projects/g%2Fp/trigger/pipeline"));
    world_free(world);
}

static void secrets_are_not_in_the_environment(void **state)
{
    (void)state;
    setenv("PORT_CLIENT_SECRET", "hush", 1);
    setenv("PORT_CLIENT_SECRET_FILE", "/hush", 1);
    setenv("SEEN", "yes", 1);
    struct world *world = world_new("[{\"body\":\"[env.PORT_CLIENT_SECRET, $ENV.PORT_CLIENT_SECRET, "
                                    "env.PORT_CLIENT_SECRET_FILE, env.SEEN, $ENV.SEEN]\"}]",
                                    2000, 0);
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{}"), answered, world));
    wait_answers(world, 1);
    assert_string_equal(world->text[0], "i=1 b=[null,null,null,\"yes\",\"yes\"] ");
    world_free(world);
}

static void a_wrong_file_is_told(void **state)
{
    (void)state;
    struct map_process process;
    struct map_process_options options = {.file = SLICE_LITERAL("[{\"url\":\"(\"},{\"method\":7}]")};
    struct buffer problems = {0}, warnings = {0};
    assert_int_equal(map_process_start(&options, &process, &problems, &warnings), PA_ERR_INVALID);
    assert_non_null(strstr(buffer_text(&problems), "mapping 1, url: jq: syntax error"));
    assert_non_null(strstr(problems.ptr, "mapping 2, method: is number"));
    buffer_clear(&problems);
    buffer_clear(&warnings);
}

static void the_death_of_the_process_is_told(void **state)
{
    (void)state;
    struct world *world = calloc(1, sizeof *world);
    struct map_process_options options = {.file = SLICE_LITERAL("[{}]")};
    struct buffer problems = {0}, warnings = {0};
    struct mapper_options mapper = {.loop = &world->loop, .lost = lost, .ctx = world};
    assert_int_equal(map_process_start(&options, &mapper.process, &problems, &warnings), 0);
    pid_t pid = mapper.process.pid;
    uv_loop_init(&world->loop);
    uv_timer_init(&world->loop, &world->deadline);
    uv_timer_start(&world->deadline, late, 120000, 0);
    world->mapper = mapper_new(&mapper);
    kill(-pid, SIGKILL);
    while (!world->lost)
        uv_run(&world->loop, UV_RUN_ONCE);
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{}"), answered, world));
    uv_run(&world->loop, UV_RUN_NOWAIT);
    assert_int_equal(world->answers, 0);
    world_free(world);
    buffer_clear(&problems);
    buffer_clear(&warnings);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the agent does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_in_order),
        cmocka_unit_test(a_program_that_does_not_end_fails_alone),
        cmocka_unit_test(programs_that_do_not_end_hold_nobody_up),
        cmocka_unit_test(an_evaluation_that_takes_its_time_is_answered),
        cmocka_unit_test(evaluators_that_end_before_they_answer_are_told_of),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(a_program_that_eats_memory_fails_alone),
        cmocka_unit_test(evaluators_without_memory_to_begin_with_are_told_of),
        cmocka_unit_test(evaluators_share_the_memory),
#endif
        cmocka_unit_test(an_evaluator_that_has_grown_is_replaced),
        cmocka_unit_test(an_idle_evaluator_that_is_killed_is_replaced),
        cmocka_unit_test(what_a_killed_evaluator_was_at_is_tried_again),
        cmocka_unit_test(what_evaluators_are_killed_over_twice_fails_alone),
        cmocka_unit_test(a_forgotten_call_is_not_answered),
        cmocka_unit_test(a_forgotten_call_is_not_tried_again),
        cmocka_unit_test(large_events_and_answers_come_through),
        cmocka_unit_test(the_builtin_is_compiled_when_needed),
        cmocka_unit_test(secrets_are_not_in_the_environment),
        cmocka_unit_test(a_wrong_file_is_told),
        cmocka_unit_test(the_death_of_the_process_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
