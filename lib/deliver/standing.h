/* What goes on being wrong with deliveries, as standing conditions (observe/conditions.h). */
#pragma once
#include "base/clock.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

struct deliver;
struct destination_view;

/** All zero at first. */
struct deliver_standing {
    /** Events since a mapping wanted one, and when the first of them came (monotonic). */
    uint64_t unwanted;
    int64_t unwanted_since_ms;
    /** Signatures in a row that were not valid. */
    uint64_t refused;
};

/** A mapping wants an event, or none does. */
void standing_wanted(struct deliver *deliver, bool wanted);
/** An event's signature is valid, or not. */
void standing_signature(struct deliver *deliver, bool valid);
/** As window_options.circuit; `ctx` is the struct deliver. */
void standing_circuit(void *ctx, const struct destination_view *view);
