/* Answers that take long to write as JSON: where they are written, how much a turn of the loop writes, and
 * what becomes of them when their deliveries are taken back meanwhile. */
#include "world.h"
#include <dlfcn.h>

typedef int queueing(uv_loop_t *, uv_work_t *, uv_work_cb, uv_after_work_cb);

/** Pieces of work that went to the thread pool, and whether the next finds no place there. */
static size_t queued;
static bool refuses;

/** In front of libuv's. */
int uv_queue_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb begin, uv_after_work_cb after)
{
    queueing *real = (queueing *)dlsym(RTLD_NEXT, "uv_queue_work");
    queued++;
    if (!refuses)
        return real(loop, work, begin, after);
    refuses = false;
    return UV_ENOMEM;
}

static struct world *quiet_world(void)
{
    struct world *world = world_large(8);
    queued = 0;
    refuses = false;
    return world;
}

static struct event_text synchronous(const char *run_id, const char *path)
{
    return (struct event_text){.run_id = run_id, .path = path, .synchronized = true};
}

/** What Port was told of the run's answer. */
static const char *response_of(const struct world *world, const char *run_id)
{
    char target[64];
    snprintf(target, sizeof target, "/v1/actions/runs/%s/response", run_id);
    for (size_t i = 0; i < world->port->count; i++)
        if (strcmp(world->port->seen[i].target, target) == 0)
            return world->port->seen[i].body;
    return "";
}

/** {"response":"\u0000…"}, all of it. */
static void assert_zeros_told(const struct world *world, const char *run_id)
{
    static const char before[] = "{\"response\":\"", zero[] = "\\u0000";
    const char *said = response_of(world, run_id);
    assert_int_equal(strncmp(said, before, strlen(before)), 0);
    said += strlen(before);
    for (size_t i = 0; i < ZEROS; i++, said += strlen(zero))
        assert_int_equal(strncmp(said, zero, strlen(zero)), 0);
    assert_string_equal(said, "\"}");
}

static void run_until_queued(struct world *world, size_t count)
{
    while (queued < count)
        uv_run(&world->port->loop, UV_RUN_ONCE);
}

static void a_long_answer_is_written_elsewhere(void **state)
{
    (void)state;
    struct world *world = quiet_world();
    give(world, synchronous("r_1", "/zeros"));
    run_until(world->port, &world->done, 1);
    assert_int_equal(queued, 1);
    assert_zeros_told(world, "r_1");
    assert_holds_nothing(world);
    world_free(world);
}

static struct {
    const struct reports *reports;
    size_t before, most;
} turns;

/** What results hold grows by what Port is given. */
static void count_turn(uv_prepare_t *prepare)
{
    size_t held = reports_bytes(turns.reports);
    (void)prepare;
    if (held > turns.before && held - turns.before > turns.most)
        turns.most = held - turns.before;
    turns.before = held;
}

/** The most that results grow in a turn, when so many answers come at once. */
static size_t most_in_a_turn(size_t count)
{
    static const char *const ids[] = {"r_1", "r_2", "r_3", "r_4"};
    struct world *world = quiet_world();
    uv_prepare_t prepare;
    turns.reports = world->reports;
    turns.before = turns.most = 0;
    uv_prepare_init(&world->port->loop, &prepare);
    uv_prepare_start(&prepare, count_turn);
    for (size_t i = 0; i < count; i++)
        give(world, synchronous(ids[i], "/zeros"));
    run_until(world->port, &world->done, count);
    uv_close((uv_handle_t *)&prepare, NULL);
    assert_int_equal(queued, count);
    for (size_t i = 0; i < count; i++)
        assert_zeros_told(world, ids[i]);
    assert_holds_nothing(world);
    world_free(world);
    return turns.most;
}

static void a_turn_gives_port_few_of_them(void **state)
{
    (void)state;
    enum { ONE_MORE = 6 * ZEROS };
    size_t one = most_in_a_turn(1);
    assert_true(one >= ONE_MORE);
    assert_in_range(most_in_a_turn(4), one, 2 * one + ONE_MORE / 2); /* the clock may go on in a turn, once */
}

static void a_short_answer_is_written_at_once(void **state)
{
    (void)state;
    struct world *world = quiet_world();
    give(world, synchronous("r_1", "/ok"));
    give(world, synchronous("r_2", "/long"));
    run_until(world->port, &world->done, 2);
    assert_int_equal(queued, 0);
    assert_string_equal(response_of(world, "r_1"), "{\"response\":{\"ok\":true}}");
    world_free(world);
}

static void where_nobody_waits_for_the_answer_none_is_written(void **state)
{
    (void)state;
    struct world *world = quiet_world();
    give(world, (struct event_text){.run_id = "r_1", .path = "/zeros"});
    run_until(world->port, &world->done, 1);
    assert_int_equal(queued, 0);
    assert_string_equal(response_of(world, "r_1"), "");
    world_free(world);
}

static void one_that_finds_no_memory_is_written_later(void **state)
{
    (void)state;
    struct world *world = quiet_world();
    refuses = true;
    give(world, synchronous("r_1", "/zeros"));
    run_until(world->port, &world->done, 1);
    assert_int_equal(queued, 2);
    assert_int_equal(world->arrived, 1);
    assert_zeros_told(world, "r_1");
    assert_holds_nothing(world);
    world_free(world);
}

static void what_is_withdrawn_while_its_answer_is_written_is_given_back(void **state)
{
    (void)state;
    struct world *world = quiet_world();
    int mine = 0;
    struct event_text text = synchronous("r_1", "/zeros");
    text.assignment = &mine;
    size_t gone = give(world, text);
    run_until_queued(world, 1);
    world->sink.withdraw(world->sink.ctx, &mine, true);
    assert_int_equal(world->given[gone].dropped, 1);
    assert_holds_nothing(world);
    give(world, synchronous("r_2", "/zeros")); /* those behind it go on */
    run_until(world->port, &world->done, 1);
    assert_string_equal(response_of(world, "r_1"), "");
    assert_zeros_told(world, "r_2");
    world_free(world);
}

static void the_deliveries_may_go_away_while_an_answer_is_written(void **state)
{
    (void)state;
    struct world *world = quiet_world();
    size_t place = give(world, synchronous("r_1", "/zeros"));
    run_until_queued(world, 1);
    world_free_under(world, place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_answer_is_written_elsewhere),
        cmocka_unit_test(a_turn_gives_port_few_of_them),
        cmocka_unit_test(a_short_answer_is_written_at_once),
        cmocka_unit_test(where_nobody_waits_for_the_answer_none_is_written),
        cmocka_unit_test(one_that_finds_no_memory_is_written_later),
        cmocka_unit_test(what_is_withdrawn_while_its_answer_is_written_is_given_back),
        cmocka_unit_test(the_deliveries_may_go_away_while_an_answer_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
