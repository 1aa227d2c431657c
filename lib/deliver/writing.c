/* See writing.h. The text is not copied: it stays with whoever has it written, and goes along with a writing
 * that is forgotten. So nobody waits for the thread, and it looks at nothing that is gone. */
#include "deliver/writing.h"
#include "map/context.h"
#include "port/result.h"
#include <stdatomic.h>
#include <stdlib.h>

struct writing {
    struct answer_text answer;
    char *run_id;
    /** Of a forgotten one. */
    struct buffer text;
    struct buffer written;
    /** The thread need not begin. */
    atomic_bool forgotten;
    answer_was_written *done;
    void *ctx;
    uv_work_t work;
};

static void writing_free(struct writing *writing)
{
    buffer_clear(&writing->text);
    buffer_clear(&writing->written);
    free(writing->run_id);
    free(writing);
}

/* In the thread pool */

static void end_context(struct slice text, struct buffer *out)
{
    size_t begun = out->len;
    report_context_end(text, out);
    if (out->failed)
        out->len = begun;
}

static void write_work(uv_work_t *work)
{
    struct writing *writing = work->data;
    const struct answer_text *answer = &writing->answer;
    if (atomic_load(&writing->forgotten))
        return;
    if (answer->context)
        end_context(answer->text, &writing->written);
    else
        result_response(answer->run_id, true, answer->status, answer->text, &writing->written);
    buffer_trim(&writing->written); /* it may wait for Port for long */
}

/* On the loop */

static void write_done(uv_work_t *work, int status)
{
    struct writing *writing = work->data;
    (void)status; /* nobody cancels it */
    if (!atomic_load(&writing->forgotten))
        writing->done(writing->ctx, &writing->written);
    writing_free(writing);
}

struct writing *writing_start(uv_loop_t *loop, const struct answer_text *answer, answer_was_written *done,
                              void *ctx)
{
    struct writing *writing = calloc(1, sizeof *writing);
    if (!writing)
        return NULL;
    writing->answer = *answer;
    writing->run_id = slice_to_text(answer->run_id);
    writing->answer.run_id = slice_of(writing->run_id);
    writing->done = done;
    writing->ctx = ctx;
    writing->work.data = writing;
    if (answer->context)
        writing->written = *answer->context;
    if (!writing->run_id || uv_queue_work(loop, &writing->work, write_work, write_done) != 0) {
        writing->written = (struct buffer){0}; /* still the caller's */
        writing_free(writing);
        return NULL;
    }
    if (answer->context)
        *answer->context = (struct buffer){0};
    return writing;
}

void writing_forget(struct writing *writing, struct buffer *text)
{
    writing->text = *text;
    *text = (struct buffer){0};
    atomic_store(&writing->forgotten, true);
}
