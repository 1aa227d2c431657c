/* Files that change under the running agent: the mapping file, the client secret's, the admin token's, those
 * of the collector's headers, and certificates. They are looked at every RELOAD_INTERVAL_SECONDS, and read
 * again when they have changed, or on SIGHUP. Reading and compiling are done in libuv's thread pool; the loop
 * only exchanges what is ready. What cannot be used is refused, which is a standing condition, and what it
 * was before stays in force. */
#pragma once
#include "agent/status/snapshot.h"
#include "daemon.h"

struct reload;
struct setup;
struct status_service;

/** All is borrowed until closed; the mapping file's text is taken out of `setup`. `status` gets the admin
 * token; NULL: nobody wants it. NULL: out of memory; then nothing is read again. */
PA_MUST_USE struct reload *reload_new(uv_loop_t *loop, struct daemon *daemon, struct status_service *status,
                                      struct setup *setup);
/** Reads the files again, changed or not, and says what came of it. NULL is allowed. */
void reload_ask(struct reload *reload);
/** For the status; NULL: there is none. */
const struct reload_view *reload_view(const struct reload *reload);
/** The daemon stops, or is gone: nothing is exchanged any more. What is borrowed is not touched again, except
 * by a read that is under way. NULL is allowed. */
void reload_close(struct reload *reload);
