/* jq's values as the JSON text that is sent. Private to the map room. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "map/digits.h"

/** Appends `value` (taken over) as compact JSON in the canonical form (json/canonical.h). Numbers that jq
 * writes with an exponent are written as ECMAScript does (ECMA-262, Number::toString: 1e-7, not 1E-7 or
 * 1e-07; 0.00001, not 1e-05), with all their digits, so that a receiver that signs
 * JSON.stringify(JSON.parse(body)) signs the same bytes. 0; PA_ERR_INVALID: nested deeper than
 * JSON_MAX_DEPTH; PA_ERR_MEMORY. After a failure `out` holds what it held before. */
PA_MUST_USE int json_text_append(struct buffer *out, jv value);

/** Canonical JSON (json/canonical.h) as a value; invalid: it is not canonical JSON or nested deeper than
 * JSON_MAX_DEPTH, or memory ran out. A surrogate without its other half (only ever written as an escape)
 * becomes U+FFFD. `found` (may be NULL): notes numbers with more digits than jq keeps (digits.h). */
jv json_text_parse(struct slice json, struct long_numbers *found);
