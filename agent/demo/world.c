/* Loopback servers for the receiver and for Port, and librdkafka's mock cluster for Kafka. The receiver
 * checks each signature over the raw body, as an endpoint should. */
#include "world.h"
#include "agent/body.h"
#include "base/json_tree.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LOOPBACK_MS = 3000, SLOW_MS = 120, WORK_MS = 60, JOINING_MS = 200 };

const char DEMO_SECRET[] = "demo-secret-that-is-not-one";

static struct demo_kept *kept_of(struct demo_world *world, struct slice run_id)
{
    for (size_t i = 0; i < DEMO_KEPT; i++)
        if (world->kept[i].run_id && slice_equal_text(run_id, world->kept[i].run_id))
            return &world->kept[i];
    return NULL;
}

struct demo_seen *demo_seen(struct demo_world *world, struct slice run_id)
{
    for (size_t i = 0; i < DEMO_RUNS_MAX; i++) {
        struct demo_seen *seen = &world->seen[i];
        if (seen->run_id[0] == '\0')
            slice_copy_cut(run_id, seen->run_id, sizeof seen->run_id);
        if (slice_equal_text(run_id, seen->run_id))
            return seen;
    }
    world->seen[0] = (struct demo_seen){0}; /* --keep-running: the oldest place is used again */
    slice_copy_cut(run_id, world->seen[0].run_id, sizeof world->seen[0].run_id);
    return &world->seen[0];
}

/* The receiver: checks the signature on its own, over the raw body */

static void keep_request(struct demo_kept *kept, const struct http_exchange *exchange,
                         const struct http_server_request *request)
{
    kept->head.len = kept->body.len = 0;
    buffer_append_slice(&kept->head, request->method);
    buffer_append_char(&kept->head, ' ');
    buffer_append_slice(&kept->head, request->target);
    buffer_append_text(&kept->head, "\r\n");
    buffer_append_slice(&kept->head, http_exchange_headers(exchange));
    buffer_append_slice(&kept->body, request->body);
}

static void answer(struct http_exchange *exchange, struct slice target, unsigned requests, bool mended)
{
    if (slice_equal_text(target, "/fail"))
        http_server_answer(exchange, 502, "application/json", NULL,
                           SLICE_LITERAL("{\"error\":\"the VM quota is used up\"}"), 15);
    else if (slice_equal_text(target, DEMO_LETTER_PATH) && !mended)
        http_server_answer(exchange, 500, "application/json", NULL,
                           SLICE_LITERAL("{\"error\":\"the disk is full\"}"), 10);
    else if (slice_equal_text(target, "/busy") && requests == 1)
        http_server_answer(exchange, 503, "application/json", "Retry-After: 1\r\n",
                           SLICE_LITERAL("{\"error\":\"busy\"}"), 10);
    else
        http_server_answer(exchange, 200, "application/json", NULL,
                           SLICE_LITERAL("{\"vm\":\"vm-42\",\"state\":\"created\"}"),
                           slice_equal_text(target, "/slow")          ? SLOW_MS
                           : slice_equal_text(target, DEMO_WORK_PATH) ? WORK_MS
                                                                      : 10);
}

static void remember_key(struct demo_seen *seen, struct slice key)
{
    if (seen->requests == 0)
        slice_copy_cut(key, seen->key, sizeof seen->key);
    else if (!slice_equal_text(key, seen->key))
        seen->other_key = true;
}

static void receive(void *ctx, struct http_exchange *exchange, const struct http_server_request *request)
{
    struct demo_world *world = ctx;
    char expected[SIGNATURE_SIZE] = "";
    /* Out of memory: nothing is expected, and so the signature does not match. */
    PA_IGNORE(signer_sign_text(world->signer, http_exchange_header(exchange, "X-Port-Timestamp"),
                               request->body, expected));
    cJSON *event = json_tree(request->body, NULL);
    const cJSON *context = cJSON_GetObjectItemCaseSensitive(event, "context");
    const cJSON *run_id =
        cJSON_GetObjectItemCaseSensitive(context ? context : event, context ? "runId" : "run");
    struct demo_seen *seen =
        demo_seen(world, slice_of(cJSON_IsString(run_id) ? run_id->valuestring : "change-log"));
    remember_key(seen, http_exchange_header(exchange, "Idempotency-Key"));
    seen->requests++;
    seen->signature_valid = slice_equal_text(http_exchange_header(exchange, "X-Port-Signature"), expected);
    cJSON_Delete(event);
    struct demo_kept *kept = kept_of(world, slice_of(seen->run_id));
    if (kept)
        keep_request(kept, exchange, request);
    if (world->arrived && slice_equal_text(request->target, DEMO_WORK_PATH))
        world->arrived(world->arrived_ctx, seen);
    answer(exchange, request->target, seen->requests, world->mended);
}

