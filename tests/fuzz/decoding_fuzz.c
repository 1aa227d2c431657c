/* A body: the value of its Content-Encoding up to the first line break, a byte that says how long its pieces
 * are, then its bytes. */
#include "base/buffer.h"
#include "fuzz.h"
#include "http/decoding.h"

enum { OUT_MAX = 1 << 20, MAX_BETWEEN = 1 << 18, HELD_MAX = 16 << 20, ROOM = 1 << 14 };

static bool may_hold(void *ctx, ptrdiff_t bytes)
{
    size_t *held = ctx;
    if (bytes > 0 && *held + (size_t)bytes > HELD_MAX)
        return false;
    *held += (size_t)bytes;
    EXPECT(*held <= HELD_MAX);
    return true;
}

struct decoded {
    struct buffer text;
    enum coding_verdict verdict;
    bool whole, stopped;
};

/** One piece, in memory of its own. False: no more is wanted. */
static bool take(struct decoding *decoding, struct slice piece, size_t room, struct decoded *decoded)
{
    char out[ROOM], *copy = malloc(piece.len);
    struct slice in = {copy, piece.len};
    size_t made = 1;
    memcpy(copy, piece.ptr, piece.len);
    while (decoded->verdict == CODING_GOES_ON && made > 0 && decoded->text.len < OUT_MAX) {
        decoded->verdict = decoding_run(decoding, &in, out, room, &made);
        EXPECT(made <= room && in.len <= piece.len);
        buffer_append(&decoded->text, out, made);
    }
    decoded->stopped = decoded->text.len >= OUT_MAX;
    if (decoded->verdict == CODING_GOES_ON && !decoded->stopped)
        EXPECT(in.len == 0);
    free(copy);
    return decoded->verdict == CODING_GOES_ON && !decoded->stopped;
}

static struct decoded decode(const struct codings *codings, struct slice body, size_t piece, size_t room)
{
    size_t held = 0;
    struct decoded decoded = {0};
    struct decoding *decoding = decoding_new(codings, MAX_BETWEEN, may_hold, &held);
    EXPECT(decoding != NULL);
    while (body.len > 0) {
        size_t len = body.len < piece ? body.len : piece;
        if (!take(decoding, (struct slice){body.ptr, len}, room, &decoded))
            break;
        body = (struct slice){body.ptr + len, body.len - len};
    }
    decoded.whole = decoding_is_whole(decoding);
    decoding_free(decoding);
    EXPECT(held == 0);
    return decoded;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice body = fuzz_input(data, size), encoding = fuzz_until(&body, '\n');
    size_t piece = fuzz_byte(&body) % 64 + 1;
    struct codings codings = {0};
    codings_read(&codings, encoding);
    EXPECT(codings.count <= DECODING_CODINGS_MAX);
    if (codings.unknown || codings.too_many || codings.count == 0)
        return 0;
    struct decoded at_once = decode(&codings, body, SIZE_MAX, ROOM);
    struct decoded in_pieces = decode(&codings, body, piece, piece);
    /* The pieces in which a body comes make no difference to one that is whole. */
    if (at_once.verdict == CODING_GOES_ON && in_pieces.verdict == CODING_GOES_ON && !at_once.stopped &&
        !in_pieces.stopped) {
        EXPECT(at_once.whole == in_pieces.whole);
        if (at_once.whole)
            EXPECT(slice_equal(buffer_slice(&at_once.text), buffer_slice(&in_pieces.text)));
    }
    buffer_clear(&at_once.text);
    buffer_clear(&in_pieces.text);
    return 0;
}
