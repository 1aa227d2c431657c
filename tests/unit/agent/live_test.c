/* What the live page is told: batches and their bounds, what is lost and left out, and where a watcher that
 * comes back begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../component/logs.h"
#include "agent/status/live.h"
#include "observe/flow.h"
#include <cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STARTED = 0xabc };

static int64_t now_ms;

static int64_t turned(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static const struct clock the_clock = {.monotonic_ms = turned, .wall_ms = turned};

struct world {
    struct config config;
    struct observer *observer;
    struct conditions *conditions;
    struct live *live;
    size_t asked;
};

static void give_parts(void *ctx, struct status_parts *parts)
{
    struct world *world = ctx;
    world->asked++;
    *parts = (struct status_parts){.config = &world->config,
                                   .clock = &the_clock,
                                   .observer = world->observer,
                                   .conditions = world->conditions,
                                   .streamer = "KAFKA",
                                   .phase = "running"};
}

static struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->config = (struct config){.queue_max_bytes = 2048,
                                    .total_response_bytes = 4096,
                                    .dead_letter_dir = "",
                                    .dead_letter_topic = ""};
    world->observer = observer_new(&(struct observer_options){.clock = &the_clock});
    const struct live_options options = {
        .clock = &the_clock, .started_wall_ms = STARTED, .parts = give_parts, .ctx = world};
    world->live = live_new(&options);
    assert_non_null(world->observer);
    assert_non_null(world->live);
    now_ms = 100000;
    return world;
}

static void world_free(struct world *world)
{
    live_free(world->live);
    conditions_free(world->conditions);
    observer_free(world->observer);
    free(world);
}

static void tell(struct world *world, enum observed_kind kind, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char run_id[32];
        snprintf(run_id, sizeof run_id, "r_%u", i);
        struct observed observed = {.kind = kind,
                                    .run_id = slice_of(run_id),
                                    .attempt = 1,
                                    .record_ms = -1,
                                    .url = SLICE_LITERAL("http://svc/a")};
        flow_note(observer_flow(world->observer), &observed);
    }
}

static struct admin_stream watch(struct world *world, const char *last_event_id)
{
    struct admin_stream stream = {0};
    assert_true(live_watch(world->live, last_event_id, &stream));
    return stream;
}

/** What it is told of deliveries now; NULL: nothing. The caller deletes; `id` gets the event's. */
static cJSON *next(const struct admin_stream *stream, char id[64])
{
    struct buffer out = {0};
    stream->more(stream->ctx, &out);
    const char *event = strstr(buffer_text(&out), "event: deliveries\ndata: ");
    cJSON *read = NULL;
    *id = '\0';
    if (event) {
        assert_int_equal(sscanf(strstr(out.ptr, "id: "), "id: %63s\n", id), 1);
        read = cJSON_Parse(event + strlen("event: deliveries\ndata: "));
        assert_non_null(read);
        assert_non_null(strstr(event, "\n\n"));
        assert_ptr_equal(strchr(event + strlen("event: deliveries\n"), '\n'), strstr(event, "\n\n"));
    }
    buffer_clear(&out);
    return read;
}

static void expect_batch(const struct admin_stream *stream, int told, int left_out, int lost, bool fresh)
{
    char id[64];
    cJSON *batch = next(stream, id);
    int list = batch ? cJSON_GetArraySize(cJSON_GetObjectItem(batch, "list")) : -1;
    int left = batch ? cJSON_GetObjectItem(batch, "left_out")->valueint : -1;
    int gone = batch ? cJSON_GetObjectItem(batch, "lost")->valueint : -1;
    if (list != told || left != left_out || gone != lost)
        fail_msg("told %d, left out %d, lost %d; expected %d, %d, %d", list, left, gone, told, left_out,
                 lost);
    assert_int_equal(cJSON_IsTrue(cJSON_GetObjectItem(batch, "fresh")), fresh);
    cJSON_Delete(batch);
}

