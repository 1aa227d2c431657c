/* See waits.h. */
#include "deliver/waits.h"
#include "deliver/shared.h"

enum { WORTH_MS = 100 };

/** What a delivery waits for in each state; WAITS: for nothing of ours. */
static const unsigned char waits_in[LIFE_STATES] = {[LIFE_TAKEN] = WAITS,
                                                    [LIFE_MAPPING] = WAIT_MAPPING,
                                                    [LIFE_QUEUED] = WAIT_LANE,
                                                    [LIFE_READY] = WAIT_TURN,
                                                    [LIFE_SENDING] = WAITS,
                                                    [LIFE_WAITING] = WAIT_RETRY,
                                                    [LIFE_WRITING_LETTER] = WAIT_LETTER,
                                                    [LIFE_MAPPING_REPORT] = WAIT_MAPPING,
                                                    [LIFE_REPORT_OWED] = WAIT_MEMORY,
                                                    [LIFE_REPORTING] = WAIT_PORT,
                                                    [LIFE_DONE] = WAITS,
                                                    [LIFE_DROPPED] = WAITS,
                                                    [LIFE_KEPT] = WAITS};
static int wait_of(const struct delivery *delivery)
{
    bool at_breaker = delivery->state == LIFE_READY && delivery->waits.at_breaker;
    return at_breaker ? WAIT_BREAKER : waits_in[delivery->state];
}

void waits_move(struct delivery *delivery, enum life_state next)
{
    struct waits *waits = &delivery->waits;
    int wait = wait_of(delivery);
    if (wait == WAITS && waits_in[next] == WAITS)
        return; /* no time that counts has passed, or begins */
    int64_t now_ms = clock_monotonic_ms(delivery->deliver->options.clock);
    if (wait < WAITS && waits->since_ms > 0 && now_ms > waits->since_ms)
        waits->ms[wait] += (uint32_t)(now_ms - waits->since_ms);
    waits->since_ms = now_ms;
}

static int longest(const struct waits *waits, unsigned said)
{
    int found = WAITS;
    for (int i = 0; i < WAITS; i++)
        if (!(said & 1u << i) && waits->ms[i] >= WORTH_MS &&
            (found == WAITS || waits->ms[i] > waits->ms[found]))
            found = i;
    return found;
}

struct slice waits_text(struct delivery *delivery, char out[WAITS_TEXT_SIZE])
{
    static const char *const words[WAITS] = {
        [WAIT_MAPPING] = "mapping",    [WAIT_LANE] = "lane",   [WAIT_TURN] = "turn",
        [WAIT_BREAKER] = "breaker",    [WAIT_RETRY] = "retry", [WAIT_MEMORY] = "memory",
        [WAIT_LETTER] = "dead letter", [WAIT_PORT] = "Port"};
    struct buffer text = {0};
    unsigned said = 0;
    waits_move(delivery, delivery->state);
    if (longest(&delivery->waits, 0) == WAITS)
        return slice_of(NULL);
    for (int wait; (wait = longest(&delivery->waits, said)) < WAITS; said |= 1u << wait) {
        uint32_t tenths = (delivery->waits.ms[wait] + 50) / 100;
        buffer_append_text(&text, said ? ", " : "");
        buffer_append_text(&text, words[wait]);
        buffer_append_char(&text, ' ');
        buffer_append_int(&text, tenths / 10);
        buffer_append_char(&text, '.');
        buffer_append_int(&text, tenths % 10);
        buffer_append_text(&text, " s");
    }
    slice_copy_cut(buffer_slice(&text), out, WAITS_TEXT_SIZE);
    buffer_clear(&text);
    return slice_of(out);
}
