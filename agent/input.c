#include "input.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024 };

extern char **environ;

static int read_all(int fd, const char *name, size_t max, struct buffer *out, struct error *err)
{
    size_t before = out->len;
    for (;;) {
        if (buffer_reserve(out, CHUNK) != 0)
            return error_set(err, PA_ERR_MEMORY, "out of memory");
        ssize_t got = read(fd, out->ptr + out->len, CHUNK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(err, PA_ERR_IO, "%s cannot be read: %s", name, strerror(errno));
        if (got == 0)
            return 0;
        out->len += (size_t)got;
        if (out->len - before > max)
            return error_set(err, PA_ERR_TOO_LARGE, "%s is larger than %zu bytes", name, max);
    }
}

int input_read(const char *path, size_t max, struct buffer *out, struct error *err)
{
    if (!path || strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", max, out, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno == ENOENT ? PA_ERR_NOT_FOUND : PA_ERR_IO, "'%s' cannot be read: %s", path,
                         strerror(errno));
    char name[300];
    snprintf(name, sizeof name, "'%s'", path);
    int failed = read_all(fd, name, max, out, err);
    close(fd);
    return failed;
}

static bool concerns(struct slice line, const char *const *names, size_t count)
{
    if (memmem(line.ptr, line.len, ": is not set", strlen(": is not set")))
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(names[i]);
        bool named = slice_starts_with(line, names[i]);
        if (named && (line.ptr[len] == ':' || strncmp(line.ptr + len, "_FILE:", 6) == 0))
            return true;
    }
    return slice_starts_with(line, ".env");
}

int input_settings(struct config *config, const char *const *names, size_t count, struct buffer *problems)
{
    struct config_input input = {.environment = environ, .dotenv_path = ".env"};
    struct buffer all = {0};
    size_t before = problems->len;
    int failed = config_load(config, &input, &all);
    for (const char *at = buffer_text(&all); failed == PA_ERR_INVALID && *at;) {
        struct slice line = {at, strcspn(at, "\n") + 1};
        if (concerns(line, names, count))
            buffer_append_slice(problems, line);
        at += line.len;
    }
    buffer_clear(&all);
    fputs(buffer_text(&config->warnings), stderr);
    if (failed == PA_ERR_MEMORY || problems->failed)
        return PA_ERR_MEMORY;
    return problems->len > before ? PA_ERR_INVALID : 0;
}
