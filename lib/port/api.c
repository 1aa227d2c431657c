/* Port's API: one token, a queue of calls, a limit on how many are under way that shrinks while Port
 * struggles. Must never call back before the function that took the callback has returned, never send without
 * a token, and never keep trying by itself: a call is one attempt, its owner decides about the next. */
#include "port/api.h"
#include "base/log.h"
#include "port/answer.h"
#include "port/clock_offset.h"
#include "port/lasting.h"
#include "port/tally.h"
#include "port/token.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
    DEFAULT_CONCURRENT = 32,
    /** After a failed early refresh, while the old token still serves. */
    TOKEN_TRY_AGAIN_MS = 5000,
    MEMORY_PAUSE_MS = 200,
    REFUSED_WAIT_MS = 30000,
    REFUSED_WAIT_CAP_MS = 600000
};

static const char TOKEN_PATH[] = "/v1/auth/access_token";

enum call_state { CALL_QUEUED, CALL_SENT };

struct port_call {
    TAILQ_ENTRY(port_call) all;
    struct port_api *api;
    enum call_state state;
    uint64_t number;
    const char *method, *path;
    struct slice body;
    bool reserved_usage, body_is_lent;
    size_t max_response_bytes;
    /** A 401 has had its second chance. */
    bool refreshed;
    /** The token it was sent with. */
    unsigned token_serial;
    struct http_call *http;
    port_done *done;
    void *ctx;
    /** Method, path and body, copied. */
    char texts[];
};

struct port_api {
    struct port_api_options options;
    char *base_url, *client_id;
    /** The former one is masked too: Port may say it late. */
    struct buffer client_secret, former_secret;
    /** "Bearer …". */
    struct buffer token;
    /** The token before: a call under way may have been sent with it. */
    struct buffer old_token;
    /** Monotonic: from the first on a fresh one is wanted, from the second on this one is of no use. */
    int64_t token_refresh_ms, token_expiry_ms;
    unsigned token_serial;
    struct http_call *token_call;
    struct buffer token_body, url;
    uint64_t numbers;
    /** Callbacks under way: a callback may free us. */
    unsigned entered;
    /** A callback has freed us. */
    bool freed;
    /** Queued and sent, in order of arrival. */
    TAILQ_HEAD(port_calls, port_call) calls;
    /** The first that may be queued: a hint for the pump. */
    struct port_call *unsent;
    unsigned sent;
    double limit;
    int64_t quiet_until_ms;
    /** On the heap: it outlives us while it closes. */
    uv_timer_t *quiet;
    uint64_t requests;
    struct port_tally tally;
    /** Until then a 401 fetches no other token: a fresh one was refused as well. */
    int64_t refused_until_ms;
    int64_t refused_wait_ms;
    /** Of the last answer, or, while it is quiet, of the last that failed; "": it was accepted, or refused
     * for a reason of the call's own. */
    char failure[400];
};

static void pump(struct port_api *api);

/* Calls */

static void call_free(struct port_call *call)
{
    free(call);
}

static void call_unlink(struct port_call *call)
{
    struct port_api *api = call->api;
    if (api->unsent == call)
        api->unsent = TAILQ_NEXT(call, all);
    TAILQ_REMOVE(&api->calls, call, all);
}

static void enter(struct port_api *api)
{
    api->entered++;
}

/** False: the callback has freed us, and we are gone. */
static bool leave(struct port_api *api)
{
    bool freed = --api->entered == 0 && api->freed;
    if (freed)
        free(api);
    return !freed;
}

static void call_end(struct port_call *call, const struct port_result *result)
{
    call_unlink(call);
    call->done(call->ctx, result);
    call_free(call);
}

static void quiet_over(uv_timer_t *timer)
{
    struct port_api *api = timer->data;
    api->quiet_until_ms = 0; /* the timer decides: by the clock it may be a millisecond early */
    pump(api);
}

/** Sends nothing for so long; false: it was quiet for longer anyway
 * (which matters only to who tells of it). */
