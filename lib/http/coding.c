/* zlib, brotli and zstd behind one interface. A body may be several members (gzip) or frames (zstd) in a row;
 * other bytes after the last one are ignored, as every client does. */
#include "http/coding.h"
#define ZLIB_CONST /* what is read is not written to */
#include <brotli/decode.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
    WINDOW_BITS = 15,
    /** Zlib's way to say gzip's header and trailer. */
    GZIP_BITS = 16 + WINDOW_BITS,
    /** Low half of a zlib stream's first byte (RFC 1950). */
    ZLIB_METHOD = 8,
    /** 8 MiB: what HTTP allows (RFC 9659). */
    ZSTD_WINDOW_LOG = 23,
    ZSTD_MAGIC_BYTES = 4
};

union piece;

struct coder {
    enum coding coding;
    coding_may_hold *may_hold;
    void *ctx;
    /** A byte has come. */
    bool begun;
    /** What comes now is ignored. */
    bool over;
    /** Over, within a later member that counted already. */
    bool damaged;
    /** One member or frame at least is whole. */
    bool later;
    /** The present member or frame has begun. */
    bool within;
    /** And is no longer taken for bytes that are ignored. */
    bool counts;
    /** may_hold said no. */
    bool refused;
    /** The largest piece. */
    union piece *window;
    bool inflating;
    z_stream zlib;
    BrotliDecoderState *brotli;
    ZSTD_DStream *zstd;
    unsigned char magic[ZSTD_MAGIC_BYTES];
    size_t magic_len;
};

/* What is held. Each piece of memory has its size in front of it. The largest one is the window, of which
 * only as much is ever touched as has been decoded: whoever keeps what is decoded reckons with that. The
 * others are asked for. */

union piece {
    size_t size;
    max_align_t aligned;
};

static void *piece_new(void *ctx, size_t size)
{
    struct coder *coder = ctx;
    union piece *window = coder->window;
    bool largest = !window || size > window->size;
    size_t asked = !largest ? size : window ? window->size : 0;
    if (size > PTRDIFF_MAX - sizeof(union piece) || !coder->may_hold(coder->ctx, (ptrdiff_t)asked)) {
        coder->refused = true;
        return NULL;
    }
    union piece *piece = malloc(sizeof *piece + size);
    if (!piece) {
        coder->may_hold(coder->ctx, -(ptrdiff_t)asked);
        return NULL;
    }
    piece->size = size;
    if (largest)
        coder->window = piece;
    return piece + 1;
}

static void piece_free(void *ctx, void *bytes)
{
    struct coder *coder = ctx;
    if (!bytes)
        return;
    union piece *piece = (union piece *)bytes - 1;
    if (piece == coder->window)
        coder->window = NULL;
    else
        coder->may_hold(coder->ctx, -(ptrdiff_t)piece->size);
    free(piece);
}

static voidpf zlib_piece(voidpf ctx, uInt items, uInt size)
{
    return piece_new(ctx, (size_t)items * size);
}

/* Life */

static bool inflating(struct coder *coder, int bits)
{
    coder->zlib = (z_stream){.zalloc = zlib_piece, .zfree = piece_free, .opaque = coder};
    coder->inflating = inflateInit2(&coder->zlib, bits) == Z_OK;
    return coder->inflating;
}

static bool prepare(struct coder *coder)
{
    switch (coder->coding) {
    case CODING_GZIP:
        return inflating(coder, GZIP_BITS);
    case CODING_DEFLATE:
        return true; /* its first byte says how */
    case CODING_BROTLI:
        coder->brotli = BrotliDecoderCreateInstance(piece_new, piece_free, coder);
        return coder->brotli != NULL;
    case CODING_ZSTD:
        coder->zstd = ZSTD_createDStream();
        return coder->zstd &&
               !ZSTD_isError(ZSTD_DCtx_setParameter(coder->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG));
    }
    return false;
}

struct coder *coder_new(enum coding coding, coding_may_hold *may_hold, void *ctx)
{
    struct coder *coder = calloc(1, sizeof *coder);
    if (!coder)
        return NULL;
    coder->coding = coding;
    coder->may_hold = may_hold;
    coder->ctx = ctx;
    if (prepare(coder))
        return coder;
    coder_free(coder);
    return NULL;
}

void coder_free(struct coder *coder)
{
    if (!coder)
        return;
    if (coder->inflating)
        inflateEnd(&coder->zlib);
    if (coder->brotli)
        BrotliDecoderDestroyInstance(coder->brotli);
    ZSTD_freeDStream(coder->zstd);
    free(coder);
}

/* What a step came to */

static void use(struct slice *in, size_t bytes)
{
    in->ptr += bytes;
    in->len -= bytes;
}

static void ends(struct coder *coder)
{
    coder->later = true;
    coder->within = coder->counts = false;
}

static enum coding_verdict fails(struct coder *coder)
{
    if (!coder->later)
        return CODING_BROKEN;
    coder->over = true; /* the bytes after the last whole member are no member */
    coder->damaged = coder->counts;
    return CODING_GOES_ON;
}

static enum coding_verdict starved(void)
{
    return CODING_NO_MEMORY;
}

/* gzip and deflate */

/** Most servers send zlib's form, as they should; some send what is inside of it alone. No raw stream that an
 * encoder writes begins with zlib's method. */
static bool choose_form(struct coder *coder, struct slice in)
{
    bool wrapped = ((unsigned char)*in.ptr & 0x0f) == ZLIB_METHOD;
    return inflating(coder, wrapped ? WINDOW_BITS : -WINDOW_BITS);
}

