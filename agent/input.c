/* Reads a whole file or standard input, up to a bound, and the settings of the environment. Blocks. */
#include "input.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024 };

extern char **environ;

static int read_descriptor(int fd, const char *name, size_t max, struct buffer *out, struct error *err)
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
        return read_descriptor(STDIN_FILENO, "standard input", max, out, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno == ENOENT ? PA_ERR_NOT_FOUND : PA_ERR_IO, "'%s' cannot be read: %s", path,
                         strerror(errno));
    char name[300];
    snprintf(name, sizeof name, "'%s'", path);
    int failed = read_descriptor(fd, name, max, out, err);
    close(fd);
    return failed;
}

int input_load(struct config *config, const struct config_input *input, struct buffer *lines)
{
    struct setting_problems problems = {0};
    int failed = config_load(config, input, &problems);
    setting_problems_append(&problems, lines);
    setting_problems_clear(&problems);
    return lines->failed ? PA_ERR_MEMORY : failed;
}

int input_settings(struct config *config, const char *const *names, size_t count, struct buffer *problems)
{
    struct config_input input = {
        .environment = environ, .dotenv_path = ".env", .needs = names, .needs_count = count};
    int failed = input_load(config, &input, problems);
    fputs(buffer_text(&config->warnings), stderr);
    return failed;
}
