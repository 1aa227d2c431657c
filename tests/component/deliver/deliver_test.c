/* Deliveries between a source that is this test and loopback servers: order, the window, fairness,
 * withdrawal, and who gets a ticket back when. */
#include "../port/fake_port.h"
#include "deliver/deliver.h"
#include "port/report.h"
#include "source/class.h"

enum { RECORDS = 64 };

struct world;
struct given {
    struct ticket ticket;
    struct world *world;
    size_t done, dropped;
};

struct world {
    struct fake_port *port;
    struct http_server *endpoint;
    struct http_client *webhooks;
    struct signer *signer;
    struct reports *reports;
    struct deliver *deliver;
    struct source_sink sink;
    struct given given[RECORDS];
    int64_t offset;
    size_t done, dropped, rooms;
    /* what the endpoint saw */
    struct http_exchange *held[RECORDS];
    char paths[RECORDS][64];
    size_t arrived, held_count;
};

static void settle(struct ticket *ticket, bool done)
{
    struct given *given = (struct given *)(void *)ticket;
    given->done += done;
    given->dropped += !done;
    given->world->done += done;
    given->world->dropped += !done;
}

/** /hold… waits until it is let go; anything else is answered 200. */
static void endpoint_handle(void *ctx, struct http_exchange *exchange,
                            const struct http_server_request *request)
{
    struct world *world = ctx;
    assert_true(world->arrived < RECORDS);
    snprintf(world->paths[world->arrived++], sizeof world->paths[0], "%.*s", (int)request->target.len,
             request->target.ptr);
    if (slice_starts_with(request->target, "/hold"))
        world->held[world->held_count++] = exchange;
    else
        http_server_answer(exchange, 200, "application/json", NULL, SLICE_LITERAL("{\"ok\":true}"), 0);
}

static void let_go(struct world *world, size_t n)
{
    assert_non_null(world->held[n]);
    http_server_answer(world->held[n], 200, "text/plain", NULL, SLICE_LITERAL("late"), 0);
    world->held[n] = NULL;
}

static void room(void *ctx)
{
    ((struct world *)ctx)->rooms++;
}

static struct world *world_new(unsigned max_in_flight, size_t max_bytes)
{
    struct world *world = calloc(1, sizeof *world);
    struct error err = {0};
    assert_non_null(world);
    world->port = fake_port_new(0);
    world->endpoint = http_server_new(&world->port->loop, 0, endpoint_handle, world, &err);
    assert_non_null(world->endpoint);
    struct http_client_options http = {.loop = &world->port->loop,
                                       .clock = clock_system(),
                                       .user_agent = "port-agent/test",
                                       .connect_timeout_ms = 2000,
                                       .idle_timeout_ms = 5000,
                                       .total_timeout_ms = 5000,
                                       .max_response_bytes = 65536,
                                       .max_connections = 32,
                                       .follow_redirects = true};
    world->webhooks = http_client_new(&http, &err);
    assert_non_null(world->webhooks);
    world->signer = signer_new(SLICE_LITERAL("secret"));
    struct reports_options reports = {.api = world->port->api,
                                      .loop = &world->port->loop,
                                      .clock = &world->port->clock,
                                      .first_backoff_ms = 5,
                                      .max_backoff_ms = 20};
    world->reports = reports_new(&reports);
    struct deliver_options deliver = {.loop = &world->port->loop,
                                      .clock = &world->port->clock,
                                      .http = world->webhooks,
                                      .reports = world->reports,
                                      .signer = world->signer,
                                      .max_in_flight = max_in_flight,
                                      .max_bytes = max_bytes,
                                      .record_max_bytes = 65536,
                                      .room = room,
                                      .room_ctx = world};
    world->deliver = deliver_new(&deliver);
    assert_non_null(world->deliver);
    world->sink = deliver_sink(world->deliver);
    return world;
}

/** Everything must be given back, and nothing held. */
static void world_free(struct world *world)
{
    deliver_free(world->deliver);
    assert_int_equal(world->done + world->dropped, world->offset);
    for (int64_t i = 0; i < world->offset; i++)
        assert_int_equal(world->given[i].done + world->given[i].dropped, 1);
    reports_free(world->reports);
    signer_free(world->signer);
    http_client_close(world->webhooks, NULL, NULL);
    http_server_close(world->endpoint, NULL, NULL);
    fake_port_free(world->port);
    free(world);
}

static void assert_holds_nothing(const struct world *world)
{
    struct deliver_counters counters;
    deliver_counters(world->deliver, &counters);
    assert_true(deliver_idle(world->deliver));
    assert_int_equal(counters.bytes_held, 0);
}

