/* Time runs fast here, for the clock and for the loop's timers alike, but where librdkafka's own time counts
 * as well. Deadlines are far away all the same, so that a call that nobody goes on with is a record that is
 * stuck, and not one that timed out. */
#include "agent.h"
#include "brokers.h"
#include "config/config.h"
#include "deadletter/dead_letter.h"
#include "deliver/deliver.h"
#include "http/authorities.h"
#include "mappings.h"
#include "source/class.h"
#include "source/kafka/kafka.h"
#include "source/polling/polling.h"
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SPEED = 50, FAR_MS = SPEED * 600000, STUCK_MS = 60000, RECORDS_MAX = 4 };
enum { TLS_CONNECT_MS = 2000, TLS_IDLE_MS = 8000 };

/** A record that is out, between the source and what delivers it. */
struct handed {
    struct ticket ticket;
    struct ticket *inner; /* the source's own; NULL: none */
    struct agent *agent;
};

struct agent {
    const struct kind *kind;
    uv_loop_t loop;
    struct log *log;
    int log_fd;                      /* leads nowhere */
    struct authorities *authorities; /* NULL: no TLS */
    struct http_client *webhooks, *port_http;
    struct port_api *api;
    struct reports *reports;
    struct observer *observer;
    struct signer *signer;
    struct mapper *mapper;
    struct dead_letters *letters;
    struct deliver *deliver;
    struct config config;
    struct source *source; /* NULL: records are handed over here */
    const char *trouble;   /* what ends an agent; NULL: nothing */
    bool taking;
    /* the records that are looked at */
    struct handed handed[RECORDS_MAX];
    struct given *given;
    int64_t first; /* the offset of the first */
};

int __real_uv_timer_start(uv_timer_t *timer, uv_timer_cb fired, uint64_t wait_ms, uint64_t repeat_ms);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb fired, uint64_t wait_ms, uint64_t repeat_ms);

const char agent_gave_up[] = "the source gave up";
static uint64_t speed = SPEED;

static uint64_t shortened(uint64_t ms)
{
    return (ms + speed - 1) / speed;
}

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb fired, uint64_t wait_ms, uint64_t repeat_ms)
{
    return __real_uv_timer_start(timer, fired, shortened(wait_ms), shortened(repeat_ms));
}

static int64_t fast_ms(void *ctx)
{
    (void)ctx;
    return clock_monotonic_ms(clock_system()) * (int64_t)speed;
}

static int64_t wall_ms(void *ctx)
{
    (void)ctx;
    return clock_wall_ms(clock_system());
}

static double no_chance(void *ctx)
{
    (void)ctx;
    return 0.5;
}

static const struct clock fast_clock = {fast_ms, wall_ms, no_chance, NULL};

/* Tickets: the source's own stays behind ours */

static void settled(struct ticket *ticket, bool done)
{
    struct handed *handed = (struct handed *)(void *)((char *)ticket - offsetof(struct handed, ticket));
    struct agent *agent = handed->agent;
    struct given *given = &agent->given[handed - agent->handed];
    struct ticket *inner = handed->inner;
    handed->inner = NULL;
    given->done += done;
    /* What the polling source gets back while it hands it over, it hands over again. */
    given->dropped += !done && !(agent->kind->polled && agent->taking);
    if (inner)
        inner->settle(inner, done);
}

static bool has_room(void *ctx, size_t bytes)
{
    struct source_sink sink = deliver_sink(((struct agent *)ctx)->deliver);
    return sink.has_room(sink.ctx, bytes);
}

static void take(void *ctx, const struct record *record, struct ticket *ticket)
{
    struct agent *agent = ctx;
    struct source_sink sink = deliver_sink(agent->deliver);
    int64_t place = record->offset < 0 ? 0 : record->offset - agent->first;
    if (place < 0 || place >= RECORDS_MAX)
        abort(); /* it was committed */
    struct handed *handed = &agent->handed[place];
    *handed = (struct handed){{.settle = settled}, ticket, agent};
    agent->taking = true;
    sink.take(sink.ctx, record, &handed->ticket);
    agent->taking = false;
}