/* The Port API */

static void remember(struct demo_world *world, struct slice path, struct slice body)
{
    static const char prefix[] = "/v1/actions/runs/";
    if (!slice_starts_with(path, prefix))
        return;
    struct slice id = {path.ptr + strlen(prefix), path.len - strlen(prefix)};
    const char *slash = memchr(id.ptr, '/', id.len);
    struct slice what = {NULL, 0};
    if (slash) {
        what = (struct slice){slash, id.len - (size_t)(slash - id.ptr)};
        id.len = (size_t)(slash - id.ptr);
    }
    struct demo_seen *seen = demo_seen(world, id);
    if (slice_equal_text(what, "/logs")) {
        seen->logs++;
    } else if (slice_equal_text(what, "/response")) {
        seen->responses++;
    } else {
        struct demo_kept *kept = kept_of(world, id);
        if (kept) {
            kept->report.len = 0;
            buffer_append_slice(&kept->report, body);
        }
        cJSON *patch = json_tree(body, NULL);
        const cJSON *status = cJSON_GetObjectItemCaseSensitive(patch, "status");
        snprintf(seen->status, sizeof seen->status, "%s", cJSON_IsString(status) ? status->valuestring : "");
        cJSON_Delete(patch);
    }
}

static void serve_port(void *ctx, struct http_exchange *exchange, const struct http_server_request *request)
{
    struct demo_world *world = ctx;
    world->port_requests++;
    if (slice_equal_text(request->target, "/v1/auth/access_token")) {
        world->token_requests++;
        http_server_answer(
            exchange, 200, "application/json", NULL,
            SLICE_LITERAL(
                "{\"ok\":true,\"accessToken\":\"demo-token\",\"expiresIn\":10800,\"tokenType\":\"Bearer\"}"),
            0);
        return;
    }
    remember(world, request->target, request->body);
    http_server_answer(exchange, 200, "application/json", NULL, SLICE_LITERAL("{\"ok\":true}"), 0);
}

/* Kafka */

static int open_kafka(struct demo_world *world, struct error *err)
{
    static const char *const topics[] = {DEMO_ORG ".runs",           DEMO_ORG ".change.log",
                                         DEMO_MAPPED_ORG ".runs",    DEMO_MAPPED_ORG ".change.log",
                                         DEMO_RESTARTED_ORG ".runs", DEMO_RESTARTED_ORG ".change.log",
                                         DEMO_LETTERS_TOPIC};
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    world->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!world->producer) {
        rd_kafka_conf_destroy(conf);
        return error_set(err, PA_ERR_IO, "embedded Kafka: %s", reason);
    }
    world->cluster = rd_kafka_mock_cluster_new(world->producer, 1);
    if (!world->cluster)
        return error_set(err, PA_ERR_IO, "embedded Kafka cannot listen on loopback");
#if RD_KAFKA_VERSION >= 0x02080000
    rd_kafka_mock_group_initial_rebalance_delay_ms(world->cluster, JOINING_MS);
#endif
    snprintf(world->bootstrap, sizeof world->bootstrap, "%s",
             rd_kafka_mock_cluster_bootstraps(world->cluster));
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        if (rd_kafka_mock_topic_create(world->cluster, topics[i], 1, 1))
            return error_set(err, PA_ERR_IO, "embedded Kafka cannot create its topics");
    if (rd_kafka_brokers_add(world->producer, world->bootstrap) < 1)
        return error_set(err, PA_ERR_IO, "embedded Kafka cannot be reached");
    return 0;
}