static void expect_nothing(const struct admin_stream *stream)
{
    char id[64];
    assert_null(next(stream, id));
}

static void a_watcher_gets_what_happened_last_and_then_what_happens(void **state)
{
    (void)state;
    struct world *world = world_new();
    tell(world, OBSERVED_DELIVERED, 3);
    struct admin_stream stream = watch(world, "");
    expect_batch(&stream, 3, 0, 0, true);
    expect_nothing(&stream);
    tell(world, OBSERVED_RETRYING, 2);
    expect_batch(&stream, 2, 0, 0, false);
    stream.ended(stream.ctx);
    world_free(world);
}

static void a_batch_is_bounded_and_failures_come_first(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct admin_stream stream = watch(world, "");
    expect_batch(&stream, 0, 0, 0, true);
    tell(world, OBSERVED_FAILED, 5);
    tell(world, OBSERVED_DELIVERED, 300);
    char id[64];
    cJSON *batch = next(&stream, id);
    cJSON *list = cJSON_GetObjectItem(batch, "list");
    assert_int_equal(cJSON_GetArraySize(list), LIVE_BATCH);
    assert_int_equal(cJSON_GetObjectItem(batch, "left_out")->valueint, 305 - LIVE_BATCH);
    for (int i = 0; i < LIVE_BATCH; i++) {
        cJSON *one = cJSON_GetArrayItem(list, i);
        assert_string_equal(cJSON_GetObjectItem(one, "outcome")->valuestring, i < 5 ? "failed" : "delivered");
        assert_int_equal(cJSON_GetObjectItem(one, "n")->valueint, i < 5 ? i + 1 : 305 - LIVE_BATCH + i + 1);
    }
    cJSON_Delete(batch);
    tell(world, OBSERVED_FAILED, 100);
    expect_batch(&stream, LIVE_BATCH, 100 - LIVE_BATCH, 0, false);
    stream.ended(stream.ctx);
    world_free(world);
}

static void who_comes_too_late_is_told_how_many_are_lost(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct admin_stream stream = watch(world, "");
    tell(world, OBSERVED_DELIVERED, 10);
    expect_batch(&stream, 10, 0, 0, true);
    tell(world, OBSERVED_DELIVERED, FLOW_MAX + 25);
    expect_batch(&stream, LIVE_BATCH, FLOW_MAX - LIVE_BATCH, 25, false);
    tell(world, OBSERVED_DELIVERED, FLOW_MAX);
    expect_batch(&stream, LIVE_BATCH, FLOW_MAX - LIVE_BATCH, 0, false);
    stream.ended(stream.ctx);
    world_free(world);
}

static void who_comes_back_goes_on_where_it_was(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct admin_stream stream = watch(world, "");
    char id[64], other[64];
    tell(world, OBSERVED_DELIVERED, 10);
    cJSON_Delete(next(&stream, id));
    assert_string_equal(id, "abc.10");
    stream.ended(stream.ctx);
    tell(world, OBSERVED_DELIVERED, 4);
    stream = watch(world, id);
    expect_batch(&stream, 4, 0, 0, false);
    stream.ended(stream.ctx);
    static const char *const foreign[] = {
        "abd.10", "abc.15", "abc.99999999999999999999999", "nonsense", "abc", "abc.", "abc.0", "abc.3x",
        ".",      "\n"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        stream = watch(world, foreign[i]);
        expect_batch(&stream, 14, 0, 0, true);
        cJSON_Delete(next(&stream, other));
        stream.ended(stream.ctx);
    }
    world_free(world);
}

