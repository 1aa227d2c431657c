/* What Port is asked for an access token, and its answer. Pure. */
#pragma once
#include "base/buffer.h"
#include <stdbool.h>

/** Writes {"clientId","clientSecret"} into `body`, in place of what is in it; the caller wipes it. False: out
 * of memory; `body` can be used again. */
PA_MUST_USE bool port_token_question(const char *client_id, struct slice client_secret, struct buffer *body);

/** The token of an answer's body, in text that may stand in a header line, and for how long it is good, in
 * seconds. The caller wipes and frees it. NULL: there is none that can be used, or no memory. */
PA_MUST_USE char *port_token_parse(struct slice body, double *lifetime_s);
struct secrets;
/** Adds the token of a header's value ("Bearer …") to what is masked. */
void token_mask(struct secrets *secrets, const struct buffer *header);
