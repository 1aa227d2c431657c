/* The multi handle on the loop: its sockets are uv_poll_t, its timeout a uv_timer_t. Calls end here and
 * nowhere else, never inside one of libcurl's callbacks, so that a `done` may start new calls.
 *
 * Answers are read from all sockets that are ready before the first call ends. What the `done`s start is then
 * sent in one go by the timeout that libcurl asks for at once. Otherwise each request would go out between
 * two answers, and wake an endpoint that had just gone to sleep. */
#include "http/exchange.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SWEEP_MIN_MS = 10, SWEEP_MAX_MS = 250, IDLE_HANDLES_KEPT = 16 };

struct http_client {
    struct client_shared shared;
    bool bodies_go_on;
    CURLM *multi;
    struct http_sockets sockets;
    struct exchanges exchanges;
    /** Calls whose exchanges are over, and which end when all that is ready has been read. */
    struct call_queue over;
    /** libcurl's timeout. */
    uv_timer_t timeout;
    /** Ours: silence and total time. */
    uv_timer_t sweep;
    /** The sockets that were ready have been read from. */
    uv_check_t readied;
    /** When it ran, last. */
    int64_t swept_ms;
    bool sweep_put_off;
    /** Calls that ended before they began, or were cancelled. */
    uv_idle_t deferred;
    unsigned open_handles;
    size_t active;
    size_t deferred_calls;
    /** Pool of easy handles, last in first out. */
    CURL **idle;
    size_t idle_count, idle_room;
    bool closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

struct client_shared *client_shared(struct http_client *client)
{
    return &client->shared;
}

size_t http_client_body_bytes(const struct http_client *client)
{
    const struct body_room *room = &client->shared.body_room;
    return room->used + room->decoders +
           (room->beyond ? room->beyond->response.cap * (room->beyond->large_window ? 2 : 1) : 0);
}

size_t http_client_active(const struct http_client *client)
{
    return client->active;
}

/* Easy handles */

/** `before`: what the call's last hop used; NULL: nothing. */
static CURL *easy_take(struct http_client *client, CURL *before)
{
    if (before && client->idle_room > 0)
        return before;
    curl_easy_cleanup(before);
    if (client->idle_count > 0)
        return client->idle[--client->idle_count];
    CURL *easy = curl_easy_init();
    if (easy && easy_prepare(easy, &client->shared.options)) {
        sockets_prepare(&client->sockets, easy);
        return easy;
    }
    curl_easy_cleanup(easy);
    return NULL;
}

static void easy_give(struct http_client *client, CURL *easy)
{
    if (!easy)
        return;
    if (client->idle_count < client->idle_room) {
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
        curl_easy_setopt(easy, CURLOPT_PRIVATE, NULL);
        curl_easy_setopt(easy, CURLOPT_CURLU, NULL);
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, NULL);
        client->idle[client->idle_count++] = easy;
    } else {
        curl_easy_cleanup(easy);
    }
}

void http_client_trim(struct http_client *client)
{
    while (client->idle_count > IDLE_HANDLES_KEPT)
        curl_easy_cleanup(client->idle[--client->idle_count]);
    exchanges_make_room(&client->exchanges, 0);
}

void http_client_retire(struct http_client *client)
{
    client->exchanges.max_connections = client->exchanges.more_connections = 0;
    exchanges_make_room(&client->exchanges, 0);
}

/* Ending calls */

static void call_unlink(struct http_call *call)
{
    struct http_client *client = call->client;
    LIST_REMOVE(call, active);
    if (--client->active == 0)
        uv_timer_stop(&client->sweep);
}

static void bodies_go_on(struct http_client *client);

/** From the connection and the queues of exchanges; its easy handle is then in no multi handle. */
static void leave_exchange(struct http_call *call, bool keep)
{
    struct http_client *client = call->client;
    if (call->exchange.over)
        TAILQ_REMOVE(&client->over, call, exchange.queue);
    call->exchange.over = false;
    exchange_release(&client->exchanges, call, keep);
    if (call->easy)
        curl_multi_remove_handle(client->multi, call->easy); /* nothing happens if it is out already */
}

