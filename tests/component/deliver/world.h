/* Deliveries between a source that is the test and loopback servers, for the tests of this room. */
#pragma once
#include "../port/fake_port.h"
#include "deliver/deliver.h"
#include "port/report.h"
#include "source/class.h"

enum { RECORDS = 1024, LONG = 20000, ZEROS = 60000 };

struct world;
struct given {
    struct ticket ticket;
    struct world *world;
    size_t done, dropped;
};

struct world {
    struct fake_port *port;
    struct http_server *endpoint, *other; /* two destinations */
    struct http_client *webhooks;
    struct signer *signer;
    struct reports *reports;
    struct observer *observer;
    struct deliver *deliver;
    struct source_sink sink;
    struct given given[RECORDS];
    int64_t offset;
    size_t done, dropped, rooms;
    /* what the endpoint saw */
    struct http_exchange *held[RECORDS];
    char signature[64], timestamp[32], type[64], authorization[64]; /* of the last /echo */
    char paths[RECORDS][64], attempts[RECORDS][8], keys[RECORDS][64];
    char parents[RECORDS][64], states[RECORDS][600];
    char redelivery_of[64]; /* of the last */
    size_t arrived, held_count;
    struct buffer echoed; /* what /echo was sent */
    struct buffer told;   /* of recorded traces, a line each */
    size_t failures;      /* how often /flaky still answers 503 with Retry-After */
};

static inline void settle(struct ticket *ticket, bool done)
{
    struct given *given = (struct given *)(void *)ticket;
    given->done += done;
    given->dropped += !done;
    given->world->done += done;
    given->world->dropped += !done;
}

static inline void note(char *out, size_t size, struct slice text)
{
    snprintf(out, size, "%.*s", (int)text.len, text.ptr ? text.ptr : "");
}

/** Answers 500 with what it was sent, as frameworks do that show their errors. */
static inline void echo(struct world *world, struct http_exchange *exchange)
{
    struct buffer body = {0};
    note(world->signature, sizeof world->signature, http_exchange_header(exchange, "X-Port-Signature"));
    note(world->timestamp, sizeof world->timestamp, http_exchange_header(exchange, "X-Port-Timestamp"));
    note(world->type, sizeof world->type, http_exchange_header(exchange, "Content-Type"));
    note(world->authorization, sizeof world->authorization, http_exchange_header(exchange, "Authorization"));
    buffer_append_text(&body, "{\"said\":\"you sent\",\"signature\":");
    buffer_append_json_string(&body, slice_of(world->signature));
    buffer_append_text(&body, ",\"authorization\":");
    buffer_append_json_string(&body, slice_of(world->authorization));
    buffer_append_text(&body, ",\"key\":\"world's secret\"}");
    http_server_answer(exchange, 500, "application/json", NULL, buffer_slice(&body), 0);
    buffer_clear(&body);
}

/** /hold… waits until it is let go, /flaky… fails for a while, /500… always, /echo with what it was sent,
 * /moved-303 and the like redirect to /echo, /headers has 300 of its own, /unreadable… has a body that cannot
 * be decoded, /long… one of LONG bytes, /zeros… one of ZEROS zero bytes; anything else is answered 200. */
static inline void endpoint_handle(void *ctx, struct http_exchange *exchange,
                                   const struct http_server_request *request)
{
    struct world *world = ctx;
    assert_true(world->arrived < RECORDS);
    size_t n = world->arrived++;
    note(world->paths[n], sizeof world->paths[n], request->target);
    note(world->attempts[n], sizeof world->attempts[n], http_exchange_header(exchange, "X-Port-Attempt"));
    note(world->keys[n], sizeof world->keys[n], http_exchange_header(exchange, "Idempotency-Key"));
    note(world->redelivery_of, sizeof world->redelivery_of,
         http_exchange_header(exchange, "X-Port-Redelivery-Of"));
    note(world->parents[n], sizeof world->parents[n], http_exchange_header(exchange, "traceparent"));
    note(world->states[n], sizeof world->states[n], http_exchange_header(exchange, "tracestate"));
    if (slice_starts_with(request->target, "/hold"))
        world->held[world->held_count++] = exchange;
    else if (slice_starts_with(request->target, "/500"))
        http_server_answer(exchange, 500, "text/plain", NULL, SLICE_LITERAL("broken"), 0);
    else if (slice_starts_with(request->target, "/echo")) {
        buffer_append_slice(&world->echoed, request->body);
        echo(world, exchange);
    } else if (slice_starts_with(request->target, "/moved-"))
        http_server_answer(exchange, atoi(request->target.ptr + 7), "text/plain", "Location: /echo\r\n",
                           SLICE_LITERAL("moved"), 0);
    else if (slice_starts_with(request->target, "/long")) {
        static char body[LONG];
        memset(body, 'x', sizeof body);
        http_server_answer(exchange, 200, "text/plain", NULL, (struct slice){body, sizeof body}, 0);
    } else if (slice_starts_with(request->target, "/zeros")) {
        static const char body[ZEROS];
        http_server_answer(exchange, 200, "text/plain", NULL, (struct slice){body, sizeof body}, 0);
    } else if (slice_starts_with(request->target, "/headers")) {
        struct buffer headers = {0};
        for (int i = 0; i < 300; i++)
            buffer_appendf(&headers, "X-%d: %d\r\n", i, i);
        http_server_answer(exchange, 200, "text/plain", buffer_text(&headers), SLICE_LITERAL("many"), 0);
        buffer_clear(&headers);
    } else if (slice_starts_with(request->target, "/unreadable"))
        http_server_answer(exchange, 200, "application/json", "Content-Encoding: gzip\r\n",
                           SLICE_LITERAL("{\"ok\":true}"), 0);
    else if (slice_starts_with(request->target, "/flaky") && world->failures > 0) {
        world->failures--;
        http_server_answer(exchange, 503, "text/plain", "Retry-After: 0\r\n", SLICE_LITERAL("later"), 0);
    } else
        http_server_answer(exchange, 200, "application/json", NULL, SLICE_LITERAL("{\"ok\":true}"), 0);
}

