/* A log line for a person at a terminal, in at most 100 columns: the time, a sign for the level, what
 * happened, and dim details, which go on in further lines. A webhook that was answered is shown as "15:04:05
 * ✓ 200 POST host/path 12 ms r_abc". Pure; never for whoever reads lines by program. */
#pragma once
#include "base/log.h"

/** Appends the line. `time`: RFC 3339. `append_value` writes a field's value, escaped. */
void log_terminal_line(struct buffer *line, const char *time, enum log_level level, const char *message,
                       const struct log_field *fields, size_t count,
                       void (*append_value)(struct buffer *line, const struct log_field *field));
