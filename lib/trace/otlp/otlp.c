/* See otlp.h.
 *
 *     spans ──▶ queue ──512 of them, or 5 s──▶ batch ──answered, or given up──▶ nothing
 *                                              ▲   │
 *                                              └wait◀┘ 429, 502, 503, 504, no answer
 *
 * One batch at a time; it is the queue's own bytes with a tail. */
#include "trace/otlp/otlp.h"
#include "base/json_tree.h"
#include "base/secrets.h"
#include "http/retry_after.h"
#include "http/url.h"
#include "observe/conditions.h"
#include "trace/otlp/pairs.h"
#include "trace/otlp/span.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKOFF_MS = 1000, HEADERS_MAX = 32, ANSWER_BYTES = 4096, REASON_SHOWN_MAX = 250 };

/** Headers of an export; the last one says the body's type, and is nobody's secret. */
struct header_list {
    /** What `all` borrows from. */
    struct buffer texts;
    struct http_header all[HEADERS_MAX + 1];
    size_t count;
};

struct otlp {
    struct otlp_options options;
    struct span_source source;
    char *url, *group;
    /** Those of exports that begin, and those before them: an answer to an export under way may say these. */
    struct header_list headers, former;
    /** What each export begins with. */
    struct buffer head;
    struct buffer queue, batch;
    unsigned queued, sending;
    /** Of the batch. */
    unsigned tries;
    struct http_call *call;
    /** Until more spans have come, the next try, or the end of the time for what is left. */
    uv_timer_t timer;
    uint64_t dropped;
    /** The observer's count of them; NULL: it is not told. */
    uint64_t *counted;
    /** The last export was not taken. */
    bool failing;
    bool closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
    unsigned open_parts;
};

/* Headers */

/** Copies the pairs, then points at them. */
static void read_headers(struct slice pairs, struct header_list *out)
{
    struct buffer name = {0}, value = {0}, *texts = &out->texts;
    size_t count = 0, at = 0;
    while (count < HEADERS_MAX && pairs_take(&pairs, &name, &value)) {
        if (!pair_is_header(buffer_slice(&name), buffer_slice(&value)) ||
            slice_equal_text_ignore_case(buffer_slice(&name), "Content-Type"))
            continue;
        buffer_append_slice(texts, buffer_slice(&name));
        buffer_append_slice(texts, buffer_slice(&value));
        out->all[count].name.len = name.len;
        out->all[count++].value.len = value.len;
    }
    texts->failed |= name.failed || value.failed;
    buffer_clear(&name);
    buffer_wipe(&value);
    for (size_t i = 0; i < count && !texts->failed; i++) {
        out->all[i].name.ptr = texts->ptr + at;
        out->all[i].value.ptr = texts->ptr + at + out->all[i].name.len;
        at += out->all[i].name.len + out->all[i].value.len;
    }
    out->all[count++] =
        (struct http_header){SLICE_LITERAL("Content-Type"), SLICE_LITERAL("application/json")};
    out->count = count;
}

static void forget_headers(struct header_list *headers)
{
    buffer_wipe(&headers->texts);
    headers->count = 0;
}

/* What may be shown */

static void add_headers(const struct header_list *headers, struct secrets *out)
{
    for (size_t i = 0; i + 1 < headers->count; i++) {
        struct slice value = headers->all[i].value;
        const char *blank = value.len > 0 ? memchr(value.ptr, ' ', value.len) : NULL;
        secrets_add(out, value, SECRET_MIN);
        if (blank) /* "Bearer abc": it may come back without its scheme */
            secrets_add(out, slice_trim((struct slice){blank, value.len - (size_t)(blank - value.ptr)}),
                        SECRET_MIN);
    }
}

/** Why an export failed, without what the collector was sent, should it come back. */
static void append_reason(struct http_client *http, const char *url,
                          const struct header_list *const headers[2], const char *reason, struct buffer *out)
{
    struct secrets secrets = {0};
    struct buffer user_info = {0}, basic = {0};
    add_headers(headers[0], &secrets);
    if (headers[1])
        add_headers(headers[1], &secrets);
    url_credentials(slice_of(url), &user_info, &basic);
    secrets_add_user_info(&secrets, buffer_slice(&user_info));
    secrets_add(&secrets, buffer_slice(&basic), SECRET_MIN);
    http_client_secrets(http, &secrets);
    secrets.failed |= user_info.failed || basic.failed;
    redact(&secrets, slice_of(reason), REASON_SHOWN_MAX, out);
    secrets_clear(&secrets);
    buffer_wipe(&user_info);
    buffer_wipe(&basic);
}

