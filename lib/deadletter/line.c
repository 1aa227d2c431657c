/* A letter to a line of JSON: key and value as text where that keeps every byte, else as base64. */
#include "deadletter/internal.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/** Valid UTF-8 without NUL: what every JSON reader gives back as it was. */
static bool is_text(struct slice bytes)
{
    for (size_t i = 0; i < bytes.len;) {
        size_t len = utf8_sequence(bytes.ptr + i, bytes.len - i);
        if (len == 0 || bytes.ptr[i] == '\0')
            return false;
        i += len;
    }
    return true;
}

static void append_base64(struct buffer *out, struct slice bytes)
{
    enum { STEP = 3 * 1024 }; /* a multiple of three, so that padding comes at the end alone */
    unsigned char encoded[STEP / 3 * 4 + 1];
    for (size_t at = 0; at < bytes.len; at += STEP) {
        size_t len = bytes.len - at < STEP ? bytes.len - at : STEP;
        int made = EVP_EncodeBlock(encoded, (const unsigned char *)bytes.ptr + at, (int)len);
        buffer_append(out, encoded, (size_t)made);
    }
}

static void append_bytes(struct buffer *out, const char *name, struct slice bytes)
{
    if (slice_is_null(bytes)) {
        buffer_appendf(out, ",\"%s\":null", name);
        return;
    }
    bool text = is_text(bytes);
    buffer_appendf(out, ",\"%s_encoding\":\"%s\",\"%s\":\"", name, text ? "text" : "base64", name);
    if (text)
        buffer_append_json_escaped(out, bytes);
    else
        append_base64(out, bytes);
    buffer_append_char(out, '"');
}

static void append_text(struct buffer *out, const char *name, struct slice text)
{
    buffer_appendf(out, ",\"%s\":", name);
    buffer_append_json_string(out, text);
}

void line_append(struct buffer *out, const char *id, const struct dead_letter *letter, const char *mac)
{
    char time[CLOCK_RFC3339_SIZE];
    clock_rfc3339(letter->time_ms, time);
    /* What failed is in the buffer, for whoever takes the line. */
    PA_IGNORE(buffer_reserve(out, letter->value.len + letter->value.len / 8 + 1024));
    buffer_appendf(out, "{\"id\":\"%s\",\"time\":\"%s\"", id, time);
    append_text(out, "reason", slice_of(letter->reason));
    buffer_appendf(out, ",\"attempts\":%u,\"status\":%d", letter->attempts, letter->status);
    append_text(out, "topic", slice_of(letter->topic));
    buffer_appendf(out, ",\"partition\":%d,\"offset\":%lld", (int)letter->partition,
                   (long long)letter->offset);
    append_text(out, "record_id", letter->id);
    append_text(out, "url", slice_of(letter->url));
    if (slice_is_null(letter->run_id))
        buffer_append_text(out, ",\"run_id\":null");
    else
        append_text(out, "run_id", letter->run_id);
    if (!slice_is_null(letter->traceparent))
        append_text(out, "traceparent", letter->traceparent);
    if (!slice_is_null(letter->tracestate))
        append_text(out, "tracestate", letter->tracestate);
    append_bytes(out, "key", letter->key);
    append_bytes(out, "value", letter->value);
    buffer_appendf(out, ",\"mac\":\"%s\"}\n", mac);
}
