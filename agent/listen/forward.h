/* A webhook passed on to somebody's own handler, byte for byte, and the handler's answer. */
#pragma once
#include "base/error.h"
#include "http/client.h"

struct forward;

/** Passes webhooks on to `url`, an http or https URL: exactly there if it has a path or a query, otherwise
 * the webhook's own are appended. `url` is borrowed. NULL, with the cause in err. */
PA_MUST_USE struct forward *forward_new(uv_loop_t *loop, const char *url, struct error *err);
/** Ends with `done`, from the loop; everything is copied. 0, or PA_ERR_MEMORY, and then `done` does not run.
 */
PA_MUST_USE int forward_start(struct forward *forward, struct slice method, struct slice target,
                              struct slice headers, struct slice body, http_done *done, void *ctx);
/** Calls that are under way end without an answer. `closed` runs from the loop. NULL is allowed, and then
 * nobody calls. */
void forward_close(struct forward *forward, void (*closed)(void *ctx), void *ctx);
