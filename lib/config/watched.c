/* See watched.h. stat(2) alone, which blocks where the file system does. */
#include "config/watched.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { RECENT_S = 2 };

/** No padding: it is compared as bytes. */
struct mark {
    uint64_t device, inode;
    int64_t size, modified_s, modified_ns, changed_s, changed_ns, error;
};

static bool mark_of(const char *path, int64_t now_s, struct buffer *marks)
{
    struct stat status;
    struct mark mark = {0};
    if (stat(path, &status) == 0)
        mark = (struct mark){.device = (uint64_t)status.st_dev,
                             .inode = (uint64_t)status.st_ino,
                             .size = (int64_t)status.st_size,
                             .modified_s = status.st_mtim.tv_sec,
                             .modified_ns = status.st_mtim.tv_nsec,
                             .changed_s = status.st_ctim.tv_sec,
                             .changed_ns = status.st_ctim.tv_nsec};
    else
        mark.error = errno;
    buffer_append(marks, &mark, sizeof mark);
    return mark.error == 0 && mark.changed_s >= now_s - RECENT_S;
}

bool watched_look(struct slice paths, struct buffer *marks)
{
    struct timespec now;
    bool recent = false;
    clock_gettime(CLOCK_REALTIME, &now);
    for (size_t at = 0; at < paths.len; at += strlen(paths.ptr + at) + 1)
        recent |= mark_of(paths.ptr + at, now.tv_sec, marks);
    return recent;
}
