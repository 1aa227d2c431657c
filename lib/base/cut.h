/* A text, cut into its parts. */
#pragma once
#include "base/slice.h"

/** Cuts the part before the next separator off `rest`, and the separator with it; all of it where there is
 * none. */
struct slice slice_cut(struct slice *rest, char separator);