static void hostile_texts_stay_within_their_line(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct admin_stream stream = watch(world, "");
    static const char text[] = "</script>\r\n\ndata: {}\n\n\xff\"\\\x01";
    struct observed observed = {.kind = OBSERVED_FAILED,
                                .run_id = SLICE_LITERAL(text),
                                .url = SLICE_LITERAL(text),
                                .reason = SLICE_LITERAL(text),
                                .topic = text};
    flow_note(observer_flow(world->observer), &observed);
    char id[64];
    cJSON *batch = next(&stream, id);
    cJSON *one = cJSON_GetArrayItem(cJSON_GetObjectItem(batch, "list"), 0);
    assert_string_equal(cJSON_GetObjectItem(one, "run_id")->valuestring,
                        "</script>\r\n\ndata: {}\n\n\xef\xbf\xbd\"\\\x01");
    cJSON_Delete(batch);
    stream.ended(stream.ctx);
    world_free(world);
}

static void the_state_comes_once_a_second_and_is_made_once_for_all(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct admin_stream one = watch(world, ""), other = watch(world, "");
    for (unsigned i = 0; i < 12; i++) {
        struct buffer out = {0}, too = {0};
        one.more(one.ctx, &out);
        other.more(other.ctx, &too);
        bool told = strstr(buffer_text(&out), "event: state\ndata: {\"readiness\":{") != NULL;
        assert_int_equal(told, i % 4 == 0);
        assert_null(strstr(buffer_text(&out), "\"settings\""));
        assert_string_equal(out.ptr, buffer_text(&too));
        buffer_clear(&out);
        buffer_clear(&too);
        now_ms += 250;
    }
    one.ended(one.ctx);
    other.ended(other.ctx);
    world_free(world);
}

/** The state's condition of that place. The caller deletes. */
static cJSON *condition_told(const struct admin_stream *stream, int place)
{
    struct buffer out = {0};
    stream->more(stream->ctx, &out);
    const char *data = strstr(buffer_text(&out), "event: state\ndata: ");
    assert_non_null(data);
    cJSON *state = cJSON_Parse(data + strlen("event: state\ndata: "));
    cJSON *condition = cJSON_DetachItemFromArray(cJSON_GetObjectItem(state, "conditions"), place);
    assert_non_null(condition);
    cJSON_Delete(state);
    buffer_clear(&out);
    return condition;
}

static void a_condition_has_its_hint_where_there_is_one(void **state)
{
    (void)state;
    struct world *world = world_new();
    world->conditions = conditions_new(&the_clock);
    assert_non_null(world->conditions);
    struct caught caught = logs_catch();
    condition_stands_with(world->conditions, CONDITION_CIRCUIT_OPEN, "http://svc", 3, "it only fails",
                          "look at its log");
    condition_stands(world->conditions, CONDITION_RESULTS_WAIT, NULL, 1, "Port answered 429");
    free(logs_end(&caught));
    struct admin_stream stream = watch(world, "");
    cJSON *hinted = condition_told(&stream, 0);
    now_ms += LIVE_STATE_MS;
    cJSON *plain = condition_told(&stream, 1);
    assert_string_equal(cJSON_GetObjectItem(hinted, "reason")->valuestring, "it only fails");
    assert_string_equal(cJSON_GetObjectItem(hinted, "hint")->valuestring, "look at its log");
    assert_string_equal(cJSON_GetObjectItem(plain, "reason")->valuestring, "Port answered 429");
    assert_false(cJSON_HasObjectItem(plain, "hint"));
    cJSON_Delete(hinted);
    cJSON_Delete(plain);
    stream.ended(stream.ctx);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watcher_gets_what_happened_last_and_then_what_happens),
        cmocka_unit_test(a_batch_is_bounded_and_failures_come_first),
        cmocka_unit_test(who_comes_too_late_is_told_how_many_are_lost),
        cmocka_unit_test(who_comes_back_goes_on_where_it_was),
        cmocka_unit_test(hostile_texts_stay_within_their_line),
        cmocka_unit_test(the_state_comes_once_a_second_and_is_made_once_for_all),
        cmocka_unit_test(a_condition_has_its_hint_where_there_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
