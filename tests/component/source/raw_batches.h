/* Record batches (format 2) made by hand, true or lying, and a Produce request that writes them to the mock
 * cluster, which looks into none. Their checksums are left out: nobody here checks them. */
#pragma once
#include "base/buffer.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { BATCH_OVERHEAD = 49 }; /* of a batch, behind its length and before its records */
enum { NO_CODEC = 0, UNKNOWN_CODEC = 7 };

static inline void put_number(struct buffer *out, int64_t value, int bytes)
{
    while (bytes-- > 0)
        buffer_append_char(out, (char)(value >> (8 * bytes)));
}

static inline void put_text(struct buffer *out, const char *text)
{
    put_number(out, (int64_t)strlen(text), 2);
    buffer_append_text(out, text);
}

/** A record at `delta` (under 64). */
static inline void put_record(struct buffer *out, int delta)
{
    const char body[] = {0, 0, (char)(delta * 2), 1, 2, 'v', 0}; /* no key, a value of one byte, no headers */
    buffer_append_char(out, (char)(sizeof body * 2));
    buffer_append(out, body, sizeof body);
}

static inline void put_batch(struct buffer *out, int codec, int32_t count, struct slice records)
{
    put_number(out, 0, 8); /* its offset is the broker's to say */
    put_number(out, BATCH_OVERHEAD + (int64_t)records.len, 4);
    put_number(out, 0, 4);
    put_number(out, 2, 1);
    put_number(out, 0, 4);
    put_number(out, codec, 2);
    put_number(out, count - 1, 4);
    put_number(out, 1, 8);
    put_number(out, 1, 8);
    put_number(out, -1, 8);
    put_number(out, -1, 2);
    put_number(out, -1, 4);
    put_number(out, count, 4);
    buffer_append_slice(out, records);
}

/** Writes the batch to partition 0 and waits until it is there. */
static inline void write_batch(const char *broker, const char *topic, int codec, int32_t count,
                               struct slice records)
{
    struct buffer batch = {0}, request = {0};
    put_batch(&batch, codec, count, records);
    put_number(&request, 0, 2); /* Produce */
    put_number(&request, 7, 2);
    put_number(&request, 1, 4);
    put_text(&request, "raw");
    put_number(&request, -1, 2);
    put_number(&request, -1, 2);
    put_number(&request, 5000, 4);
    put_number(&request, 1, 4);
    put_text(&request, topic);
    put_number(&request, 1, 4);
    put_number(&request, 0, 4);
    put_number(&request, (int64_t)batch.len, 4);
    buffer_append_slice(&request, buffer_slice(&batch));
    struct buffer framed = {0};
    put_number(&framed, (int64_t)request.len, 4);
    buffer_append_slice(&framed, buffer_slice(&request));

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)atoi(strrchr(broker, ':') + 1));
    char answer[256];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(write(fd, framed.ptr, framed.len), framed.len);
    /* Length, correlation, topics, the topic, partitions, the partition, and the code. */
    size_t code_at = 4 + 4 + 4 + 2 + strlen(topic) + 4 + 4;
    assert_true(recv(fd, answer, code_at + 2, MSG_WAITALL) == (ssize_t)code_at + 2);
    assert_int_equal(answer[code_at] << 8 | answer[code_at + 1], 0);
    close(fd);
    buffer_clear(&batch);
    buffer_clear(&request);
    buffer_clear(&framed);
}

/** One that can be read. */
static inline void write_good(const char *broker, const char *topic, int count)
{
    struct buffer records = {0};
    for (int i = 0; i < count; i++)
        put_record(&records, i);
    write_batch(broker, topic, NO_CODEC, count, buffer_slice(&records));
    buffer_clear(&records);
}

/** Whose codec is not known: librdkafka tells of it. */
static inline void write_undecodable(const char *broker, const char *topic, int32_t count)
{
    write_batch(broker, topic, UNKNOWN_CODEC, count, SLICE_LITERAL("?"));
}

/** Whose first record says that it goes on behind the end: librdkafka does not tell. */
static inline void write_lying(const char *broker, const char *topic, int32_t count)
{
    struct buffer records = {0};
    buffer_append_text(&records, "\x80\x80\x04"); /* 32 KiB */
    for (int32_t i = 0; i < count; i++)
        buffer_append_text(&records, "rubbish");
    write_batch(broker, topic, NO_CODEC, count, buffer_slice(&records));
    buffer_clear(&records);
}

/** Whose only record says an offset of 60 further on. */
static inline void write_elsewhere(const char *broker, const char *topic)
{
    struct buffer records = {0};
    put_record(&records, 60);
    write_batch(broker, topic, NO_CODEC, 1, buffer_slice(&records));
    buffer_clear(&records);
}
