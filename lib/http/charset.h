/* The text that an answer's bytes are. Pure. */
#pragma once
#include "base/buffer.h"

/** The body as UTF-8: by its byte order mark, which is no part of it; else by the charset that its
 * Content-Type declares, where that is one of charset.c's list; else as UTF-8 where it is valid, as UTF-16 or
 * UTF-32 where the zeros in its first four bytes say so (as JSON has them), and otherwise as Latin-1. Bytes
 * that cannot be read become U+FFFD.
 *
 * `is_cut`: the body is the beginning of a longer one; a character that is cut is then left out. The text is
 * a part of the body where that is UTF-8 already, else it is in `storage`, which must be empty and whose
 * `failed` says that memory ran out: then the buffer has as much of the text as there was memory for. */
struct slice body_text(struct slice body, struct slice content_type, bool is_cut, struct buffer *storage);

/** Appends a header line as UTF-8: as it is where it is valid, else as Latin-1. */
void header_text(struct slice line, struct buffer *out);
