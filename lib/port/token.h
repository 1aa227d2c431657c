/* What Port is asked for an access token, and its answer. Pure. */
#pragma once
#include "base/buffer.h"
#include <stdbool.h>

/** Writes {"clientId","clientSecret"} into `body`, in place of what is in it; the caller wipes it. False: out
 * of memory; `body` can be used again. */
PA_MUST_USE bool port_token_question(const char *client_id, struct slice client_secret, struct buffer *body);

struct port_token {
    /** May stand in a header line; the caller's, until port_token_use. */
    char *text;
    /** From now on, milliseconds: for how long it is good, and for how long it is kept before another one is
     * asked for. */
    int64_t lifetime_ms, kept_ms;
};

/** The token of an answer's body. False: there is none that can be used, or out of memory. */
PA_MUST_USE bool port_token_parse(struct slice body, struct port_token *out);

/** Appends the value of Authorization, and wipes and frees the token's text. */
void port_token_use(struct port_token *token, struct buffer *header);

/** A token that is not used any more goes on being masked: its header becomes the old one, and the one before
 * is wiped. Nothing happens where there is none. */
void port_token_retire(struct buffer *header, struct buffer *old_header);

struct secrets;
/** Adds the token of a header's value ("Bearer …") to what is masked. */
void token_mask(struct secrets *secrets, const struct buffer *header);
