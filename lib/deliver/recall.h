/* What is beyond its share goes out of memory, and comes back. */
#pragma once
#include "source/source.h"

struct deliver;

/** Makes space, unless that was tried a moment ago: what has not started, and is beyond its share or behind
 * something that does not go on, is kept by reference, until a quarter of the memory is free. */
void deliver_evict(struct deliver *deliver);
/** Reads again what there is space for. */
void deliver_recall(struct deliver *deliver);
/** A record that was kept by reference is here again, or gone: see struct source_sink. */
void deliver_take_again(void *ctx, const struct record *record, void *reader);
