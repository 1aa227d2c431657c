/* Long answers to claims: read elsewhere, handed out piece by piece, and left to Port at a stop. */
#include "polling_world.h"
#include <dlfcn.h>

enum { RUNS = 10, RUN_BYTES = 200 * 1024, LONG = 2 * 1024 * 1024, MANY = 150 };

typedef int queueing(uv_loop_t *, uv_work_t *, uv_work_cb, uv_after_work_cb);

/** Pieces of work for the thread pool. */
static size_t jobs;

/** In front of libuv's. */
int uv_queue_work(uv_loop_t *loop, uv_work_t *req, uv_work_cb work, uv_after_work_cb after)
{
    queueing *real = (queueing *)dlsym(RTLD_NEXT, "uv_queue_work");
    jobs++;
    return real(loop, req, work, after);
}

/** Port's first answer; the others are empty. */
static struct buffer first;

static void add_run(size_t number, size_t padding)
{
    buffer_appendf(
        &first, "%s{\"id\":\"r_%zu\",\"payload\":{\"agent\":true,\"url\":\"http://a/\",\"body\":{\"pad\":\"",
        first.ptr[first.len - 1] == '[' ? "" : ",", number);
    for (size_t i = 0; i < padding; i++)
        buffer_append_char(&first, 'x');
    buffer_append_text(&first, "\"}}}");
}

static struct reply first_then_nothing(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)n;
    if (is(request, CLAIM) && asked(port, CLAIM) == 1)
        return (struct reply){.body = buffer_text(&first)};
    if (is(request, ACK))
        return (struct reply){.body = "{\"ackedCount\":1}"};
    return (struct reply){.body = "{\"runs\":[],\"nodeRuns\":[]}"};
}

/** The first answer has `count` runs of that length, and ends so. */
static struct world *answer_world(size_t count, size_t padding, const char *end)
{
    jobs = 0;
    buffer_clear(&first);
    buffer_append_text(&first, "{\"runs\":[");
    for (size_t i = 0; i < count; i++)
        add_run(i, padding);
    buffer_append_text(&first, end);
    struct world *world = world_new(first_then_nothing);
    world->config.queue_max_bytes = (int64_t)2 * LONG;
    start(world);
    return world;
}

static size_t claimed(const struct world *world)
{
    struct log_field fields[SOURCE_FIELDS_MAX];
    size_t count = polling_source.summary(world->source, fields);
    for (size_t i = 0; i < count; i++)
        if (slice_equal_text(fields[i].name, "claimed"))
            return (size_t)fields[i].value.integer;
    fail();
    return 0;
}

/** The most runs that came in one turn of the loop. */
static size_t most_in_a_turn(struct world *world, size_t all)
{
    size_t most = 0;
    for (size_t before = 0, now; before < all; before = now) {
        uv_run(&world->port->loop, UV_RUN_ONCE);
        now = claimed(world);
        most = now - before > most ? now - before : most;
    }
    return most;
}

static void run_until_one_is_read(struct world *world)
{
    while (jobs == 0)
        uv_run(&world->port->loop, UV_RUN_ONCE);
}

static void end(struct world *world)
{
    for (size_t i = 0; i < world->count; i++)
        settle(world, i, true);
    world_free(world);
    buffer_clear(&first);
}

static void a_long_answer_is_read_elsewhere_a_mebibyte_at_a_time(void **state)
{
    (void)state;
    struct world *world = answer_world(RUNS, RUN_BYTES, "]}");
    assert_in_range(most_in_a_turn(world, RUNS), 1, 6);
    assert_int_equal(jobs, 2);
    run_until(world->port, &world->count, RUNS);
    for (size_t i = 0; i < RUNS; i++) {
        assert_true(strlen(world->taken[i].value) > RUN_BYTES);
        assert_string_equal(world->taken[i].broken, "");
    }
    end(world);
}

static void no_turn_gets_more_than_64_runs_of_it(void **state)
{
    (void)state;
    struct world *world = answer_world(MANY, 8192, "]}");
    assert_in_range(most_in_a_turn(world, MANY), 1, 64);
    assert_int_equal(jobs, 3);
    run_until(world->port, &world->count, MANY);
    end(world);
}

static void a_short_answer_is_read_at_once(void **state)
{
    (void)state;
    struct world *world = answer_world(4, RUN_BYTES, "]}");
    assert_int_equal(most_in_a_turn(world, 4), 4);
    assert_int_equal(jobs, 0);
    run_until(world->port, &world->count, 4);
    end(world);
}

/** What stands before the fault is ours; the round has failed, and the next one works. */
static void a_long_answer_that_breaks_off_is_said_and_what_was_read_goes_on(void **state)
{
    (void)state;
    struct world *world = answer_world(RUNS, RUN_BYTES, ",]}");
    run_until(world->port, &world->count, RUNS);
    run_until_asked(world, CLAIM, 2);
    run_until_it(world, is_idle);
    end(world);
}

static void a_long_answer_that_is_no_json_is_a_failed_round(void **state)
{
    (void)state;
    struct world *world = answer_world(1, LONG, "");
    run_until_asked(world, CLAIM, 2);
    assert_int_equal(jobs, 1);
    assert_int_equal(world->count, 0);
    end(world);
}

static void what_is_not_read_at_a_stop_is_left_to_port(void **state)
{
    (void)state;
    struct world *world = answer_world(RUNS, RUN_BYTES, "]}");
    run_until_one_is_read(world);
    assert_false(source_idle(world->source));
    source_stop_taking(world->source);
    assert_true(source_idle(world->source));
    run_for(world->port, 20);
    assert_int_equal(jobs, 1);
    assert_int_equal(claimed(world), 0);
    assert_int_equal(asked(world->port, ACK), 0);
    end(world);
}

static void the_source_may_go_away_while_one_is_read(void **state)
{
    (void)state;
    struct world *world = answer_world(RUNS, RUN_BYTES, "]}");
    run_until_one_is_read(world);
    end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_answer_is_read_elsewhere_a_mebibyte_at_a_time),
        cmocka_unit_test(no_turn_gets_more_than_64_runs_of_it),
        cmocka_unit_test(a_short_answer_is_read_at_once),
        cmocka_unit_test(a_long_answer_that_breaks_off_is_said_and_what_was_read_goes_on),
        cmocka_unit_test(a_long_answer_that_is_no_json_is_a_failed_round),
        cmocka_unit_test(what_is_not_read_at_a_stop_is_left_to_port),
        cmocka_unit_test(the_source_may_go_away_while_one_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
