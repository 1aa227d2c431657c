#include "mapping_process.h"
#include "input.h"
#include <string.h>

enum { FILE_MAX_BYTES = 16 * 1024 * 1024 };

/** The file's text. 0; PA_ERR_NOT_FOUND where there is none at the default path; PA_ERR_INVALID with a line;
 * PA_ERR_MEMORY. */
static int read_mappings(const char *path, struct buffer *text, struct buffer *problems)
{
    struct error err = {0};
    int failed = input_read(path, FILE_MAX_BYTES, text, &err);
    if (!failed || failed == PA_ERR_MEMORY ||
        (failed == PA_ERR_NOT_FOUND && strcmp(path, CONFIG_MAPPING_PATH) == 0))
        return failed;
    if (failed == PA_ERR_NOT_FOUND)
        buffer_appendf(problems, "CONTROL_THE_PAYLOAD_CONFIG_PATH: %s does not exist\n", path);
    else
        buffer_appendf(problems, "CONTROL_THE_PAYLOAD_CONFIG_PATH: %s\n", err.message);
    return PA_ERR_INVALID;
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
    int failed = read_mappings(path, &text, problems);
    *from_file = failed != PA_ERR_NOT_FOUND;
    if (failed == PA_ERR_NOT_FOUND)
        failed = 0;
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