PA_MAY_IGNORE static bool pause_calls(struct port_api *api, int64_t wait_ms)
{
    int64_t until = clock_monotonic_ms(api->options.clock) + wait_ms;
    if (until <= api->quiet_until_ms)
        return false;
    api->quiet_until_ms = until;
    uv_update_time(api->options.loop);
    uv_timer_start(api->quiet, quiet_over, (uint64_t)wait_ms, 0);
    return true;
}

static void be_quiet(struct port_api *api, int64_t wait_ms)
{
    if (pause_calls(api, wait_ms))
        log_warning("Port asks for quiet: calls wait", F_SECONDS("next_attempt_in", wait_ms));
}

void port_api_secrets(const struct port_api *api, struct secrets *out)
{
    token_mask(out, &api->token);
    token_mask(out, &api->old_token);
}

/** In words, without what we have sent to Port, should it come back. */
static void describe(const struct port_api *api, const struct http_result *http, bool quoted, char *out,
                     size_t size)
{
    struct secrets secrets = {0};
    port_api_secrets(api, &secrets);
    secrets_add(&secrets, buffer_slice(&api->client_secret), SECRET_MIN);
    secrets_add(&secrets, buffer_slice(&api->former_secret), SECRET_MIN);
    http_client_secrets(api->options.http, &secrets);
    port_answer_describe(http, quoted, &secrets, out, size);
    secrets_clear(&secrets);
}

/* The token */

static bool token_usable(const struct port_api *api)
{
    return api->token.len > 0 && clock_monotonic_ms(api->options.clock) < api->token_expiry_ms;
}

static bool token_is_fresh(const struct port_api *api)
{
    return api->token.len > 0 && clock_monotonic_ms(api->options.clock) < api->token_refresh_ms;
}

/** The first queued call that arrived before `number`; those under way, max_concurrent at most, are passed
 * over. */
static struct port_call *first_queued(const struct port_api *api, uint64_t number)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyser does not follow call_unlink */
    for (struct port_call *call = TAILQ_FIRST(&api->calls); call && call->number < number;
         call = TAILQ_NEXT(call, all))
        if (call->state == CALL_QUEUED)
            return call;
    return NULL;
}

/** Every call that waits for the token hears that there is none; calls that a callback adds wait for the next
 * try. */
static void fail_queued(struct port_api *api, const struct port_result *result)
{
    uint64_t end = api->numbers;
    for (struct port_call *call; !api->freed && (call = first_queued(api, end)) != NULL;)
        call_end(call, result);
}

static bool token_read(struct port_api *api, struct slice body)
{
    struct port_token token;
    if (!port_token_parse(body, &token))
        return false;
    int64_t now = clock_monotonic_ms(api->options.clock);
    port_token_retire(&api->token, &api->old_token);
    port_token_use(&token, &api->token);
    api->token_refresh_ms = now + token.kept_ms;
    api->token_expiry_ms = now + token.lifetime_ms;
    api->token_serial++;
    if (!api->token.failed)
        return true;
    buffer_clear(&api->token);
    return false;
}

static void token_answered(void *ctx, const struct http_result *http)
{
    struct port_api *api = ctx;
    api->token_call = NULL;
    port_tally_note(&api->tally, TOKEN_PATH, http->status);
    clock_offset_note(api->options.conditions, http->date, api->options.clock);
    if (port_answer_of(http) == PORT_ACCEPTED && token_read(api, http->body)) {
        *api->failure = '\0';
        lasting_credentials(api->options.conditions, false);
        pump(api);
        return;
    }
    char reason[300];
    describe(api, http, false, reason, sizeof reason);
    if (port_answer_of(http) == PORT_ACCEPTED)
        snprintf(reason, sizeof reason, "Port's answer has no accessToken that can be used");
    bool refused = http->failure == HTTP_OK && (http->status == 401 || http->status == 403);
    struct port_result result = {
        .answer = PORT_UNAVAILABLE,
        .status = http->status,
        .retry_after_ms = port_answer_quiet_ms(http, api->options.clock),
        .authentication = refused,
        .out_of_memory = port_answer_starved(http),
    };
    snprintf(api->failure, sizeof api->failure, "no access token: %s%s", reason,
             refused ? " (client id or secret refused)" : "");
    result.reason = api->failure;
    if (refused)
        lasting_credentials(api->options.conditions, true);
    if (result.retry_after_ms > 0)
        be_quiet(api, result.retry_after_ms);
    if (token_usable(api)) { /* an early refresh: the old token serves on */
        api->token_refresh_ms = clock_monotonic_ms(api->options.clock) + TOKEN_TRY_AGAIN_MS;
        log_warning("Port's access token could not be refreshed early; the old one is still good",
                    F_STATUS(result.status), F_STR("error.message", result.reason));
        pump(api);
        return;
    }
    enter(api);
    fail_queued(api, &result);
    if (leave(api))
        pump(api);
}

