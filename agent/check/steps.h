/* The steps of `port-agent check`, and how they are shown. */
#pragma once
#include "base/buffer.h"
#include <stdio.h>

enum check_verdict { CHECK_OK, CHECK_WARNING, CHECK_FAILED, CHECK_SKIPPED };

struct check_step {
    /** "port", "tls". */
    const char *area, *name;
    enum check_verdict verdict;
    /** What was found. */
    struct buffer detail;
    /** What to do; empty: nothing. */
    struct buffer hint;
    /** -1: takes no time worth telling. */
    int64_t duration_ms;
};

struct check_steps {
    struct check_step **list;
    size_t count, failed, warnings;
    /** Steps are written here as they come; NULL: none is. */
    FILE *shown;
    /** Of the last one shown. */
    const char *area;
    /** Of settings and mapping file, a line each. */
    struct buffer problems;
};

/** Adds a step; its detail and hint are formatted by the caller into the step, then check_end shows it.
 * Never NULL: what there is no memory for ends the process with EXIT_CODE_FAILURE. */
PA_MUST_USE struct check_step *check_begin(struct check_steps *steps, const char *area, const char *name,
                                           enum check_verdict verdict);
/** The step's hint, where another line begins. */
PA_MUST_USE struct buffer *check_hint(struct check_step *step);
void check_end(struct check_steps *steps, struct check_step *step);
/** The three in one, for constant texts; `hint` may be NULL. */
void check_say(struct check_steps *steps, const char *area, const char *name, enum check_verdict verdict,
               const char *detail, const char *hint);
void check_summary(const struct check_steps *steps, FILE *out);
void check_json(const struct check_steps *steps, struct buffer *out);
void check_clear(struct check_steps *steps);