static void call_end(struct http_call *call, enum http_failure failure, CURLcode code)
{
    struct http_client *client = call->client;
    struct http_result result = {0};
    if (call->deferred)
        client->deferred_calls--;
    leave_exchange(call, false);
    call_result(call, failure, code, &result);
    call_unlink(call);
    body_leave(call);
    call->done(call->ctx, &result);
    easy_give(client, call->easy);
    call_free(call);
    bodies_go_on(client); /* not before `done` has accounted for what it keeps */
}

/** A new connection for the call's present hop, or a handle that makes its whole request. */
static bool begin_transfer(struct http_call *call)
{
    struct http_client *client = call->client;
    if (call->ours)
        exchanges_make_room(&client->exchanges, 1);
    call->easy = easy_take(client, call->easy);
    if (!call->easy || !call_prepare(call))
        return false;
    if (call->ours)
        exchange_prepare(call);
    return curl_multi_add_handle(client->multi, call->easy) == CURLM_OK;
}

static bool begin_hop(struct http_call *call)
{
    if (!call_begin_hop(call))
        return false;
    call->ours = exchange_is_possible(call);
    bool reuses = call->ours && !call->easy && exchange_reuse(&call->client->exchanges, call);
    return reuses || begin_transfer(call);
}

/** A redirect that is followed starts the next hop; true: the call goes on. */
static bool follow(struct http_call *call, enum http_failure *failure)
{
    int status = call_status(call);
    char *next = NULL;
    struct slice location = redirect_location(call);
    if (slice_is_null(location))
        return false;
    bool elsewhere = false;
    if (!redirect_allowed(call, status, location, &next, &elsewhere, call->reason, sizeof call->reason)) {
        *failure = HTTP_REDIRECT;
        return false;
    }
    free(call->url);
    call->url = next;
    call->parsed = NULL;
    call->redirects++;
    call->elsewhere |= elsewhere;
    call->cut = HTTP_WHOLE;
    body_leave(call);
    call->active_ms = clock_monotonic_ms(call->shared->options.clock);
    if (!call_may_go(call, failure))
        return false;
    if ((redirect_keeps_method(status) || call_drop_body(call)) &&
        (!call->elsewhere || call_leave_origin(call)) && begin_hop(call))
        return true;
    *failure = HTTP_MEMORY;
    return false;
}

static void transfer_over(struct http_call *call, CURLcode code)
{
    /* Out of it at once: a redirect that is followed goes in again. */
    curl_multi_remove_handle(call->client->multi, call->easy);
    if (ended_unheard(call, code) && begin_transfer(call))
        return;
    body_over(call, code);
    enum http_failure failure = call->cut ? HTTP_OK : failure_of(call, code);
    if (failure == HTTP_NO_DESCRIPTOR && exchanges_give_descriptors(&call->client->exchanges, call) &&
        begin_transfer(call))
        return;
    if (failure == HTTP_OK && proxy_refuses_password(call, code))
        failure = HTTP_PROXY;
    if (call->response_headers.failed)
        failure = HTTP_MEMORY;
    if (failure == HTTP_OK && follow(call, &failure))
        return;
    call_end(call, failure, code);
}

/** Ends an exchange of ours; its connection is free for whatever `done` starts. */
static void exchange_ends(struct http_call *call)
{
    enum http_failure failure = call->exchange.failure;
    leave_exchange(call, call->exchange.keep);
    body_over(call, failure == HTTP_OK ? CURLE_OK : CURLE_RECV_ERROR);
    if (call->response_headers.failed)
        failure = HTTP_MEMORY;
    if (failure == HTTP_OK && follow(call, &failure))
        return;
    call_end(call, failure, CURLE_RECV_ERROR);
}

static void end_exchanges(struct http_client *client)
{
    struct http_call *call;
    while (!client->closing && (call = TAILQ_FIRST(&client->over)) != NULL)
        exchange_ends(call);
}

static void transfer_done(struct http_call *call, CURLcode code)
{
    if (call->ours && code == CURLE_OK)
        exchange_connected(&call->client->exchanges, call);
    else
        transfer_over(call, transfer_result(call, code));
}

