/* Spans on their way to a collector on loopback: what it gets, and what becomes of them where it is slow,
 * full, wrong or dead. */
#include "agent/http_server/server.h"
#include "http/client.h"
#include "observe/conditions.h"
#include "trace/otlp/otlp.h"
#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { EXPORTS = 16 };

/** How the collector answers; the last one goes on. */
struct script {
    int status; /* 0: never */
    const char *headers, *body;
};

struct world {
    uv_loop_t loop;
    struct http_server *collector;
    struct otlp *otlp;
    struct conditions *conditions;
    struct observer *observer;
    struct tracing tracing;
    struct trace trace;
    const struct script *script;
    size_t exports;
    unsigned spans[EXPORTS];
    struct http_exchange *held; /* NULL: none */
    char authorization[64], type[64], target[64], name[64];
    uv_timer_t patience;
    bool over, closed;
};

static double half(void *ctx)
{
    (void)ctx;
    return 0.5;
}

static int64_t now(void *ctx)
{
    (void)ctx;
    return clock_monotonic_ms(clock_system());
}

static int64_t wall(void *ctx)
{
    (void)ctx;
    return clock_wall_ms(clock_system());
}

static const struct clock test_clock = {.monotonic_ms = now, .wall_ms = wall, .random = half};

static unsigned spans_of(struct world *world, struct slice body)
{
    cJSON *root = cJSON_ParseWithLength(body.ptr, body.len);
    assert_non_null(root);
    const cJSON *resource = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "resourceSpans"), 0);
    const cJSON *attributes = cJSON_GetObjectItem(cJSON_GetObjectItem(resource, "resource"), "attributes");
    const cJSON *scope = cJSON_GetArrayItem(cJSON_GetObjectItem(resource, "scopeSpans"), 0);
    const cJSON *name = cJSON_GetObjectItem(cJSON_GetArrayItem(attributes, 0), "value");
    unsigned count = (unsigned)cJSON_GetArraySize(cJSON_GetObjectItem(scope, "spans"));
    snprintf(world->name, sizeof world->name, "%s",
             cJSON_GetStringValue(cJSON_GetObjectItem(name, "stringValue")));
    cJSON_Delete(root);
    return count;
}

static void copy_header(char *out, const struct http_exchange *exchange, const char *name)
{
    struct slice value = http_exchange_header(exchange, name);
    snprintf(out, 64, "%.*s", (int)value.len, value.ptr ? value.ptr : "");
}

static void collect(void *ctx, struct http_exchange *exchange, const struct http_server_request *request)
{
    struct world *world = ctx;
    assert_true(world->exports < EXPORTS);
    assert_true(slice_equal_text(request->method, "POST"));
    copy_header(world->authorization, exchange, "Authorization");
    copy_header(world->type, exchange, "Content-Type");
    snprintf(world->target, sizeof world->target, "%.*s", (int)request->target.len, request->target.ptr);
    world->spans[world->exports++] = spans_of(world, request->body);
    struct script answer = *world->script;
    if (world->script[1].status >= 0)
        world->script++;
    if (answer.status > 0)
        http_server_answer(exchange, answer.status, "application/json", answer.headers,
                           slice_of(answer.body ? answer.body : "{}"), 0);
    else
        world->held = exchange;
}

static void patience_over(uv_timer_t *timer)
{
    ((struct world *)timer->data)->over = true;
}

static struct http_client *client_on(uv_loop_t *loop)
{
    struct error err = {0};
    const struct http_client_options options = {.loop = loop,
                                                .clock = clock_system(),
                                                .user_agent = "test",
                                                .connect_timeout_ms = 10000,
                                                .idle_timeout_ms = 10000,
                                                .total_timeout_ms = 10000,
                                                .max_response_bytes = 65536,
                                                .max_connections = 1,
                                                .redirects = HTTP_REDIRECTS_NONE};
    struct http_client *client = http_client_new(&options, &err);
    assert_non_null(client);
    return client;
}