struct event_text {
    const char *run_id, *path, *key;
    bool synchronized, forged;
    const void *assignment;
};

static void write_event(const struct world *world, const struct event_text *text, struct buffer *out)
{
    struct buffer body = {0};
    char signature[SIGNATURE_SIZE];
    buffer_appendf(
        &body,
        "{\"context\":{\"runId\":\"%s\"},\"payload\":{\"action\":{\"invocationMethod\":{\"type\":\"WEBHOOK\","
        "\"agent\":true,\"synchronized\":%s,\"url\":\"http://127.0.0.1:%d%s\"}}},\"headers\":{",
        text->run_id, text->synchronized ? "true" : "false", http_server_port(world->endpoint), text->path);
    buffer_append_slice(out, buffer_slice(&body));
    buffer_append_text(&body, "}}");
    assert_int_equal(
        signer_sign_text(world->signer, SLICE_LITERAL("1768317616"), buffer_slice(&body), signature), 0);
    if (text->forged)
        signature[5] = signature[5] == 'A' ? 'B' : 'A';
    buffer_appendf(out, "\"X-Port-Timestamp\":\"1768317616\",\"X-Port-Signature\":\"%s\"}}", signature);
    buffer_clear(&body);
}

/** Hands a record over, as a source does; returns its place in `given`. */
static size_t give(struct world *world, struct event_text text)
{
    struct buffer value = {0};
    size_t place = (size_t)world->offset;
    write_event(world, &text, &value);
    struct given *given = &world->given[place];
    *given = (struct given){.ticket = {settle}, .world = world};
    char id[32];
    snprintf(id, sizeof id, "org.runs-0-%zu", place);
    struct record record = {.kind = EVENT_RUN,
                            .id = slice_of(id),
                            .topic = "org.runs",
                            .offset = world->offset++,
                            .timestamp_ms = -1,
                            .key = slice_of(text.key),
                            .value = buffer_slice(&value),
                            .assignment = text.assignment ? text.assignment : world};
    world->sink.take(world->sink.ctx, &record, &given->ticket);
    buffer_clear(&value);
    return place;
}

static void a_record_is_done_when_its_result_is_accepted(void **state)
{
    (void)state;
    struct world *world = world_new(4, 1 << 20);
    give(world, (struct event_text){.run_id = "r_1", .path = "/ok", .synchronized = true});
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->port->count, 3); /* a token, the response, the status */
    assert_request(world->port, 1, "PATCH /v1/actions/runs/r_1/response {\"response\":{\"ok\":true}}");
    assert_request(world->port, 2, "PATCH /v1/actions/runs/r_1 {\"status\":\"SUCCESS\"}");
    assert_holds_nothing(world);
    world_free(world);
}

static void records_of_one_key_go_one_after_another(void **state)
{
    (void)state;
    struct world *world = world_new(8, 1 << 20);
    give(world, (struct event_text){.run_id = "r_1", .path = "/hold/1", .key = "k"});
    give(world, (struct event_text){.run_id = "r_2", .path = "/2", .key = "k"});
    give(world, (struct event_text){.run_id = "r_3", .path = "/3"});
    give(world, (struct event_text){.run_id = "r_4", .path = "/4", .key = "other"});
    run_until(world->port, &world->done, 2);
    assert_int_equal(world->given[1].done, 0);
    let_go(world, 0);
    run_until(world->port, &world->done, 4);
    assert_string_equal(world->paths[3], "/2");
    assert_holds_nothing(world);
    world_free(world);
}

static void no_more_than_the_window_is_in_flight(void **state)
{
    (void)state;
    struct world *world = world_new(2, 1 << 20);
    for (int i = 0; i < 6; i++)
        give(world, (struct event_text){.run_id = "r_1", .path = "/hold"});
    run_until(world->port, &world->held_count, 2);
    struct deliver_counters counters;
    deliver_counters(world->deliver, &counters);
    assert_int_equal(counters.sending, 2);
    assert_int_equal(counters.queued, 4);
    for (size_t i = 0; i < 6; i++) {
        run_until(world->port, &world->held_count, i + 1);
        let_go(world, i);
    }
    run_until(world->port, &world->done, 6);
    world_free(world);
}

static void there_is_room_again_when_something_is_done(void **state)
{
    (void)state;
    struct world *world = world_new(2, 6000);
    give(world, (struct event_text){.run_id = "r_1", .path = "/hold"});
    run_until(world->port, &world->held_count, 1);
    assert_false(world->sink.has_room(world->sink.ctx, 5000));
    assert_int_equal(world->rooms, 0);
    let_go(world, 0);
    run_until(world->port, &world->rooms, 1);
    assert_true(world->sink.has_room(world->sink.ctx, 1000000)); /* one that is larger goes alone */
    world_free(world);
}

