/* How much of the window a destination may use: deliveries that nobody sends, and answers that nobody gave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "deliver/internal.h"
#include <stdlib.h>

enum { WINDOW = 32, MANY = 64, MEMORY = 1 << 20 };

struct world {
    uv_loop_t loop;
    struct clock clock;
    int64_t now_ms;
    struct deliver *deliver;
    struct delivery *deliveries[1024];
    size_t count;
};

static int64_t now(void *ctx)
{
    return ((struct world *)ctx)->now_ms;
}

static double half(void *ctx)
{
    (void)ctx;
    return 0.5;
}

static struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    uv_loop_init(&world->loop);
    world->now_ms = 1000000;
    world->clock = (struct clock){.ctx = world, .monotonic_ms = now, .wall_ms = now, .random = half};
    struct deliver_options options = {
        .loop = &world->loop, .clock = &world->clock, .max_in_flight = WINDOW, .max_bytes = MEMORY};
    world->deliver = deliver_new(&options);
    assert_non_null(world->deliver);
    return world;
}

static void world_free(struct world *world)
{
    for (size_t i = 0; i < world->count; i++)
        free(world->deliveries[i]);
    deliver_free(world->deliver);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    uv_loop_close(&world->loop);
    free(world);
}

/** Queues so many deliveries for it. */
static struct destination *queue(struct world *world, const char *name, size_t count)
{
    struct destination *destination = destination_find(world->deliver, name);
    assert_non_null(destination);
    for (size_t i = 0; i < count; i++) {
        struct delivery *delivery = calloc(1, sizeof *delivery);
        assert_true(delivery && world->count < sizeof world->deliveries / sizeof *world->deliveries);
        world->deliveries[world->count++] = delivery;
        delivery->deliver = world->deliver;
        delivery->destination = destination;
        destination->references++;
        destination_push(world->deliver, delivery);
    }
    return destination;
}

/** Starts what may start, as the pump does; returns how many did. */
static size_t start_all(struct world *world)
{
    size_t started = 0;
    size_t *sending = &world->deliver->in_state[DELIVERY_SENDING];
    while (*sending < WINDOW && destination_next(world->deliver)) {
        ++*sending;
        started++;
    }
    return started;
}

static void end(struct world *world, struct destination *destination, struct http_result result)
{
    world->deliver->in_state[DELIVERY_SENDING]--;
    destination_answered(world->deliver, destination, &result);
}

static void answer(struct world *world, struct destination *destination)
{
    end(world, destination, (struct http_result){.failure = HTTP_OK, .status = 200, .duration_ms = 1});
}

static void time_out(struct world *world, struct destination *destination)
{
    end(world, destination, (struct http_result){.failure = HTTP_IDLE_TIMEOUT, .duration_ms = 30000});
}

/** Answers so often that it may have the whole window. */
static struct destination *proven(struct world *world, const char *name)
{
    struct destination *destination = queue(world, name, MANY);
    for (size_t answers = 0; answers < MANY; answers++) {
        start_all(world);
        answer(world, destination);
    }
    assert_int_equal(destination->in_flight, 0);
    return destination;
}

/** Silent once already. */
static struct destination *silent(struct world *world, const char *name)
{
    struct destination *destination = queue(world, name, 1);
    assert_int_equal(start_all(world), 1);
    time_out(world, destination);
    return destination;
}

static void one_that_answers_and_is_alone_has_the_whole_window(void **state)
{
    (void)state;
    struct world *world = world_new();
    proven(world, "http://a");
    world->now_ms += 60000;
    queue(world, "http://a", MANY);
    assert_int_equal(start_all(world), WINDOW);
    world_free(world);
}

static void one_answer_opens_the_window_to_one_that_is_alone(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct destination *destination = queue(world, "http://a", MANY);
    size_t first = start_all(world);
    assert_in_range(first, 1, WINDOW / 2);
    answer(world, destination);
    assert_int_equal(start_all(world), WINDOW - first + 1);
    world_free(world);
}

static void one_that_falls_silent_alone_leaves_a_part_to_who_may_come(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct destination *destination = proven(world, "http://a");
    world->now_ms += 60000;
    queue(world, "http://a", WINDOW / 2);
    assert_int_equal(start_all(world), WINDOW / 2);
    world->now_ms += 5000;
    queue(world, "http://a", WINDOW);
    assert_in_range(start_all(world), WINDOW / 4, WINDOW / 2 - 1);
    assert_int_equal(destination->in_flight, world->deliver->in_state[DELIVERY_SENDING]);
    queue(world, "http://b", 1);
    assert_int_equal(start_all(world), 1);
    world_free(world);
}

/** Whatever the number of those that are above their share: slots are left for the others. */
static void in_company_all_of_them_leave_a_part_of_the_window(void **state)
{
    (void)state;
    struct world *world = world_new();
    proven(world, "http://a");
    proven(world, "http://b");
    queue(world, "http://c", 1);
    assert_int_equal(start_all(world), 1);
    queue(world, "http://a", MANY);
    queue(world, "http://b", MANY);
    assert_in_range(start_all(world), WINDOW / 2, WINDOW - 2);
    queue(world, "http://d", 1);
    assert_int_equal(start_all(world), 1);
    world_free(world);
}