#define END          \
    {                \
        .status = -1 \
    }

/** `batch_ms`: 0: longer than any test takes. `port`: 0: the collector's. */
static struct world *world_new(const struct script *script, int64_t batch_ms, int port)
{
    struct world *world = calloc(1, sizeof *world);
    struct error err = {0};
    const struct trace_parent none = {.sampled = false};
    assert_non_null(world);
    uv_loop_init(&world->loop);
    world->script = script;
    world->collector = http_server_new(&world->loop, 0, collect, world, &err);
    world->conditions = conditions_new(&test_clock);
    assert_true(world->collector && world->conditions);
    world->tracing = (struct tracing){.sampling = TRACE_ALWAYS, .key = 3};
    trace_begin(&world->tracing, &none, 0, 1700000000000, &world->trace);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1/traces",
             port ? port : http_server_port(world->collector));
    const struct otlp_options options = {
        .loop = &world->loop,
        .clock = &test_clock,
        .http = client_on(&world->loop),
        .url = url,
        .headers = SLICE_LITERAL("authorization=Bearer%20t0ken,content-type=x/y,bad name=1,x=a%0d%0ab"),
        .service = "svc",
        .attributes = "a=b",
        .instance = "pod",
        .group = "g",
        .tracing = &world->tracing,
        .conditions = world->conditions,
        .batch_ms = batch_ms ? batch_ms : 60000,
        .backoff_ms = 2,
        .close_ms = script->status ? 15000 : 50};
    world->otlp = otlp_new(&options);
    assert_non_null(world->otlp);
    world->observer = observer_new(&(struct observer_options){.clock = &test_clock});
    assert_non_null(world->observer);
    otlp_listen(world->otlp, world->observer);
    uv_timer_init(&world->loop, &world->patience);
    world->patience.data = world;
    uv_timer_start(&world->patience, patience_over, 20000, 0);
    return world;
}

static void note_spans(struct world *world, unsigned count)
{
    const struct observed observed = {.kind = OBSERVED_DELIVERED,
                                      .trace = &world->trace,
                                      .method = "POST",
                                      .url = SLICE_LITERAL("http://svc/"),
                                      .attempt = 1,
                                      .status = 200,
                                      .error_type = ""};
    for (unsigned i = 0; i < count; i++)
        otlp_note(world->otlp, &observed);
}

static void run_until_exports(struct world *world, size_t exports)
{
    while (world->exports < exports && !world->over)
        uv_run(&world->loop, UV_RUN_ONCE);
    assert_int_equal(world->exports, exports);
}

static uint64_t dropped(const struct world *world)
{
    return observer_counters(world->observer)->spans_dropped;
}

static void run_until_dropped(struct world *world, uint64_t count)
{
    while (dropped(world) < count && !world->over)
        uv_run(&world->loop, UV_RUN_ONCE);
    assert_int_equal(dropped(world), count);
}

static bool is_failing(const struct world *world)
{
    const struct condition *condition = conditions_next(world->conditions, NULL);
    assert_true(!condition || condition->kind == CONDITION_SPANS);
    return condition != NULL;
}

static void run_until_well(struct world *world)
{
    while (is_failing(world) && !world->over)
        uv_run(&world->loop, UV_RUN_ONCE);
    assert_false(is_failing(world));
}

static void is_closed(void *ctx)
{
    ((struct world *)ctx)->closed = true;
}

static void close_otlp(struct world *world)
{
    otlp_close(world->otlp, is_closed, world);
    assert_false(world->closed);
    while (!world->closed && !world->over)
        uv_run(&world->loop, UV_RUN_ONCE);
    assert_true(world->closed);
    world->otlp = NULL;
}

