/* Answers that take long to write as JSON: they are written in libuv's thread pool, so that no turn of the
 * loop writes more than WRITING_BYTES of them. This file knows no delivery. */
#pragma once
#include "base/buffer.h"
#include "base/must_use.h"
#include "base/slice.h"
#include <stdbool.h>
#include <uv.h>

struct writing;

enum { WRITING_BYTES = 32 * 1024 };

/** The answer of a synchronous run; see result_response. */
struct answer_text {
    /** Copied. */
    struct slice run_id;
    int status;
    /** Stays where it is until `done` or writing_forget. */
    struct slice text;
};

/** `response`: the callee may take it; failed: out of memory. */
typedef void answer_was_written(void *ctx, struct buffer *response);

/** Has the answer written. `done` runs from the loop. NULL: out of memory. */
PA_MUST_USE struct writing *writing_start(uv_loop_t *loop, const struct answer_text *answer,
                                          answer_was_written *done, void *ctx);
/** `done` will not run; takes the text's own memory, which may be looked at for a while. */
void writing_forget(struct writing *writing, struct buffer *text);
