/* Events that are not to be believed: which are, which of them have a line, and of which Port is told. */
#include "deliver/refusal.h"
#include "deliver/shared.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct world {
    uv_loop_t loop;
    struct clock clock;
    int64_t now_ms;
    struct deliver deliver;
    struct observed last;
    unsigned told, listed;
};

static int64_t world_now(void *ctx)
{
    return ((struct world *)ctx)->now_ms;
}

static void told(void *ctx, const struct observed *observed)
{
    struct world *world = ctx;
    world->last = *observed;
    world->told++;
    world->listed += !observed->unlisted;
}

static int open_world(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->now_ms = 1000000;
    world->clock = (struct clock){.ctx = world, .monotonic_ms = world_now, .wall_ms = world_now};
    uv_loop_init(&world->loop);
    assert_true(schedule_open(&world->deliver.schedule, &world->loop, &world->clock));
    world->deliver.options.clock = &world->clock;
    world->deliver.options.signer = signer_new(SLICE_LITERAL("secret"));
    world->deliver.options.observer =
        observer_new(&(struct observer_options){.clock = &world->clock, .told = told, .ctx = world});
    minute_open(&world->deliver.minute, &world->deliver.schedule, &world->clock,
                world->deliver.options.observer);
    *state = world;
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;
    schedule_close(&world->deliver.schedule);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    uv_loop_close(&world->loop);
    observer_free(world->deliver.options.observer);
    signer_free(world->deliver.options.signer);
    free(world);
    return 0;
}

static struct event event_of(const char *run_id)
{
    return (struct event){.run_id = slice_of(run_id)};
}

static void what_is_believed_is_by_where_it_comes_from(void **state)
{
    struct world *world = *state;
    char signature[SIGNATURE_SIZE], payload[] = "{}";
    struct record record = {.kind = EVENT_RUN};
    struct event event = {.payload = {.ptr = payload, .len = 2}};
    assert_int_equal(refusal_of(world->deliver.options.signer, &record, &event), REFUSAL_MISSING);
    event.has_signature_member = event.has_timestamp_member = true;
    event.signature = SLICE_LITERAL("v1,x");
    event.timestamp = SLICE_LITERAL("x");
    assert_int_equal(refusal_of(world->deliver.options.signer, &record, &event), REFUSAL_MALFORMED);
    event.timestamp = SLICE_LITERAL("1768317616");
    assert_int_equal(refusal_of(world->deliver.options.signer, &record, &event), REFUSAL_WRONG);
    assert_int_equal(signer_sign(world->deliver.options.signer, 1768317616, SLICE_LITERAL("{}"), signature),
                     0);
    event.signature = slice_of(signature);
    assert_int_equal(refusal_of(world->deliver.options.signer, &record, &event), REFUSAL_NONE);
    event.other_topics = true;
    assert_int_equal(refusal_of(world->deliver.options.signer, &record, &event), REFUSAL_OTHER_TOPICS);
    record.trusted = true;
    assert_int_equal(refusal_of(world->deliver.options.signer, &record, &event), REFUSAL_NONE);
    record = (struct record){.kind = EVENT_CHANGE_LOG};
    assert_int_equal(refusal_of(world->deliver.options.signer, &record, &event), REFUSAL_OTHER_TOPICS);
    event = event_of(NULL);
    assert_int_equal(refusal_of(world->deliver.options.signer, &record, &event), REFUSAL_NONE);
}

static void each_refusal_is_told_as_what_it_is(void **state)
{
    struct world *world = *state;
    struct record record = {.kind = EVENT_RUN};
    struct event event = event_of("r_1");
    static const struct {
        enum refusal refusal;
        enum observed_kind kind;
    } cases[] = {{REFUSAL_MISSING, OBSERVED_UNSIGNED},
                 {REFUSAL_MALFORMED, OBSERVED_TIMESTAMP_MALFORMED},
                 {REFUSAL_WRONG, OBSERVED_SIGNATURE_WRONG},
                 {REFUSAL_OTHER_TOPICS, OBSERVED_OTHER_TOPICS}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        refusal_tell(&world->deliver, &record, &event, cases[i].refusal);
        assert_int_equal(world->last.kind, cases[i].kind);
        assert_true(slice_equal_text(world->last.run_id, "r_1"));
        assert_int_equal(world->last.reason.len > 0, cases[i].refusal == REFUSAL_OTHER_TOPICS);
    }
}

static void fifty_a_minute_have_a_line_and_the_rest_a_count(void **state)
{
    struct world *world = *state;
    struct record record = {.kind = EVENT_RUN};
    struct event event = event_of("r_1");
    for (int i = 0; i < 53; i++)
        refusal_tell(&world->deliver, &record, &event, REFUSAL_MISSING);
    assert_int_equal(world->told, 53);
    assert_int_equal(world->listed, 50);
    world->now_ms += 59999;
    schedule_fire(&world->deliver.schedule);
    assert_int_equal(world->told, 53);
    world->now_ms++;
    schedule_fire(&world->deliver.schedule);
    assert_int_equal(world->told, 54);
    assert_int_equal(world->last.kind, OBSERVED_MORE_REFUSED);
    assert_int_equal(world->last.count, 3);
    assert_int_equal(world->last.unreported, 0);
    refusal_tell(&world->deliver, &record, &event, REFUSAL_MISSING);
    assert_false(world->last.unlisted); /* another minute */
    minute_close(&world->deliver.minute);
    assert_int_equal(world->told, 55);
}

static void port_is_told_of_node_runs_a_minute_ahead_at_most(void **state)
{
    struct world *world = *state;
    struct deliver *deliver = &world->deliver;
    struct event node = event_of("wfnr_1"), run = event_of("r_1"), unusable = event_of("wfnr_/");
    assert_true(refusal_is_reported(deliver, &node, REFUSAL_WRONG));
    assert_false(refusal_is_reported(deliver, &node, REFUSAL_OTHER_TOPICS));
    assert_false(refusal_is_reported(deliver, &run, REFUSAL_WRONG));
    assert_false(refusal_is_reported(deliver, &unusable, REFUSAL_WRONG));
    deliver->next_refusal_report_ms = world->now_ms + 59999;
    assert_true(refusal_is_reported(deliver, &node, REFUSAL_WRONG));
    assert_int_equal(deliver->minute.refusals_unreported, 0);
    deliver->next_refusal_report_ms++;
    assert_false(refusal_is_reported(deliver, &node, REFUSAL_WRONG));
    assert_false(refusal_is_reported(deliver, &node, REFUSAL_WRONG));
    assert_int_equal(deliver->minute.refusals_unreported, 2);
    deliver->minute.unwanted = 4;
    minute_close(&deliver->minute);
    assert_int_equal(world->told, 2);
    assert_int_equal(world->last.kind, OBSERVED_MORE_UNWANTED);
    assert_int_equal(world->last.count, 4);
    assert_int_equal(deliver->minute.refusals_unreported, 0);
    minute_close(&deliver->minute); /* nothing more to tell */
    assert_int_equal(world->told, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_believed_is_by_where_it_comes_from, open_world, close_world),
        cmocka_unit_test_setup_teardown(each_refusal_is_told_as_what_it_is, open_world, close_world),
        cmocka_unit_test_setup_teardown(fifty_a_minute_have_a_line_and_the_rest_a_count, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(port_is_told_of_node_runs_a_minute_ahead_at_most, open_world,
                                        close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
