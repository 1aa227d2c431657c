/* Header names as servers write them over HTTP/1.1. Pure. */
#pragma once
#include "base/slice.h"

/** HTTP/2 has names in lower case; their usual capitals are put back in place: the first letter of each word,
 * and what is on the short list of those that are written otherwise (ETag, WWW-Authenticate). */
void header_name_capitals(char *name, size_t len);
