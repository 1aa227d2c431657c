/* Content codings undone, whatever the pieces in which bodies come. */
#include "../edge.h"
#include "base/buffer.h"
#include "http/decoding.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

enum { ROOM = 1 << 20, MAX_BETWEEN = 256 * 1024, RAW = -15, ZLIB = 15, GZIP = 31 };

#define PLAIN "{\"received\":true}"
/* What encoders make of PLAIN. */
#define BROTLI "\x1b\x10\x00\xf8\xa5\x45\x74\xf6\xfa\xa4\x22\x92\x58\x52\x47\x68\x72\x3c\x64"
/* 64 MiB of blanks. */
#define BROTLI_BOMB                                                                                        \
    "\xcb\xff\xff\x3f\xf8\x25\x40\xe2\xb1\x40\x20\xf7\xfe\x8f\xff\xff\x7f\xf0\x4b\x00\xc4\x61\x11\x80\xee" \
    "\xfd\x1f\xff\xff\xff\xe0\x97\x00\x88\xc3\x02\x00\xdd\xfb\x3f\xfe\xff\xff\xc1\x2f\x01\x10\x87\x05\x00" \
    "\xba\xf7\x7f\xfc\xff\xff\x83\x5f\x02\x20\x0e\x0b\x00\x74\xef\xff\xf8\xff\xff\x07\xbf\x04\x40\x1c\x16" \
    "\x00\xe8\xde\xff\xf1\xff\xff\x0f\x7e\x09\x80\x38\x2c\x00\xd0\xbd\xff\xcb\xff\xff\x3f\xfc\x12\x00\x71" \
    "\x58\x00\xa0\x7b\xff\x07"
/* A thousand x. */
#define GZIP_LONG                                                                                          \
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\xa8\x18\x05\xa3\x60\x14\x0c\x77\x00\x00\xe6\xc9\x41\x3b" \
    "\xe8\x03\x00\x00"
/* A frame to skip, with four bytes in it (RFC 8878, section 3.1.2). */
#define SKIPPED "\x55\x2a\x4d\x18\x04\x00\x00\x00skip"
#define SKIPPED_EMPTY "\x50\x2a\x4d\x18\x00\x00\x00\x00"

struct decoded {
    enum coding_verdict verdict;
    bool whole;
    struct buffer text;
};

struct memory {
    size_t held, most, limit;
};

static bool may_hold(void *ctx, ptrdiff_t bytes)
{
    struct memory *memory = ctx;
    size_t held = memory->held + (size_t)bytes;
    if (bytes > 0 && held > memory->limit)
        return false;
    memory->held = held;
    if (held > memory->most)
        memory->most = held;
    return true;
}

