/* See span.h. */
#include "trace/otlp/span.h"
#include "base/version.h"
#include "trace/otlp/pairs.h"
#include <string.h>

/** OTLP's numbers. */
enum { KIND_INTERNAL = 1, KIND_CLIENT = 3, KIND_CONSUMER = 5, STATUS_ERROR = 2 };
/** Of its flags, beside those of the trace: whether the parent is elsewhere is known, and that it is. */
enum { FLAG_SAMPLED = 1, FLAG_REMOTE_KNOWN = 0x100, FLAG_REMOTE = 0x200 };
enum { URL_SHOWN_MAX = 1024 };

/* Attributes */

static void attribute_key(struct buffer *out, const char *name)
{
    char last = out->len > 0 ? out->ptr[out->len - 1] : '[';
    buffer_append_text(out, last == '[' ? "{\"key\":" : ",{\"key\":");
    buffer_append_json_string(out, slice_of(name));
}

/** Null: there is none. */
static void attribute_text(struct buffer *out, const char *name, struct slice value)
{
    if (slice_is_null(value))
        return;
    attribute_key(out, name);
    buffer_append_text(out, ",\"value\":{\"stringValue\":");
    buffer_append_json_string(out, value);
    buffer_append_text(out, "}}");
}

static void attribute_number(struct buffer *out, const char *name, int64_t value)
{
    attribute_key(out, name);
    buffer_appendf(out, ",\"value\":{\"intValue\":\"%lld\"}}", (long long)value);
}

/** The resource */

void spans_append_head(const char *service, const char *attributes, const char *instance, struct buffer *out)
{
    struct slice rest = slice_of(attributes);
    struct buffer name = {0}, value = {0};
    bool named = service && *service, instance_named = false;
    buffer_append_text(out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    if (named)
        attribute_text(out, "service.name", slice_of(service));
    while (pairs_take(&rest, &name, &value)) {
        struct slice key = buffer_slice(&name);
        bool is_service = slice_equal_text(key, "service.name");
        if ((is_service && named) || slice_equal_text(key, "service.version"))
            continue;
        named |= is_service;
        instance_named |= slice_equal_text(key, "service.instance.id");
        struct slice text = buffer_slice(&value);
        attribute_text(out, buffer_text(&name), text.ptr ? text : SLICE_LITERAL(""));
    }
    if (!named)
        attribute_text(out, "service.name", SLICE_LITERAL("port-agent"));
    attribute_text(out, "service.version", slice_of(agent_version));
    if (!instance_named)
        attribute_text(out, "service.instance.id", slice_of(instance));
    buffer_append_text(out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"port-agent\",\"version\":");
    buffer_append_json_string(out, slice_of(agent_version));
    buffer_append_text(out, "},\"spans\":[");
    out->failed |= name.failed || value.failed;
    buffer_clear(&name);
    buffer_clear(&value);
}

void spans_append_tail(struct buffer *out)
{
    buffer_append_text(out, "]}]}]}");
}

/* A span: ids and times, then its attributes, then how it ended */

struct span {
    const char *id, *parent;
    bool parent_is_remote;
    int kind;
    /** Milliseconds since the epoch. */
    int64_t from_ms, to_ms;
};

static void append_begin(struct buffer *out, const struct trace *trace, const struct span *span)
{
    int flags = FLAG_SAMPLED | FLAG_REMOTE_KNOWN | (span->parent_is_remote ? FLAG_REMOTE : 0);
    /* A duration is of the other clock, whose milliseconds begin at other moments: by it an attempt may have
     * begun a millisecond before its delivery. */
    int64_t taken_ms = trace_taken_ms(trace);
    int64_t from_ms = span->from_ms > taken_ms ? span->from_ms : taken_ms;
    if (from_ms > span->to_ms) /* the clock was turned back */
        from_ms = span->to_ms;
    buffer_appendf(out, "{\"traceId\":\"%s\",\"spanId\":\"%s\"", trace->id, span->id);
    if (*span->parent)
        buffer_appendf(out, ",\"parentSpanId\":\"%s\"", span->parent);
    buffer_appendf(out, ",\"flags\":%d,\"kind\":%d", flags, span->kind);
    buffer_appendf(out, ",\"startTimeUnixNano\":\"%lld000000\",\"endTimeUnixNano\":\"%lld000000\"",
                   (long long)from_ms, (long long)span->to_ms);
}

/** `error_type`: null: it is well. */
static void append_end(struct buffer *out, struct slice error_type)
{
    attribute_text(out, "error.type", error_type);
    if (slice_is_null(error_type))
        buffer_append_text(out, "]}");
    else
        buffer_appendf(out, "],\"status\":{\"code\":%d}}", STATUS_ERROR);
}

/** As the conventions have it: a status by its number. */
static struct slice error_of(const struct observed *observed, char digits[12])
{
    struct buffer out = {.ptr = digits, .cap = 12};
    if (!observed->error_type || !*observed->error_type)
        return (struct slice){NULL, 0};
    if (observed->status < 400)
        return slice_of(observed->error_type);
    buffer_append_int(&out, observed->status);
    return buffer_slice(&out);
}

/* An attempt: a request of an HTTP client */

static struct slice method_of(const struct observed *observed)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "QUERY"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (observed->method && strcmp(observed->method, known[i]) == 0)
            return slice_of(known[i]);
    return SLICE_LITERAL("_OTHER");
}

