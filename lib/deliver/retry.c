/* Which failed attempts are followed by another, and when. By default only what the endpoint provably did not
 * process: nothing was sent, or it says so itself (429; 503 with Retry-After; REFUSED_STREAM). Pure. */
#include "deliver/retry.h"
#include "http/retry_after.h"

/** No request can have reached the endpoint (it can where libcurl sent it again on a connection of its own,
 * and that one failed). A certificate that failed its check will fail again, and a password that the proxy
 * refused will be refused again. */
static bool never_sent(const struct http_result *result)
{
    enum http_failure failure = result->failure;
    return !result->sent && (failure == HTTP_DNS || failure == HTTP_CONNECT ||
                             failure == HTTP_CONNECT_TIMEOUT || failure == HTTP_TLS ||
                             (failure == HTTP_PROXY && !result->proxy_refused) || failure == HTTP_MEMORY);
}

/** The endpoint says that it did not process the request, and may later. What a redirect asked for instead of
 * the request says nothing of that one. */
static bool says_later(const struct http_result *result)
{
    return result->failure == HTTP_OK && !result->processed &&
           (result->status == 429 || (result->status == 503 && !slice_is_null(result->retry_after)));
}

static bool is_wanted(const struct retry_on *on, const struct http_result *result)
{
    switch (result->failure) {
    case HTTP_OK:
    case HTTP_REDIRECT:
        return says_later(result) || retry_on_status(on, result->status);
    case HTTP_IDLE_TIMEOUT:
    case HTTP_TOTAL_TIMEOUT:
        return on->timeout;
    case HTTP_RESET:
    case HTTP_SEND:
        return on->reset || (result->refused && !result->processed);
    default:
        return never_sent(result);
    }
}

bool retry_wait(const struct deliver_options *options, unsigned attempts, int64_t started_ms,
                const struct http_result *result, int64_t *wait_ms)
{
    if (options->retry_on.nothing || !is_wanted(&options->retry_on, result))
        return false;
    int64_t asked_ms = retry_after_ms(result->retry_after, clock_wall_ms(options->clock));
    *wait_ms = backoff_wait_ms(&options->retry, options->clock, attempts, started_ms, asked_ms);
    return *wait_ms >= 0;
}
