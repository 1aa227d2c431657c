/* What a person has paused, by name. Knows no destination, so that one can be paused before it is known. */
#pragma once
#include "window/window.h"

/** All zero: nothing is paused. */
struct brake {
    /** Everything. */
    bool all;
    /** Owned. */
    char *names[WINDOW_PAUSED_MAX];
    size_t count;
};

/** As window_pause. False: no space, or out of memory; nothing changed. */
PA_MUST_USE bool brake_set(struct brake *brake, const char *destination, bool paused);
/** Is it one of those that are paused by name? */
PA_MUST_USE bool brake_holds(const struct brake *brake, const char *destination);
void brake_clear(struct brake *brake);
