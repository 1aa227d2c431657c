/* Response bodies, and the memory they share (total_response_bytes). A body up to FREE_BYTES is simply kept;
 * one that grows beyond takes space. A body that finds none waits: its transfer is paused, and the
 * connection's own flow control holds the endpoint back.
 *
 * So that those who wait do not wait for each other, one at a time has space of its own for all that may
 * still come, beside the bound. So that no endpoint fills the space alone, one origin has half of it at most.
 *
 * Streams of HTTP/2 cannot wait, since libcurl opens their window to megabytes at once and would go on
 * reading into memory of its own. Nor can a decoder that asks for more than a little for its tables. A part
 * of the space is theirs alone, and where that is not enough they are cut.
 *
 * Compressed bodies are decoded here, no matter what carries them, into a piece at a time: while that piece
 * waits for space nothing more is decoded, and of what nobody reads nothing is. The window of br and zstd may
 * hold all that was decoded once more, so such a body takes twice its space. */
#include "http/client_internal.h"
#include <stdlib.h>
#include <string.h>

enum { FREE_BYTES = 16 * 1024, STEP_BYTES = 64 * 1024 };
/** Lines of Content-Encoding that are looked at; each is looked for from the beginning. */
enum { ENCODING_LINES_MAX = 32 };
enum { DECODED_BYTES = 16 * 1024, FREE_DECODER_BYTES = 128 * 1024, ENCODED_SLACK_BYTES = 64 * 1024 };
enum growth { GROW, WAIT, CUT };

/** What undoes a body's codings. */
struct body_decoder {
    struct decoding *decoding;
    /** Decoded, and not taken yet: a part of `decoded`. */
    struct slice pending;
    /** Bytes that libcurl brings once more, used before it was paused. */
    size_t again;
    /** Bytes that came. */
    size_t encoded;
    char decoded[DECODED_BYTES];
};

/* Space */

static struct body_room *room_of(const struct http_call *call)
{
    return &call->shared->body_room;
}

/** What a body takes that has come to `total` bytes: all that was announced, so that few are whole before
 * many are half, or else a step. */
