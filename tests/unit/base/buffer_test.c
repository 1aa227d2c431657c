/* Buffers that grow, fail and are given away; slices that are copied and hashed; JSON's escapes, all of them.
 */
#include "../edge.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/json_escape.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/** What is reserved is there, whatever was there before: each byte is written. */
static void what_is_reserved_is_there(void **state)
{
    (void)state;
    static char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    for (size_t held = 0; held <= 130; held++)
        for (size_t more = 0; more <= 270; more++) {
            struct buffer b = {0};
            for (size_t i = 0; i < held; i++)
                buffer_append_char(&b, bytes[i]);
            assert_int_equal(buffer_reserve(&b, more), 0);
            assert_true(b.ptr && b.cap - b.len >= more && b.len == held);
            memset(b.ptr + b.len, 'x', more);
            assert_memory_equal(b.ptr, bytes, held);
            buffer_clear(&b);
        }
    struct buffer b = {0};
    assert_int_equal(buffer_reserve(&b, 300), 0);
    assert_int_equal(b.cap, 300); /* a large first request is taken at its word */
    buffer_clear(&b);
    assert_int_equal(buffer_reserve(&b, 1), 0);
    assert_int_equal(b.cap, 64);
    buffer_clear(&b);
}

static void a_bound_is_reserved_to_the_byte(void **state)
{
    (void)state;
    struct buffer b = {0};
    assert_int_equal(buffer_reserve_to(&b, 10), 0);
    assert_int_equal(b.cap, 10);
    const char *at = b.ptr;
    assert_int_equal(buffer_reserve_to(&b, 10), 0);
    assert_int_equal(buffer_reserve_to(&b, 9), 0);
    assert_ptr_equal(b.ptr, at);
    assert_int_equal(b.cap, 10);
    assert_int_equal(buffer_reserve_to(&b, 11), 0);
    assert_int_equal(b.cap, 11);
    buffer_clear(&b);
    assert_true(!b.ptr && b.len == 0 && b.cap == 0 && !b.failed);
}

static void what_is_not_needed_is_given_back(void **state)
{
    (void)state;
    struct buffer b = {0};
    buffer_trim(&b);
    assert_true(!b.ptr && b.cap == 0);
    assert_int_equal(buffer_reserve(&b, 300), 0);
    buffer_trim(&b);
    assert_int_equal(b.cap, 300); /* empty: its memory is for what comes */
    buffer_append_text(&b, "abc");
    buffer_trim(&b);
    assert_int_equal(b.cap, 3);
    assert_memory_equal(b.ptr, "abc", 3);
    buffer_trim(&b);
    assert_int_equal(b.cap, 3);
    buffer_clear(&b);
}

/** More than there can ever be; afterwards nothing is appended. */
static void a_buffer_that_has_failed_stays_as_it_is(void **state)
{
    (void)state;
    static const size_t too_much[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2 + 2};
    for (size_t i = 0; i < sizeof too_much / sizeof *too_much; i++)
        for (int by_append = 0; by_append <= 1; by_append++) {
            struct buffer b = {0};
            size_t len = 99;
            buffer_append_text(&b, "held");
            assert_int_equal(buffer_reserve(&b, too_much[i]), PA_ERR_MEMORY);
            assert_true(b.failed);
            assert_int_equal(buffer_reserve(&b, 0), PA_ERR_MEMORY);
            assert_int_equal(buffer_reserve_to(&b, 1), PA_ERR_MEMORY);
            buffer_append_char(&b, 'x');
            buffer_append_text(&b, "x");
            buffer_append_int(&b, 1);
            buffer_appendf(&b, "%d", 1);
            buffer_append_json_string(&b, SLICE_LITERAL("x"));
            assert_true(slice_equal_text(buffer_slice(&b), "held"));
            assert_string_equal(buffer_text(&b), "");
            assert_null(buffer_take(&b, by_append ? &len : NULL));
            assert_int_equal(len, by_append ? 0 : 99);
            assert_true(!b.ptr && !b.failed); /* empty, and of use again */
        }
}

