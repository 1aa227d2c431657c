/* The bytes of a file that holds a setting's value, or of .env. */
#pragma once
#include "base/buffer.h"
#include "base/must_use.h"
#include <stdbool.h>

/** How long a pipe is waited for that nobody has open for writing. */
enum { VALUE_FILE_PIPE_MS = 10000 };

/** Appends them to `out`, at most 1 MiB. A pipe's writer is waited for: `pipe_ms` until there is one, and
 * from then on as long as it has the pipe open; 0: not at all, what is in the pipe counts. False with errno:
 * EFBIG where there is more, ETIME for a pipe without a writer, ENOMEM, or what the system says. */
PA_MUST_USE bool value_file_read(const char *path, int pipe_ms, struct buffer *out);
/** Of its errno: "File too large". */
const char *value_file_why(int error);
