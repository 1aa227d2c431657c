/* The client secret of `sign` and `verify`: from --secret-file, else PORT_CLIENT_SECRET as the agent reads
 * it. */
#pragma once
#include "base/log.h"

/** Fills `secret`, whose bytes secret_clear wipes and frees. An exit code: EXIT_CODE_OK, or another with the
 * cause said on standard error for `command`. A file is taken as NAME_FILE is: without its final newline. */
PA_MUST_USE int secret_read(const char *command, const char *file, struct secret *secret);
void secret_clear(struct secret *secret);
