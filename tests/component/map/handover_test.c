/* From one mapping file to the next: who answers what is under way, who makes the reports, and when the
 * former one's processes end. */
#include "mapper_world.h"

/** Another compiler, of this file. */
static int compiled(const struct world *world, const char *file)
{
    const struct map_process_options options = {.file = slice_of(file), .secret = SLICE_LITERAL("secret")};
    struct buffer problems = {0}, warnings = {0};
    int fd = -1;
    if (map_process_compile(&world->started, &options, &fd, &problems, &warnings) != 0)
        fail_msg("%s", buffer_text(&problems));
    assert_true(fd >= 0);
    buffer_clear(&problems);
    buffer_clear(&warnings);
    return fd;
}

static void answered_and_held(void *ctx, struct slice fields, const char *failure)
{
    struct world *world = ctx;
    world->held = map_call_hold(world->asked);
    answered(ctx, fields, failure);
}

/** How many there are; *oldest (NULL: it is not asked for): the first that was made. */
static size_t compilers_of(pid_t process, pid_t *oldest)
{
    char path[64];
    int pid;
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)process, (int)process);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (; fscanf(file, "%d", &pid) == 1; count++)
        if (oldest && count == 0)
            *oldest = (pid_t)pid;
    fclose(file);
    return count;
}

static const char FIRST[] = "[{\"body\":\"[1, .n]\",\"report\":{\"summary\":\"\\\"first\\\"\"}}]",
                  SECOND[] = "[{\"body\":\"[2, .n]\",\"report\":{\"summary\":\"\\\"second\\\"\"}}]";

static void wait_generations(struct world *world, size_t count)
{
    while (mapper_generations(world->mapper) != count)
        uv_run(&world->loop, UV_RUN_ONCE);
}

/** A world whose first file made a request that is still to be reported on, when the second took over. */
static struct world *world_handed_over(void)
{
    struct world *world = world_new(FIRST, 0, 0);
    world->asked = mapper_request(world->mapper, SLICE_LITERAL("{\"n\":1}"), answered_and_held, world);
    assert_non_null(world->asked);
    wait_answers(world, 1);
    assert_non_null(strstr(world->text[0], "b=[1,1]"));
    assert_true(mapper_renew(world->mapper, compiled(world, SECOND)));
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":2}"), answered, world));
    wait_answers(world, 2);
    assert_non_null(strstr(world->text[1], "b=[2,2]"));
    return world;
}

static void a_report_is_made_by_the_file_that_made_its_request(void **state)
{
    (void)state;
    struct world *world = world_handed_over();
    assert_non_null(mapper_report(world->held, 1, SLICE_LITERAL("{}"), answered, world));
    wait_answers(world, 3);
    assert_string_equal(world->text[2], "M=first ");
    assert_int_equal(mapper_generations(world->mapper), 2);
    map_generation_release(world->held);
    wait_generations(world, 1);
    while (compilers_of(world->process, NULL) != 1)
        uv_run(&world->loop, UV_RUN_NOWAIT);
    assert_false(world->lost);
    world_free(world);
}

static void a_former_file_nobody_needs_ends_at_once(void **state)
{
    (void)state;
    struct world *world = world_new(FIRST, 0, 0);
    for (int i = 0; i < 3; i++) {
        assert_true(mapper_renew(world->mapper, compiled(world, i % 2 ? FIRST : SECOND)));
        wait_generations(world, 1);
    }
    world_free(world);
}

/** What no evaluator has yet need not wait for the former file; what one has is answered by it. */
static void requests_that_wait_go_to_the_new_file(void **state)
{
    (void)state;
    static char events[300][32];
    struct world *world = world_new(FIRST, 0, 0);
    for (int i = 0; i < 300; i++) {
        snprintf(events[i], sizeof events[i], "{\"n\":%d}", i);
        assert_non_null(mapper_request(world->mapper, slice_of(events[i]), answered, world));
    }
    assert_true(mapper_renew(world->mapper, compiled(world, SECOND))); /* before the loop sent any */
    wait_answers(world, 300);
    assert_string_equal(world->text[0], "i=1 r=M b=[2,256] "); /* the table has 64 places */
    assert_string_equal(world->text[299 % 64], "i=1 r=M b=[2,299] ");
    wait_generations(world, 1);
    world_free(world);
}

static void requests_under_way_are_answered_by_their_own_file(void **state)
{
    (void)state;
    static char events[40][32];
    struct world *world = world_new(FIRST, 0, 0);
    for (int i = 0; i < 40; i++) {
        snprintf(events[i], sizeof events[i], "{\"n\":%d}", i);
        assert_non_null(mapper_request(world->mapper, slice_of(events[i]), answered, world));
    }
    uv_run(&world->loop, UV_RUN_NOWAIT); /* they are sent */
    assert_true(mapper_renew(world->mapper, compiled(world, SECOND)));
    wait_answers(world, 40);
    assert_string_equal(world->text[0], "i=1 r=M b=[1,0] ");
    assert_string_equal(world->text[39], "i=1 r=M b=[1,39] ");
    wait_generations(world, 1);
    world_free(world);
}

static void the_death_of_a_former_file_fails_its_reports_alone(void **state)
{
    (void)state;
    struct world *world = world_handed_over();
    pid_t first;
    assert_int_equal(compilers_of(world->process, &first), 2);
    kill(first, SIGKILL);
    do { /* its evaluator outlives it, and answers until the loop hears */
        size_t before = world->answers;
        assert_non_null(mapper_report(world->held, 1, SLICE_LITERAL("{}"), answered, world));
        while (world->answers == before) /* it may be answered before the loop would sleep */
            uv_run(&world->loop, UV_RUN_NOWAIT);
    } while (strcmp(world->text[(world->answers - 1) % 64],
                    "failed: the process of the former mapping file died") != 0);
    size_t before = world->answers;
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":3}"), answered, world));
    wait_answers(world, before + 1);
    assert_string_equal(world->text[before % 64], "i=1 r=M b=[2,3] ");
    map_generation_release(world->held);
    wait_generations(world, 1);
    assert_false(world->lost);
    world_free(world);
}

static void a_wrong_file_changes_nothing(void **state)
{
    (void)state;
    struct world *world = world_new(FIRST, 0, 0);
    const struct map_process_options options = {.file = SLICE_LITERAL("[{\"url\":\"(\"}]")};
    struct buffer problems = {0}, warnings = {0};
    int fd = 7;
    assert_int_equal(map_process_compile(&world->started, &options, &fd, &problems, &warnings),
                     PA_ERR_INVALID);
    assert_int_equal(fd, -1);
    assert_non_null(strstr(buffer_text(&problems), "mapping 1, url: jq: syntax error"));
    assert_non_null(mapper_request(world->mapper, SLICE_LITERAL("{\"n\":1}"), answered, world));
    wait_answers(world, 1);
    assert_string_equal(world->text[0], "i=1 r=M b=[1,1] ");
    buffer_clear(&problems);
    buffer_clear(&warnings);
    world_free(world);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the agent does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_is_made_by_the_file_that_made_its_request),
        cmocka_unit_test(a_former_file_nobody_needs_ends_at_once),
        cmocka_unit_test(requests_that_wait_go_to_the_new_file),
        cmocka_unit_test(requests_under_way_are_answered_by_their_own_file),
        cmocka_unit_test(the_death_of_a_former_file_fails_its_reports_alone),
        cmocka_unit_test(a_wrong_file_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
