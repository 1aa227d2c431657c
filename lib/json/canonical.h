/* The canonical form of JSON text: compact; strings as ECMAScript's JSON.stringify writes them (\uXXXX and \/
 * unescaped wherever a string may hold the character itself); numbers as written. Writing it validates the
 * text (RFC 8259, UTF-8, bounded nesting), and somebody may watch the members go by. It is never longer than
 * the text. Pure. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"

enum { JSON_MAX_DEPTH = 512 };

/** A member of an object that is watched. */
struct json_member {
    /** Where its value stands, as the watcher calls it: `parent` for the members of that value. 0: none of
     * them is watched. */
    unsigned place;
    /** The watcher's own: set when the member begins, there when it ends. */
    unsigned note;
};

/** Where something stands in the output, and where it ends there. */
struct json_part {
    size_t begin, end;
};

struct json_watch {
    /** A member's value is about to be written. `name` is canonical, quotes included; `first` is the value's
     * first byte (NUL: the text ends). Fills in `member`, which is zero. */
    void (*begins)(void *ctx, unsigned parent, struct slice name, char first, struct json_member *member);
    /** It has ended: `value` is canonical, and the member is `part` of the output, with the comma before it,
     * if there is one, though it need not be written yet. False: it is left out. */
    bool (*ends)(void *ctx, unsigned parent, const struct json_member *member, struct slice name,
                 struct slice value, struct json_part part);
};

struct json_walk {
    struct slice in;
    struct buffer *out;
    /** NULL: nobody watches, and the place is 0. */
    const struct json_watch *watch;
    /** The watcher's. */
    void *ctx;
    /* inside, zero at the beginning */
    size_t at;
    /** The text up to here has been written, or left out. */
    size_t copied;
    unsigned depth;
    /** What is wrong at `at`; NULL so far. */
    const char *problem;
};

/** Appends the canonical form of `in`; if it is an object, its members are watched as those of `place`. 0, or
 * PA_ERR_INVALID with the reason and byte position, or PA_ERR_MEMORY; then `out` has a part of it. */
PA_MUST_USE int json_walk(struct json_walk *walk, unsigned place, struct error *err);

/** Appends the canonical form of any JSON value. PA_ERR_INVALID when `in` is not one JSON value;
 * PA_ERR_MEMORY: out->failed is set. Nothing is appended then. */
PA_MUST_USE int json_canonical(struct slice in, struct buffer *out, struct error *err);

/** Is a JSON value true in the way of Python? Everything is, except false, null, 0 in any form (0.0, -0,
 * 1e-400), "", [] and {}. `value` is canonical; the null slice is an absent member, which is false. When
 * out of memory a number counts as true. */
PA_MUST_USE bool json_is_truthy(struct slice value);