static inline void let_go(struct world *world, size_t n)
{
    assert_non_null(world->held[n]);
    http_server_answer(world->held[n], 200, "text/plain", NULL, SLICE_LITERAL("late"), 0);
    world->held[n] = NULL;
}

static inline struct reply port_away(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = 503};
}

static inline void room(void *ctx)
{
    ((struct world *)ctx)->rooms++;
}

static inline void world_traced_is_told(void *ctx, const struct observed *observed)
{
    struct world *world = ctx;
    char error[64];
    snprintf(error, sizeof error, " %s", observed->error_type ? observed->error_type : "");
    buffer_appendf(&world->told, "%s %u%s%s\n", observed->kind == OBSERVED_DONE ? "done" : "told",
                   observed->attempt, error[1] ? error : "", observed->wait_ms < 0 ? " no run" : "");
}

static inline struct world *world_open_with(bool run_logs)
{
    struct world *world = calloc(1, sizeof *world);
    struct error err = {0};
    assert_non_null(world);
    world->port = fake_port_new(0);
    world->endpoint = http_server_new(&world->port->loop, 0, endpoint_handle, world, &err);
    world->other = http_server_new(&world->port->loop, 0, endpoint_handle, world, &err);
    assert_true(world->endpoint && world->other);
    world->webhooks = loopback_client(&world->port->loop);
    world->signer = signer_new(SLICE_LITERAL("secret"));
    struct reports_options reports = {.api = world->port->api,
                                      .loop = &world->port->loop,
                                      .clock = &world->port->clock,
                                      .run_logs = run_logs,
                                      .first_backoff_ms = 5,
                                      .max_backoff_ms = 20};
    world->reports = reports_new(&reports);
    world->observer =
        observer_new(&(struct observer_options){.clock = &world->port->clock, .tell_run = run_report_log});
    assert_non_null(world->observer);
    assert_non_null(observer_trace(world->observer, world_traced_is_told, world));
    return world;
}

/** All except the deliveries, for whom needs the loop before them. */
static inline struct world *world_open(void)
{
    return world_open_with(false);
}

static inline void world_deliver(struct world *world, struct deliver_options deliver)
{
    deliver.loop = &world->port->loop;
    deliver.clock = &world->port->clock;
    deliver.http = world->webhooks;
    deliver.reports = world->reports;
    deliver.observer = world->observer;
    deliver.signer = world->signer;
    deliver.client_secret = SLICE_LITERAL("world's secret");
    if (deliver.record_max_bytes == 0)
        deliver.record_max_bytes = 65536;
    deliver.room = room;
    deliver.room_ctx = world;
    world->deliver = deliver_new(&deliver);
    assert_non_null(world->deliver);
    world->sink = deliver_sink(world->deliver);
}

static inline struct world *world_with(struct deliver_options deliver)
{
    struct world *world = world_open();
    world_deliver(world, deliver);
    return world;
}

/** For records of megabytes. */
static inline struct world *world_large(unsigned max_in_flight)
{
    return world_with((struct deliver_options){
        .max_in_flight = max_in_flight, .max_bytes = (size_t)64 << 20, .record_max_bytes = (size_t)4 << 20});
}

static inline struct world *world_new(unsigned max_in_flight, size_t max_bytes)
{
    return world_with((struct deliver_options){.max_in_flight = max_in_flight, .max_bytes = max_bytes});
}

/** Everything must be given back, and nothing held. */
static inline void world_free(struct world *world)
{
    deliver_free(world->deliver);
    assert_int_equal(world->done + world->dropped, world->offset);
    for (int64_t i = 0; i < world->offset; i++)
        assert_int_equal(world->given[i].done + world->given[i].dropped, 1);
    observer_free(world->observer);
    buffer_clear(&world->echoed);
    buffer_clear(&world->told);
    reports_free(world->reports);
    signer_free(world->signer);
    http_client_close(world->webhooks, NULL, NULL);
    http_server_close(world->endpoint, NULL, NULL);
    http_server_close(world->other, NULL, NULL);
    fake_port_free(world->port);
    free(world);
}

