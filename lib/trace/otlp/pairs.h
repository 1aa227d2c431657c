/* Lists as the OpenTelemetry settings have them: name=value with commas between, values percent-encoded.
 * Pure. */
#pragma once
#include "base/buffer.h"
#include <stdbool.h>

/** Takes the next pair of `rest`, into two buffers whose old content goes. Of what is no pair (no "=", no
 * name) nothing is said, and it is passed. False: there is none, or no memory for it. */
PA_MUST_USE bool pairs_take(struct slice *rest, struct buffer *name, struct buffer *value);
/** May this be a header? */
PA_MUST_USE bool pair_is_header(struct slice name, struct slice value);