static void body_of(const struct demo_world *world, const struct demo_event *event, const char *headers,
                    struct buffer *out)
{
    char url[64];
    const char *agent = event->agent ? "true" : "false", *to = world->to ? world->to : url;
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s",
             event->port ? event->port : http_server_port(world->receiver), event->path);
    if (event->change_log) {
        buffer_appendf(out,
                       "{\"action\":\"UPDATE\",\"resourceType\":\"entity\",\"status\":\"SUCCESS\","
                       "\"context\":{\"entity\":\"vm-42\"},"
                       "\"diff\":{\"before\":{\"cpu\":2},\"after\":{\"cpu\":4}},\"changelogDestination\":{"
                       "\"type\":\"WEBHOOK\","
                       "\"agent\":%s,\"url\":\"%s\"}}",
                       agent, to);
        return;
    }
    buffer_appendf(out,
                   "{\"action\":\"%s\",\"resourceType\":\"run\",\"status\":\"TRIGGERED\",\"context\":{"
                   "\"entity\":%s,"
                   "\"blueprint\":\"vm\",\"runId\":\"%s\"},\"payload\":{\"entity\":null,\"action\":{"
                   "\"invocationMethod\":{\"type\":"
                   "\"WEBHOOK\",\"agent\":%s,\"synchronized\":%s,\"method\":\"%s\",\"url\":\"%s\"},"
                   "\"trigger\":"
                   "\"CREATE\"},\"properties\":{\"region\":\"eu-west-1\",\"cpu\":4},\"censoredProperties\":[]"
                   "},\"headers\":{%s}}",
                   event->action ? event->action : "create_vm", event->action ? "\"vm-42\"" : "null",
                   event->run_id, agent, event->synchronized ? "true" : "false", event->method, to, headers);
}

