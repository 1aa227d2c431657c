/* An answer: its Content-Type up to the first line break, then its body. */
#include "fuzz.h"
#include "http/charset.h"

static void expect_utf_8(struct slice text)
{
    for (size_t at = 0, len; at < text.len; at += len) {
        len = utf8_sequence(text.ptr + at, text.len - at);
        EXPECT(len > 0);
    }
}

/** A copy that ends where its allocation ends. */
static struct slice text_of(struct slice body, struct slice type, bool is_cut, struct buffer *out)
{
    struct buffer storage = {0};
    char *copy = malloc(body.len);
    memcpy(copy, body.ptr, body.len);
    struct slice text = body_text((struct slice){copy, body.len}, type, is_cut, &storage);
    expect_utf_8(text);
    EXPECT(text.len <= 3 * body.len + 3);
    buffer_append_slice(out, text);
    buffer_clear(&storage);
    free(copy);
    return buffer_slice(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice body = fuzz_input(data, size), type = fuzz_until(&body, '\n');
    struct buffer whole = {0}, cut = {0}, again = {0}, header = {0};
    text_of(body, type, false, &whole);
    text_of(body, type, true, &cut);
    EXPECT(cut.len <= whole.len || body.len == 0 || !slice_starts_with(buffer_slice(&cut), "\xef\xbb\xbf"));
    /* Text is text: read once more as what it is, it stays the same, but for a mark within it. */
    if (!slice_starts_with(buffer_slice(&whole), "\xef\xbb\xbf")) {
        struct slice same = text_of(buffer_slice(&whole), SLICE_LITERAL("a/b; charset=utf-8"), false, &again);
        bool marked = whole.len >= 2 && memchr(whole.ptr, '\0', whole.len < 4 ? whole.len : 4);
        EXPECT(marked || slice_equal(same, buffer_slice(&whole)));
    }
    header_text(body, &header);
    expect_utf_8(buffer_slice(&header));
    buffer_clear(&whole);
    buffer_clear(&cut);
    buffer_clear(&again);
    buffer_clear(&header);
    return 0;
}
