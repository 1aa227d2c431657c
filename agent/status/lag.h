/* How late the loop is: once a second it is asked to come back after a second, and how much later it does is
 * counted. Must never keep the loop alive. */
#pragma once
#include "observe/metrics.h"
#include <uv.h>

struct loop_lag;

/** NULL: out of memory. */
PA_MUST_USE struct loop_lag *loop_lag_new(uv_loop_t *loop);
/** Its timer closes on the loop, and then it is freed. NULL is allowed. */
void loop_lag_close(struct loop_lag *lag);
/** Borrowed until it is closed. NULL for NULL. */
const struct histogram *loop_lag_histogram(const struct loop_lag *lag);