int demo_produce(struct demo_world *world, const struct demo_event *event, struct error *err)
{
    char topic[64];
    struct buffer signed_body = {0}, record = {0};
    char signature[SIGNATURE_SIZE] = "", headers[160];
    long long now = (long long)time(NULL);
    struct demo_kept *kept = kept_of(world, slice_of(event->run_id));
    snprintf(topic, sizeof topic, "%s.%s", event->org ? event->org : DEMO_ORG,
             event->change_log ? "change.log" : "runs");
    body_of(world, event, "", &signed_body);
    /* Out of memory: a record without a signature, which the agent refuses. */
    PA_IGNORE(signer_sign(world->signer, now, buffer_slice(&signed_body), signature));
    snprintf(headers, sizeof headers, "\"X-Port-Timestamp\":\"%lld\",\"X-Port-Signature\":\"%s\"", now,
             signature);
    body_of(world, event, headers, &record);
    if (event->tampered) {
        char *region = memmem(record.ptr, record.len, "eu-west-1", 9);
        if (region)
            memcpy(region, "us-east-1", 9);
    }
    if (kept)
        buffer_append_slice(&kept->event, buffer_slice(&record));
    rd_kafka_resp_err_t code =
        rd_kafka_producev(world->producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_VALUE(record.ptr, record.len),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    buffer_clear(&signed_body);
    buffer_clear(&record);
    rd_kafka_poll(world->producer, 0);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_set(err, PA_ERR_IO, "cannot produce: %s", rd_kafka_err2str(code));
    return 0;
}

/* Loopback */

/** Waits for a connection that connect() has begun; 0, or errno's number. */
static int connected(int fd)
{
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    int code = 0;
    socklen_t length = sizeof code;
    if (poll(&writable, 1, LOOPBACK_MS) != 1)
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno;
}

int demo_world_reachable(const struct demo_world *world, struct error *err)
{
    int port = http_server_port(world->port);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int code = fd < 0 ? errno : 0;
    if (code == 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        code = errno == EINPROGRESS ? connected(fd) : errno;
    if (fd >= 0)
        close(fd);
    if (code == 0)
        return 0;
    return error_set(
        err, PA_ERR_IO,
        "127.0.0.1 cannot be reached (%s), and everything here runs on it. Is the loopback interface "
        "down ('ip link set lo up' as root), or does a firewall drop what goes to it?",
        strerror(code));
}

/** A port of its own, so that nobody else listens there meanwhile. */
static int hold_port(struct demo_world *world, struct error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int yes = 1;
    world->down_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (world->down_fd < 0 || setsockopt(world->down_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(world->down_fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(world->down_fd, (struct sockaddr *)&address, &length) != 0)
        return error_set(err, PA_ERR_IO, "no port of 127.0.0.1 can be used: %s", strerror(errno));
    world->down_port = ntohs(address.sin_port);
    return 0;
}

int demo_world_bring_up(struct demo_world *world, struct error *err)
{
    world->late = http_server_new(world->loop, world->down_port, receive, world, err);
    return world->late ? 0 : PA_ERR_IO;
}

void demo_settings(const struct demo_world *world, const char *org, struct child_settings *settings)
{
    child_set(settings, "PORT_ORG_ID", "%s", org);
    child_set(settings, "PORT_CLIENT_ID", "demo");
    child_set(settings, "PORT_CLIENT_SECRET", "%s", world->secret);
    child_set(settings, "PORT_API_BASE_URL", "http://127.0.0.1:%d", http_server_port(world->port));
    child_set(settings, "USING_LOCAL_PORT_INSTANCE", "true");
    child_set(settings, "KAFKA_CONSUMER_BOOTSTRAP_SERVERS", "%s", world->bootstrap);
    child_set(settings, "KAFKA_CONSUMER_GROUP_ID", "%s.agent", org);
    child_set(settings, "KAFKA_CONSUMER_SESSION_TIMEOUT_MS", "6000");
    child_set(settings, "STATUS_SOCKET", "@port-agent-%s-%d", org, (int)getpid()); /* leaves no file */
    child_set(settings, "LOG_FORMAT", "text");
}

int demo_world_open(struct demo_world *world, uv_loop_t *loop, struct error *err)
{
    *world = (struct demo_world){.loop = loop,
                                 .to = world->to,
                                 .secret = world->secret,
                                 .down_fd = -1,
                                 .kept = {[DEMO_KEPT_EXAMPLE] = {.run_id = DEMO_EXAMPLE_RUN},
                                          [DEMO_KEPT_MAPPED] = {.run_id = DEMO_MAPPED_RUN}}};
    world->signer = signer_new(slice_of(world->secret));
    world->port = http_server_new(loop, 0, serve_port, world, err);
    world->receiver = world->port ? http_server_new(loop, 0, receive, world, err) : NULL;
    if (!world->signer || !world->receiver || demo_world_reachable(world, err) != 0 ||
        hold_port(world, err) != 0)
        return PA_ERR_IO;
    return open_kafka(world, err);
}

static void world_part_closed(void *ctx)
{
    struct demo_world *world = ctx;
    if (--world->closing > 0)
        return;
    signer_free(world->signer);
    for (size_t i = 0; i < DEMO_KEPT; i++) {
        buffer_clear(&world->kept[i].event);
        buffer_clear(&world->kept[i].head);
        buffer_clear(&world->kept[i].body);
        buffer_clear(&world->kept[i].report);
    }
    if (world->cluster)
        rd_kafka_mock_cluster_destroy(world->cluster);
    if (world->producer)
        rd_kafka_destroy(world->producer);
    if (world->closed)
        world->closed(world->closed_ctx);
}

void demo_world_close(struct demo_world *world, void (*closed)(void *ctx), void *ctx)
{
    world->closed = closed;
    world->closed_ctx = ctx;
    struct http_server *const servers[] = {world->port, world->receiver, world->late};
    world->closing = 1;
    if (world->down_fd >= 0)
        close(world->down_fd);
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++)
        world->closing += servers[i] != NULL;
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++)
        if (servers[i])
            http_server_close(servers[i], world_part_closed, world);
    world_part_closed(world);
}

void demo_append_exchange(const struct demo_kept *kept, struct buffer *out)
{
    struct slice head = buffer_slice(&kept->head);
    bool first = true;
    buffer_append_text(out, ",\"request\":{\"head\":[");
    while (head.len > 0) {
        const char *end = memchr(head.ptr, '\r', head.len);
        size_t len = end ? (size_t)(end - head.ptr) : head.len;
        buffer_append_text(out, first ? "" : ",");
        buffer_append_json_string(out, (struct slice){head.ptr, len});
        len += end ? 2 : 0; /* CR LF */
        head = (struct slice){head.ptr + len, head.len - len};
        first = false;
    }
    buffer_append_text(out, "],\"body\":");
    body_append_value(buffer_slice(&kept->body), out);
    buffer_append_text(out, "},\"report\":");
    body_append_value(buffer_slice(&kept->report), out);
}
