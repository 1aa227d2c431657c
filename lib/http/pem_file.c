/* See pem_file.h. */
#include "http/pem_file.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 16 << 20 };

static int unreadable(const char *path, struct error *err)
{
    return error_set(err, PA_ERR_INVALID, "'%.200s' cannot be read: %s", path, strerror(errno));
}

static int read_all(int fd, const char *path, struct buffer *out, struct error *err)
{
    ssize_t got = 1;
    while (got > 0 && out->len <= FILE_MAX_BYTES) {
        if (buffer_reserve(out, 65536) != 0)
            return error_set(err, PA_ERR_MEMORY, "out of memory");
        got = read(fd, out->ptr + out->len, out->cap - out->len);
        if (got < 0)
            return unreadable(path, err);
        out->len += (size_t)got;
    }
    if (out->len > FILE_MAX_BYTES)
        return error_set(err, PA_ERR_INVALID, "'%.200s' is larger than 16 MiB", path);
    return 0;
}

int pem_file_read(const char *path, struct buffer *out, struct error *err)
{
    struct stat status;
    /* Not to hang on a pipe that somebody left there. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) != 0) {
        int result = unreadable(path, err);
        if (fd >= 0)
            close(fd);
        return result;
    }
    int result = S_ISREG(status.st_mode) ? read_all(fd, path, out, err)
                                         : error_set(err, PA_ERR_INVALID, "'%.200s' is not a file", path);
    close(fd);
    return result;
}

void pem_file_digest(struct slice bytes, unsigned char out[PEM_DIGEST_SIZE])
{
    SHA256((const unsigned char *)bytes.ptr, bytes.len, out);
}

static int write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t written = write(fd, bytes.ptr, bytes.len);
        if (written < 0)
            return PA_ERR_IO;
        bytes.ptr += written;
        bytes.len -= (size_t)written;
    }
    return 0;
}

int pem_file_keep(const char *name, struct slice bytes, char path[PEM_FILE_PATH_SIZE])
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd >= 0 && write_all(fd, bytes) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        fd = -1;
    }
    snprintf(path, PEM_FILE_PATH_SIZE, "/proc/self/fd/%d", fd);
    return fd;
}
