#include "outside.h"
#include "agent/http_server/server.h"
#include "event/signature.h"
#include "memory.h"
#include "tls_front.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SEEN_MAX = 2048, HELD_MAX = 16, ARRIVAL_SECONDS = 10 };

static const struct slice ok_body = SLICE_LITERAL("{\"ok\":true}");
/* ok_body in the format of RFC 1952. */
static const struct slice ok_zipped =
    SLICE_LITERAL("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\xca\xcf\x56\xb2\x2a\x29\x2a\x4d\xad\x05"
                  "\x00\x90\x5f\xd4\xa7\x0b\x00\x00\x00");

struct seen {
    char path[128];
    char line[512]; /* a result; "": a webhook */
};

struct outside {
    pthread_t thread;
    pthread_mutex_t mutex;  /* of what follows */
    pthread_cond_t changed; /* url, or one more seen */
    struct seen seen[SEEN_MAX];
    size_t count;
    struct outside_offer offer;
    bool acknowledged;
    bool released;
    char url[64]; /* "": not yet */
    uv_async_t stop, release;
    /* the thread's own */
    uv_loop_t loop;
    struct http_server *server;
    struct signer *signer;
    struct http_exchange *held[HELD_MAX];
    size_t held_count;
    /* the owner's */
    char tls_url[64];
    const char *ca_bundle;
};

static void give_up(const char *why)
{
    fprintf(stderr, "%s\n", why);
    abort();
}

static void remember(struct outside *outside, struct slice path, const char *line)
{
    pthread_mutex_lock(&outside->mutex);
    if (outside->count == SEEN_MAX)
        give_up("more requests than expected");
    struct seen *seen = &outside->seen[outside->count++];
    snprintf(seen->path, sizeof seen->path, "%.*s", (int)path.len, path.ptr);
    snprintf(seen->line, sizeof seen->line, "%s", line);
    pthread_cond_signal(&outside->changed);
    pthread_mutex_unlock(&outside->mutex);
}

static size_t times_seen(struct outside *outside, struct slice path)
{
    size_t times = 0;
    pthread_mutex_lock(&outside->mutex);
    for (size_t i = 0; i < outside->count; i++)
        times += slice_equal_text(path, outside->seen[i].path);
    pthread_mutex_unlock(&outside->mutex);
    return times;
}

static void answer(struct http_exchange *exchange, int status, struct slice body)
{
    http_server_answer(exchange, status, "application/json", NULL, body, 0);
}

static struct slice body_of(const struct http_server_request *request)
{
    return request->body.ptr ? request->body : (struct slice){"", 0};
}

/* Port */

static void answer_claim(struct outside *outside, struct http_exchange *exchange, bool node_runs)
{
    struct buffer body = {0};
    pthread_mutex_lock(&outside->mutex);
    const struct outside_offer *offer = &outside->offer;
    bool offered = offer->run && !outside->acknowledged && offer->node_run == node_runs;
    buffer_appendf(&body, "{\"%s\":[%s]}", node_runs ? "nodeRuns" : "runs", offered ? offer->run : "");
    pthread_mutex_unlock(&outside->mutex);
    answer(exchange, 200, buffer_slice(&body));
    buffer_clear(&body);
}

static void answer_ack(struct outside *outside, struct http_exchange *exchange,
                       const struct http_server_request *request)
{
    pthread_mutex_lock(&outside->mutex);
    const char *id = outside->offer.id;
    bool ours = id && memmem(request->body.ptr, request->body.len, id, strlen(id));
    outside->acknowledged |= ours;
    pthread_mutex_unlock(&outside->mutex);
    answer(exchange, 200,
           ours ? SLICE_LITERAL("{\"ackedCount\":1,\"acked\":true}")
                : SLICE_LITERAL("{\"ackedCount\":0,\"acked\":false}"));
}

static void answer_port(struct outside *outside, struct http_exchange *exchange,
                        const struct http_server_request *request)
{
    struct slice target = request->target;
    if (slice_equal_text(target, "/v1/auth/access_token")) {
        answer(exchange, 200, SLICE_LITERAL("{\"accessToken\":\"t\",\"expiresIn\":3600}"));
    } else if (slice_equal_text(target, "/v1/actions/runs/claim-pending")) {
        answer_claim(outside, exchange, false);
    } else if (slice_equal_text(target, "/v1/workflows/runs/claim-pending")) {
        answer_claim(outside, exchange, true);
    } else if (slice_equal_text(target, "/v1/actions/runs/ack") ||
               slice_equal_text(target, "/v1/workflows/runs/ack")) {
        answer_ack(outside, exchange, request);
    } else {
        if (slice_equal_text(request->method, "PATCH")) {
            char line[512];
            struct slice body = body_of(request);
            if (body.len > sizeof line)
                body = body.len > 2 * OUTSIDE_LARGE_BYTES ? SLICE_LITERAL("large") : SLICE_LITERAL("cut");
            snprintf(line, sizeof line, "%.*s %.*s", (int)target.len, target.ptr, (int)body.len, body.ptr);
            remember(outside, target, line);
        }
        answer(exchange, 200, SLICE_LITERAL("{}"));
    }
}

