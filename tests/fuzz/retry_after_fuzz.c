/* Retry-After: six bytes of clock (milliseconds), then the value. */
#include "fuzz.h"
#include "http/retry_after.h"

static bool all_digits(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return false;
    return value.len > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice value = fuzz_input(data, size);
    uint64_t clock = 0;
    for (int i = 0; i < 6; i++) /* 48 bits of milliseconds are 8,900 years */
        clock = clock << 8 | fuzz_byte(&value);
    int64_t now_ms = (int64_t)clock, wait_ms = retry_after_ms(value, now_ms);
    EXPECT(wait_ms >= -1 && wait_ms <= RETRY_AFTER_MAX_MS);
    struct slice trimmed = slice_trim(value);
    EXPECT(retry_after_ms(trimmed, now_ms) == wait_ms);
    if (all_digits(trimmed)) {
        EXPECT(wait_ms >= 0);
        if (trimmed.len <= 5) {
            int64_t seconds = 0;
            for (size_t i = 0; i < trimmed.len; i++)
                seconds = seconds * 10 + (trimmed.ptr[i] - '0');
            EXPECT(wait_ms == (seconds * 1000 < RETRY_AFTER_MAX_MS ? seconds * 1000 : RETRY_AFTER_MAX_MS));
        }
    } else if (wait_ms >= 0) {
        /* A date comes nearer as time goes by. */
        int64_t later_ms = retry_after_ms(value, now_ms + 1000);
        EXPECT(later_ms >= 0 && later_ms <= wait_ms);
    }
    return 0;
}
