/* A line of a directory of dead letters. */
#include "agent/dead_letters/reader/internal.h"
#include "deadletter/seal.h"
#include "fuzz.h"

static void mac_of(struct letter_seal *seal, const struct line *line, char out[LETTER_MAC_SIZE])
{
    EXPECT(letter_seal_mac(seal, slice_of(line->id), &line->letter, out) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct letter_seal *seal;
    struct line line, again;
    struct buffer written = {0};
    char mac[LETTER_MAC_SIZE], other[LETTER_MAC_SIZE];
    if (!seal)
        seal = letter_seal_new(SLICE_LITERAL("secret"));
    const char *wrong = line_parse(fuzz_input(data, size), &line);
    if (!wrong) {
        /* What was read is what is written and read again, and so has the same MAC. */
        mac_of(seal, &line, mac);
        line_append(&written, line.id, &line.letter, mac);
        EXPECT(memchr(written.ptr, '\n', written.len) == written.ptr + written.len - 1);
        wrong = line_parse(buffer_slice(&written), &again);
        EXPECT(!wrong);
        mac_of(seal, &again, other);
        EXPECT(strcmp(mac, other) == 0 && slice_equal_text(again.mac, mac));
        EXPECT(slice_equal(line.letter.traceparent, again.letter.traceparent) &&
               slice_equal(line.letter.tracestate, again.letter.tracestate));
        /* Half a line is none. */
        struct line half;
        EXPECT(line_parse((struct slice){written.ptr, written.len - 2}, &half));
        line_clear(&half);
        line_clear(&again);
    }
    line_clear(&line);
    buffer_clear(&written);
    return 0;
}