static void deflate_into(struct buffer *out, struct slice plain, int bits)
{
    z_stream zlib = {0};
    Bytef *piece = malloc(plain.len + 1000);
    assert_non_null(piece);
    assert_int_equal(deflateInit2(&zlib, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    zlib.next_in = (Bytef *)(uintptr_t)plain.ptr;
    zlib.avail_in = (uInt)plain.len;
    zlib.next_out = piece;
    zlib.avail_out = (uInt)plain.len + 1000;
    assert_int_equal(deflate(&zlib, Z_FINISH), Z_STREAM_END);
    buffer_append(out, piece, plain.len + 1000 - zlib.avail_out);
    deflateEnd(&zlib);
    free(piece);
}

static void zstd_into(struct buffer *out, struct slice plain)
{
    size_t bound = ZSTD_compressBound(plain.len);
    void *piece = malloc(bound);
    size_t len = ZSTD_compress(piece, bound, plain.ptr, plain.len, 3);
    assert_false(ZSTD_isError(len));
    buffer_append(out, piece, len);
    free(piece);
}

/** In pieces of `piece` bytes, each in memory of its own, so that a read beyond it is found. */
static struct decoded decode_in_pieces(const char *encoding, struct slice body, size_t piece, size_t room,
                                       struct memory *memory)
{
    struct decoded result = {0};
    struct codings codings = {0};
    codings_read(&codings, edge_of(encoding));
    assert_false(codings.unknown);
    struct decoding *decoding = decoding_new(&codings, MAX_BETWEEN, may_hold, memory);
    if (!decoding) { /* some brotlis ask for their window at once */
        assert_int_equal(memory->held, 0);
        result.verdict = CODING_NO_MEMORY;
        return result;
    }
    char *out = malloc(room);
    while (body.len > 0 && result.verdict == CODING_GOES_ON) {
        size_t len = body.len < piece ? body.len : piece, made = 1;
        char *copy = malloc(len);
        memcpy(copy, body.ptr, len);
        struct slice in = {copy, len};
        while (result.verdict == CODING_GOES_ON && made > 0) {
            result.verdict = decoding_run(decoding, &in, out, room, &made);
            assert_in_range(made, 0, room);
            buffer_append(&result.text, out, made);
        }
        if (result.verdict == CODING_GOES_ON)
            assert_int_equal(in.len, 0);
        body = (struct slice){body.ptr + len, body.len - len};
        free(copy);
    }
    result.whole = decoding_is_whole(decoding);
    decoding_free(decoding);
    free(out);
    assert_int_equal(memory->held, 0);
    return result;
}

static void expect(const char *encoding, struct slice body, const char *text, bool whole)
{
    static const size_t pieces[] = {1, 2, 3, 7, 100000};
    for (size_t i = 0; i < 2 * sizeof pieces / sizeof *pieces; i++) {
        struct memory memory = {.limit = SIZE_MAX};
        size_t room = i % 2 ? 1 : 16384;
        struct decoded decoded = decode_in_pieces(encoding, body, pieces[i / 2], room, &memory);
        if (decoded.verdict != CODING_GOES_ON || decoded.whole != whole ||
            strcmp(buffer_text(&decoded.text), text) != 0)
            fail_msg("%s in pieces of %zu, room %zu: verdict %d, whole %d, '%s'", encoding, pieces[i / 2],
                     room, (int)decoded.verdict, decoded.whole, buffer_text(&decoded.text));
        buffer_clear(&decoded.text);
    }
}

static void expect_broken(const char *encoding, struct slice body)
{
    for (size_t piece = 1; piece <= 1000; piece = piece * 10) {
        struct memory memory = {.limit = SIZE_MAX};
        struct decoded decoded = decode_in_pieces(encoding, body, piece, 16384, &memory);
        if (decoded.verdict != CODING_BROKEN)
            fail_msg("%s in pieces of %zu: verdict %d, '%s'", encoding, piece, (int)decoded.verdict,
                     buffer_text(&decoded.text));
        buffer_clear(&decoded.text);
    }
}

static struct slice plain(void)
{
    return SLICE_LITERAL(PLAIN);
}

static void every_coding_is_undone(void **state)
{
    (void)state;
    struct buffer gzip = {0}, zlib = {0}, raw = {0}, zstd = {0};
    deflate_into(&gzip, plain(), GZIP);
    deflate_into(&zlib, plain(), ZLIB);
    deflate_into(&raw, plain(), RAW);
    zstd_into(&zstd, plain());
    expect("gzip", buffer_slice(&gzip), PLAIN, true);
    expect("X-GZip", buffer_slice(&gzip), PLAIN, true);
    expect(" \tGZIP ", buffer_slice(&gzip), PLAIN, true);
    expect("deflate", buffer_slice(&zlib), PLAIN, true);
    expect("deflate", buffer_slice(&raw), PLAIN, true);
    expect("Br", SLICE_LITERAL(BROTLI), PLAIN, true);
    expect("zstd", buffer_slice(&zstd), PLAIN, true);
    buffer_clear(&gzip);
    buffer_clear(&zlib);
    buffer_clear(&raw);
    buffer_clear(&zstd);
}

static void members_and_frames_follow_each_other(void **state)
{
    (void)state;
    struct buffer gzip = {0}, zstd = {0};
    for (int i = 0; i < 3; i++)
        deflate_into(&gzip, (struct slice){&"abc"[i], 1}, GZIP);
    deflate_into(&gzip, (struct slice){"", 0}, GZIP);
    expect("gzip", buffer_slice(&gzip), "abc", true);
    buffer_append(&zstd, SKIPPED, sizeof SKIPPED - 1);
    zstd_into(&zstd, SLICE_LITERAL("ab"));
    buffer_append(&zstd, SKIPPED_EMPTY, sizeof SKIPPED_EMPTY - 1);
    zstd_into(&zstd, SLICE_LITERAL("c"));
    buffer_append(&zstd, SKIPPED, sizeof SKIPPED - 1);
    expect("zstd", buffer_slice(&zstd), "abc", true);
    expect("zstd", SLICE_LITERAL(SKIPPED), "", true);
    buffer_clear(&gzip);
    buffer_clear(&zstd);
}

static void several_codings_are_undone_in_their_order(void **state)
{
    (void)state;
    struct buffer inner = {0}, outer = {0}, third = {0};
    zstd_into(&inner, plain());
    deflate_into(&outer, buffer_slice(&inner), GZIP);
    expect("zstd, gzip", buffer_slice(&outer), PLAIN, true);
    expect("identity,zstd , ,identity,gzip,", buffer_slice(&outer), PLAIN, true);
    deflate_into(&third, buffer_slice(&outer), RAW);
    expect("zstd,gzip,deflate", buffer_slice(&third), PLAIN, true);
    buffer_clear(&inner);
    deflate_into(&inner, SLICE_LITERAL(BROTLI), GZIP);
    expect("br,gzip", buffer_slice(&inner), PLAIN, true);
    buffer_clear(&inner);
    buffer_clear(&outer);
    buffer_clear(&third);
}

static void bytes_behind_the_end_are_ignored(void **state)
{
    (void)state;
    static const char *const tails[] = {"\n",       "garbage of some length", "\x1f", "\x1f\x8b\x08",
                                        "\x28\xb5", "\x25\xb5\x2f\xfd old"};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        struct buffer bodies[5] = {{0}};
        static const char *const names[] = {"gzip", "deflate", "deflate", "br", "zstd"};
        deflate_into(&bodies[0], plain(), GZIP);
        deflate_into(&bodies[1], plain(), ZLIB);
        deflate_into(&bodies[2], plain(), RAW);
        buffer_append(&bodies[3], BROTLI, sizeof BROTLI - 1);
        zstd_into(&bodies[4], plain());
        for (size_t b = 0; b < 5; b++) {
            buffer_append_text(&bodies[b], tails[i]);
            expect(names[b], buffer_slice(&bodies[b]), PLAIN, true);
            buffer_append(&bodies[b], "\0\0\0\0\0\0\0\0", 8);
            expect(names[b], buffer_slice(&bodies[b]), PLAIN, true);
            buffer_clear(&bodies[b]);
        }
    }
}

static void what_ends_too_early_gives_its_beginning(void **state)
{
    (void)state;
    char noise[4000];
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)('a' + ((seed = seed * 1664525 + 1013904223) >> 28));
    static const int forms[] = {GZIP, ZLIB, RAW};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct buffer body = {0};
        struct memory memory = {.limit = SIZE_MAX};
        deflate_into(&body, (struct slice){noise, sizeof noise}, forms[i]);
        struct decoded decoded = decode_in_pieces(forms[i] == GZIP ? "gzip" : "deflate",
                                                  (struct slice){body.ptr, body.len / 2}, 10, 100, &memory);
        assert_int_equal(decoded.verdict, CODING_GOES_ON);
        assert_false(decoded.whole);
        assert_in_range(decoded.text.len, 100, sizeof noise - 100);
        assert_memory_equal(decoded.text.ptr, noise, decoded.text.len);
        buffer_clear(&decoded.text);
        buffer_clear(&body);
    }
    expect("gzip", SLICE_LITERAL("\x1f\x8b"), "", false);
    expect("br", (struct slice){BROTLI, 4}, "", false);
    expect("zstd", SLICE_LITERAL("\x28\xb5\x2f"), "", false);
    /* A second member that is cut off in its bytes. */
    struct buffer two = {0};
    deflate_into(&two, SLICE_LITERAL("one"), GZIP);
    deflate_into(&two, SLICE_LITERAL("two"), GZIP);
    expect("gzip", (struct slice){two.ptr, two.len - 8}, "onetwo", false);
    two.ptr[two.len - 5] ^= 1; /* its check sum */
    expect("gzip", buffer_slice(&two), "onetwo", false);
    buffer_clear(&two);
    /* A second frame of which no more than its beginning is there. */
    zstd_into(&two, plain());
    buffer_append_text(&two, "\x28\xb5\x2f\xfd");
    expect("zstd", buffer_slice(&two), PLAIN, false);
    buffer_clear(&two);
}