static void fetch_token(struct port_api *api)
{
    if (api->token_call)
        return;
    struct buffer url = {0};
    buffer_appendf(&url, "%s%s", api->base_url, TOKEN_PATH);
    struct http_header header = {SLICE_LITERAL("Content-Type"), SLICE_LITERAL("application/json")};
    struct http_request request = {
        .method = "POST", .url = buffer_text(&url), .headers = &header, .header_count = 1, .keep_date = true};
    struct slice secret = buffer_slice(&api->client_secret);
    if (port_token_question(api->client_id, secret, &api->token_body) && !url.failed) {
        request.body = buffer_slice(&api->token_body);
        api->token_call = http_start(api->options.http, &request, token_answered, api);
    }
    if (api->token_call)
        api->requests++;
    else
        pause_calls(api, MEMORY_PAUSE_MS);
    buffer_clear(&url);
}

/* Sending */

/** For a call that nobody waits for any more. */
static void nothing(void *ctx, const struct port_result *result)
{
    (void)ctx;
    (void)result;
}

static void adapt(struct port_api *api, enum port_answer answer)
{
    if (answer == PORT_UNAVAILABLE)
        api->limit = api->limit / 2 < 1 ? 1 : api->limit / 2;
    else if (api->limit < api->options.max_concurrent)
        api->limit += 1;
}

/** Once a fresh token has been refused too, another one would hardly help: until some time has passed, longer
 * each time, a 401 is an answer. */
static bool try_with_fresh_token(struct port_call *call, const struct http_result *http)
{
    struct port_api *api = call->api;
    int64_t now_ms = clock_monotonic_ms(api->options.clock);
    if (http->failure != HTTP_OK || http->status != 401) {
        if (port_answer_of(http) == PORT_ACCEPTED)
            api->refused_until_ms = api->refused_wait_ms = 0;
        return false;
    }
    if (call->refreshed && now_ms >= api->refused_until_ms) {
        int64_t next_ms = api->refused_wait_ms * 2;
        api->refused_wait_ms = next_ms < REFUSED_WAIT_MS       ? REFUSED_WAIT_MS
                               : next_ms > REFUSED_WAIT_CAP_MS ? REFUSED_WAIT_CAP_MS
                                                               : next_ms;
        api->refused_until_ms = now_ms + api->refused_wait_ms;
    }
    if (call->refreshed || now_ms < api->refused_until_ms || call->done == nothing)
        return false;
    call->refreshed = true;
    if (call->token_serial == api->token_serial)
        port_token_retire(&api->token, &api->old_token);
    call->state = CALL_QUEUED;
    api->unsent = TAILQ_FIRST(&api->calls);
    return true;
}

static void call_answered(void *ctx, const struct http_result *http)
{
    struct port_call *call = ctx;
    struct port_api *api = call->api;
    call->http = NULL;
    api->sent--;
    port_tally_note(&api->tally, call->path, http->status);
    clock_offset_note(api->options.conditions, http->date, api->options.clock);
    if (!try_with_fresh_token(call, http)) {
        char reason[300];
        describe(api, http, true, reason, sizeof reason);
        struct port_result result = {
            .answer = port_answer_of(http),
            .status = http->status,
            .body = http->body,
            .owned_body = http->owned_body,
            .body_cut = http->body_cut == HTTP_CUT_TOO_LONG,
            .retry_after_ms = port_answer_quiet_ms(http, api->options.clock),
            .reason = reason,
            .out_of_memory = port_answer_starved(http),
            .sent = http->sent,
            .resent = http->resent,
        };
        adapt(api, result.answer);
        bool failed = result.answer == PORT_UNAVAILABLE || result.status == 401;
        if (failed || clock_monotonic_ms(api->options.clock) >= api->quiet_until_ms)
            snprintf(api->failure, sizeof api->failure, "%s", failed ? reason : "");
        if (result.answer == PORT_UNAVAILABLE && result.retry_after_ms > 0)
            be_quiet(api, result.retry_after_ms);
        enter(api);
        call_end(call, &result);
        if (!leave(api))
            return;
    }
    pump(api);
}

