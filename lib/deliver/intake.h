/* A record to a delivery, or to a line that says why not. */
#pragma once
#include "source/source.h"

void deliver_take(void *ctx, const struct record *record, struct ticket *ticket);