/** The deliveries go away while the record at this place is among them. */
static inline void world_free_under(struct world *world, size_t place)
{
    deliver_free(world->deliver);
    assert_int_equal(world->given[place].dropped, 1);
    world->deliver = NULL;
    world_free(world);
}

static inline void assert_holds_nothing(const struct world *world)
{
    struct counters counters;
    deliver_counters(world->deliver, &counters);
    assert_true(deliver_idle(world->deliver));
    assert_int_equal(counters.bytes_held, 0);
}

struct event_text {
    const char *run_id, *path, *key;
    bool synchronized, forged, to_other;
    const char *user_info; /* of the URL, with its @ */
    bool polled;           /* as Port's API hands it over, acknowledged */
    const char *broken;
    const void *assignment;
    int64_t age_ms;                       /* 0: the record has no timestamp */
    int64_t offset_plus_one;              /* 0: the next one */
    const char *topic;                    /* NULL: org.runs */
    const char *host;                     /* of the URL; NULL: 127.0.0.1 */
    const char *timestamp;                /* NULL: one of long ago */
    bool change_log;                      /* with the timestamp, where it is given, and without a signature */
    size_t padding;                       /* of the payload, in bytes */
    bool twice;                           /* the payload */
    const char *headers;                  /* of the event beside its signature; NULL: none */
    const char *traceparent, *tracestate; /* of the record */
    const char *redelivery_of;
};

static inline void write_event(const struct world *world, const struct event_text *text, struct buffer *out)
{
    struct buffer body = {0};
    char signature[SIGNATURE_SIZE];
    const char *timestamp = text->timestamp ? text->timestamp : "1768317616";
    if (text->change_log) {
        buffer_appendf(out, "{\"changelogDestination\":{\"agent\":true,\"url\":\"http://127.0.0.1:%d%s\"}",
                       http_server_port(world->endpoint), text->path);
        if (text->timestamp)
            buffer_appendf(out, ",\"headers\":{\"X-Port-Timestamp\":\"%s\"}", timestamp);
        buffer_append_char(out, '}');
        return;
    }
    buffer_appendf(&body,
                   "{\"context\":{\"runId\":\"%s\"},%s\"payload\":{\"action\":{\"invocationMethod\":{"
                   "\"type\":\"WEBHOOK\","
                   "\"agent\":true,\"synchronized\":%s,\"url\":\"http://%s%s:%d%s\"}}",
                   text->run_id, text->twice ? "\"payload\":{}," : "", text->synchronized ? "true" : "false",
                   text->user_info ? text->user_info : "", text->host ? text->host : "127.0.0.1",
                   http_server_port(text->to_other ? world->other : world->endpoint), text->path);
    if (text->padding > 0) {
        buffer_append_text(&body, ",\"padding\":\"");
        for (size_t i = 0; i < text->padding; i++)
            buffer_append_char(&body, 'x');
        buffer_append_char(&body, '"');
    }
    buffer_append_text(&body, "},\"headers\":{");
    buffer_append_text(&body, text->headers ? text->headers : "");
    buffer_append_slice(out, buffer_slice(&body));
    buffer_append_text(&body, "}}");
    assert_int_equal(signer_sign_text(world->signer, slice_of(timestamp), buffer_slice(&body), signature), 0);
    if (text->forged)
        signature[5] = signature[5] == 'A' ? 'B' : 'A';
    buffer_append_text(out, text->headers ? "," : "");
    buffer_appendf(out, "\"X-Port-Timestamp\":\"%s\",\"X-Port-Signature\":\"%s\"}}", timestamp, signature);
    buffer_clear(&body);
}

/** Hands a record over, as a source does; returns its place in `given`. */
static inline size_t give(struct world *world, struct event_text text)
{
    struct buffer value = {0};
    size_t place = (size_t)world->offset;
    write_event(world, &text, &value);
    struct given *given = &world->given[place];
    *given = (struct given){.ticket = {.settle = settle}, .world = world};
    const char *topic = text.topic ? text.topic : "org.runs";
    int64_t offset = text.offset_plus_one ? text.offset_plus_one - 1 : (int64_t)place;
    char id[32];
    snprintf(id, sizeof id, "%s-0-%lld", topic, (long long)offset);
    struct record record = {.kind = text.change_log ? EVENT_CHANGE_LOG : EVENT_RUN,
                            .id = slice_of(id),
                            .topic = topic,
                            .offset = offset,
                            .timestamp_ms =
                                text.age_ms ? clock_wall_ms(&world->port->clock) - text.age_ms : -1,
                            .traceparent = slice_of(text.traceparent),
                            .tracestate = slice_of(text.tracestate),
                            .key = slice_of(text.key),
                            .value = buffer_slice(&value),
                            .assignment = text.assignment ? text.assignment : world,
                            .redelivery_of = text.redelivery_of};
    if (text.polled) {
        record.trusted = record.unrepeatable = true;
        record.id = record.run_id = slice_of(text.run_id);
        record.broken = text.broken;
        record.topic = NULL;
        record.partition = -1;
        record.offset = -1;
    }
    world->offset++;
    world->sink.take(world->sink.ctx, &record, &given->ticket);
    buffer_clear(&value);
    return place;
}