static void a_revocation_drops_what_has_not_started(void **state)
{
    (void)state;
    struct world *world = world_new(1, 1 << 20);
    int one, other;
    give(world, (struct event_text){.run_id = "r_1", .path = "/hold", .assignment = &one});
    give(world, (struct event_text){.run_id = "r_2", .path = "/2", .assignment = &one});
    give(world, (struct event_text){.run_id = "r_3", .path = "/3", .assignment = &other});
    run_until(world->port, &world->held_count, 1);
    world->sink.withdraw(world->sink.ctx, &one, false);
    assert_int_equal(world->given[1].dropped, 1);
    assert_int_equal(world->dropped, 1);
    let_go(world, 0);
    run_until(world->port, &world->done, 2);
    world_free(world);
}

static void a_revocation_cancels_what_is_left_without_a_report(void **state)
{
    (void)state;
    struct world *world = world_new(4, 1 << 20);
    give(world, (struct event_text){.run_id = "r_1", .path = "/hold", .key = "k", .synchronized = true});
    give(world, (struct event_text){.run_id = "r_2", .path = "/2", .key = "k", .synchronized = true});
    run_until(world->port, &world->held_count, 1);
    world->sink.withdraw(world->sink.ctx, world, true);
    assert_int_equal(world->dropped, 2);
    assert_int_equal(world->arrived, 1);
    assert_int_equal(world->port->count, 0);
    assert_holds_nothing(world);
    let_go(world, 0);
    world_free(world);
}

static struct reply away(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = 503};
}

/* What waits for Port is withdrawn like the rest: a completion after the revocation would touch a partition
 * that is gone. */
static void a_revocation_withdraws_what_waits_for_port(void **state)
{
    (void)state;
    struct world *world = world_new(4, 1 << 20);
    world->port->script = away;
    give(world, (struct event_text){.run_id = "r_1", .path = "/ok", .synchronized = true});
    give(world, (struct event_text){.run_id = "wfnr_1", .path = "/ok", .forged = true});
    run_until(world->port, &world->port->count, 4);
    assert_int_equal(world->arrived, 1);
    world->sink.withdraw(world->sink.ctx, world, true);
    assert_int_equal(world->given[0].dropped, 1);
    assert_int_equal(world->given[1].dropped, 1);
    world->port->script = NULL;
    run_for(world->port, 100);
    assert_int_equal(world->done, 0);
    assert_holds_nothing(world);
    world_free(world);
}

static void a_forged_node_run_is_reported_failed_and_no_other(void **state)
{
    (void)state;
    struct world *world = world_new(4, 1 << 20);
    give(world, (struct event_text){.run_id = "r_1", .path = "/ok", .forged = true});
    assert_int_equal(world->given[0].done, 1);
    give(world, (struct event_text){.run_id = "wfnr_1", .path = "/ok", .forged = true});
    run_until(world->port, &world->done, 2);
    assert_int_equal(world->arrived, 0);
    assert_int_equal(world->port->count, 2);
    assert_request(world->port, 1,
                   "PATCH /v1/workflows/nodes/runs/wfnr_1 {\"status\":\"COMPLETED\",\"result\":\"FAILED\"}");
    assert_holds_nothing(world);
    world_free(world);
}

static void a_silent_destination_leaves_the_window_to_others(void **state)
{
    (void)state;
    struct world *world = world_new(32, 1 << 20);
    for (int i = 0; i < 40; i++)
        give(world, (struct event_text){.run_id = "r_1", .path = "/hold"});
    run_until(world->port, &world->held_count, 4);
    run_for(world->port, 20);
    assert_int_equal(world->held_count, 4);
    deliver_stop_starting(world->deliver);
    assert_int_equal(world->dropped, 36);
    for (size_t i = 0; i < 4; i++)
        let_go(world, i);
    run_until(world->port, &world->done, 4);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_done_when_its_result_is_accepted),
        cmocka_unit_test(records_of_one_key_go_one_after_another),
        cmocka_unit_test(no_more_than_the_window_is_in_flight),
        cmocka_unit_test(there_is_room_again_when_something_is_done),
        cmocka_unit_test(a_revocation_drops_what_has_not_started),
        cmocka_unit_test(a_revocation_cancels_what_is_left_without_a_report),
        cmocka_unit_test(a_revocation_withdraws_what_waits_for_port),
        cmocka_unit_test(a_forged_node_run_is_reported_failed_and_no_other),
        cmocka_unit_test(a_silent_destination_leaves_the_window_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
