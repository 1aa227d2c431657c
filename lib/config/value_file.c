/* See value_file.h. */
#include "config/value_file.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BYTES_MAX = 1 << 20 };

/** Until there is something to read, the writer has gone, or the time is over. True: one was there. */
static bool await_writer(int fd, int timeout_ms)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    int ready;
    do
        ready = poll(&waiting, 1, timeout_ms);
    while (ready < 0 && errno == EINTR);
    return ready != 0;
}

/** What read(2) gives, of a pipe when its writer has come. That end reads as nothing before a writer and
 * after it; whether there was one (`written`) tells them apart. */
static ssize_t read_waiting(int fd, int pipe_ms, bool *written, char *chunk, size_t size)
{
    for (bool waited = false;;) {
        ssize_t got = read(fd, chunk, size);
        if (got < 0 && errno == EINTR)
            continue;
        bool there = got < 0 && errno == EAGAIN;
        *written |= got > 0 || there;
        if (pipe_ms == 0 || got > 0 || (got < 0 && !there) || (got == 0 && *written))
            return got;
        if (got == 0 && waited) {
            errno = ETIME;
            return -1;
        }
        waited = !await_writer(fd, there ? -1 : pipe_ms);
        *written |= !waited;
    }
}

static bool read_descriptor(int fd, int pipe_ms, struct buffer *out)
{
    char chunk[4096];
    ssize_t got;
    bool written = false;
    do {
        got = read_waiting(fd, pipe_ms, &written, chunk, sizeof chunk);
        if (got > 0)
            buffer_append(out, chunk, (size_t)got);
    } while (got > 0 && out->len <= BYTES_MAX && !out->failed);
    explicit_bzero(chunk, sizeof chunk);
    if (got < 0)
        return false;
    errno = out->failed ? ENOMEM : EFBIG;
    return !out->failed && out->len <= BYTES_MAX;
}

bool value_file_read(const char *path, int pipe_ms, struct buffer *out)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool is_pipe = fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
    /* A terminal is waited for, where anything is. */
    bool ok = (is_pipe || pipe_ms == 0 || fcntl(fd, F_SETFL, 0) == 0) &&
              read_descriptor(fd, is_pipe ? pipe_ms : 0, out);
    int error = errno;
    close(fd);
    errno = error;
    return ok;
}

const char *value_file_why(int error)
{
    return error == ETIME ? "it is a pipe, and nobody writes to it" : strerror(error);
}
