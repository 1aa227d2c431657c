#include "mapping_process.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX_BYTES = 16 * 1024 * 1024 };

/** 0, or PA_ERR_NOT_FOUND, PA_ERR_INVALID with a line, PA_ERR_MEMORY. */
static int read_file(const char *path, struct buffer *text, struct buffer *problems)
{
    FILE *file = fopen(path, "rb");
    size_t got = 1;
    if (!file && errno == ENOENT)
        return PA_ERR_NOT_FOUND;
    while (file && got > 0 && text->len <= FILE_MAX_BYTES && buffer_reserve(text, 65536) == 0) {
        got = fread(text->ptr + text->len, 1, 65536, file);
        text->len += got;
    }
    bool unreadable = !file || ferror(file);
    int cause = errno;
    if (file)
        fclose(file);
    if (text->failed)
        return PA_ERR_MEMORY;
    if (unreadable)
        buffer_appendf(problems, "CONTROL_THE_PAYLOAD_CONFIG_PATH: %s cannot be read: %s\n", path,
                       strerror(cause));
    else if (text->len > FILE_MAX_BYTES)
        buffer_appendf(problems, "CONTROL_THE_PAYLOAD_CONFIG_PATH: %s is larger than 16 MiB\n", path);
    return unreadable || text->len > FILE_MAX_BYTES ? PA_ERR_INVALID : 0;
}

/** Every line with the file's name in front. */
static void add_lines(struct buffer *out, const char *path, struct slice lines)
{
    while (lines.len > 0) {
        const char *end = memchr(lines.ptr, '\n', lines.len);
        size_t len = end ? (size_t)(end - lines.ptr) + 1 : lines.len;
        buffer_appendf(out, "%s: ", path);
        buffer_append(out, lines.ptr, len);
        lines.ptr += len;
        lines.len -= len;
    }
}

int mapping_process_start(const struct config *config, struct map_process *process, bool *from_file,
                          struct buffer *problems, struct buffer *warnings)
{
    const char *path = config->mapping_path;
    struct buffer text = {0}, wrong = {0}, odd = {0};
    struct map_process_options options = {
        .secret = config->client_secret.value,
        .environment = config->dotenv_environment,
        .cpu_ms = config->mapping_timeout_ms,
        .memory_bytes = (size_t)config->mapping_max_memory,
    };
    *process = MAP_PROCESS_NONE;
    int failed = read_file(path, &text, problems);
    *from_file = failed != PA_ERR_NOT_FOUND;
    if (failed == PA_ERR_NOT_FOUND && strcmp(path, CONFIG_MAPPING_PATH) != 0) {
        buffer_appendf(problems, "CONTROL_THE_PAYLOAD_CONFIG_PATH: %s does not exist\n", path);
        failed = PA_ERR_INVALID;
    } else if (failed == PA_ERR_NOT_FOUND) {
        failed = 0;
    }
    if (!failed) {
        if (*from_file)
            options.file = text.len > 0 ? buffer_slice(&text) : (struct slice){"", 0};
        failed = map_process_start(&options, process, &wrong, &odd);
    }
    add_lines(problems, path, buffer_slice(&wrong));
    add_lines(warnings, path, buffer_slice(&odd));
    if (failed == PA_ERR_MEMORY)
        buffer_append_text(problems, "out of memory\n");
    buffer_clear(&text);
    buffer_clear(&wrong);
    buffer_clear(&odd);
    return failed;
}
