/* What a test expects where ways or libraries differ. */
#pragma once
#include <stdbool.h>
#include <string.h>

/** Is it among `names`, which bars divide? */
static inline bool one_of(const char *names, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = names;; at++) {
        if (strncmp(at, name, len) == 0 && (at[len] == '|' || at[len] == '\0'))
            return true;
        at = strchr(at, '|');
        if (!at)
            return false;
    }
}
