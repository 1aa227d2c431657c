/* Canonical JSON to jq's values, beside jq's own parser. Input: any bytes; what of them is JSON is made
 * canonical first, as an event is. */
#include "fuzz.h"
#include "map/json_text.h"
#include "json/canonical.h"

static void append(struct buffer *out, jv value)
{
    EXPECT(json_text_append(out, value) == 0);
}

static void compare(struct slice canonical)
{
    jv ours = json_text_parse(canonical, NULL), theirs = jv_parse_sized(canonical.ptr, (int)canonical.len);
    if (!jv_is_valid(theirs)) { /* jq 1.6 nests less deep */
        jv_free(ours);
        jv_free(theirs);
        return;
    }
    struct buffer our_text = {0}, their_text = {0};
    EXPECT(jv_is_valid(ours));
    EXPECT(jv_equal(jv_copy(ours), jv_copy(theirs)));
    append(&our_text, ours);
    append(&their_text, theirs);
    EXPECT(our_text.len == their_text.len && memcmp(our_text.ptr, their_text.ptr, our_text.len) == 0);
    buffer_clear(&our_text);
    buffer_clear(&their_text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = fuzz_input(data, size);
    struct buffer canonical = {0};
    jv_free(json_text_parse(in, NULL));
    if (json_canonical(in, &canonical, NULL) == 0)
        compare(buffer_slice(&canonical));
    buffer_clear(&canonical);
    return 0;
}
