/* What is opened of the directory, by whoever writes letters or reads them back: no link is followed in its
 * place, and what has a file's name without being one (a pipe, a folder) is refused without a wait. */
#include "deadletter/internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_TRIES = 200, LOCK_WAIT_NS = 10 * 1000 * 1000, OTHER_NAMES = 9 };
/** A file that misses more than this is none that an agent wrote, whatever a crash left of it. */
enum { HOLLOW_BYTES = 64 << 20 };
static const char LOCK_NAME[] = "dead-letters.lock";

int letters_directory_open(const char *path)
{
    char bare[PATH_MAX];
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') /* behind which a link would be followed */
        len--;
    if (len >= sizeof bare) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(bare, path, len);
    bare[len] = '\0';
    return open(bare, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/** A file's length, or what it takes of the place where that is far less. Not always the latter: some file
 * systems know it only seconds after a write. */
static int64_t bytes_of(const struct stat *status)
{
    int64_t taken = (int64_t)status->st_blocks * 512;
    return status->st_size - taken > HOLLOW_BYTES ? taken : status->st_size;
}

bool letters_file_is_hollow(int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || bytes_of(&status) == status.st_size)
        return false;
    off_t hole = lseek(fd, 0, SEEK_HOLE);
    lseek(fd, 0, SEEK_SET);
    return hole >= 0 && hole < status.st_size; /* not compressed, that is */
}

int letters_file_open(int directory, const char *name, int flags)
{
    struct stat status;
    int fd = openat(directory, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, LETTERS_FILE_MODE);
    if (fd < 0 || (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)))
        return fd;
    close(fd);
    errno = EINVAL;
    return -1;
}

const char *letters_file_words(int error)
{
    if (error == ELOOP)
        return "it is a symbolic link";
    return error == EINVAL || error == EISDIR || error == ENXIO ? "it is not a file" : strerror(error);
}

/** Is it the name that is of no use, as opposed to the place? */
static bool name_is_taken(int error)
{
    return error == ELOOP || error == EINVAL || error == EISDIR || error == ENXIO || error == EACCES ||
           error == EPERM;
}

/** -1 with errno. */
static int open_to_append(int directory, const char *name)
{
    int fd = letters_file_open(directory, name, O_RDWR | O_APPEND | O_CREAT);
    if (fd < 0 || !letters_file_is_hollow(fd))
        return fd;
    close(fd);
    errno = EINVAL;
    return -1;
}

int letters_day_file_open(int directory, char name[LETTERS_NAME_SIZE])
{
    char other[LETTERS_NAME_SIZE];
    int fd = open_to_append(directory, name), error = errno;
    const char *end = strrchr(name, '.');
    for (int i = 1; fd < 0 && i <= OTHER_NAMES && name_is_taken(error); i++) {
        snprintf(other, sizeof other, "%.*s.%d%s", (int)(end - name), name, i, end);
        fd = open_to_append(directory, other);
        error = fd < 0 ? errno : 0;
        if (fd >= 0)
            memcpy(name, other, sizeof other);
    }
    if (fd >= 0)
        PA_IGNORE(
            fchmod(fd, LETTERS_FILE_MODE)); /* an earlier agent's, or an operator's: as good as it gets */
    errno = error;
    return fd;
}

/* Another agent that is stopped while it holds the lock must not take this thread with it. */
int day_file_lock(int directory)
{
    int lock = letters_file_open(directory, LOCK_NAME, O_RDWR | O_CREAT);
    if (lock < 0 && name_is_taken(errno)) /* every other agent finds it so, too */
        lock = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; lock >= 0 && i < LOCK_TRIES; i++) {
        if (flock(lock, LOCK_EX | LOCK_NB) == 0)
            return lock;
        if (errno != EWOULDBLOCK && errno != EINTR)
            break;
        nanosleep(&(struct timespec){.tv_nsec = LOCK_WAIT_NS}, NULL);
    }
    int error = errno;
    if (lock >= 0)
        close(lock);
    errno = error;
    return -1;
}

int64_t letters_bytes(int directory)
{
    static const char prefix[] = "dead-letters-";
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = copy < 0 ? NULL : fdopendir(copy);
    if (!entries) {
        if (copy >= 0)
            close(copy);
        return -1;
    }
    int64_t bytes = 0;
    struct dirent *entry;
    while ((entry = readdir(entries))) {
        struct stat status;
        if (strncmp(entry->d_name, prefix, sizeof prefix - 1) == 0 &&
            fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode))
            bytes += bytes_of(&status);
    }
    closedir(entries);
    return bytes;
}