/* Endpoints */

static void check_signature(struct outside *outside, struct http_exchange *exchange,
                            const struct http_server_request *request)
{
    char expected[SIGNATURE_SIZE];
    struct slice stamp = http_exchange_header(exchange, "X-Port-Timestamp");
    struct slice signature = http_exchange_header(exchange, "X-Port-Signature");
    if (signer_sign_text(outside->signer, stamp, body_of(request), expected) != 0 ||
        !slice_equal_text(signature, expected))
        give_up("a webhook's signature is wrong");
}

/** /mapped/NAME?team=a%20b, whose run is r_NAME. */
static void check_mapped(struct http_exchange *exchange, const struct http_server_request *request)
{
    char expected[128];
    struct slice target = request->target;
    const char *query = memchr(target.ptr, '?', target.len);
    size_t before = query ? (size_t)(query - target.ptr) : 0;
    size_t prefix = strlen("/mapped/");
    struct slice rest = {query, target.len - before};
    if (!query || !slice_equal_text(rest, "?team=a%20b") || !slice_equal_text(request->method, "PUT") ||
        !slice_equal_text(http_exchange_header(exchange, "X-Team"), "platform"))
        give_up("a mapped webhook's method, query or header is wrong");
    snprintf(expected, sizeof expected, "{\"secret\":\"pass\",\"from\":\"r_%.*s\"}", (int)(before - prefix),
             target.ptr + prefix);
    if (!slice_equal_text(body_of(request), expected))
        give_up("a mapped webhook's body is wrong");
}

static void answer_moved(struct http_exchange *exchange, struct slice target)
{
    char location[160];
    const char *name = memchr(target.ptr + 1, '/', target.len - 1);
    int status = slice_starts_with(target, "/moved/") ? 307 : 303;
    snprintf(location, sizeof location, "Location: /ok%.*s\r\n", (int)(target.ptr + target.len - name), name);
    http_server_answer(exchange, status, "text/plain", location, SLICE_LITERAL("moved"), 0);
}

/** Every byte of it has an escape. */
static void answer_large(struct http_exchange *exchange)
{
    static char body[OUTSIDE_LARGE_BYTES];
    memset(body, '"', sizeof body);
    http_server_answer(exchange, 200, "text/plain", NULL, (struct slice){body, sizeof body}, 0);
}

/** Until outside_release. */
static void hold(struct outside *outside, struct http_exchange *exchange)
{
    pthread_mutex_lock(&outside->mutex);
    bool released = outside->released;
    pthread_mutex_unlock(&outside->mutex);
    if (released) {
        answer(exchange, 200, ok_body);
        return;
    }
    if (outside->held_count == HELD_MAX)
        give_up("more requests held than expected");
    outside->held[outside->held_count++] = exchange;
}

static void released(uv_async_t *release)
{
    struct outside *outside = release->data;
    while (outside->held_count > 0)
        answer(outside->held[--outside->held_count], 200, ok_body);
}

static void answer_endpoint(struct outside *outside, struct http_exchange *exchange,
                            const struct http_server_request *request)
{
    check_signature(outside, exchange, request);
    bool first = times_seen(outside, request->target) == 0;
    if (slice_starts_with(request->target, "/moved/") || slice_starts_with(request->target, "/other/")) {
        answer_moved(exchange, request->target);
        return;
    }
    if (slice_starts_with(request->target, "/mapped/"))
        check_mapped(exchange, request);
    remember(outside, request->target, "");
    if (slice_starts_with(request->target, "/fail/"))
        answer(exchange, 500, SLICE_LITERAL("{\"error\":\"no\"}"));
    else if (slice_starts_with(request->target, "/busy/") && first)
        answer(exchange, 429, SLICE_LITERAL("\"later\""));
    else if (slice_starts_with(request->target, "/held/"))
        hold(outside, exchange);
    else if (slice_starts_with(request->target, "/large/"))
        answer_large(exchange);
    else if (slice_starts_with(request->target, "/zipped/"))
        http_server_answer(exchange, 200, "application/json; charset=iso-8859-1",
                           "Content-Encoding: gzip\r\n", ok_zipped, 0);
    else
        answer(exchange, 200, ok_body);
}

static void handle(void *ctx, struct http_exchange *exchange, const struct http_server_request *request)
{
    struct outside *outside = ctx;
    struct http_server_request asked = *request;
    if (slice_starts_with(asked.target, outside->url)) { /* as a proxy is asked for itself */
        size_t len = strlen(outside->url);
        asked.target = (struct slice){asked.target.ptr + len, asked.target.len - len};
    }
    if (slice_starts_with(asked.target, "/v1/"))
        answer_port(outside, exchange, &asked);
    else
        answer_endpoint(outside, exchange, &asked);
}

/* Life */