static size_t need_of(const struct http_call *call, size_t total)
{
    size_t need = (total + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES;
    if (total <= FREE_BYTES)
        return 0;
    int64_t announced = call->decoder ? -1 : call_length(call); /* decoded, it is another length */
    if (announced >= 0 && (uint64_t)announced >= total)
        need = (size_t)announced;
    if (need > call->max_response_bytes)
        need = call->max_response_bytes;
    return call->large_window ? 2 * need : need;
}

static bool can_wait(const struct http_call *call)
{
    return call_version(call) < 20;
}

static size_t room_for(const struct http_call *call, bool waits)
{
    size_t all = call->shared->options.total_response_bytes;
    return waits ? all - all / 4 : all;
}

/** What all calls hold, without this call's own part. */
static size_t held_by_others(const struct http_call *call)
{
    const struct http_client_options *options = &call->shared->options;
    size_t elsewhere = options->held_elsewhere ? options->held_elsewhere(options->held_ctx) : 0;
    return room_of(call)->used - call->room + room_of(call)->decoders - call->decoder_room + elsewhere;
}

static size_t origin_length(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") : strlen(url);
}

/** What the other calls to the same place hold. */
static size_t held_by_origin(const struct http_call *call)
{
    size_t len = origin_length(call->url), held = 0;
    for (const struct http_call *other = LIST_FIRST(&call->shared->calls); other;
         other = LIST_NEXT(other, active))
        if (other != call && other->room > 0 && origin_length(other->url) == len &&
            strncmp(other->url, call->url, len) == 0)
            held += other->room;
    return held;
}

static void take_room(struct http_call *call, size_t need)
{
    room_of(call)->used += need - call->room;
    call->room = need;
}

static bool take_if_there_is(struct http_call *call, size_t need, bool waits)
{
    size_t all = room_for(call, waits), others = held_by_others(call), origin = held_by_origin(call);
    if (others + need + call->decoder_room > all || (origin > 0 && origin + need > all / 2))
        return false;
    take_room(call, need);
    return true;
}

/** Space of its own for all that may still come: for one call at a time. */
static bool take_beyond(struct http_call *call)
{
    struct body_room *room = room_of(call);
    if (room->beyond || held_by_others(call) > room_for(call, true))
        return false;
    room->beyond = call;
    take_room(call, 0);
    return true;
}

/** What the call's body may hold now. */
static size_t granted(const struct http_call *call)
{
    if (room_of(call)->beyond == call)
        return call->max_response_bytes;
    return call->large_window ? call->room / 2 : call->room;
}

/** May the body grow to `total` bytes? */
static enum growth growth_to(struct http_call *call, size_t total)
{
    size_t need = need_of(call, total);
    if (need <= call->room || room_of(call)->beyond == call ||
        call->shared->options.total_response_bytes == 0)
        return GROW;
    bool waits = can_wait(call);
    if (take_if_there_is(call, need, waits) || (waits && take_beyond(call)))
        return GROW;
    return waits ? WAIT : CUT;
}

/* Those who wait */

static void enqueue(struct http_call *call)
{
    struct http_call **last = &room_of(call)->waiting;
    while (*last)
        last = &(*last)->next_waiting;
    *last = call;
    call->next_waiting = NULL;
    call->waiting = true;
}

static void dequeue(struct http_call *call)
{
    struct http_call **at = &room_of(call)->waiting;
    while (*at != call)
        at = &(*at)->next_waiting;
    *at = call->next_waiting;
    call->waiting = false;
}

struct http_call *body_give_room(struct body_room *room)
{
    for (struct http_call *call = room->waiting; call; call = call->next_waiting) {
        if (take_if_there_is(call, need_of(call, call->response.len + STEP_BYTES), true) ||
            take_beyond(call)) {
            dequeue(call);
            return call;
        }
    }
    return NULL;
}

static void free_decoder(struct http_call *call)
{
    if (call->decoder)
        decoding_free(call->decoder->decoding);
    free(call->decoder);
    call->decoder = NULL;
    call->decoder_known = call->large_window = false;
}

void body_leave(struct http_call *call)
{
    if (call->waiting)
        dequeue(call);
    if (room_of(call)->beyond == call)
        room_of(call)->beyond = NULL;
    free_decoder(call);
    take_room(call, 0);
}

/* Bytes */

/** How much of the body anybody will read. */
static size_t most_kept(const struct http_call *call)
{
    if (call->discard_body)
        return call->keep_bytes;
    return slice_is_null(redirect_location(call)) ? SIZE_MAX : FREE_BYTES;
}

static void keep(struct http_call *call, const char *bytes, size_t len)
{
    if (call->response.len + len > FREE_BYTES && granted(call) > 0)
        /* No more than what is accounted for; what failed is in the buffer. */
        PA_IGNORE(buffer_reserve_to(&call->response, granted(call)));
    buffer_append(&call->response, bytes, len);
}

/** Bytes of the body as the endpoint means them; BODY_HELD_BACK: none of them. */
static enum body_taken take_bytes(struct http_call *call, const char *bytes, size_t len)
{
    size_t bound = call->max_response_bytes, most = call->most_kept;
    size_t read = call->received < bound ? bound - call->received : 0;
    if (read > len)
        read = len;
    size_t kept = call->response.len < most ? most - call->response.len : 0;
    if (kept > read)
        kept = read;
    enum growth growth = growth_to(call, call->response.len + kept);
    if (growth == WAIT) {
        enqueue(call);
        return BODY_HELD_BACK;
    }
    if (growth == GROW)
        keep(call, bytes, kept);
    call->received += read;
    if (growth == CUT || call->response.failed)
        call->cut = HTTP_CUT_NO_ROOM;
    else if (read < len)
        call->cut = HTTP_CUT_TOO_LONG;
    return call->cut ? BODY_ENDED : BODY_TAKEN;
}

/* Decoding */

/** A decoder's memory counts like the bodies', except what every small decoder needs. */
static bool may_hold(void *ctx, ptrdiff_t bytes)
{
    struct http_call *call = ctx;
    size_t all = call->shared->options.total_response_bytes;
    size_t held = call->decoder_bytes + (size_t)bytes; /* wraps to what is left where bytes is negative */
    size_t over = held > FREE_DECODER_BYTES ? held - FREE_DECODER_BYTES : 0;
    if (bytes > 0 && all > 0 && over > 0 && held_by_others(call) + call->room + over > all)
        return false;
    room_of(call)->decoders += over - call->decoder_room;
    call->decoder_room = over;
    call->decoder_bytes = held;
    return true;
}

static enum body_taken cut_by(struct http_call *call, enum coding_verdict verdict)
{
    call->cut = verdict == CODING_BROKEN     ? HTTP_CUT_UNREADABLE
                : verdict == CODING_TOO_LONG ? HTTP_CUT_TOO_LONG
                                             : HTTP_CUT_NO_ROOM;
    if (verdict == CODING_BROKEN)
        call->response.len = 0;
    return BODY_ENDED;
}

/** Looks at what the response's headers say, when its body's first bytes have come. */
static enum body_taken know_decoder(struct http_call *call)
{
    struct codings codings = {0};
    struct slice value;
    for (size_t i = 0;
         i < ENCODING_LINES_MAX && !slice_is_null(value = call_header(call, "Content-Encoding", i)); i++)
        codings_read(&codings, value);
    call->decoder_known = true;
    call->most_kept = most_kept(call);
    for (size_t i = 0; i < codings.count; i++)
        call->large_window |= coding_has_large_window(codings.list[i]);
    if (codings.unknown || codings.count == 0)
        return BODY_TAKEN;
    if (codings.too_many)
        return cut_by(call, CODING_BROKEN);
    size_t max_between = call->max_response_bytes + ENCODED_SLACK_BYTES;
    call->decoder = calloc(1, sizeof *call->decoder);
    if (call->decoder)
        call->decoder->decoding = decoding_new(&codings, max_between, may_hold, call);
    return call->decoder && call->decoder->decoding ? BODY_TAKEN : cut_by(call, CODING_NO_MEMORY);
}

/** Bytes that are used once count, though libcurl brings them twice; those that decode to nothing too. */
static void count_encoded(struct http_call *call, size_t len)
{
    struct body_decoder *decoder = call->decoder;
    decoder->encoded += len;
    if (decoder->encoded > call->max_response_bytes + ENCODED_SLACK_BYTES)
        call->cut = HTTP_CUT_TOO_LONG;
}

/** Nobody reads the rest. It counts as bytes that came and were not kept. */
static void stop_decoding(struct http_call *call, size_t len)
{
    struct body_decoder *decoder = call->decoder;
    if (!decoder->decoding)
        return;
    call->received += len + !decoding_is_whole(decoder->decoding);
    decoding_free(decoder->decoding);
    decoder->decoding = NULL;
}

static enum body_taken take_encoded(struct http_call *call, struct slice in)
{
    struct body_decoder *decoder = call->decoder;
    const char *begin = in.ptr;
    size_t again = decoder->again < in.len ? decoder->again : in.len, later = decoder->again - again;
    in = (struct slice){in.ptr + again, in.len - again};
    for (;;) {
        if (decoder->pending.len == 0 && call->response.len >= call->most_kept)
            stop_decoding(call, in.len);
        if (!decoder->decoding) {
            count_encoded(call, in.len);
            break;
        }
        if (decoder->pending.len == 0) {
            size_t before = in.len, made = 0;
            enum coding_verdict verdict =
                decoding_run(decoder->decoding, &in, decoder->decoded, sizeof decoder->decoded, &made);
            count_encoded(call, before - in.len);
            if (verdict != CODING_GOES_ON)
                return cut_by(call, verdict);
            decoder->pending = (struct slice){decoder->decoded, made};
            if (made == 0)
                break;
        }
        enum body_taken taken = take_bytes(call, decoder->pending.ptr, decoder->pending.len);
        decoder->again = (size_t)(in.ptr - begin) + later;
        if (taken != BODY_TAKEN)
            return taken;
        decoder->pending.len = 0;
    }
    decoder->again = later;
    return call->cut ? BODY_ENDED : BODY_TAKEN;
}

void body_over(struct http_call *call, CURLcode code)
{
    if (call->cut)
        return;
    if (code == CURLE_BAD_CONTENT_ENCODING) { /* libcurl's word for a Transfer-Encoding that it cannot undo */
        call->cut = HTTP_CUT_UNREADABLE;
        call->response.len = 0;
    } else if (code == CURLE_OK && call->decoder && call->decoder->decoding &&
               !decoding_is_whole(call->decoder->decoding)) {
        call->cut = HTTP_CUT_ENDED_EARLY;
    }
}

enum body_taken body_take(struct http_call *call, struct slice bytes)
{
    enum body_taken taken = call->decoder_known ? BODY_TAKEN : know_decoder(call);
    if (taken != BODY_TAKEN)
        return taken;
    return call->decoder ? take_encoded(call, bytes) : take_bytes(call, bytes.ptr, bytes.len);
}

size_t body_received(char *bytes, size_t size, size_t count, void *ctx)
{
    size_t len = size * count;
    enum body_taken taken = body_take(ctx, (struct slice){bytes, len});
    if (taken == BODY_HELD_BACK)
        return CURL_WRITEFUNC_PAUSE; /* the same bytes come again */
    /* Anything but `len` ends the transfer: what is beyond the bound is not read. */
    return taken == BODY_TAKEN ? len : CURL_WRITEFUNC_ERROR;
}