static void those_that_were_silent_share_a_small_part_while_slots_are_scarce(void **state)
{
    (void)state;
    static const char *const names[] = {"http://s1", "http://s2", "http://s3", "http://s4",
                                        "http://s5", "http://s6", "http://s7", "http://s8"};
    enum { SILENT = sizeof names / sizeof *names };
    struct destination *destinations[SILENT];
    struct world *world = world_new();
    for (size_t i = 0; i < SILENT; i++)
        destinations[i] = silent(world, names[i]);
    struct destination *good = proven(world, "http://good");
    world->now_ms += 60000;
    queue(world, "http://good", MANY);
    assert_in_range(start_all(world), WINDOW - 2, WINDOW);
    for (size_t i = 0; i < 6; i++)
        answer(world, good);
    for (size_t i = 0; i < SILENT; i++)
        queue(world, names[i], 1);
    start_all(world);
    size_t held = 0;
    for (size_t i = 0; i < SILENT; i++)
        held += destinations[i]->in_flight;
    assert_int_equal(held, 4); /* the least part */
    /* While slots are free each has one. */
    while (good->in_flight > 0 || good->ready.first) {
        answer(world, good);
        start_all(world);
    }
    for (size_t i = 0; i < SILENT; i++)
        assert_int_equal(destinations[i]->in_flight, 1);
    world_free(world);
}

static void slots_that_nobody_needs_empty_the_memory_that_silence_fills(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct destination *destination = silent(world, "http://s");
    for (int i = 0; i < 3; i++) { /* its limit is down to one */
        queue(world, "http://s", 1);
        start_all(world);
        time_out(world, destination);
    }
    queue(world, "http://s", MANY);
    assert_int_equal(start_all(world), 1);
    world->deliver->pressed_ms = world->now_ms; /* half the memory is used, since now */
    assert_int_equal(start_all(world), 0);
    world->now_ms += 10000;
    assert_int_equal(start_all(world), WINDOW / 2 - 1);
    world_free(world);
}

/** Lets the breaker's interval pass, as far as it concerns the breaker: nothing is sent. */
static void interval_over(struct world *world, struct destination *destination)
{
    struct due *due = &destination->breaker.due;
    void (*fired)(struct due *) = due->fired;
    assert_non_null(fired);
    schedule_remove(&world->deliver->schedule, due);
    world->deliver->withdrawing = true;
    fired(due);
    world->deliver->withdrawing = false;
}

static size_t attempts_after_interval(struct world *world, struct destination *destination)
{
    size_t attempts = 0;
    interval_over(world, destination);
    for (size_t started; (started = start_all(world)) > 0; attempts += started)
        while (destination->in_flight > 0)
            end(world, destination, (struct http_result){.failure = HTTP_CONNECT});
    return attempts;
}

static void whatever_waited_long_enough_has_its_attempt(void **state)
{
    (void)state;
    enum { WAITING = 40, FAILURES = 3 };
    struct world *world = world_new();
    world->deliver->options.breaker_failures = FAILURES;
    struct destination *destination = queue(world, "http://r", FAILURES);
    struct http_result refused = {.failure = HTTP_CONNECT};
    for (int i = 0; i < FAILURES; i++) {
        start_all(world);
        end(world, destination, refused);
    }
    assert_int_equal(destination->breaker.state, BREAKER_OPEN);
    queue(world, "http://r", WAITING);
    assert_int_equal(start_all(world), 0);
    world->now_ms += 20000;
    assert_int_equal(attempts_after_interval(world, destination), 1);
    world->now_ms += 10000;
    assert_int_equal(attempts_after_interval(world, destination), WAITING - 1);
    assert_int_equal(destination->breaker.state, BREAKER_OPEN);
    world_free(world);
}

/** Behind those that came since, it would wait for them to have waited long enough. */
static void one_that_was_tried_before_is_next(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct destination *destination = queue(world, "http://r", 3);
    struct delivery *first = destination_next(world->deliver);
    assert_ptr_equal(first, world->deliveries[0]);
    destination_answered(world->deliver, destination,
                         &(struct http_result){.failure = HTTP_OK, .status = 429, .duration_ms = 1});
    first->attempt = 1;
    destination_push(world->deliver, first);
    assert_ptr_equal(destination_next(world->deliver), first);
    assert_ptr_equal(destination_next(world->deliver), world->deliveries[1]);
    assert_ptr_equal(destination_next(world->deliver), world->deliveries[2]);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_answers_and_is_alone_has_the_whole_window),
        cmocka_unit_test(one_answer_opens_the_window_to_one_that_is_alone),
        cmocka_unit_test(one_that_falls_silent_alone_leaves_a_part_to_who_may_come),
        cmocka_unit_test(in_company_all_of_them_leave_a_part_of_the_window),
        cmocka_unit_test(those_that_were_silent_share_a_small_part_while_slots_are_scarce),
        cmocka_unit_test(slots_that_nobody_needs_empty_the_memory_that_silence_fills),
        cmocka_unit_test(whatever_waited_long_enough_has_its_attempt),
        cmocka_unit_test(one_that_was_tried_before_is_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
