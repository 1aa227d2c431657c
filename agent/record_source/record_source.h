/* A source of records that a command has in memory: each goes through the agent's own delivery once. */
#pragma once
#include "source/class.h"

struct record_source_options {
    /** As the sink gets them; `assignment` is set here. Borrowed until closed, with what they borrow. */
    const struct record *records;
    size_t count;
    /** All have ended, `left` of them undone. Once, from the loop; the source must still be closed. */
    void (*finished)(void *ctx, size_t left);
    void *ctx;
};

/** A source as source_new makes them. */
PA_MUST_USE struct source *record_source_new(const struct record_source_options *records,
                                             const struct source_options *options, struct error *err);
