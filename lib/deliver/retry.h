/* Which failed attempts are followed by another, and when. Pure; knows no delivery. */
#pragma once
#include "deliver/deliver.h"

/** Is there another attempt after this result of the last of so many, the first of which began at
 * `started_ms`? Then in how many milliseconds. */
PA_MUST_USE bool retry_wait(const struct deliver_options *options, unsigned attempts, int64_t started_ms,
                            const struct http_result *result, int64_t *wait_ms);
