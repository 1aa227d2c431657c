/* A client that wants HTTP/2 and an endpoint that speaks it, frame by frame as the test says. */
#pragma once
#include "asker.h"

enum { IDLE_MS = 1000, FRAME_HEAD = 9, FRAME_MAX = 64, PREFACE = 24 };
enum {
    DATA = 0,
    HEADERS = 1,
    PRIORITY = 2,
    RST_STREAM = 3,
    SETTINGS = 4,
    PING = 6,
    GOAWAY = 7,
    WINDOW_UPDATE = 8
};
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

/** With the word of TLS, without it, by force. */
enum how { FIN, CUT, RESET, HOWS };

struct world {
    struct asker asker;
    /** Told of requests: of the head, and of the end of the request. */
    void (*asked)(struct endpoint_peer *peer, uint32_t stream, bool whole);
    struct endpoint_peer *peer;
    uint32_t stream;
    /** Streams that were begun, on all connections. */
    size_t requests;
    /** Those of whole requests that `wait_for_word` has heard. */
    uint32_t waiting[4];
    size_t waiting_count;
    int flood;
    int how;
};

/* Frames (RFC 9113, section 4.1) */

static inline size_t write_frame(char *frame, int type, int flags, uint32_t stream, struct slice payload)
{
    const char head[FRAME_HEAD] = {
        (char)(payload.len >> 16), (char)(payload.len >> 8), (char)payload.len,   (char)type,  (char)flags,
        (char)(stream >> 24),      (char)(stream >> 16),     (char)(stream >> 8), (char)stream};
    memcpy(frame, head, sizeof head);
    assert_in_range(payload.len, 0, FRAME_MAX - FRAME_HEAD);
    if (payload.len > 0)
        memcpy(frame + FRAME_HEAD, payload.ptr, payload.len);
    return FRAME_HEAD + payload.len;
}

static inline void say_frame(struct endpoint_peer *peer, int type, int flags, uint32_t stream,
                             struct slice payload)
{
    char frame[FRAME_MAX];
    endpoint_write(peer, frame, write_frame(frame, type, flags, stream, payload));
}

static inline void answer_head(struct endpoint_peer *peer, uint32_t stream, bool ends)
{
    say_frame(peer, HEADERS, END_HEADERS | (ends ? END_STREAM : 0), stream,
              SLICE_LITERAL("\x88")); /* :status 200 */
}

static inline void answer(struct endpoint_peer *peer, uint32_t stream)
{
    answer_head(peer, stream, false);
    say_frame(peer, DATA, END_STREAM, stream, SLICE_LITERAL("ok"));
}

static inline void frame_came(struct endpoint_peer *peer, int type, int flags, uint32_t stream)
{
    struct world *world = peer->endpoint->ctx;
    if (type == SETTINGS && !(flags & ACK))
        say_frame(peer, SETTINGS, ACK, 0, (struct slice){NULL, 0});
    if (type == HEADERS)
        world->requests++;
    world->peer = peer;
    world->stream = stream;
    if (type == HEADERS || (type == DATA && (flags & END_STREAM)))
        world->asked(peer, stream, flags & END_STREAM);
}

/** Frames' payloads are passed over. */
static inline void heard(struct endpoint_peer *peer, const char *bytes, size_t len)
{
    const struct endpoint *endpoint = peer->endpoint;
    if (peer->requests++ == 0) {
        peer->skip = PREFACE;
        say_frame(peer, SETTINGS, 0, 0, SLICE_LITERAL("\0\x04\x3f\xff\0\0")); /* a stream's window */
        say_frame(peer, WINDOW_UPDATE, 0, 0, SLICE_LITERAL("\x3f\xff\x00\x00"));
    }
    while (len > 0) {
        size_t used = peer->skip < len ? peer->skip : len;
        peer->skip -= used;
        bytes += used;
        len -= used;
        while (len > 0 && peer->len < FRAME_HEAD) {
            peer->in[peer->len++] = *bytes++;
            len--;
        }
        if (peer->len < FRAME_HEAD)
            return;
        const unsigned char *head = (const unsigned char *)peer->in;
        peer->skip = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        peer->len = 0;
        frame_came(peer, head[3], head[4],
                   (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8]);
        if (!endpoint_has(endpoint, peer))
            return;
    }
}

static inline int choose_http2(SSL *ssl, const unsigned char **out, unsigned char *len,
                               const unsigned char *in, unsigned in_len, void *ctx)
{
    (void)ssl;
    (void)in;
    (void)in_len;
    (void)ctx;
    *out = (const unsigned char *)"h2";
    *len = 2;
    return SSL_TLSEXT_ERR_OK;
}

/* The world */

/** `options`: those that differ from the usual. */
static inline void open_world_with(struct world *world, struct http_client_options options,
                                   void (*asked)(struct endpoint_peer *, uint32_t, bool))
{
    *world = (struct world){.asked = asked};
    options.idle_timeout_ms = IDLE_MS;
    options.total_timeout_ms = 600000;
    options.redirects = HTTP_REDIRECTS_NONE;
    asker_open(&world->asker, options, LIBCURL_TLS, NULL, world);
    world->asker.endpoint.heard = heard;
    SSL_CTX_set_alpn_select_cb(world->asker.endpoint.tls, choose_http2, NULL);
}

static inline void open_world(struct world *world, bool never_resends,
                              void (*asked)(struct endpoint_peer *, uint32_t, bool))
{
    const struct http_client_options options = {.watches_streams = true, .never_resends = never_resends};
    open_world_with(world, options, asked);
}

static inline void close_world(struct world *world)
{
    asker_close(&world->asker);
}

static inline void begin(struct world *world, struct slice body)
{
    asker_begin(&world->asker, "https", 0, (struct http_request){.body = body});
}

static inline void ask(struct world *world)
{
    size_t done = world->asker.done;
    begin(world, SLICE_LITERAL("{}"));
    asker_run(&world->asker, done + 1);
}