static enum coding_verdict inflate_step(struct coder *coder, struct slice *in, char *out, size_t room,
                                        size_t *made)
{
    if (!coder->inflating && in->len > 0 && !choose_form(coder, *in))
        return starved();
    if (!coder->inflating)
        return CODING_GOES_ON;
    z_stream *zlib = &coder->zlib;
    zlib->next_in = (const Bytef *)in->ptr;
    zlib->avail_in = (uInt)in->len;
    zlib->next_out = (Bytef *)out;
    zlib->avail_out = (uInt)room;
    int code = inflate(zlib, Z_NO_FLUSH);
    coder->within |= zlib->avail_in < in->len;
    use(in, in->len - zlib->avail_in);
    *made = room - zlib->avail_out;
    coder->counts |= *made > 0; /* a header of two bytes may be there by chance */
    switch (code) {
    case Z_OK:
    case Z_BUF_ERROR: /* nothing to do without more bytes */
        return CODING_GOES_ON;
    case Z_STREAM_END:
        ends(coder);
        coder->over = coder->coding == CODING_DEFLATE || inflateReset(zlib) != Z_OK;
        return CODING_GOES_ON;
    case Z_MEM_ERROR:
        return starved();
    default:
        return fails(coder);
    }
}

/* br */

static enum coding_verdict brotli_step(struct coder *coder, struct slice *in, char *out, size_t room,
                                       size_t *made)
{
    const uint8_t *next_in = (const uint8_t *)in->ptr;
    uint8_t *next_out = (uint8_t *)out;
    size_t left_in = in->len, left_out = room;
    BrotliDecoderResult result =
        BrotliDecoderDecompressStream(coder->brotli, &left_in, &next_in, &left_out, &next_out, NULL);
    use(in, in->len - left_in);
    *made = room - left_out;
    if (result == BROTLI_DECODER_RESULT_SUCCESS) {
        ends(coder);
        coder->over = true;
    }
    if (result != BROTLI_DECODER_RESULT_ERROR)
        return CODING_GOES_ON;
    BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(coder->brotli);
    bool memory = code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
                  code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
    return memory || coder->refused ? starved() : fails(coder);
}

/* zstd */

static enum coding_verdict zstd_feed(struct coder *coder, struct slice *in, char *out, size_t room,
                                     size_t *made)
{
    ZSTD_inBuffer from = {in->ptr, in->len, 0};
    ZSTD_outBuffer to = {out, room, 0};
    size_t left = ZSTD_decompressStream(coder->zstd, &to, &from);
    use(in, from.pos);
    *made = to.pos;
    if (ZSTD_isError(left))
        return ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation ? starved() : fails(coder);
    if (left == 0)
        ends(coder);
    return CODING_GOES_ON;
}

/** A frame, or one to skip (RFC 8878, section 3.1): no others, such as those of zstd before its version 1. */
static bool begins_frame(const unsigned char magic[ZSTD_MAGIC_BYTES])
{
    static const unsigned char frame[] = {0x28, 0xb5, 0x2f, 0xfd}, skipped[] = {0x2a, 0x4d, 0x18};
    return memcmp(magic, frame, sizeof frame) == 0 ||
           ((magic[0] & 0xf0) == 0x50 && memcmp(magic + 1, skipped, sizeof skipped) == 0);
}

/** Collects what a frame begins with. True: it is there, and has been handed on. */
static bool zstd_begin(struct coder *coder, struct slice *in, char *out, size_t room,
                       enum coding_verdict *verdict)
{
    size_t made = 0;
    while (coder->magic_len < ZSTD_MAGIC_BYTES && in->len > 0) {
        coder->magic[coder->magic_len++] = (unsigned char)*in->ptr;
        use(in, 1);
    }
    *verdict = CODING_GOES_ON;
    if (coder->magic_len < ZSTD_MAGIC_BYTES)
        return false;
    coder->magic_len = 0;
    /* When zstd gives bytes depends on the pieces that come, so that the four bytes decide. */
    coder->within = coder->counts = begins_frame(coder->magic);
    struct slice magic = {(const char *)coder->magic, ZSTD_MAGIC_BYTES};
    *verdict = coder->within ? zstd_feed(coder, &magic, out, room, &made) : fails(coder);
    return coder->within && *verdict == CODING_GOES_ON;
}

static enum coding_verdict zstd_step(struct coder *coder, struct slice *in, char *out, size_t room,
                                     size_t *made)
{
    enum coding_verdict verdict;
    if (!coder->within && !zstd_begin(coder, in, out, room, &verdict))
        return verdict;
    return coder->over ? CODING_GOES_ON : zstd_feed(coder, in, out, room, made);
}

/* Any of them */

static enum coding_verdict step(struct coder *coder, struct slice *in, char *out, size_t room, size_t *made)
{
    switch (coder->coding) {
    case CODING_BROTLI:
        return brotli_step(coder, in, out, room, made);
    case CODING_ZSTD:
        return zstd_step(coder, in, out, room, made);
    default:
        return inflate_step(coder, in, out, room, made);
    }
}

enum coding_verdict coder_run(struct coder *coder, struct slice *in, char *out, size_t room, size_t *made)
{
    enum coding_verdict verdict = CODING_GOES_ON;
    *made = 0;
    coder->begun |= in->len > 0;
    do {
        if (!coder->over)
            verdict = step(coder, in, out, room, made);
        if (coder->over && *made == 0)
            use(in, in->len);
    } while (verdict == CODING_GOES_ON && *made == 0 && in->len > 0);
    return verdict;
}

bool coder_is_whole(const struct coder *coder)
{
    if (!coder->begun || coder->over)
        return !coder->damaged;
    return coder->later && !coder->counts;
}
