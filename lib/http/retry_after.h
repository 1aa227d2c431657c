/* Retry-After (RFC 9110, section 10.2.3): how long a server asks to be left alone. One reader for Port's
 * answers and for webhooks'. Pure. */
#pragma once
#include "base/slice.h"
#include <stdint.h>

/* A day. Whoever waits has a bound of its own, far below it; this one keeps every sum of milliseconds small.
 */
enum { RETRY_AFTER_MAX_MS = 24 * 3600 * 1000 };

/** The header's value, whole seconds or an HTTP date (the three forms of RFC 9110, section 5.6.7), as
 * milliseconds from `now_wall_ms` (since the epoch) on: 0 to RETRY_AFTER_MAX_MS; a date gone by is 0. -1:
 * null, empty, or neither of the two. */
int64_t retry_after_ms(struct slice value, int64_t now_wall_ms);

/** An HTTP date (the three forms of RFC 9110, section 5.6.7) in seconds since the epoch; -1: null, empty, or
 * none. */
int64_t http_date_s(struct slice value);
