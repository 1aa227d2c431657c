/* Seconds, and the three forms of a date (RFC 9110, section 5.6.7). Whatever else a server writes is no
 * Retry-After. */
#include "http/retry_after.h"
#include <curl/curl.h>
#include <string.h>

enum { DATE_MAX = 64 };

/** -1: not digits alone. */
static int64_t seconds_ms(struct slice value)
{
    int64_t wait_ms = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (!char_is_digit(value.ptr[i]))
            return -1;
        if (wait_ms < RETRY_AFTER_MAX_MS)
            wait_ms = wait_ms * 10 + (value.ptr[i] - '0') * (int64_t)1000;
    }
    return wait_ms < RETRY_AFTER_MAX_MS ? wait_ms : RETRY_AFTER_MAX_MS;
}

int64_t http_date_s(struct slice value)
{
    char text[DATE_MAX + 1];
    value = slice_trim(value);
    /* Every form begins with the day's name; curl_getdate would read "10:30" or "1 May" as well. */
    if (value.len == 0 || value.len > DATE_MAX || !char_is_letter(value.ptr[0]) ||
        memchr(value.ptr, '\0', value.len))
        return -1;
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    int64_t date = curl_getdate(text, NULL);
    return date < 0 ? -1 : date;
}

static int64_t date_ms(struct slice value, int64_t now_wall_ms)
{
    int64_t date = http_date_s(value);
    if (date < 0)
        return -1;
    int64_t now = now_wall_ms / 1000;
    if (date <= now)
        return 0;
    return date - now > RETRY_AFTER_MAX_MS / 1000 ? RETRY_AFTER_MAX_MS : date * 1000 - now_wall_ms;
}

int64_t retry_after_ms(struct slice value, int64_t now_wall_ms)
{
    value = slice_trim(value);
    if (value.len == 0)
        return -1;
    return char_is_digit(value.ptr[0]) ? seconds_ms(value) : date_ms(value, now_wall_ms);
}