void otlp_append_reason(struct http_client *http, const char *url, struct slice headers, const char *reason,
                        struct buffer *out)
{
    struct header_list sent = {0};
    read_headers(headers, &sent);
    if (sent.texts.failed) /* better nothing than a secret */
        out->failed = true;
    else
        append_reason(http, url, (const struct header_list *const[2]){&sent, NULL}, reason, out);
    forget_headers(&sent);
}

/* Exports are requests */

static struct http_request request_of(const char *url, const struct http_header *headers, size_t count,
                                      struct slice body)
{
    return (struct http_request){.method = "POST",
                                 .url = url,
                                 .headers = headers,
                                 .header_count = count,
                                 .body = body,
                                 .max_response_bytes = ANSWER_BYTES};
}

/* The end */

static void part_closed(void *ctx)
{
    struct otlp *otlp = ctx;
    if (--otlp->open_parts > 0)
        return;
    void (*closed)(void *ctx) = otlp->closed;
    void *closed_ctx = otlp->closed_ctx;
    free(otlp);
    if (closed)
        closed(closed_ctx);
}

static void otlp_timer_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

static void finish_closing(struct otlp *otlp)
{
    if (otlp->call)
        http_call_forget(otlp->call, NULL, NULL);
    otlp->call = NULL;
    buffer_clear(&otlp->queue);
    buffer_clear(&otlp->batch);
    buffer_clear(&otlp->head);
    forget_headers(&otlp->headers);
    forget_headers(&otlp->former);
    free(otlp->url);
    free(otlp->group);
    otlp->open_parts = 2;
    uv_close((uv_handle_t *)&otlp->timer, otlp_timer_closed);
    http_client_close(otlp->options.http, part_closed, otlp);
}

/* Exports */

static void batch_answered(void *ctx, const struct http_result *result);
static void send_queue(struct otlp *otlp);

static void timer_over(uv_timer_t *timer);

static void wait_for(struct otlp *otlp, int64_t ms)
{
    if (!otlp->closing) /* its time runs already */
        uv_timer_start(&otlp->timer, timer_over, ms > 0 ? (uint64_t)ms : 0, 0);
}

static void count_dropped(struct otlp *otlp, uint64_t count)
{
    otlp->dropped += count;
    if (otlp->counted)
        *otlp->counted += count;
}

static void drop_batch(struct otlp *otlp)
{
    count_dropped(otlp, otlp->sending);
    otlp->sending = 0;
    buffer_clear(&otlp->batch);
}

/** The batch is over, whatever became of it: what has come meanwhile is next. */
static void batch_over(struct otlp *otlp)
{
    if (otlp->closing && (otlp->failing || otlp->queued == 0))
        uv_timer_start(&otlp->timer, timer_over, 0, 0); /* not from within a call of the client */
    else if (otlp->closing || otlp->queued >= OTLP_BATCH_SPANS)
        send_queue(otlp);
    else if (otlp->queued > 0)
        wait_for(otlp, otlp->options.batch_ms);
}

static void send_batch(struct otlp *otlp)
{
    const struct http_request request =
        request_of(otlp->url, otlp->headers.all, otlp->headers.count, buffer_slice(&otlp->batch));
    otlp->tries++;
    otlp->call = http_start(otlp->options.http, &request, batch_answered, otlp);
    if (otlp->call)
        return;
    drop_batch(otlp);
    batch_over(otlp);
}

static void send_queue(struct otlp *otlp)
{
    uv_timer_t *timer = &otlp->timer;
    if (!otlp->closing)
        uv_timer_stop(timer);
    spans_append_tail(&otlp->queue);
    otlp->batch = otlp->queue;
    otlp->sending = otlp->queued;
    otlp->queue = (struct buffer){0};
    otlp->queued = otlp->tries = 0;
    if (!otlp->batch.failed) {
        send_batch(otlp);
        return;
    }
    drop_batch(otlp);
    batch_over(otlp);
}