static void what_is_taken_is_a_text_and_leaves_nothing(void **state)
{
    (void)state;
    struct buffer b = {0};
    size_t len = 99;
    assert_true(slice_equal_text(buffer_slice(&b), "") && !slice_is_null(buffer_slice(&b)));
    char *none = buffer_take(&b, &len);
    assert_string_equal(none, "");
    assert_int_equal(len, 0);
    free(none);
    for (size_t held = 0; held < 64; held++)
        buffer_append_char(&b, 'x'); /* no byte is left for a NUL */
    assert_int_equal(b.cap, 64);
    assert_int_equal(strlen(buffer_text(&b)), 64);
    char *text = buffer_take(&b, &len);
    assert_int_equal(len, 64);
    assert_int_equal(strlen(text), 64);
    free(text);
    assert_true(!b.ptr && b.len == 0 && b.cap == 0);
    buffer_append(&b, NULL, 0);
    assert_null(b.ptr);
    for (size_t wide = 0; wide < 200; wide++) {
        buffer_appendf(&b, "%0*d", (int)wide + 1, 0);
        assert_int_equal(b.len, wide + 1);
        assert_int_equal(strspn(buffer_text(&b), "0"), wide + 1);
        b.len = 0;
    }
    buffer_clear(&b);
}

static void a_secret_is_wiped(void **state)
{
    (void)state;
    struct buffer b = {0};
    buffer_wipe(&b);
    buffer_append_text(&b, "secret");
    buffer_wipe(&b);
    assert_true(!b.ptr && b.len == 0 && b.cap == 0);
}

static void slices_are_copied_and_cut(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 10; len++)
        for (size_t size = 1; size <= 12; size++) {
            char out[13];
            memset(out, '#', sizeof out);
            slice_copy_cut(edge_bytes("0123456789", len), out, size);
            size_t kept = len < size - 1 ? len : size - 1;
            assert_int_equal(strlen(out), kept);
            assert_memory_equal(out, "0123456789", kept);
            assert_int_equal(out[size], '#');
            char *copy = slice_to_text(edge_bytes("0123456789", len));
            assert_int_equal(strlen(copy), len);
            assert_memory_equal(copy, "0123456789", len);
            free(copy);
        }
    char out[2] = "#";
    slice_copy_cut((struct slice){NULL, 0}, out, sizeof out);
    assert_string_equal(out, "");
    char *none = slice_to_text((struct slice){NULL, 0});
    assert_string_equal(none, "");
    free(none);
}

/** Vectors of FNV-1a, 64 bits, by its authors. */
static void hashes_are_fnv_1a(void **state)
{
    (void)state;
    assert_true(slice_hash((struct slice){NULL, 0}) == 0xcbf29ce484222325u);
    assert_true(slice_hash(edge_of("a")) == 0xaf63dc4c8601ec8cu);
    assert_true(slice_hash(edge_of("foobar")) == 0x85944171f73967e8u);
    assert_true(slice_hash(edge_of("\xff")) != slice_hash(edge_of("\x7f")));
}

/* Escapes */