static void stopped(uv_async_t *stop)
{
    struct outside *outside = stop->data;
    released(&outside->release);
    uv_close((uv_handle_t *)stop, NULL);
    uv_close((uv_handle_t *)&outside->release, NULL);
    http_server_close(outside->server, NULL, NULL);
}

static void *run(void *ctx)
{
    struct outside *outside = ctx;
    struct error err = {0};
    memory_outside();
    uv_loop_init(&outside->loop);
    uv_async_init(&outside->loop, &outside->stop, stopped);
    uv_async_init(&outside->loop, &outside->release, released);
    outside->stop.data = outside->release.data = outside;
    outside->signer = signer_new(OUTSIDE_SECRET);
    outside->server = http_server_new(&outside->loop, 0, handle, outside, &err);
    if (!outside->signer || !outside->server)
        give_up(err.message);
    pthread_mutex_lock(&outside->mutex);
    snprintf(outside->url, sizeof outside->url, "http://127.0.0.1:%d", http_server_port(outside->server));
    pthread_cond_signal(&outside->changed);
    pthread_mutex_unlock(&outside->mutex);
    uv_run(&outside->loop, UV_RUN_DEFAULT);
    uv_loop_close(&outside->loop);
    signer_free(outside->signer);
    return NULL;
}

struct outside *outside_new(void)
{
    struct outside *outside = calloc(1, sizeof *outside);
    if (!outside || pthread_mutex_init(&outside->mutex, NULL) != 0 ||
        pthread_cond_init(&outside->changed, NULL) != 0 ||
        pthread_create(&outside->thread, NULL, run, outside) != 0)
        give_up("no thread");
    pthread_mutex_lock(&outside->mutex);
    while (!outside->url[0])
        pthread_cond_wait(&outside->changed, &outside->mutex);
    pthread_mutex_unlock(&outside->mutex);
    return outside;
}

void outside_free(struct outside *outside)
{
    uv_async_send(&outside->stop);
    pthread_join(outside->thread, NULL);
    pthread_mutex_destroy(&outside->mutex);
    pthread_cond_destroy(&outside->changed);
    free(outside);
}

const char *outside_url(const struct outside *outside)
{
    return outside->url;
}

const char *outside_tls_url(const struct outside *outside)
{
    return outside->tls_url;
}

const char *outside_ca_bundle(const struct outside *outside)
{
    return outside->ca_bundle;
}

void outside_set_tls(struct outside *outside, const struct tls_front *front, const char *ca_bundle)
{
    snprintf(outside->tls_url, sizeof outside->tls_url, "https://127.0.0.1:%d", front->port);
    outside->ca_bundle = ca_bundle;
    tls_front_serve(front, http_server_port(outside->server));
}

void outside_offer(struct outside *outside, const struct outside_offer *offer)
{
    pthread_mutex_lock(&outside->mutex);
    outside->offer = *offer;
    outside->acknowledged = false;
    pthread_mutex_unlock(&outside->mutex);
}

/* What they have seen */

char *outside_results(struct outside *outside, const char *run_id)
{
    struct buffer out = {0};
    const char *last = "";
    pthread_mutex_lock(&outside->mutex);
    for (size_t i = 0; i < outside->count; i++) {
        const struct seen *seen = &outside->seen[i];
        if (!seen->line[0] || !strstr(seen->path, run_id) || strcmp(seen->line, last) == 0)
            continue;
        buffer_appendf(&out, "%s\n", seen->line);
        last = seen->line;
    }
    pthread_mutex_unlock(&outside->mutex);
    return buffer_take(&out, NULL);
}

/** The last part of a path is the name. */
static bool is_for(const struct seen *seen, const char *name)
{
    const char *last = strrchr(seen->path, '/');
    size_t len = last ? strcspn(last + 1, "?") : 0;
    return !seen->line[0] && len == strlen(name) && strncmp(last + 1, name, len) == 0;
}

static size_t webhooks_seen(const struct outside *outside, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < outside->count; i++)
        count += is_for(&outside->seen[i], name);
    return count;
}

size_t outside_webhooks(struct outside *outside, const char *name, size_t expected)
{
    struct timespec end;
    size_t count;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += ARRIVAL_SECONDS;
    pthread_mutex_lock(&outside->mutex);
    while ((count = webhooks_seen(outside, name)) < expected &&
           pthread_cond_timedwait(&outside->changed, &outside->mutex, &end) == 0) {
    }
    pthread_mutex_unlock(&outside->mutex);
    return count;
}

void outside_release(struct outside *outside)
{
    pthread_mutex_lock(&outside->mutex);
    outside->released = true;
    pthread_mutex_unlock(&outside->mutex);
    uv_async_send(&outside->release);
}

void outside_reset(struct outside *outside)
{
    pthread_mutex_lock(&outside->mutex);
    outside->count = 0;
    outside->released = false;
    outside->offer = (struct outside_offer){0};
    pthread_mutex_unlock(&outside->mutex);
}