static void timer_over(uv_timer_t *timer)
{
    struct otlp *otlp = timer->data;
    if (otlp->closing)
        finish_closing(otlp);
    else if (otlp->sending > 0)
        send_batch(otlp);
    else if (otlp->queued > 0)
        send_queue(otlp);
}

/** The collector may take a part alone; then it says of how many it took none. */
static uint64_t rejected_of(struct slice body)
{
    cJSON *answer = json_tree(body, NULL);
    const cJSON *partial = cJSON_GetObjectItemCaseSensitive(answer, "partialSuccess");
    const cJSON *rejected = cJSON_GetObjectItemCaseSensitive(partial, "rejectedSpans");
    uint64_t count = 0;
    if (cJSON_IsString(rejected))
        count = strtoull(rejected->valuestring, NULL, 10);
    else if (cJSON_IsNumber(rejected) && rejected->valuedouble > 0 && rejected->valuedouble < 1e9)
        count = (uint64_t)rejected->valuedouble;
    cJSON_Delete(answer);
    return count;
}

static void batch_taken(struct otlp *otlp, const struct http_result *result)
{
    uint64_t rejected = rejected_of(result->body);
    count_dropped(otlp, rejected < otlp->sending ? rejected : otlp->sending);
    otlp->failing = false;
    otlp->sending = 0;
    buffer_clear(&otlp->batch);
    if (otlp->options.conditions)
        condition_ended(otlp->options.conditions, CONDITION_SPANS, NULL, (int64_t)otlp->dropped);
}

/** How long until the next try; -1: there is none. OTLP names the statuses that pass. */
static int64_t next_try_ms(const struct otlp *otlp, const struct http_result *result)
{
    const struct clock *clock = otlp->options.clock;
    int status = result->status;
    bool passes = status == 0 || status == 429 || (status >= 502 && status <= 504);
    if (!passes || otlp->closing || otlp->tries >= OTLP_TRIES)
        return -1;
    int64_t asked_ms = retry_after_ms(result->retry_after, clock_wall_ms(clock));
    if (asked_ms < 0)
        return clock_backoff_ms(clock, otlp->options.backoff_ms, 2, OTLP_WAIT_MAX_MS, otlp->tries);
    return asked_ms <= OTLP_WAIT_MAX_MS ? asked_ms : -1;
}

static void tell_failure(const struct otlp *otlp, const struct http_result *result)
{
    const struct header_list *const headers[2] = {&otlp->headers, &otlp->former};
    struct buffer sentence = {0};
    if (!otlp->options.conditions)
        return;
    if (result->failure == HTTP_OK)
        buffer_appendf(&sentence, "the collector answered %d", result->status);
    else
        append_reason(otlp->options.http, otlp->url, headers, result->reason, &sentence);
    condition_met(otlp->options.conditions, CONDITION_SPANS, NULL, (int64_t)otlp->dropped,
                  buffer_text(&sentence));
    buffer_clear(&sentence);
}

static void batch_answered(void *ctx, const struct http_result *result)
{
    struct otlp *otlp = ctx;
    otlp->call = NULL;
    if (result->failure == HTTP_OK && result->status >= 200 && result->status < 300) {
        batch_taken(otlp, result);
        batch_over(otlp);
        return;
    }
    otlp->failing = true;
    int64_t wait_ms = next_try_ms(otlp, result);
    if (wait_ms < 0)
        drop_batch(otlp);
    tell_failure(otlp, result);
    if (wait_ms < 0)
        batch_over(otlp);
    else
        wait_for(otlp, wait_ms);
}

/* Spans */

/** What was appended last is taken back. */
static void refuse_spans(struct otlp *otlp, size_t len, unsigned count)
{
    count_dropped(otlp, count);
    if (otlp->queue.failed) { /* of an append that failed a part may be there, so all of it goes */
        count_dropped(otlp, otlp->queued);
        otlp->queued = 0;
        buffer_clear(&otlp->queue);
        return;
    }
    otlp->queue.len = len;
}

