/* Members of an object, or elements of an array, one level at a time and without a tree: for forwarding parts
 * of JSON text byte for byte. Pure.
 *
 * The walk is lexical. It finds where each value ends, however deep, and does not look inside: whether a
 * value is valid JSON (RFC 8259) is json_canonical's to say. Over canonical text, names can be compared as
 * bytes. */
#pragma once
#include "base/slice.h"

struct members {
    /** What has not been walked. */
    struct slice rest;
    /** '}' or ']'. */
    char close;
    bool begun, broken, ended;
};

/** Walks `value`. The walk is broken from the start when that is no object and no array. */
struct members members_of(struct slice value);
/** The next member's name, as written between its quotes (null in an array), and its value, without blanks
 * around it. False: the end, or `broken`: the text ends too early or a separator is missing. */
PA_MUST_USE bool members_next(struct members *walk, struct slice *name, struct slice *value);
/** The value of the member `name` of an object, the last one if it comes more than once (as JSON.parse has
 * it); the null slice when there is none. */
struct slice members_find(struct slice object, const char *name);
