/* What a mapping should make of an event, compared with what it makes: for tests of mappings. Pure. */
#pragma once
#include "base/buffer.h"

/** Appends a line for each difference ("request.url: expected \"a\", got \"b\"") to `out`. Both are canonical
 * JSON. Only what `expected` names is compared: an object may have further members. Where it has an object or
 * a list and there is a text, the text is read as JSON (a request's body). True: there is none. */
PA_MUST_USE bool map_expect(struct slice expected, struct slice actual, struct buffer *out);
/** The expectation for the event of this number (from 0): an element of a list, or the whole. Null: there is
 * none. */
struct slice map_expectation(struct slice expected, size_t number);