static void collect(struct http_client *client)
{
    CURLMsg *message;
    int left;
    while (!client->closing && (message = curl_multi_info_read(client->multi, &left))) {
        if (message->msg == CURLMSG_DONE)
            transfer_done(call_of(message->easy_handle), message->data.result);
    }
}

/* libcurl's callbacks */

static void end_unwatched(struct http_client *client);
static void timed_out(uv_timer_t *timer);

static void all_read(uv_check_t *readied)
{
    struct http_client *client = readied->data;
    uv_check_stop(readied);
    collect(client);
    end_exchanges(client);
}

static void act(void *ctx, curl_socket_t fd, int flags)
{
    struct http_client *client = ctx;
    int running;
    CURLMcode code = curl_multi_socket_action(client->multi, fd, flags, &running);
    if (code == CURLM_OK && fd != CURL_SOCKET_TIMEOUT) {
        uv_check_start(&client->readied, all_read);
        return;
    }
    collect(client);
    if (code == CURLM_OK || client->closing)
        return;
    /* Memory ran out: libcurl has left a call without its socket, others without their turn, and did not say
     * when it wants to be asked again. */
    sockets_spoil(&client->sockets);
    end_unwatched(client);
    uv_timer_start(&client->timeout, timed_out, SWEEP_MIN_MS, 0);
}

