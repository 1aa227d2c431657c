/* Errors are values: a kind for the program and a sentence for the user. */
#pragma once
#include "base/must_use.h"

/** What functions return instead of 0. */
enum pa_err {
    PA_OK = 0,
    /** An allocation failed. */
    PA_ERR_MEMORY = -1,
    /** What came in breaks its format or range. */
    PA_ERR_INVALID = -2,
    /** File, socket or thread. */
    PA_ERR_IO = -3,
    /** May pass: try again later. */
    PA_ERR_UNAVAILABLE = -4,
    /** Over a stated bound. */
    PA_ERR_TOO_LARGE = -5,
    PA_ERR_NOT_FOUND = -6
};

/** An error with its cause in words ("PORT_API_BASE_URL: 'x' has no scheme; write https://x").
 * Zero-initialise. The sentence never contains a secret. */
struct error {
    /** One of enum pa_err. */
    int kind;
    char message[512];
};

/** Sets kind and sentence (cut to fit) and returns kind, for `return error_set(err, …)`. `err` may be NULL.
 * Who returns NULL or false has no use for the kind. */
PA_MAY_IGNORE int error_set(struct error *err, int kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
