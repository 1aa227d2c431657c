/* The directory on disk. Several agents may write to it: each append happens under one lock of the whole
 * directory, which also makes the size bound exact. A line is whole or not there; what a crash leaves
 * unfinished is closed with a newline by the next append, and skipped by readers. */
#include "deadletter/internal.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIRECTORY_MODE = 0700 };

static void refuse_line(struct day_line *line, int error, const char *doing)
{
    line->error = error;
    snprintf(line->reason, sizeof line->reason, "%s: %s", doing, strerror(error));
}

static void refuse_rest(struct day_line *lines, size_t count, int error, const char *doing)
{
    for (size_t i = 0; i < count; i++)
        if (!lines[i].error)
            refuse_line(&lines[i], error, doing);
}

static int append_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t written = write(fd, bytes.ptr, bytes.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? errno : EIO;
        bytes.ptr += written;
        bytes.len -= (size_t)written;
    }
    return 0;
}

/** The file's size after an unfinished line was closed; -1 with errno. */
static int64_t close_unfinished_line(int fd)
{
    struct stat status;
    char last = '\n';
    if (fstat(fd, &status) != 0)
        return -1;
    if (status.st_size > 0 && pread(fd, &last, 1, status.st_size - 1) != 1)
        return -1;
    if (last == '\n')
        return status.st_size;
    int error = append_all(fd, SLICE_LITERAL("\n"));
    errno = error;
    return error ? -1 : status.st_size + 1;
}

/** Each line whole or not at all: what a full disk cut off is taken back. Returns the file's new size. */
static int64_t append_lines(int fd, int64_t size, int64_t room, struct day_line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t len = (int64_t)lines[i].bytes.len;
        if (len > room) {
            lines[i].error = ENOSPC;
            snprintf(lines[i].reason, sizeof lines[i].reason,
                     "DEAD_LETTER_MAX_BYTES is reached; raise it, or remove letters that are not needed");
            continue;
        }
        int error = append_all(fd, lines[i].bytes);
        if (error) {
            refuse_line(&lines[i], error, "write");
            if (ftruncate(fd, size) == 0)
                continue;
            /* The unfinished line stays until the next append closes it; nothing may follow it now. */
            refuse_rest(lines + i + 1, count - i - 1, error, "write");
            return size;
        }
        size += len;
        room -= len;
    }
    return size;
}

/** After a sync that failed nothing is known of the lines: they are taken back, and written again later. */
static void sync_lines(int fd, int64_t size, struct day_line *lines, size_t count)
{
    if (fdatasync(fd) == 0)
        return;
    int error = errno;
    bool taken_back = ftruncate(fd, size) == 0;
    refuse_rest(lines, count, error, taken_back ? "fsync" : "fsync, and the lines may be there twice later");
}

static void append_locked(int directory, char name[LETTERS_NAME_SIZE], int64_t max_bytes,
                          struct day_line *lines, size_t count)
{
    int64_t used = letters_bytes(directory);
    if (used < 0) {
        refuse_rest(lines, count, errno, "reading the directory");
        return;
    }
    int fd = letters_day_file_open(directory, name);
    int64_t size = fd < 0 ? -1 : close_unfinished_line(fd);
    /* A new file's name must be as durable as its content, and be so first. */
    if (size < 0 || (size == 0 && fsync(directory) != 0)) {
        refuse_rest(lines, count, errno, fd < 0 ? "opening the day's file" : "preparing the day's file");
    } else {
        if (append_lines(fd, size, max_bytes - used, lines, count) > size)
            sync_lines(fd, size, lines, count);
    }
    if (fd >= 0)
        close(fd);
}

void day_file_append(const char *directory, char name[LETTERS_NAME_SIZE], int64_t max_bytes,
                     struct day_line *lines, size_t count)
{
    int fd = letters_directory_open(directory);
    if (fd < 0 && errno == ENOENT && mkdir(directory, DIRECTORY_MODE) == 0)
        fd = letters_directory_open(directory);
    int lock = fd < 0 ? -1 : day_file_lock(fd);
    if (lock < 0)
        refuse_rest(lines, count, errno, fd < 0 ? "opening the directory" : "locking the directory");
    else
        append_locked(fd, name, max_bytes, lines, count);
    if (lock >= 0)
        close(lock);
    if (fd >= 0)
        close(fd);
}

int day_file_prepare(const char *directory)
{
    if (mkdir(directory, DIRECTORY_MODE) != 0 && errno != EEXIST)
        return errno;
    int fd = letters_directory_open(directory);
    if (fd < 0)
        return errno;
    close(fd);
    return access(directory, W_OK | X_OK) == 0 ? 0 : errno;
}
