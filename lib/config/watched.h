/* Whether files are still what they were, without reading them. What a path leads to is known by device,
 * inode, size and times, links followed: so a link that is put elsewhere (as Kubernetes does with its mounts)
 * counts, and so does a file that was written anew with the size and the time of modification that it had. */
#pragma once
#include "base/buffer.h"
#include "base/must_use.h"
#include <stdbool.h>

/** Appends to `marks` what stands for what the paths (each ended by a NUL) lead to: the same marks, the same
 * files. True: one of them was changed within the last two seconds, by a change that a later one within the
 * same tick of the file system's clock would look like; look again. */
PA_MUST_USE bool watched_look(struct slice paths, struct buffer *marks);
