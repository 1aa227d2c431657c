/* The value that a webhook's answer has as a run's response (docs/contract.md#responses). Pure. */
#pragma once
#include "base/buffer.h"

/** Appends the answer's body as JSON: itself when it is JSON, else its text as a string. Nothing for one that
 * counts as empty: no bytes, {}, [], "", zero in any notation, false, null. */
void port_action_response(struct slice body, struct buffer *out);
/** Appends {"status":…,"data":…}: what a workflow node run's output has as its response. `data` is {} for a
 * body that counts as empty. */
void port_node_response(int status, struct slice body, struct buffer *out);
