/* Another source, added as docs/adding.md says: nothing of the agent knows it, and its records are delivered
 * like any other's. */
#include "../deliver/world.h"
#include "../logs.h"
#include "toy_source.h"

struct toy_world {
    struct world *world;
    const struct toy_source *toy;
    struct source *source;
    struct buffer texts[TOY_LINES];
    size_t closed;
};

static void toy_is_closed(void *ctx)
{
    ((struct toy_world *)ctx)->closed++;
}

static void open_toy(struct toy_world *toys)
{
    struct error err = {0};
    struct source_options options = {.loop = &toys->world->port->loop,
                                     .clock = &toys->world->port->clock,
                                     .sink = deliver_sink(toys->world->deliver),
                                     .ctx = toys};
    toys->source = toy_source.open(&options, &err);
    toys->toy = (const struct toy_source *)toys->source;
    assert_non_null(toys->source);
}

static void close_toy(struct toy_world *toys)
{
    size_t closed = toys->closed + 1;
    source_close(toys->source, toy_is_closed, toys);
    run_until(toys->world->port, &toys->closed, closed);
}

/** A source of these paths' events, NULL at the end. */
static struct toy_world *toys_new(struct deliver_options options, const char *const *paths)
{
    struct toy_world *toys = calloc(1, sizeof *toys);
    assert_non_null(toys);
    toys->world = world_with(options);
    memset(toy_lines, 0, sizeof toy_lines);
    for (size_t i = 0; paths[i]; i++) {
        char run_id[16];
        snprintf(run_id, sizeof run_id, "r_%zu", i);
        write_event(toys->world, &(struct event_text){.run_id = run_id, .path = paths[i]}, &toys->texts[i]);
        toy_lines[i] = buffer_slice(&toys->texts[i]);
    }
    open_toy(toys);
    return toys;
}

static void toys_free(struct toy_world *toys)
{
    close_toy(toys);
    assert_holds_nothing(toys->world);
    world_free(toys->world);
    for (size_t i = 0; i < TOY_LINES; i++)
        buffer_clear(&toys->texts[i]);
    free(toys);
}

static void its_records_are_delivered_and_come_back_as_done(void **state)
{
    (void)state;
    static const char *const paths[] = {"/0", "/1", "/2", NULL};
    struct caught caught = logs_catch();
    struct toy_world *toys =
        toys_new((struct deliver_options){.max_in_flight = 4, .max_bytes = 1 << 20}, paths);
    assert_int_equal(toys->toy->next, 0); /* nothing during the constructor */
    run_until(toys->world->port, &toys->toy->done, 3);
    assert_int_equal(toys->world->arrived, 3);
    for (size_t i = 0; i < 3; i++) {
        char id[16];
        snprintf(id, sizeof id, "line-%c", toys->world->paths[i][1]);
        assert_string_equal(toys->world->keys[i], id);
    }
    struct log_field fields[SOURCE_FIELDS_MAX];
    assert_int_equal(source_summary(toys->source, fields), 1);
    assert_int_equal(source_assigned(toys->source), 1);
    assert_true(source_idle(toys->source) && source_comes_again(toys->source));
    toys_free(toys);
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "\"msg\":\"webhook delivered\",\"record.id\":\"line-"), 3);
    free(lines);
}

static void it_hands_over_what_there_is_room_for(void **state)
{
    (void)state;
    static const char *const paths[] = {"/hold", "/hold", "/hold", NULL};
    struct toy_world *toys = toys_new((struct deliver_options){.max_in_flight = 4, .max_bytes = 2000}, paths);
    run_until(toys->world->port, &toys->world->held_count, 1);
    assert_true(toys->toy->next < 3);
    while (toys->toy->done < 3) {
        size_t rooms = toys->world->rooms + 1, done = toys->toy->done + 1;
        let_go(toys->world, toys->world->held_count - 1);
        run_until(toys->world->port, &toys->toy->done, done);
        if (done == 3)
            break;
        run_until(toys->world->port, &toys->world->rooms, rooms);
        source_resume(toys->source);
        run_until(toys->world->port, &toys->world->held_count, done + 1);
    }
    assert_int_equal(toys->toy->next, 3);
    toys_free(toys);
}

static void what_it_takes_back_comes_again_and_what_was_delivered_does_not(void **state)
{
    (void)state;
    static const char *const paths[] = {"/0", "/hold", NULL};
    struct toy_world *toys = toys_new(
        (struct deliver_options){.max_in_flight = 4, .max_bytes = 1 << 20, .dedup_window = 10}, paths);
    run_until(toys->world->port, &toys->toy->done, 1);
    run_until(toys->world->port, &toys->world->held_count, 1);
    close_toy(toys);
    open_toy(toys);
    run_until(toys->world->port, &toys->world->held_count, 2);
    assert_int_equal(toys->toy->done, 1); /* not delivered again */
    assert_int_equal(toys->world->arrived, 3);
    assert_string_equal(toys->world->keys[1], toys->world->keys[2]);
    let_go(toys->world, 0); /* whose connection is gone */
    let_go(toys->world, 1);
    run_until(toys->world->port, &toys->toy->done, 2);
    assert_int_equal(toys->world->arrived, 3);
    toys_free(toys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_records_are_delivered_and_come_back_as_done),
        cmocka_unit_test(it_hands_over_what_there_is_room_for),
        cmocka_unit_test(what_it_takes_back_comes_again_and_what_was_delivered_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