/** Host and port of a normalised URL. */
static void append_server(struct buffer *out, struct slice url)
{
    const char *scheme = url.len > 0 ? memmem(url.ptr, url.len, "://", 3) : NULL;
    if (!scheme)
        return;
    bool plain = scheme - url.ptr == 4;
    struct slice rest = {scheme + 3, url.len - (size_t)(scheme + 3 - url.ptr)};
    size_t len = 0, at = 0;
    while (len < rest.len && !memchr("/?#", rest.ptr[len], 3))
        len++;
    for (size_t i = 0; i < len; i++)
        at = rest.ptr[i] == '@' ? i + 1 : at;
    struct slice host = {rest.ptr + at, len - at};
    const char *bracket = host.len > 0 ? memchr(host.ptr, ']', host.len) : NULL;
    size_t name = bracket ? (size_t)(bracket - host.ptr) : 0;
    const char *colon = host.len > name ? memchr(host.ptr + name, ':', host.len - name) : NULL;
    int64_t port = plain ? 80 : 443;
    if (colon) {
        port = 0;
        for (const char *digit = colon + 1; digit < host.ptr + host.len && port < 65536; digit++)
            port = port * 10 + (*digit - '0');
        host.len = (size_t)(colon - host.ptr);
    }
    attribute_text(out, "server.address", host);
    attribute_number(out, "server.port", port);
}

static void append_attempt(const struct span_source *source, const struct observed *observed,
                           struct buffer *out)
{
    const struct trace *trace = observed->trace;
    int64_t now_ms = clock_wall_ms(source->clock);
    char id[SPAN_ID_SIZE], digits[12];
    struct buffer room = {0};
    struct slice url = observed->url, method = method_of(observed);
    if (observed->show) {
        observed->show(observed->show_ctx, observed->url, &room);
        url = buffer_slice(&room);
    }
    trace_span_id(source->tracing, trace, observed->attempt, id);
    const struct span span = {.id = id,
                              .parent = trace->span,
                              .kind = KIND_CLIENT,
                              .from_ms = now_ms - observed->duration_ms,
                              .to_ms = now_ms};
    append_begin(out, trace, &span);
    buffer_append_text(out, ",\"name\":");
    buffer_append_json_string(out, method.ptr[0] == '_' ? SLICE_LITERAL("HTTP") : method);
    buffer_append_text(out, ",\"attributes\":[");
    attribute_text(out, "http.request.method", method);
    if (method.ptr[0] == '_')
        attribute_text(out, "http.request.method_original", slice_of(observed->method));
    append_server(out, url);
    attribute_text(out, "url.full",
                   (struct slice){url.ptr, url.len < URL_SHOWN_MAX ? url.len : (size_t)URL_SHOWN_MAX});
    if (observed->status > 0)
        attribute_number(out, "http.response.status_code", observed->status);
    if (observed->attempt > 1)
        attribute_number(out, "http.request.resend_count", observed->attempt - 1);
    append_end(out, error_of(observed, digits));
    out->failed |= room.failed;
    buffer_clear(&room);
}

