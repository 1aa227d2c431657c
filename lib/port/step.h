/* A call that a run's queue (report.c) has to make: where to, and what is sent. Must never know of the queue.
 */
#pragma once
#include "base/buffer.h"
#include "base/must_use.h"
#include <stdbool.h>

struct step {
    struct step *next;
    /** It is a part of the result; false: a log. */
    bool result;
    struct buffer body;
    /** With its NUL. */
    size_t path_size;
    char path[];
};

/** One of the run's, whose path ends with `suffix`. Takes the body. NULL: out of memory; it is freed then. */
PA_MUST_USE struct step *step_new(bool node_run, const char *run_id, bool result, const char *suffix,
                                  struct buffer *body);
/** One that is in no queue. NULL: nothing. */
void step_discard(struct step *step);
/** What it holds of the memory. */
PA_MUST_USE size_t step_bytes(const struct step *step);
