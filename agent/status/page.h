/* The live page, page.html, as it lies in the binary: cmake/page.py makes its source when the agent is built.
 */
#pragma once
#include <stddef.h>

extern const unsigned char live_page[];
extern const size_t live_page_len;
/** Its Content-Security-Policy. */
extern const char live_page_policy[];