static void timed_out(uv_timer_t *timer)
{
    struct http_client *client = timer->data;
    sockets_take_interim(&client->sockets);
    act(client, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct http_client *client = ctx;
    (void)multi;
    if (timeout_ms < 0)
        uv_timer_stop(&client->timeout);
    else
        uv_timer_start(&client->timeout, timed_out, (uint64_t)timeout_ms, 0);
    return 0;
}

static void end_deferred(uv_idle_t *idle);

/** Ends the call from the loop, soon, with a verdict of ours. */
static void defer(struct http_call *call, enum http_failure verdict)
{
    struct http_client *client = call->client;
    if (call->deferred)
        return;
    call->deferred = true;
    call->verdict = verdict;
    client->deferred_calls++;
    if (!client->closing)
        uv_idle_start(&client->deferred, end_deferred);
}

static void end_call_of_socket(struct http_call *call)
{
    defer(call, HTTP_MEMORY);
}

/** The exchange of a call of ours is over. */
static void exchange_is_over(void *ctx, struct http_call *call)
{
    struct http_client *client = ctx;
    TAILQ_INSERT_TAIL(&client->over, call, exchange.queue);
    uv_check_start(&client->readied, all_read);
    if (!client->exchanges.reading)
        uv_idle_start(&client->deferred, end_deferred); /* so that the loop does not wait before it checks */
}

/** The call, whose exchange has not begun, needs a connection of its own. */
static void exchange_connects(void *ctx, struct http_call *call)
{
    (void)ctx;
    call->curl_error[0] = '\0';
    if (!begin_transfer(call))
        defer(call, HTTP_MEMORY);
}

static void easy_is_spare(void *ctx, CURL *easy)
{
    easy_give(ctx, easy);
}

/** Takes the call from libcurl and ends it from the loop, soon, with this verdict. */
static void call_stop(struct http_call *call, enum http_failure verdict)
{
    leave_exchange(call, false);
    defer(call, verdict);
    body_leave(call);
}

/** Lets those go on for whose bodies there is space now. Outside of libcurl's callbacks. */
static void bodies_go_on(struct http_client *client)
{
    struct http_call *call;
    if (client->bodies_go_on) /* whoever gives space up meanwhile is seen by the loop below */
        return;
    client->bodies_go_on = true;
    while ((call = body_give_room(&client->shared.body_room)) != NULL) {
        call->active_ms = clock_monotonic_ms(client->shared.options.clock);
        if (call->ours) {
            exchange_go_on(call);
            continue;
        }
        /* What libcurl had kept back comes to body_received now, and an error of it goes no further. */
        if (curl_easy_pause(call->easy, CURLPAUSE_CONT) != CURLE_OK)
            call_stop(call, call->cut ? HTTP_OK : HTTP_MEMORY);
    }
    client->bodies_go_on = false;
}

/** Those that connect count too: libcurl must not run a call again that it could not write down. */
static void end_unwatched(struct http_client *client)
{
    for (struct http_call *call = LIST_FIRST(&client->shared.calls); call; call = LIST_NEXT(call, active)) {
        curl_socket_t fd = CURL_SOCKET_BAD;
        if (call->deferred || call->waiting || call->exchange.connection)
            continue;
        curl_easy_getinfo(call->easy, CURLINFO_ACTIVESOCKET, &fd);
        if (socket_is_wanted(&client->sockets, fd))
            continue;
        call_stop(call, HTTP_MEMORY);
    }
}

/* Deadlines */

/** The process did not run for a while (it was stopped, or its machine slept): what came meanwhile is read
 * first, and the next sweep judges. Never twice in a row, so that a loop that is always late has its
 * deadlines too. */
static bool put_off(struct http_client *client, int64_t now)
{
    bool late = now - client->swept_ms > 2 * (int64_t)uv_timer_get_repeat(&client->sweep);
    client->swept_ms = now;
    client->sweep_put_off = late && !client->sweep_put_off;
    return client->sweep_put_off;
}

static void swept(uv_timer_t *timer)
{
    struct http_client *client = timer->data;
    int64_t now = clock_monotonic_ms(client->shared.options.clock);
    struct http_call *next;
    if (put_off(client, now))
        return;
    for (struct http_call *call = LIST_FIRST(&client->shared.calls); call; call = next) {
        next = LIST_NEXT(call, active);
        if (call->deferred || call->exchange.over)
            continue;
        enum http_failure failure = HTTP_OK;
        if (call->waiting && now >= call->deadline_ms)
            call->cut = HTTP_CUT_NO_ROOM; /* the endpoint has done its work: its status counts */
        else if (call->waiting || (failure = call_overdue(call, now)) == HTTP_OK)
            continue;
        /* Ended through the deferred queue: `done` may cancel or start others and we are in the list. */
        call_stop(call, failure);
    }
    bodies_go_on(client); /* what is held elsewhere may have become less */
}

/* Calls that end without libcurl's word */

static void end_deferred(uv_idle_t *idle)
{
    struct http_client *client = idle->data;
    uv_idle_stop(idle);
    end_exchanges(client);
    while (client->deferred_calls > 0) {
        struct http_call *call = LIST_FIRST(&client->shared.calls);
        while (call && !call->deferred)
            call = LIST_NEXT(call, active);
        if (!call)
            break;
        call_end(call, call->verdict, CURLE_OK);
    }
}

void http_call_cancel(struct http_call *call)
{
    if (!call->deferred)
        call_stop(call, HTTP_CANCELLED);
}

static void nobody(void *ctx, const struct http_result *result)
{
    (void)ctx;
    (void)result;
}

void http_call_forget(struct http_call *call, http_done *instead, void *ctx)
{
    call->done = instead ? instead : nobody;
    call->ctx = ctx;
    http_call_cancel(call);
}

struct http_call *http_start(struct http_client *client, const struct http_request *request, http_done *done,
                             void *ctx)
{
    struct http_call *call = call_new(&client->shared, request, done, ctx);
    if (!call)
        return NULL;
    call->client = client;
    call->sockets = &client->sockets;
    call->started_ms = call->active_ms = clock_monotonic_ms(client->shared.options.clock);
    call->deadline_ms = call->started_ms + client->shared.options.total_timeout_ms;
    LIST_INSERT_HEAD(&client->shared.calls, call, active);
    if (client->active++ == 0) {
        client->swept_ms = call->started_ms;
        uv_timer_again(&client->sweep);
    }
    enum http_failure refusal = HTTP_BAD_URL;
    bool may_go = !call->bad_url && call_may_go(call, &refusal);
    if (!may_go)
        defer(call, refusal);
    else if (!begin_hop(call))
        defer(call, HTTP_MEMORY);
    return call;
}

/* Life */

static void client_free(struct http_client *client)
{
    shared_clear(&client->shared);
    free(client->idle);
    free(client);
}

static void client_handle_closed(uv_handle_t *handle)
{
    struct http_client *client = handle->data;
    if (--client->open_handles > 0)
        return;
    void (*closed)(void *) = client->closed;
    void *ctx = client->closed_ctx;
    client_free(client);
    if (closed)
        closed(ctx);
}

static void close_handles(struct http_client *client)
{
    exchanges_close(&client->exchanges);
    for (size_t i = 0; i < client->idle_count; i++)
        curl_easy_cleanup(client->idle[i]);
    client->idle_count = 0;
    curl_multi_cleanup(client->multi);
    exchanges_free(&client->exchanges);
    sockets_close(&client->sockets);
    uv_close((uv_handle_t *)&client->timeout, client_handle_closed);
    uv_close((uv_handle_t *)&client->sweep, client_handle_closed);
    uv_close((uv_handle_t *)&client->deferred, client_handle_closed);
    uv_close((uv_handle_t *)&client->readied, client_handle_closed);
    client->exchanges.flush.data = client->exchanges.next_turn.data = client;
    uv_close((uv_handle_t *)&client->exchanges.flush, client_handle_closed);
    uv_close((uv_handle_t *)&client->exchanges.next_turn, client_handle_closed);
}

static void end_all(uv_idle_t *idle)
{
    struct http_client *client = idle->data;
    uv_idle_stop(idle);
    while (!LIST_EMPTY(&client->shared.calls))
        call_end(LIST_FIRST(&client->shared.calls), HTTP_CANCELLED, CURLE_OK);
    close_handles(client);
}

void http_client_close(struct http_client *client, void (*closed)(void *ctx), void *ctx)
{
    client->closing = true;
    client->closed = closed;
    client->closed_ctx = ctx;
    uv_idle_stop(&client->deferred);
    uv_idle_start(&client->deferred, end_all);
}

static void open_handles(struct http_client *client)
{
    const struct http_client_options *options = &client->shared.options;
    int64_t sweep_ms = options->idle_timeout_ms / 20;
    sweep_ms = sweep_ms < SWEEP_MIN_MS ? SWEEP_MIN_MS : sweep_ms > SWEEP_MAX_MS ? SWEEP_MAX_MS : sweep_ms;
    uv_timer_init(options->loop, &client->timeout);
    uv_timer_init(options->loop, &client->sweep);
    uv_idle_init(options->loop, &client->deferred);
    uv_check_init(options->loop, &client->readied);
    client->timeout.data = client->sweep.data = client->deferred.data = client->readied.data = client;
    client->open_handles = 6;
    uv_timer_start(&client->sweep, swept, (uint64_t)sweep_ms, (uint64_t)sweep_ms);
    uv_timer_stop(&client->sweep);
    sockets_open(&client->sockets, options->loop, client->multi, act, end_call_of_socket, client);
    TAILQ_INIT(&client->over);
    client->exchanges = (struct exchanges){.multi = client->multi,
                                           .sockets = &client->sockets,
                                           .over = exchange_is_over,
                                           .connect = exchange_connects,
                                           .spare = easy_is_spare,
                                           .ctx = client};
    exchanges_open(&client->exchanges, options);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    /* exchange.c counts ours; libcurl would take one for idle that has just been made. */
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS,
                      4 * (long)options->max_connections + (long)options->more_connections + 64);
}

struct http_client *http_client_new(const struct http_client_options *options, struct error *err)
{
    struct http_client *client = calloc(1, sizeof *client);
    if (!client) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    int result = shared_init(&client->shared, options, err);
    client->idle_room = easy_is_used_once(&client->shared) ? 0 : options->max_connections;
    client->idle = calloc(options->max_connections + 1, sizeof *client->idle);
    client->multi = curl_multi_init();
    if (result == 0 && (!client->idle || !client->multi))
        result = error_set(err, PA_ERR_MEMORY, "out of memory");
    if (result != 0) {
        curl_multi_cleanup(client->multi);
        client_free(client);
        return NULL;
    }
    open_handles(client);
    return client;
}
