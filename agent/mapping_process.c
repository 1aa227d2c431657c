/* Reads the mapping file and starts the mappings' process with the settings' bounds. Must run before there is
 * any thread, because the process is forked. */
#include "mapping_process.h"
#include "input.h"
#include <string.h>

enum { FILE_MAX_BYTES = 16 * 1024 * 1024 };

int mapping_file_read(const char *name, const char *path, struct buffer *text, struct buffer *problems)
{
    struct error err = {0};
    bool may_be_absent = strcmp(path, CONFIG_MAPPING_PATH) == 0 && strcmp(name, MAPPING_FILE_SETTING) == 0;
    int failed = input_read(path, FILE_MAX_BYTES, text, &err);
    if (!failed || failed == PA_ERR_MEMORY || (failed == PA_ERR_NOT_FOUND && may_be_absent))
        return failed;
    buffer_appendf(problems, "%s: ", name);
    buffer_append_one_line(problems, slice_of(failed == PA_ERR_NOT_FOUND ? path : err.message));
    buffer_append_text(problems, failed == PA_ERR_NOT_FOUND ? " does not exist\n" : "\n");
    return PA_ERR_INVALID;
}

void mapping_file_add_lines(struct buffer *out, const char *path, struct slice lines)
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

static void forget_settings(void *ctx)
{
    config_forget_secrets(ctx);
}

/** What was told of compiling, with the file's path in front; all is emptied but what it goes to. */
static void add_told(const char *path, int failed, struct buffer *wrong, struct buffer *odd,
                     struct buffer *problems, struct buffer *warnings)
{
    mapping_file_add_lines(problems, path, buffer_slice(wrong));
    mapping_file_add_lines(warnings, path, buffer_slice(odd));
    if (failed == PA_ERR_MEMORY)
        buffer_append_text(problems, "out of memory\n");
    buffer_clear(wrong);
    buffer_clear(odd);
}

int mapping_process_renew(const struct config *config, const struct mapping_renewal *renewal, int *compiler,
                          struct buffer *problems, struct buffer *warnings)
{
    const struct map_process process = {.pid = -1, .nursery = renewal->nursery, .fd = -1};
    struct map_process_options options = {.file = renewal->text, .secret = renewal->secret};
    struct buffer wrong = {0}, odd = {0};
    memcpy(options.previous_secrets, renewal->previous_secrets, sizeof options.previous_secrets);
    int failed = map_process_compile(&process, &options, compiler, &wrong, &odd);
    add_told(config->mapping_path, failed, &wrong, &odd, problems, warnings);
    return failed;
}

int mapping_process_start(struct config *config, struct map_process *process, bool *from_file,
                          struct buffer *kept, struct buffer *problems, struct buffer *warnings)
{
    const char *path = config->mapping_path;
    struct buffer text = {0}, wrong = {0}, odd = {0};
    struct map_process_options options = {
        .secret = config->client_secret.value,
        .previous_secrets = {config->client_secret_previous.value},
        .environment = config->dotenv_environment,
        .hide_settings = config_hide,
        .cpu_ms = config->mapping_timeout_ms,
        .memory_bytes = (size_t)config->mapping_max_memory,
        .sealed = true,
        .forget = forget_settings,
        .ctx = config,
    };
    *process = MAP_PROCESS_NONE;
    int failed = mapping_file_read(MAPPING_FILE_SETTING, path, &text, problems);
    *from_file = failed != PA_ERR_NOT_FOUND;
    if (failed == PA_ERR_NOT_FOUND)
        failed = 0;
    if (!failed) {
        if (*from_file)
            options.file = text.len > 0 ? buffer_slice(&text) : (struct slice){"", 0};
        failed = map_process_start(&options, process, &wrong, &odd);
    }
    add_told(path, failed, &wrong, &odd, problems, warnings);
    if (kept)
        buffer_append_slice(kept, buffer_slice(&text));
    buffer_clear(&text);
    return failed;
}