static void every_byte_is_escaped_as_it_is_read(void **state)
{
    (void)state;
    static const char *const shorts[256] = {['"'] = "\\\"", ['\\'] = "\\\\", ['\b'] = "\\b", ['\f'] = "\\f",
                                            ['\n'] = "\\n", ['\r'] = "\\r",  ['\t'] = "\\t"};
    for (unsigned c = 0; c < 256; c++) {
        char out[JSON_ESCAPE_MAX], expected[8];
        size_t len = json_escape((unsigned char)c, out);
        bool plain = c >= 0x20 && !shorts[c];
        snprintf(expected, sizeof expected, "%s", shorts[c] ? shorts[c] : "");
        if (!plain && !shorts[c])
            snprintf(expected, sizeof expected, "\\u%04x", c);
        assert_int_equal(len, plain ? 0 : strlen(expected));
        assert_memory_equal(out, expected, len);
        uint32_t code = 0;
        if (plain)
            continue;
        assert_int_equal(json_escape_read(edge_bytes(out, len), &code), len);
        assert_int_equal(code, c);
        /* Cut off it is none. */
        for (size_t cut = 0; cut < len; cut++)
            assert_int_equal(json_escape_read(edge_bytes(out, cut), &code), 0);
    }
    uint32_t code = 0;
    assert_int_equal(json_escape_read(edge_of("\\/"), &code), 2);
    assert_int_equal(code, '/');
    static const char *const wrong[] = {"\\a", "\\x41", "\\U0041", "\\u004g", "\\u-041", "\\ 0041", "x0041x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(json_escape_read(edge_of(wrong[i]), &code), 0);
}

/** Every unit alone, and every pair of units at the edges of surrogates. */
static void every_unit_is_read_as_it_was_written(void **state)
{
    (void)state;
    static const uint32_t edges[] = {0,      0xd7ff, 0xd800, 0xd801, 0xdbfe, 0xdbff,
                                     0xdc00, 0xdc01, 0xdffe, 0xdfff, 0xe000, 0xffff};
    enum { EDGES = sizeof edges / sizeof *edges };
    char out[JSON_ESCAPE_MAX], pair[2 * JSON_ESCAPE_MAX];
    uint32_t code = 0;
    for (uint32_t unit = 0; unit <= 0xffff; unit++) {
        assert_int_equal(json_escape_unit(unit, out), 6);
        assert_int_equal(json_escape_read((struct slice){out, 6}, &code), 6);
        assert_int_equal(code, unit);
    }
    for (size_t i = 0; i < EDGES; i++)
        for (size_t j = 0; j < EDGES; j++) {
            size_t len = json_escape_unit(edges[i], pair);
            len += json_escape_unit(edges[j], pair + len);
            bool one = edges[i] >= 0xd800 && edges[i] <= 0xdbff && edges[j] >= 0xdc00 && edges[j] <= 0xdfff;
            assert_int_equal(json_escape_read(edge_bytes(pair, len), &code), one ? 12 : 6);
            assert_int_equal(code,
                             one ? 0x10000 + (edges[i] - 0xd800) * 0x400 + (edges[j] - 0xdc00) : edges[i]);
        }
    assert_int_equal(json_escape_read(edge_of("\\ud800\\n\\udc00"), &code), 6);
    assert_int_equal(json_escape_read(edge_of("\\ud800udc00xx"), &code), 6);
}

static void a_string_is_escaped_where_it_must_be(void **state)
{
    (void)state;
    static const struct {
        struct slice text;
        const char *expected;
    } cases[] = {
        {SLICE_LITERAL(""), "\"\""},
        {SLICE_LITERAL("plain ~ \xc3\xbc \xf0\x9f\x9a\x80"), "\"plain ~ \xc3\xbc \xf0\x9f\x9a\x80\""},
        {SLICE_LITERAL("\"a\\b/\""), "\"\\\"a\\\\b/\\\"\""},
        {SLICE_LITERAL("\n\r\t"), "\"\\n\\r\\t\""},
        {SLICE_LITERAL("\b\f\x7f\x1f\0"), "\"\\u0008\\u000c\\u007f\\u001f\\u0000\""},
        {SLICE_LITERAL("\x80\xffx\xc3"), "\"\xef\xbf\xbd\xef\xbf\xbdx\xef\xbf\xbd\""},
        {SLICE_LITERAL("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer b = {0};
        buffer_append_json_string(&b, edge_bytes(cases[i].text.ptr, cases[i].text.len));
        assert_string_equal(buffer_text(&b), cases[i].expected);
        buffer_clear(&b);
    }
}

/** Long texts are written in pieces: they come out as their characters do, one by one. */
static void a_long_text_is_escaped_as_its_characters_are(void **state)
{
    (void)state;
    static const char alphabet[] = "\0\"\\aaa\n\b\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xff";
    static char bytes[10000];
    uint32_t random = 7;
    for (size_t len = 0; len <= sizeof bytes; len += len / 3 + 1) {
        for (size_t i = 0; i < len; i++) {
            random = random * 1664525 + 1013904223;
            bytes[i] = alphabet[(random >> 16) % (sizeof alphabet - 1)];
        }
        struct slice text = edge_bytes(bytes, len);
        struct buffer whole = {0}, parts = {0};
        buffer_append_json_escaped(&whole, text);
        for (size_t at = 0; at < len;) {
            size_t sequence = utf8_sequence(text.ptr + at, len - at), taken = sequence > 0 ? sequence : 1;
            buffer_append_json_escaped(&parts, (struct slice){text.ptr + at, taken});
            at += taken;
        }
        assert_true(slice_equal(buffer_slice(&whole), buffer_slice(&parts)));
        buffer_clear(&whole);
        buffer_clear(&parts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_reserved_is_there),
        cmocka_unit_test(a_bound_is_reserved_to_the_byte),
        cmocka_unit_test(what_is_not_needed_is_given_back),
        cmocka_unit_test(a_buffer_that_has_failed_stays_as_it_is),
        cmocka_unit_test(what_is_taken_is_a_text_and_leaves_nothing),
        cmocka_unit_test(a_secret_is_wiped),
        cmocka_unit_test(slices_are_copied_and_cut),
        cmocka_unit_test(hashes_are_fnv_1a),
        cmocka_unit_test(every_byte_is_escaped_as_it_is_read),
        cmocka_unit_test(every_unit_is_read_as_it_was_written),
        cmocka_unit_test(a_string_is_escaped_where_it_must_be),
        cmocka_unit_test(a_long_text_is_escaped_as_its_characters_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
