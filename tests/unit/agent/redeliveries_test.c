/* Records that a person has the running agent deliver once more: what is answered when, and what is kept of
 * them. The source is this test. */
#include "agent/status/redeliveries.h"
#include "base/error.h"
#include "source/class.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct asked_source {
    struct source source;
    int failed;
    size_t count;
    struct redelivery_request last;
    char id[REDELIVERY_ID_SIZE];
};

static int redeliver(struct source *source, const struct redelivery_request *request)
{
    struct asked_source *asked = (struct asked_source *)source;
    asked->count++;
    asked->last = *request;
    snprintf(request->id, REDELIVERY_ID_SIZE, "org.runs-%d-%d-again-1", (int)request->partition,
             (int)request->offset);
    snprintf(asked->id, sizeof asked->id, "%s", request->id);
    return asked->failed;
}

static const struct source_class with_places = {.name = "TEST", .redeliver = redeliver},
                                 without_places = {.name = "TEST"};

struct world {
    struct redeliveries *redeliveries;
    struct config config;
    struct asked_source source;
    struct status_parts parts;
};

static struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->redeliveries = redeliveries_new();
    world->config.runs_topic = "org.runs";
    world->source.source.class = &with_places;
    world->parts =
        (struct status_parts){.config = &world->config, .source = &world->source.source, .running = true};
    return world;
}

static void world_free(struct world *world)
{
    redeliveries_free(world->redeliveries);
    free(world);
}

static void assert_answer(struct admin_answer *answer, unsigned status, const char *text)
{
    assert_int_equal(answer->status, status);
    assert_non_null(strstr(buffer_text(&answer->body), text));
    buffer_clear(&answer->body);
}

static void ask(struct world *world, const char *target, unsigned status, const char *text)
{
    struct admin_answer answer = {0};
    redeliveries_ask(world->redeliveries, &world->parts, target, &answer);
    assert_answer(&answer, status, text);
}

static void fetch(struct world *world, const char *target, unsigned status, const char *text)
{
    struct admin_answer answer = {0};
    redeliveries_fetch(world->redeliveries, target, &answer);
    assert_answer(&answer, status, text);
}

static void end_last(struct world *world, enum redelivery_end end)
{
    world->source.last.ended(world->source.last.ctx, end);
}

static void tell(struct world *world, const char *record_id, enum observed_kind kind)
{
    const struct observed observed = {.kind = kind,
                                      .record_id = slice_of(record_id),
                                      .topic = "org.runs",
                                      .partition = 3,
                                      .offset = 12,
                                      .run_id = SLICE_LITERAL("r_1"),
                                      .status = 503,
                                      .duration_ms = 40,
                                      .reason = SLICE_LITERAL("HTTP status 503")};
    redeliveries_told(world->redeliveries, &observed);
}

static void an_outcome_is_that_of_its_own_delivery(void **state)
{
    (void)state;
    struct world *world = world_new();
    fetch(world, "3:12", 404, "nothing is known");
    ask(world, "3:12", 202, "follows");
    assert_int_equal(world->source.last.partition, 3);
    assert_int_equal(world->source.last.offset, 12);
    fetch(world, "3:12", 202, "under way");
    tell(world, "org.runs-3-12", OBSERVED_DELIVERED); /* its first delivery */
    tell(world, world->source.id, OBSERVED_RETRYING);
    fetch(world, "3:12", 202, "under way");
    ask(world, "3:12", 409, "already");
    tell(world, world->source.id, OBSERVED_FAILED);
    fetch(world, "3:12", 200,
          "{\"topic\":\"org.runs\",\"partition\":3,\"offset\":12,\"run_id\":\"r_1\",\"outcome\":\"failed\","
          "\"status\":503,\"duration_ms\":40,\"reason\":\"HTTP status 503\"}\n");
    end_last(world, REDELIVERY_DONE);
    fetch(world, "3:12", 200, "\"outcome\":\"failed\"");
    ask(world, "3:12", 202, "follows"); /* once more again */
    fetch(world, "3:12", 202, "under way");
    world_free(world);
}

static void what_never_came_to_an_outcome_says_why(void **state)
{
    (void)state;
    static const struct {
        enum redelivery_end end;
        unsigned status;
        const char *outcome, *why;
    } cases[] = {
        {REDELIVERY_DONE, 200, "\"skipped\"", "no mapping wants it"},
        {REDELIVERY_GONE, 200, "\"unsent\"", "no longer in the topic"},
        {REDELIVERY_UNREAD, 200, "\"unsent\"", "within 30 s"},
        {REDELIVERY_LEFT, 200, "\"unsent\"", "the agent stopped"},
        {REDELIVERY_NO_ROOM, 503, "memory for records", "is full"},
    };
    struct world *world = world_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ask(world, "0:5", 202, "follows");
        end_last(world, cases[i].end);
        fetch(world, "0:5", cases[i].status, cases[i].outcome);
        fetch(world, "0:5", cases[i].status, cases[i].why);
    }
    world_free(world);
}

static void what_cannot_be_asked_for_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {NULL,
                                        "",
                                        "1",
                                        ":1",
                                        "1:",
                                        "1:2:3",
                                        "-1:2",
                                        "1:-2",
                                        "a:b",
                                        "1: 2",
                                        "1:2x",
                                        " 1:2",
                                        "+1:2",
                                        "99999999999:1",
                                        "1:99999999999999999999"};
    struct world *world = world_new();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ask(world, wrong[i], 400, "PARTITION:OFFSET");
    assert_int_equal(world->source.count, 0);
    world->source.failed = PA_ERR_UNAVAILABLE;
    ask(world, "0:1", 503, "not connected");
    fetch(world, "0:1", 404, "nothing is known");
    world->source.failed = 0;
    world->parts.running = false;
    ask(world, "0:1", 503, "stopping");
    world->parts.running = true;
    world->source.source.class = &without_places;
    ask(world, "0:1", 501, "do not come from Kafka");
    world->parts.source = NULL;
    ask(world, "0:1", 503, "not connected");
    world_free(world);
    struct admin_answer answer = {0};
    redeliveries_told(NULL, &(struct observed){.kind = OBSERVED_DELIVERED});
    redeliveries_fetch(NULL, "0:1", &answer);
    assert_answer(&answer, 404, "nothing is known");
}

static void places_are_bounded_and_the_oldest_outcome_makes_room(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct redelivery_request requests[REDELIVERIES_MAX];
    char target[16];
    for (size_t i = 0; i < REDELIVERIES_MAX; i++) {
        snprintf(target, sizeof target, "0:%zu", i);
        ask(world, target, 202, "follows");
        requests[i] = world->source.last;
    }
    ask(world, "0:100", 503, "as many records once more as it can");
    requests[9].ended(requests[9].ctx, REDELIVERY_GONE);
    requests[4].ended(requests[4].ctx, REDELIVERY_GONE);
    ask(world, "0:101", 202, "follows");
    fetch(world, "0:4", 404, "nothing is known");
    fetch(world, "0:9", 200, "no longer");
    ask(world, "0:102", 202, "follows");
    fetch(world, "0:9", 404, "nothing is known");
    ask(world, "0:103", 503, "as many records once more as it can");
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outcome_is_that_of_its_own_delivery),
        cmocka_unit_test(what_never_came_to_an_outcome_says_why),
        cmocka_unit_test(what_cannot_be_asked_for_is_refused),
        cmocka_unit_test(places_are_bounded_and_the_oldest_outcome_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
