/* Members of the JSON that shows what stands, which snapshots and runs have in common. */
#pragma once
#include "json/writer.h"

/** Left out where it is NULL or "". */
void piece_text(struct json_writer *writer, const char *name, const char *text);
/** A wall clock's milliseconds as RFC 3339. */
void piece_time(struct json_writer *writer, const char *name, int64_t wall_ms);
/** Left out where it is not known (-1). */
void piece_known(struct json_writer *writer, const char *name, int64_t value);
/** Milliseconds as seconds; left out where they are not known (-1). */
void piece_known_seconds(struct json_writer *writer, const char *name, int64_t ms);