static void withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    struct source_sink sink = deliver_sink(((struct agent *)ctx)->deliver);
    sink.withdraw(sink.ctx, assignment, cancel_started);
}

/* Opening */

static void nothing(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
}

/** libuv ends the process when it has no memory to note one more file descriptor, and then nothing is lost:
 * so its table has room for all of them before memory fails. */
static void grow_watchers(uv_loop_t *loop)
{
    uv_poll_t poll;
    int ends[2], high = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 200);
    if (high < 0 || pipe2(ends, O_CLOEXEC) != 0 || dup3(ends[0], high, O_CLOEXEC) < 0 ||
        uv_poll_init(loop, &poll, high) != 0 || uv_poll_start(&poll, UV_READABLE, nothing) != 0)
        abort();
    uv_close((uv_handle_t *)&poll, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
    close(high);
    close(ends[0]);
    close(ends[1]);
}

static void source_failed(void *ctx)
{
    ((struct agent *)ctx)->trouble = agent_gave_up;
}

/** libcurl may take a failure of OpenSSL's for want of memory for "would wait", and then only a deadline ends
 * the call: the time to connect, or the longest silence, which must never be over for want of a processor. */
static struct http_client *client_new(struct agent *agent, const struct authorities *authorities,
                                      const char *http_proxy)
{
    struct error err = {0};
    struct http_client_options options = {.loop = &agent->loop,
                                          .clock = &fast_clock,
                                          .user_agent = "port-agent/torture",
                                          .connect_timeout_ms = authorities ? TLS_CONNECT_MS : FAR_MS,
                                          .idle_timeout_ms = authorities ? TLS_IDLE_MS : FAR_MS,
                                          .total_timeout_ms = FAR_MS,
                                          .max_response_bytes = OUTSIDE_LARGE_BYTES,
                                          .max_connections = 4,
                                          .verify_tls = true,
                                          .authorities = authorities,
                                          .http_proxy = http_proxy,
                                          .no_proxy = "",
                                          .redirects = HTTP_REDIRECTS_SAME_HOST,
                                          .judges_egress = true,
                                          .egress_deny = "10.0.0.0/8"};
    struct http_client *client = http_client_new(&options, &err);
    if (!client)
        abort();
    return client;
}

static void open_port(struct agent *agent, const char *url)
{
    struct port_api_options api = {.loop = &agent->loop,
                                   .clock = &fast_clock,
                                   .http = agent->port_http,
                                   .base_url = url,
                                   .client_id = "id",
                                   .client_secret = OUTSIDE_SECRET};
    agent->api = port_api_new(&api);
    struct reports_options reports = {.api = agent->api,
                                      .loop = &agent->loop,
                                      .clock = &fast_clock,
                                      .run_logs = true,
                                      .first_backoff_ms = 50,
                                      .max_backoff_ms = 250};
    agent->reports = reports_new(&reports);
    agent->observer =
        observer_new(&(struct observer_options){.clock = &fast_clock, .tell_run = run_report_log});
    if (!agent->api || !agent->reports || !agent->observer)
        abort();
}

static void mapper_lost(void *ctx)
{
    ((struct agent *)ctx)->trouble = "the mappings' process was given up";
}

static void open_mapper(struct agent *agent)
{
    struct mapper_options options = {
        .loop = &agent->loop, .process = mappings_process(), .lost = mapper_lost, .ctx = agent};
    if ((agent->mapper = mapper_new(&options)) == NULL)
        abort();
}

static void open_letters(struct agent *agent, const char *directory)
{
    struct dead_letters_options options = {.loop = &agent->loop,
                                           .clock = &fast_clock,
                                           .directory = directory,
                                           .max_bytes = 1 << 20,
                                           .secret = SLICE_LITERAL("secret"),
                                           .record_max_bytes = 65536};
    if ((agent->letters = dead_letters_new(&options, NULL)) == NULL)
        abort();
}

