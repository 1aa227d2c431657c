/* A body, as people read it on a terminal. */
#pragma once
#include "base/buffer.h"

/** Appends JSON text laid out over several lines, in colours where `colour` is set; any other text as it is.
 * Nothing of it steers the terminal, and a text that is very long is cut. */
void body_show(struct slice body, bool colour, struct buffer *out);
/** Appends it as a JSON value: itself, where it is JSON, else as a text; null when it is empty. */
void body_append_value(struct slice body, struct buffer *out);
/** Appends a text from outside in a colour (an escape sequence), where `colour` is set. */
void body_append_painted(struct buffer *out, bool colour, const char *code, struct slice text);
#define PAINT_BOLD "\033[1m"
#define PAINT_DIM "\033[2m"
#define PAINT_RED "\033[31m"
#define PAINT_GREEN "\033[32m"
#define PAINT_YELLOW "\033[33m"
#define PAINT_CYAN "\033[36m"
#define PAINT_NONE "\033[0m"
