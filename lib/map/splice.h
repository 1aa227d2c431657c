/* A decrypted text in the place of its encrypted one, in the event's own bytes. Private to the map room. */
#pragma once
#include "base/buffer.h"
#include <jv.h>

/** Puts `text`, as a JSON string, in the place of the value that `path` (borrowed: names, and indexes as
 * numbers) leads to in the canonical JSON of `json`; of members that come twice, to the last. Nothing else
 * changes. False: it leads nowhere. Without memory json->failed is set. */
PA_MUST_USE bool splice_text(struct buffer *json, jv path, struct slice text);