static void room_again(void *ctx)
{
    struct agent *agent = ctx;
    if (agent->source)
        source_resume(agent->source);
}

static void open_deliver(struct agent *agent)
{
    struct deliver_options options = {.loop = &agent->loop,
                                      .clock = &fast_clock,
                                      .http = agent->webhooks,
                                      .reports = agent->reports,
                                      .observer = agent->observer,
                                      .signer = agent->signer,
                                      .max_in_flight = 8,
                                      .retry = {.max_attempts = 20,
                                                .max_elapsed_ms = FAR_MS,
                                                .initial_backoff_ms = 50,
                                                .max_backoff_ms = 250},
                                      .breaker_failures = 10,
                                      .dedup_window = 16,
                                      .mapper = agent->mapper,
                                      .mapping_file = agent->mapper != NULL,
                                      .dead_letters = agent->letters,
                                      .max_bytes = 1 << 20,
                                      .record_max_bytes = 65536,
                                      .detailed_logging = true,
                                      .room = room_again,
                                      .room_ctx = agent};
    if ((agent->deliver = deliver_new(&options)) == NULL)
        abort();
}

static struct source_options source_options(struct agent *agent)
{
    return (struct source_options){.loop = &agent->loop,
                                   .clock = &fast_clock,
                                   .config = &agent->config,
                                   .port = agent->api,
                                   .sink = {agent, has_room, take, withdraw, NULL},
                                   .fatal = source_failed,
                                   .ctx = agent};
}

static void open_polling(struct agent *agent)
{
    agent->config.polling = (struct polling_config){.interval_ms = 500,
                                                    .batch_size = 10,
                                                    .initial_backoff_ms = 50,
                                                    .backoff_factor = 2,
                                                    .max_backoff_ms = 250,
                                                    .max_failure_ms = FAR_MS};
    struct source_options options = source_options(agent);
    if ((agent->source = polling_source.open(&options, NULL)) == NULL)
        abort();
}

static char *text(const char *literal)
{
    return (char *)(uintptr_t)literal;
}

bool agent_consume(struct agent *agent, const char *brokers, int64_t first, struct given *given)
{
    agent->config = (struct config){.local_port = true,
                                    .bootstrap_servers = text(brokers),
                                    .security_protocol = text("plaintext"),
                                    .sasl_mechanism = text(""),
                                    .group_id = text(BROKERS_GROUP),
                                    .group_instance_id = text(""),
                                    .assignment_strategy = text("range,roundrobin"),
                                    .auto_offset_reset = text("earliest"),
                                    .runs_topic = text(BROKERS_RUNS),
                                    .change_log_topic = text(BROKERS_CHANGE_LOG),
                                    .session_timeout_ms = BROKERS_SESSION_MS,
                                    .drain_timeout_ms = 1000,
                                    .queue_max_bytes = 2 << 20,
                                    .record_max_bytes = 65536};
    agent->first = first;
    agent->given = given;
    struct source_options options = source_options(agent);
    struct error err = {0};
    agent->source = kafka_source.open(&options, &err);
    return agent->source != NULL;
}

struct agent *agent_open(const struct kind *kind, const struct outside *outside, const char *letters)
{
    struct agent *agent = calloc(1, sizeof *agent);
    if (!agent)
        abort();
    agent->log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct log_options log = {.fd = agent->log_fd, .format = LOG_FORMAT_JSON, .level = LOG_DEBUG};
    if (uv_loop_init(&agent->loop) != 0 || (agent->log = log_new(&log)) == NULL ||
        (agent->signer = signer_new(OUTSIDE_SECRET)) == NULL)
        abort();
    agent->kind = kind;
    speed = kind->consumed || kind->tls ? 1 : SPEED;
    grow_watchers(&agent->loop);
    log_set_current(agent->log);
    const struct authorities_options trusted = {.system_bundle = outside_ca_bundle(outside)};
    agent->authorities = kind->tls ? authorities_new(&trusted, NULL) : NULL;
    if (kind->tls && !agent->authorities)
        abort();
    agent->webhooks = client_new(agent, agent->authorities, kind->proxied ? outside_url(outside) : NULL);
    agent->port_http = client_new(agent, NULL, NULL);
    open_port(agent, outside_url(outside));
    if (kind->mapping)
        open_mapper(agent);
    if (kind->buried)
        open_letters(agent, letters);
    open_deliver(agent);
    if (kind->polled)
        open_polling(agent);
    return agent;
}