/* The delivery: what a consumer does with a message */

static void append_message(const struct span_source *source, const struct observed *observed,
                           struct buffer *out)
{
    attribute_text(out, "messaging.system", slice_of(observed->topic ? "kafka" : "port"));
    attribute_text(out, "messaging.operation.name", SLICE_LITERAL("process"));
    attribute_text(out, "messaging.operation.type", SLICE_LITERAL("process"));
    if (observed->topic) {
        char digits[12];
        struct buffer number = {.ptr = digits, .cap = sizeof digits};
        buffer_append_int(&number, observed->partition);
        attribute_text(out, "messaging.destination.name", slice_of(observed->topic));
        attribute_text(out, "messaging.destination.partition.id", buffer_slice(&number));
        attribute_number(out, "messaging.kafka.offset", observed->offset);
        attribute_text(out, "messaging.consumer.group.name",
                       source->group && *source->group ? slice_of(source->group) : (struct slice){NULL, 0});
    } else
        attribute_text(out, "messaging.message.id", observed->record_id);
}

static void append_delivery(const struct span_source *source, const struct observed *observed,
                            struct buffer *out)
{
    const struct trace *trace = observed->trace;
    char digits[12];
    const struct span span = {.id = trace->span,
                              .parent = trace->parent,
                              .parent_is_remote = *trace->parent != '\0',
                              .kind = KIND_CONSUMER,
                              .from_ms = trace_taken_ms(trace),
                              .to_ms = clock_wall_ms(source->clock)};
    append_begin(out, trace, &span);
    buffer_append_text(out, ",\"name\":\"process");
    if (observed->topic) {
        buffer_append_char(out, ' ');
        buffer_append_json_escaped(out, slice_of(observed->topic));
    }
    buffer_append_text(out, "\",\"attributes\":[");
    append_message(source, observed, out);
    attribute_text(out, "port.run_id", observed->run_id);
    if (observed->attempt > 0)
        attribute_number(out, "port.attempts", observed->attempt);
    if (observed->kind == OBSERVED_DROPPED) /* whoever gets the record next begins anew */
        append_end(out, SLICE_LITERAL("left"));
    else
        append_end(out, error_of(observed, digits));
}

/** From the last answer until Port has the result, a dead letter's writing included. */
static void append_report_span(const struct span_source *source, const struct observed *observed,
                               struct buffer *out)
{
    const struct trace *trace = observed->trace;
    int64_t now_ms = clock_wall_ms(source->clock);
    char id[SPAN_ID_SIZE];
    trace_span_id(source->tracing, trace, TRACE_SPAN_REPORT, id);
    const struct span span = {.id = id,
                              .parent = trace->span,
                              .kind = KIND_INTERNAL,
                              .from_ms = now_ms - observed->wait_ms,
                              .to_ms = now_ms};
    append_begin(out, trace, &span);
    buffer_append_text(out, ",\"name\":\"report\",\"attributes\":[");
    attribute_text(out, "port.run_id", observed->run_id);
    append_end(out, (struct slice){NULL, 0});
}

unsigned spans_append(const struct span_source *source, const struct observed *observed, struct buffer *out)
{
    switch (observed->kind) {
    case OBSERVED_FAILED:
        if (observed->error_type && strcmp(observed->error_type, "cancelled") == 0)
            return 0; /* between two attempts, or in one that was cut off */
        /* fall through */
    case OBSERVED_RETRYING:
    case OBSERVED_RETRY_LEFT:
    case OBSERVED_DELIVERED:
        append_attempt(source, observed, out);
        return 1;
    case OBSERVED_DROPPED:
        if (observed->attempt == 0)
            return 0; /* nothing was done for it */
        append_delivery(source, observed, out);
        return 1;
    case OBSERVED_DONE:
        if (observed->wait_ms >= 0) {
            append_report_span(source, observed, out);
            buffer_append_char(out, ',');
        }
        append_delivery(source, observed, out);
        return observed->wait_ms >= 0 ? 2 : 1;
    default:
        return 0;
    }
}