void otlp_note(void *ctx, const struct observed *observed)
{
    struct otlp *otlp = ctx;
    struct buffer *queue = &otlp->queue;
    if (otlp->closing)
        return;
    if (otlp->queued == 0) {
        queue->len = 0;
        buffer_append_slice(queue, buffer_slice(&otlp->head));
    }
    size_t len = queue->len;
    if (otlp->queued > 0)
        buffer_append_char(queue, ',');
    unsigned count = spans_append(&otlp->source, observed, queue);
    if (count == 0 || queue->failed || otlp->queued + count > OTLP_QUEUE_SPANS ||
        queue->len > OTLP_QUEUE_BYTES) {
        refuse_spans(otlp, len, count);
        return;
    }
    otlp->queued += count;
    if (otlp->sending > 0)
        return; /* when that is over */
    if (otlp->queued >= OTLP_BATCH_SPANS)
        send_queue(otlp);
    else if (!uv_is_active((uv_handle_t *)&otlp->timer))
        wait_for(otlp, otlp->options.batch_ms);
}

void otlp_listen(struct otlp *otlp, struct observer *observer)
{
    otlp->counted = observer_trace(observer, otlp_note, otlp);
}

struct http_client *otlp_use_client(struct otlp *otlp, struct http_client *http)
{
    struct http_client *before = otlp->options.http;
    otlp->options.http = http;
    return before;
}

bool otlp_use_headers(struct otlp *otlp, struct slice headers)
{
    struct header_list list = {0};
    read_headers(headers, &list);
    if (list.texts.failed) {
        forget_headers(&list);
        return false;
    }
    forget_headers(&otlp->former);
    otlp->former = otlp->headers;
    otlp->headers = list;
    return true;
}

/* Making */

struct otlp *otlp_new(const struct otlp_options *options)
{
    struct otlp *otlp = calloc(1, sizeof *otlp);
    if (!otlp)
        return NULL;
    otlp->options = *options;
    otlp->options.batch_ms = options->batch_ms > 0 ? options->batch_ms : OTLP_BATCH_MS;
    otlp->options.close_ms = options->close_ms > 0 ? options->close_ms : OTLP_CLOSE_MS;
    otlp->options.backoff_ms = options->backoff_ms > 0 ? options->backoff_ms : BACKOFF_MS;
    otlp->url = slice_to_text(slice_of(options->url));
    otlp->group = slice_to_text(slice_of(options->group));
    otlp->source =
        (struct span_source){.tracing = options->tracing, .clock = options->clock, .group = otlp->group};
    read_headers(options->headers, &otlp->headers);
    spans_append_head(options->service, options->attributes, options->instance, &otlp->head);
    if (!otlp->url || !otlp->group || otlp->headers.texts.failed || otlp->head.failed) {
        buffer_clear(&otlp->head);
        forget_headers(&otlp->headers);
        free(otlp->url);
        free(otlp->group);
        free(otlp);
        return NULL;
    }
    uv_timer_init(options->loop, &otlp->timer);
    otlp->timer.data = otlp;
    return otlp;
}

void otlp_close(struct otlp *otlp, void (*closed)(void *ctx), void *ctx)
{
    otlp->closed = closed;
    otlp->closed_ctx = ctx;
    otlp->closing = true;
    otlp->counted = NULL;
    otlp->options.conditions = NULL;
    bool nothing = otlp->queued == 0 && otlp->sending == 0, waits = otlp->sending > 0 && !otlp->call;
    if (!closed || nothing || otlp->failing || waits) {
        finish_closing(otlp);
        return;
    }
    uv_timer_start(&otlp->timer, timer_over, (uint64_t)otlp->options.close_ms, 0);
    if (otlp->sending == 0)
        send_queue(otlp);
}

struct http_call *otlp_probe(struct http_client *http, const char *url, struct slice headers, http_done *done,
                             void *ctx)
{
    struct header_list sent = {0};
    read_headers(headers, &sent);
    const struct http_request request =
        request_of(url, sent.all, sent.count, SLICE_LITERAL("{\"resourceSpans\":[]}"));
    struct http_call *call = sent.texts.failed ? NULL : http_start(http, &request, done, ctx);
    forget_headers(&sent);
    return call;
}
