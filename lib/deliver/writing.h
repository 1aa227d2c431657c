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

/** An answer: of a synchronous run, see result_response; or of a report's context. */
struct answer_text {
    /** Copied. */
    struct slice run_id;
    int status;
    /** Stays where it is until `done` or writing_forget. */
    struct slice text;
    /** What report_context_begin has written, and which is written to its end: taken over, and given to
     * `done`. NULL: `text` is a synchronous run's. */
    struct buffer *context;
};

/** `written`: the callee may take it; failed: out of memory, and a context is what it was. */
typedef void answer_was_written(void *ctx, struct buffer *written);

/** Has the answer written. `done` runs from the loop. NULL: out of memory; the context is where it was. */
PA_MUST_USE struct writing *writing_start(uv_loop_t *loop, const struct answer_text *answer,
                                          answer_was_written *done, void *ctx);
/** `done` will not run; takes the text's own memory, which may be looked at for a while. */
void writing_forget(struct writing *writing, struct buffer *text);
