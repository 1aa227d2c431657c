/* One value within JSON text, replaced or added byte for byte: numbers and everything else stay as they were
 * written. Pure. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"

/** Sets what is at `path` ("payload.properties.cpu"; elements of a list by index) in `json`, which is
 * canonical, to `value`, which is JSON. Objects on the way that are not there are made. 0; PA_ERR_INVALID:
 * the path leads through something else (the cause is in err), and `json` stays; PA_ERR_MEMORY. */
PA_MUST_USE int json_set(struct buffer *json, const char *path, struct slice value, struct error *err);