static void send_call(struct port_call *call)
{
    struct port_api *api = call->api;
    api->url.len = 0;
    buffer_append_text(&api->url, api->base_url);
    buffer_append_text(&api->url, call->path);
    const char *url = buffer_text(&api->url);
    if (api->url.failed) {
        buffer_clear(&api->url);
        pause_calls(api, MEMORY_PAUSE_MS); /* out of memory: it stays queued */
        return;
    }
    struct http_header headers[3] = {{SLICE_LITERAL("Authorization"), buffer_slice(&api->token)}};
    size_t header_count = 1;
    if (!slice_is_null(call->body))
        headers[header_count++] =
            (struct http_header){SLICE_LITERAL("Content-Type"), SLICE_LITERAL("application/json")};
    if (call->reserved_usage)
        headers[header_count++] =
            (struct http_header){SLICE_LITERAL("x-port-reserved-usage"), SLICE_LITERAL("true")};
    struct http_request request = {.method = call->method,
                                   .url = url,
                                   .headers = headers,
                                   .header_count = header_count,
                                   .body = call->body,
                                   .keep_date = true,
                                   .max_response_bytes = call->max_response_bytes};
    call->token_serial = api->token_serial;
    call->http = http_start(api->options.http, &request, call_answered, call);
    if (!call->http) {
        pause_calls(api, MEMORY_PAUSE_MS);
        return;
    }
    call->state = CALL_SENT;
    api->sent++;
    api->requests++;
}

static void pump(struct port_api *api)
{
    if (api->freed)
        return;
    if (clock_monotonic_ms(api->options.clock) < api->quiet_until_ms)
        return;
    while (api->unsent && api->sent < (unsigned)api->limit) {
        struct port_call *call = api->unsent;
        if (call->state == CALL_QUEUED) {
            if (!token_is_fresh(api))
                fetch_token(api);
            if (!token_usable(api))
                return;
            send_call(call);
            if (call->state == CALL_QUEUED)
                return;
        }
        api->unsent = TAILQ_NEXT(call, all);
    }
}

struct port_call *port_api_start(struct port_api *api, const struct port_request *request, port_done *done,
                                 void *ctx)
{
    struct slice body = request->body;
    size_t copied = request->body_is_lent ? 0 : body.len;
    size_t method_size = strlen(request->method) + 1, path_size = strlen(request->path) + 1;
    struct port_call *call = malloc(sizeof *call + method_size + path_size + copied + 1);
    if (!call)
        return NULL;
    *call = (struct port_call){.api = api,
                               .reserved_usage = request->reserved_usage,
                               .body_is_lent = request->body_is_lent,
                               .max_response_bytes = request->max_response_bytes,
                               .done = done,
                               .ctx = ctx,
                               .number = api->numbers++,
                               .state = CALL_QUEUED};
    char *to = call->texts;
    call->method = memcpy(to, request->method, method_size);
    call->path = memcpy(to + method_size, request->path, path_size);
    to += method_size + path_size;
    if (copied > 0)
        memcpy(to, body.ptr, copied);
    if (!slice_is_null(body))
        call->body = request->body_is_lent ? body : (struct slice){to, body.len};
    TAILQ_INSERT_TAIL(&api->calls, call, all);
    if (!api->unsent)
        api->unsent = call;
    pump(api);
    return call;
}