static void world_free(struct world *world)
{
    if (world->otlp)
        close_otlp(world);
    if (world->held)
        http_server_abort(world->held);
    http_server_close(world->collector, NULL, NULL);
    uv_close((uv_handle_t *)&world->patience, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    conditions_free(world->conditions);
    observer_free(world->observer);
    free(world);
}

static const struct script well[] = {{.status = 200}, END}, silent[] = {{.status = 0}, END};

static void spans_wait_a_little_for_others_and_go_together(void **state)
{
    (void)state;
    struct world *world = world_new(well, 1, 0);
    note_spans(world, 3);
    run_until_exports(world, 1);
    assert_int_equal(world->spans[0], 3);
    assert_string_equal(world->target, "/v1/traces");
    assert_string_equal(world->authorization, "Bearer t0ken");
    assert_string_equal(world->type, "application/json");
    assert_string_equal(world->name, "svc");
    note_spans(world, 1);
    run_until_exports(world, 2);
    assert_int_equal(world->spans[1], 1);
    assert_int_equal(dropped(world), 0);
    world_free(world);
}

static void a_full_batch_waits_for_nothing(void **state)
{
    (void)state;
    struct world *world = world_new(well, 0, 0);
    note_spans(world, OTLP_BATCH_SPANS - 1);
    assert_int_equal(uv_run(&world->loop, UV_RUN_NOWAIT) && world->exports > 0, 0);
    note_spans(world, OTLP_BATCH_SPANS + 1);
    run_until_exports(world, 2); /* what came during the first is the second */
    assert_int_equal(world->spans[0], OTLP_BATCH_SPANS);
    assert_int_equal(world->spans[1], OTLP_BATCH_SPANS);
    world_free(world);
}

static void what_the_collector_cannot_take_now_it_gets_again(void **state)
{
    (void)state;
    static const struct script later[] = {{.status = 503, .headers = "Retry-After: 0\r\n"},
                                          {.status = 429},
                                          {.status = 504},
                                          {.status = 200},
                                          END};
    struct world *world = world_new(later, 1, 0);
    note_spans(world, 2);
    run_until_exports(world, 2);
    assert_true(is_failing(world));
    run_until_exports(world, 4);
    run_until_well(world);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(world->spans[i], 2);
    assert_int_equal(dropped(world), 0);
    world_free(world);
}

static void what_it_never_takes_is_dropped_and_counted(void **state)
{
    (void)state;
    static const struct {
        struct script script[2];
        size_t exports;
    } cases[] = {{{{.status = 400}, END}, 1},
                 {{{.status = 500}, END}, 1},
                 {{{.status = 302, .headers = "Location: /elsewhere\r\n"}, END}, 1},
                 {{{.status = 503}, END}, OTLP_TRIES},
                 {{{.status = 429, .headers = "Retry-After: 3600\r\n"}, END}, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = world_new(cases[i].script, 1, 0);
        note_spans(world, 5);
        run_until_dropped(world, 5);
        assert_int_equal(world->exports, cases[i].exports);
        assert_true(is_failing(world));
        note_spans(world, 1); /* the next ones are tried all the same */
        run_until_dropped(world, 6);
        world_free(world);
    }
}

static void of_a_part_that_it_refuses_it_says_how_many(void **state)
{
    (void)state;
    static const struct script parts[] = {
        {.status = 200, .body = "{\"partialSuccess\":{\"rejectedSpans\":\"2\",\"errorMessage\":\"no\"}}"},
        {.status = 200, .body = "{\"partialSuccess\":{\"rejectedSpans\":1}}"},
        {.status = 200, .body = "{\"partialSuccess\":{\"rejectedSpans\":\"99\"}}"},
        {.status = 202, .body = "no JSON"},
        END};
    struct world *world = world_new(parts, 1, 0);
    note_spans(world, 3);
    run_until_dropped(world, 2);
    note_spans(world, 3);
    run_until_dropped(world, 3);
    note_spans(world, 3);
    run_until_dropped(world, 6);
    note_spans(world, 3);
    run_until_exports(world, 4);
    world_free(world);
}

static void beside_a_collector_that_never_answers_the_queue_is_bounded(void **state)
{
    (void)state;
    struct world *world = world_new(silent, 0, 0);
    note_spans(world, OTLP_BATCH_SPANS);
    run_until_exports(world, 1);
    note_spans(world, OTLP_QUEUE_SPANS + 100);
    /* by number or by bytes, whichever is first */
    assert_in_range(dropped(world), 100, OTLP_QUEUE_SPANS);
    uint64_t before = dropped(world);
    note_spans(world, 1000);
    assert_int_equal(dropped(world), before + 1000);
    world_free(world); /* and it does not hold up the end */
}

static void a_collector_that_is_not_there_costs_its_spans_alone(void **state)
{
    (void)state;
    struct world *world = world_new(well, 1, 1); /* nobody listens on port 1 */
    note_spans(world, 7);
    run_until_dropped(world, 7);
    assert_true(is_failing(world));
    world_free(world);
}

static void what_is_left_at_the_end_is_sent(void **state)
{
    (void)state;
    struct world *world = world_new(well, 0, 0);
    note_spans(world, 4);
    close_otlp(world);
    assert_int_equal(world->exports, 1);
    assert_int_equal(world->spans[0], 4);
    world_free(world);
}

static void what_came_during_the_last_export_is_sent_behind_it(void **state)
{
    (void)state;
    struct world *world = world_new(well, 0, 0);
    note_spans(world, OTLP_BATCH_SPANS + 3);
    close_otlp(world);
    assert_int_equal(world->exports, 2);
    assert_int_equal(world->spans[1], 3);
    world_free(world);
}

static void nothing_is_sent_at_the_end_to_who_did_not_take_the_last(void **state)
{
    (void)state;
    static const struct script refusing[] = {{.status = 400}, END};
    struct world *world = world_new(refusing, 1, 0);
    note_spans(world, 1);
    run_until_dropped(world, 1);
    note_spans(world, 1);
    close_otlp(world);
    assert_int_equal(world->exports, 1);
    world_free(world);
}

static void what_is_left_is_sent_to_a_collector_that_works_again(void **state)
{
    (void)state;
    static const struct script once[] = {{.status = 400}, {.status = 200}, END};
    struct world *world = world_new(once, 1, 0);
    note_spans(world, 1);
    run_until_dropped(world, 1);
    note_spans(world, 1);
    run_until_exports(world, 2);
    run_until_well(world);
    note_spans(world, 1);
    close_otlp(world);
    assert_int_equal(world->exports, 3);
    world_free(world);
}

static void closing_without_a_wait_ends_what_is_under_way(void **state)
{
    (void)state;
    struct world *world = world_new(silent, 1, 0);
    note_spans(world, 1);
    run_until_exports(world, 1);
    otlp_close(world->otlp, NULL, NULL);
    world->otlp = NULL;
    world_free(world);
}

static void another_client_takes_over_and_an_export_under_way_counts(void **state)
{
    (void)state;
    struct world *world = world_new(silent, 1, 0);
    struct http_client *other = client_on(&world->loop);
    note_spans(world, 2);
    run_until_exports(world, 1);
    struct http_client *before = otlp_use_client(world->otlp, other);
    assert_ptr_not_equal(before, other);
    assert_int_equal(http_client_active(before), 1);
    world->script = well;
    http_server_answer(world->held, 200, "application/json", NULL, slice_of("{}"), 0);
    world->held = NULL;
    note_spans(world, 3); /* these wait for the answer, and go by the other client */
    while (http_client_active(before) > 0 && !world->over)
        uv_run(&world->loop, UV_RUN_ONCE);
    http_client_close(before, NULL, NULL);
    run_until_exports(world, 2);
    assert_int_equal(world->spans[1], 3);
    assert_int_equal(dropped(world), 0);
    world_free(world);
}

static void other_headers_go_with_the_next_export(void **state)
{
    (void)state;
    struct world *world = world_new(well, 1, 0);
    note_spans(world, 1);
    run_until_exports(world, 1);
    assert_string_equal(world->authorization, "Bearer t0ken");
    assert_true(otlp_use_headers(world->otlp, SLICE_LITERAL("authorization=Bearer%20other")));
    note_spans(world, 1);
    run_until_exports(world, 2);
    assert_string_equal(world->authorization, "Bearer other");
    assert_string_equal(world->type, "application/json");
    assert_true(otlp_use_headers(world->otlp, (struct slice){NULL, 0}));
    note_spans(world, 1);
    run_until_exports(world, 3);
    assert_string_equal(world->authorization, "");
    assert_string_equal(world->type, "application/json");
    world_free(world);
}

static void what_it_was_sent_is_not_told_should_it_come_back(void **state)
{
    (void)state;
    static const struct script back[] = {
        {.status = 307,
         .headers = "Location: http://other.example/t0ken-of-before/t0ken-of-now/eDp0MGtlbi1vZi1ub3c=\r\n"},
        END};
    struct world *world = world_new(back, 1, 0);
    assert_true(otlp_use_headers(world->otlp, SLICE_LITERAL("x-tenant=t0ken-of-before")));
    assert_true(otlp_use_headers(world->otlp, SLICE_LITERAL("authorization=Bearer%20t0ken-of-now")));
    note_spans(world, 1);
    run_until_dropped(world, 1);
    const struct condition *condition = conditions_next(world->conditions, NULL);
    assert_non_null(condition);
    assert_string_equal(condition->sentence,
                        "redirect 307 to http://other.example/***/***/eDp***c= not followed: "
                        "no redirect is followed");
    world_free(world);
}

static void probed(void *ctx, const struct http_result *result)
{
    *(int *)ctx = result->status;
}

static void a_probe_is_an_export_of_nothing(void **state)
{
    (void)state;
    struct world *world = world_new(well, 1, 0);
    struct http_client *client = client_on(&world->loop);
    char url[64];
    int status = 0;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/t", http_server_port(world->collector));
    assert_non_null(otlp_probe(client, url, SLICE_LITERAL("authorization=x"), probed, &status));
    while (status == 0 && !world->over)
        uv_run(&world->loop, UV_RUN_ONCE);
    assert_int_equal(status, 200);
    assert_string_equal(world->authorization, "x");
    assert_int_equal(world->spans[0], 0);
    http_client_close(client, NULL, NULL);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_wait_a_little_for_others_and_go_together),
        cmocka_unit_test(a_full_batch_waits_for_nothing),
        cmocka_unit_test(what_the_collector_cannot_take_now_it_gets_again),
        cmocka_unit_test(what_it_never_takes_is_dropped_and_counted),
        cmocka_unit_test(of_a_part_that_it_refuses_it_says_how_many),
        cmocka_unit_test(beside_a_collector_that_never_answers_the_queue_is_bounded),
        cmocka_unit_test(a_collector_that_is_not_there_costs_its_spans_alone),
        cmocka_unit_test(what_is_left_at_the_end_is_sent),
        cmocka_unit_test(what_came_during_the_last_export_is_sent_behind_it),
        cmocka_unit_test(nothing_is_sent_at_the_end_to_who_did_not_take_the_last),
        cmocka_unit_test(what_is_left_is_sent_to_a_collector_that_works_again),
        cmocka_unit_test(closing_without_a_wait_ends_what_is_under_way),
        cmocka_unit_test(another_client_takes_over_and_an_export_under_way_counts),
        cmocka_unit_test(other_headers_go_with_the_next_export),
        cmocka_unit_test(what_it_was_sent_is_not_told_should_it_come_back),
        cmocka_unit_test(a_probe_is_an_export_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