static void nothing_at_all_is_an_empty_body(void **state)
{
    (void)state;
    static const char *const names[] = {"gzip", "deflate", "br", "zstd", "gzip, br"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        expect(names[i], (struct slice){"", 0}, "", true);
}

static void what_is_not_in_its_coding_is_broken(void **state)
{
    (void)state;
    static const char *const names[] = {"gzip", "br", "zstd"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        expect_broken(names[i], SLICE_LITERAL("{\"plain\":\"this is no compressed body at all\"}"));
    expect_broken("deflate", SLICE_LITERAL("\x78\x00{\"plain\":true}"));
    expect_broken("deflate", SLICE_LITERAL("\xff\xff\xff"));
    expect_broken("zstd", SLICE_LITERAL("\x25\xb5\x2f\xfd a frame of zstd 0.5"));
    struct buffer gzip = {0};
    deflate_into(&gzip, plain(), GZIP);
    gzip.ptr[gzip.len - 8] ^= 1; /* its check sum */
    expect_broken("gzip", buffer_slice(&gzip));
    expect_broken("gzip,zstd", buffer_slice(&gzip));
    buffer_clear(&gzip);
}

static void names_that_nobody_knows_are_told(void **state)
{
    (void)state;
    static const char *const unknown[] = {"utf-8",          "aws-chunked", "gzip, utf-8", "compress",
                                          "gzip;q=1",       "\"gzip\"",    "none",        "gzip br",
                                          "identity,utf-8", "gzip-x"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        struct codings codings = {0};
        codings_read(&codings, edge_of(unknown[i]));
        if (!codings.unknown)
            fail_msg("'%s' is taken for known", unknown[i]);
    }
    static const char *const nothing[] = {"", " ", ",", "identity", "Identity, identity", ", ,"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        struct codings codings = {0};
        codings_read(&codings, edge_of(nothing[i]));
        assert_false(codings.unknown);
        assert_int_equal(codings.count, 0);
    }
}

static void codings_of_several_lines_are_one_list_with_an_end(void **state)
{
    (void)state;
    struct codings codings = {0};
    codings_read(&codings, SLICE_LITERAL("gzip, br"));
    codings_read(&codings, SLICE_LITERAL("zstd"));
    assert_int_equal(codings.count, 3);
    assert_int_equal(codings.list[0], CODING_GZIP);
    assert_int_equal(codings.list[2], CODING_ZSTD);
    codings_read(&codings, SLICE_LITERAL("gzip,gzip"));
    assert_false(codings.too_many);
    codings_read(&codings, SLICE_LITERAL("gzip"));
    assert_true(codings.too_many);
    assert_int_equal(codings.count, DECODING_CODINGS_MAX);
}

/** A bomb gives no more than there is room for at a time, and what passes between two codings has an end. */
static void bombs_are_bounded(void **state)
{
    (void)state;
    struct buffer bomb = {0}, twice = {0};
    char *blanks = calloc(1, 4 << 20);
    deflate_into(&bomb, (struct slice){blanks, 4 << 20}, GZIP);
    struct memory memory = {.limit = SIZE_MAX};
    struct codings codings = {0};
    codings_read(&codings, SLICE_LITERAL("gzip"));
    struct decoding *decoding = decoding_new(&codings, MAX_BETWEEN, may_hold, &memory);
    struct slice in = buffer_slice(&bomb);
    char out[1000];
    size_t made;
    assert_int_equal(decoding_run(decoding, &in, out, sizeof out, &made), CODING_GOES_ON);
    assert_int_equal(made, sizeof out);
    assert_true(in.len > 0);
    decoding_free(decoding);
    /* Inside of it four million bytes that decode to nothing. */
    bomb.len = 0;
    for (size_t i = 0; i + 8 <= 4 << 20; i += 8)
        memcpy(blanks + i, SKIPPED_EMPTY, 8);
    deflate_into(&twice, (struct slice){blanks, 4 << 20}, GZIP);
    struct decoded decoded = decode_in_pieces("zstd, gzip", buffer_slice(&twice), 100, 100, &memory);
    assert_int_equal(decoded.verdict, CODING_TOO_LONG);
    buffer_clear(&decoded.text);
    buffer_clear(&bomb);
    buffer_clear(&twice);
    free(blanks);
}

static void windows_are_bounded_and_the_rest_is_asked_for(void **state)
{
    (void)state;
    /* zstd: a frame with a window of 16 MiB, which HTTP does not allow, and one of 8 MiB, which it does. */
    expect_broken("zstd", SLICE_LITERAL("\x28\xb5\x2f\xfd\x00\x70\x09\x00\x00x"));
    expect("zstd", SLICE_LITERAL("\x28\xb5\x2f\xfd\x00\x68\x09\x00\x00x"), "x", true);
    /* What is no window is asked for. */
    static const char *const names[] = {"gzip", "br"};
    static const size_t rooms[] = {100, 1 << 16};
    const struct slice bodies[] = {SLICE_LITERAL(GZIP_LONG), SLICE_LITERAL(BROTLI_BOMB)};
    for (size_t i = 0; i < 2; i++) {
        struct memory much = {.limit = 1 << 20}, little = {.limit = 1000};
        struct decoded decoded = decode_in_pieces(names[i], bodies[i], 1000, rooms[i], &much);
        assert_int_equal(decoded.verdict, CODING_GOES_ON);
        assert_in_range(much.most, 1000, 128 * 1024);
        buffer_clear(&decoded.text);
        decoded = decode_in_pieces(names[i], bodies[i], 1000, rooms[i], &little);
        assert_int_equal(decoded.verdict, CODING_NO_MEMORY);
        assert_in_range(little.most, 0, 1000);
        buffer_clear(&decoded.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_coding_is_undone),
        cmocka_unit_test(members_and_frames_follow_each_other),
        cmocka_unit_test(several_codings_are_undone_in_their_order),
        cmocka_unit_test(bytes_behind_the_end_are_ignored),
        cmocka_unit_test(what_ends_too_early_gives_its_beginning),
        cmocka_unit_test(nothing_at_all_is_an_empty_body),
        cmocka_unit_test(what_is_not_in_its_coding_is_broken),
        cmocka_unit_test(names_that_nobody_knows_are_told),
        cmocka_unit_test(codings_of_several_lines_are_one_list_with_an_end),
        cmocka_unit_test(bombs_are_bounded),
        cmocka_unit_test(windows_are_bounded_and_the_rest_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
