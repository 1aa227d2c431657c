/* Shared by the files of the torture: what one process of it works on, and what must hold of a record. */
#pragma once
#include "kinds.h"
#include <stdbool.h>
#include <stddef.h>

struct brokers;

/** How far a process has come; shared with the one that waits for it. */
struct progress {
    size_t n, more, counted, most;
};

struct torture {
    const struct kind *kind;
    struct outside *outside;
    struct brokers *brokers; /* NULL: records are handed over, or polled */
    struct progress *progress;
    char directory[64];
    char letters[96], ca_bundle[96];
};

/* verdict.c */
/** NULL, or what is wrong with a record that counts as done. `strictly`: it must have gone well. */
const char *verdict(struct torture *torture, const struct sample *sample, bool strictly);
void verdict_clear(struct torture *torture);
/** Says where it failed, and why, and ends the process. */
_Noreturn void complain(const struct progress *progress, const char *what, const char *detail);

/* delivery.c, consumed.c */
/** One record while the n-th allocation fails, one more when memory is there again. True: it came to the
 * n-th. */
bool torture_delivery(struct torture *torture);
/** Two records that a consumer takes while the n-th allocation fails, from its opening to its closing, and
 * one more for the consumer after it. True: it came to the n-th. */
bool torture_consumed(struct torture *torture);