struct port_call *port_api_call(struct port_api *api, const char *method, const char *path, struct slice body,
                                port_done *done, void *ctx)
{
    const struct port_request request = {.method = method, .path = path, .body = body};
    return port_api_start(api, &request, done, ctx);
}

void port_call_cancel(struct port_call *call)
{
    struct port_api *api = call->api;
    /* A request under way is left to finish unheard, where it can be: cancelling it costs the connection. */
    call->done = nothing;
    if (call->state != CALL_QUEUED && !call->body_is_lent)
        return;
    bool sent = call->http != NULL;
    if (sent) {
        http_call_forget(call->http, NULL, NULL);
        api->sent--;
    }
    call_unlink(call);
    call_free(call);
    if (sent)
        pump(api);
}

bool port_call_is_sent(const struct port_call *call)
{
    return call->state == CALL_SENT;
}

/* Life */

static void timer_free(uv_handle_t *handle)
{
    free(handle);
}

void port_api_free(struct port_api *api)
{
    if (!api || api->freed)
        return;
    struct port_call *call;
    while ((call = TAILQ_FIRST(&api->calls)) != NULL) {
        TAILQ_REMOVE(&api->calls, call, all);
        if (call->state == CALL_SENT)
            http_call_forget(call->http, NULL, NULL);
        call_free(call);
    }
    if (api->token_call)
        http_call_forget(api->token_call, NULL, NULL);
    if (api->quiet) {
        uv_timer_stop(api->quiet);
        uv_close((uv_handle_t *)api->quiet, timer_free);
    }
    buffer_wipe(&api->client_secret);
    buffer_wipe(&api->former_secret);
    buffer_wipe(&api->token);
    buffer_wipe(&api->old_token);
    buffer_wipe(&api->token_body);
    buffer_clear(&api->url);
    free(api->base_url);
    free(api->client_id);
    api->freed = true;
    if (api->entered == 0)
        free(api);
}

struct port_api *port_api_new(const struct port_api_options *options)
{
    struct port_api *api = calloc(1, sizeof *api);
    if (!api)
        return NULL;
    TAILQ_INIT(&api->calls);
    api->options = *options;
    if (api->options.max_concurrent == 0)
        api->options.max_concurrent = DEFAULT_CONCURRENT;
    api->limit = api->options.max_concurrent;
    api->base_url = strdup(options->base_url);
    api->client_id = strdup(options->client_id);
    buffer_append_slice(&api->client_secret, options->client_secret);
    buffer_append_slice(&api->former_secret, options->former_secret);
    api->quiet = calloc(1, sizeof *api->quiet);
    if (api->quiet) {
        uv_timer_init(options->loop, api->quiet);
        api->quiet->data = api;
    }
    bool failed = api->client_secret.failed || api->former_secret.failed;
    if (!api->base_url || !api->client_id || failed || !api->quiet) {
        port_api_free(api);
        return NULL;
    }
    return api;
}

int port_api_use_secret(struct port_api *api, struct slice secret)
{
    struct buffer fresh = {0};
    buffer_append_slice(&fresh, secret);
    if (fresh.failed)
        return PA_ERR_MEMORY;
    buffer_wipe(&api->former_secret);
    api->former_secret = api->client_secret;
    api->client_secret = fresh;
    api->refused_until_ms = 0; /* what was refused was the one before */
    return 0;
}

void port_api_use_client(struct port_api *api, struct http_client *http)
{
    api->options.http = http;
}

static int64_t left_ms(int64_t until_ms, int64_t now_ms)
{
    return until_ms > now_ms ? until_ms - now_ms : 0;
}

struct port_view port_api_view(const struct port_api *api)
{
    int64_t now_ms = clock_monotonic_ms(api->options.clock);
    return (struct port_view){.has_token = token_usable(api),
                              .token_ms = left_ms(api->token_expiry_ms, now_ms),
                              .token_asked = api->token_call != NULL,
                              .tokens = api->token_serial,
                              .refused_ms = left_ms(api->refused_until_ms, now_ms),
                              .quiet_ms = left_ms(api->quiet_until_ms, now_ms),
                              .calls = api->sent,
                              .requests = api->requests,
                              .tally = &api->tally,
                              .failure = api->failure};
}
