/* Values that must not be shown, and texts from others with these values taken out: whoever receives a secret
 * may send it back. Pure.
 */
#pragma once
#include "base/buffer.h"

/** The shortest value that is masked because of where it stands, without being known as a secret: a shorter
 * one occurs everywhere, and masking it would hide half of what is shown. */
enum { SECRET_MIN = 6 };

/** Values to look for, borrowed. Zero-initialise; release with secrets_clear. */
struct secrets {
    struct slice *values;
    size_t count, room;
    /** Out of memory: redact gives nothing then. */
    bool failed;
};

/** Adds a value of at least `shortest` bytes; a shorter one, and an empty one, is left out. */
void secrets_add(struct secrets *secrets, struct slice value, size_t shortest);
void secrets_clear(struct secrets *secrets);

/** Does the name of a header, setting or member say that its value is a secret ("Authorization", "X-Api-Key",
 * "PRIVATE-TOKEN", "db_password")? Case does not matter. */
PA_MUST_USE bool secret_name(struct slice name);

/** Appends `text` with every secret replaced by ***, however its characters are written: as they are, escaped
 * as in a JSON string (RFC 8259, section 7) or percent-encoded (RFC 3986, section 2.1). The longest secret
 * that begins at a place counts; so does the beginning of one, of SECRET_MIN bytes, where the text ends.
 * `limit`: bytes after which no more is wanted: at most as many are appended, none of a character that they
 * do not hold whole; SIZE_MAX: all. */
void redact(const struct secrets *secrets, struct slice text, size_t limit, struct buffer *out);
