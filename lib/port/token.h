/* Port's answer with the access token. Pure. */
#pragma once
#include "base/slice.h"

/** The token of an answer's body, in text that may stand in a header line, and for how long it is good, in
 * seconds. The caller wipes and frees it. NULL: there is none that can be used, or no memory. */
PA_MUST_USE char *port_token_parse(struct slice body, double *lifetime_s);
