/* See signing.h. The body is not copied: copying would take the loop about as long as signing. So whoever
 * forgets the signing takes the body away from the thread, which holds it for a small piece at a time. */
#include "deliver/signing.h"
#include <stdatomic.h>
#include <stdlib.h>

enum { PIECE_BYTES = 64 * 1024 };

struct signing {
    struct signer *signer;
    int64_t timestamp_s;
    /** The thread has it locked while it looks at a piece of the body. */
    uv_mutex_t at_body;
    struct slice body;
    /** Set before the lock is taken, so that the thread does not take it again. */
    atomic_bool forgotten;
    int failed;
    char signature[SIGNATURE_SIZE];
    body_was_signed *done;
    void *ctx;
    uv_work_t work;
};

static void signing_free(struct signing *signing)
{
    uv_mutex_destroy(&signing->at_body);
    signer_free(signing->signer);
    free(signing);
}

/* In the thread pool */

static struct slice piece_at(struct slice body, size_t at)
{
    size_t left = body.len - at;
    return (struct slice){body.ptr + at, left < PIECE_BYTES ? left : PIECE_BYTES};
}

/** False: it is forgotten, or has failed. */
static bool sign_piece(struct signing *signing, size_t at)
{
    bool goes_on;
    uv_mutex_lock(&signing->at_body);
    goes_on = !atomic_load(&signing->forgotten);
    if (goes_on)
        signing->failed = signer_add(signing->signer, piece_at(signing->body, at));
    uv_mutex_unlock(&signing->at_body);
    return goes_on && !signing->failed;
}

static void sign_work(uv_work_t *work)
{
    struct signing *signing = work->data;
    size_t at = 0, len = signing->body.len;
    signing->failed = signer_begin(signing->signer, signing->timestamp_s);
    while (!signing->failed && at < len && sign_piece(signing, at))
        at += PIECE_BYTES;
    if (!signing->failed && at >= len)
        signing->failed = signer_end(signing->signer, signing->signature);
}

/* On the loop */

static void sign_done(uv_work_t *work, int status)
{
    struct signing *signing = work->data;
    (void)status; /* nobody cancels it */
    if (!atomic_load(&signing->forgotten))
        signing->done(signing->ctx, signing->failed ? NULL : signing->signature);
    signing_free(signing);
}

struct signing *signing_start(uv_loop_t *loop, const struct signer *signer, int64_t timestamp_s,
                              struct slice body, body_was_signed *done, void *ctx)
{
    struct signing *signing = calloc(1, sizeof *signing);
    if (!signing)
        return NULL;
    if (uv_mutex_init(&signing->at_body) != 0) {
        free(signing);
        return NULL;
    }
    signing->signer = signer_copy(signer);
    signing->timestamp_s = timestamp_s;
    signing->body = body;
    signing->done = done;
    signing->ctx = ctx;
    signing->work.data = signing;
    if (!signing->signer || uv_queue_work(loop, &signing->work, sign_work, sign_done) != 0) {
        signing_free(signing);
        return NULL;
    }
    return signing;
}

void signing_forget(struct signing *signing)
{
    atomic_store(&signing->forgotten, true);
    uv_mutex_lock(&signing->at_body);
    uv_mutex_unlock(&signing->at_body);
}
