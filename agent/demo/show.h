/* How the demo speaks: words for people, within the terminal's width, or JSON, one object a line. */
#pragma once
#include "base/buffer.h"
#include <stdbool.h>

/** Zero-initialise, and set what is known. */
struct demo_show {
    bool json, colour;
    /** Of the terminal, in columns. */
    size_t width;
    /** What went otherwise than it should. */
    unsigned problems;
};

/** A paragraph; nothing with JSON. */
void demo_say(const struct demo_show *show, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** A name and what is said of it; nothing with JSON. */
void demo_row(const struct demo_show *show, const char *name, const char *text);
/** Lines that stay as they are, indented, without their carriage returns; nothing with JSON. */
void demo_block(const struct demo_show *show, struct slice lines);
/** A body, indented: JSON laid out over several lines; nothing with JSON output. */
void demo_body(const struct demo_show *show, struct slice body);
/** A line with the object {"step":step,MEMBERS}; nothing without JSON. Empties the members. */
void demo_object(const struct demo_show *show, const char *step, struct buffer *members);
/** Counts a problem and says it in a sentence, in either form. */
void demo_problem(struct demo_show *show, const char *format, ...) __attribute__((format(printf, 2, 3)));
