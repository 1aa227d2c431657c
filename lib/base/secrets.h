/* Values that must not be shown, and texts from others with these values taken out: whoever receives a secret
 * may send it back. Pure.
 */
#pragma once
#include "base/buffer.h"
#include "base/must_use.h"

/** Bytes of a value that is found by where it stands, not known as a secret: a shorter one looks like nothing
 * in particular, and would mask half of what is shown. And those of a longer one's beginning that are enough
 * to know it by. */
enum { SECRET_MIN = 6, SECRET_ENOUGH = 64 };

/** One value, in one writing. */
struct secret_form {
    struct slice bytes;
    /** What `bytes` is in, if that is the list's own. */
    char *own;
    /** Hexadecimal digits have two cases, and may have colons between them. */
    bool any_case;
    /** It may be broken into lines. */
    bool in_lines;
    /** The one before it that begins with the same byte, counted from 1; 0: none. */
    size_t next;
};

/** Values to look for, borrowed. Zero-initialise; release with secrets_clear. */
struct secrets {
    struct secret_form *forms;
    size_t count, room;
    /** By the first byte: the last of those that begin with it, counted from 1; 0: none does. */
    size_t beginning_with[256];
    /** Out of memory: redact gives nothing then. */
    bool failed;
};

/** Adds a value of at least `shortest` bytes; a shorter one, and an empty one, is left out. One of SECRET_MIN
 * bytes or more is looked for in its other writings too: hexadecimal, with colons or without, and base64 in
 * both alphabets (RFC 4648) wherever it stands in what was encoded; both also in lines of any length. */
void secrets_add(struct secrets *secrets, struct slice value, size_t shortest);
/** Adds "user:password" whole, and the password; without a password the user, which is a token then.
 * Borrowed. */
void secrets_add_user_info(struct secrets *secrets, struct slice plain);
void secrets_clear(struct secrets *secrets);

/** Does the name of a header, setting or member say that its value is a secret ("Authorization", "X-Api-Key",
 * "PRIVATE-TOKEN", "db_password")? Case does not matter. */
PA_MUST_USE bool secret_name(struct slice name);

/** Appends `text` with every secret replaced by ***, however its characters are written: as they are, escaped
 * as in a JSON string (RFC 8259, section 7) or percent-encoded (RFC 3986, section 2.1). The longest secret
 * that begins at a place counts; so does the beginning of one, of SECRET_MIN bytes where the text ends or was
 * cut ("…"), and of SECRET_ENOUGH anywhere. The time it takes grows with the text, whatever stands in it.
 * `limit`: bytes after which no more is wanted: at most as many are appended, none of a character that they
 * do not hold whole; SIZE_MAX: all. Where very many secrets begin as the text does, again and again, what is
 * left of the text after REDACT_STEPS_MIN and REDACT_STEPS_PER_BYTE comparisons is one ***. Returns how many
 * comparisons of bytes it made. */
enum { REDACT_STEPS_MIN = 1 << 20, REDACT_STEPS_PER_BYTE = 16 };
PA_MAY_IGNORE size_t redact(const struct secrets *secrets, struct slice text, size_t limit,
                            struct buffer *out);