static void source_closed(void *ctx)
{
    ((struct agent *)ctx)->source = NULL;
}

bool agent_close(struct agent *agent)
{
    if (agent->source)
        source_close(agent->source, source_closed, agent);
    while (agent->source)
        uv_run(&agent->loop, UV_RUN_ONCE);
    deliver_free(agent->deliver);
    if (agent->letters)
        dead_letters_close(agent->letters, NULL, NULL);
    if (agent->mapper)
        mapper_close(agent->mapper, NULL, NULL);
    observer_free(agent->observer);
    reports_free(agent->reports);
    port_api_free(agent->api);
    http_client_close(agent->webhooks, NULL, NULL);
    http_client_close(agent->port_http, NULL, NULL);
    uv_run(&agent->loop, UV_RUN_DEFAULT);
    authorities_free(agent->authorities);
    signer_free(agent->signer);
    log_set_current(NULL);
    log_free(agent->log, 1000);
    close(agent->log_fd);
    bool closed = uv_loop_close(&agent->loop) == 0;
    free(agent);
    OPENSSL_thread_stop(); /* this thread's queue of errors keeps the last sixteen */
    return closed;
}

/* Records */

void agent_give(struct agent *agent, struct outside *outside, const struct sample *sample, size_t number,
                struct given *given)
{
    *given = (struct given){0};
    agent->given = given;
    agent->first = (int64_t)number;
    if (agent->kind->polled) {
        struct slice id = slice_of(sample->run_id);
        outside_offer(outside,
                      &(struct outside_offer){sample->run_id, sample->value, run_id_is_node_run(id)});
        return;
    }
    struct record record = {.kind = agent->kind->run_id ? EVENT_RUN : EVENT_CHANGE_LOG,
                            .id = slice_of(sample->name),
                            .topic = "org.runs",
                            .offset = (int64_t)number,
                            .timestamp_ms = -1,
                            .key = slice_of(agent->kind->keyed ? "key" : NULL),
                            .value = slice_of(sample->value),
                            .assignment = agent};
    take(agent, &record, NULL);
}

static void wake(uv_timer_t *timer)
{
    (void)timer;
}

const char *agent_run_until(struct agent *agent, bool (*reached)(const void *ctx), const void *ctx)
{
    int64_t end = clock_monotonic_ms(clock_system()) + STUCK_MS;
    uv_timer_t timer;
    bool there;
    uv_timer_init(&agent->loop, &timer);
    uv_timer_start(&timer, wake, speed * 100, speed * 100);
    while (!(there = reached(ctx)) && !agent->trouble && clock_monotonic_ms(clock_system()) < end)
        uv_run(&agent->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&agent->loop, UV_RUN_NOWAIT);
    return there || agent->trouble ? agent->trouble : "the record is stuck";
}

static bool is_settled(const void *ctx)
{
    const struct given *given = ctx;
    return given->done + given->dropped > 0;
}

const char *agent_run_until_settled(struct agent *agent, const struct given *given)
{
    const char *trouble = agent_run_until(agent, is_settled, given);
    if (trouble)
        return trouble;
    if (given->done + given->dropped != 1)
        return "the record was settled twice";
    return given->dropped > 0 && agent->kind->polled ? "a polled run was dropped, which nobody gets again"
                                                     : NULL;
}

uint64_t agent_commits(const struct agent *agent)
{
    struct log_field fields[SOURCE_FIELDS_MAX];
    size_t count = agent->source ? source_summary(agent->source, fields) : 0;
    for (size_t i = 0; i < count; i++)
        if (slice_equal_text(fields[i].name, "commits"))
            return (uint64_t)fields[i].value.integer;
    return 0;
}
