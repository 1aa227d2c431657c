/* Reads the secret from a file, or as the agent reads its settings. */
#include "secret.h"
#include "agent/commands.h"
#include "agent/input.h"
#include <stdlib.h>
#include <string.h>

enum { SECRET_MAX = 1 << 20 };

static int from_file(const char *command, const char *file, struct secret *secret)
{
    struct buffer bytes = {0};
    struct error err = {0};
    int failed = input_read(file, SECRET_MAX, &bytes, &err);
    if (!failed && bytes.len > 0 && bytes.ptr[bytes.len - 1] == '\n')
        bytes.len--;
    if (!failed && bytes.len > 0 && bytes.ptr[bytes.len - 1] == '\r')
        bytes.len--;
    size_t written = bytes.len;
    struct slice stripped = slice_strip(buffer_slice(&bytes)); /* as the agent does with PORT_CLIENT_SECRET */
    bytes.len = stripped.len > 0 ? (size_t)(stripped.ptr + stripped.len - bytes.ptr) : 0;
    if (bytes.len < written)
        fprintf(stderr, "port-agent %s: --secret-file: white space at the end of the secret is cut off\n",
                command);
    if (!failed && bytes.len == 0)
        failed = error_set(&err, PA_ERR_INVALID, "'%s' is empty; write the client secret into it", file);
    if (failed) {
        fprintf(stderr, "port-agent %s: --secret-file: %s\n", command, err.message);
        buffer_clear(&bytes);
        return EXIT_CODE_CONFIG;
    }
    size_t len = bytes.len;
    *secret = (struct secret){{buffer_take(&bytes, NULL), len}};
    return EXIT_CODE_OK;
}

static int from_settings(const char *command, struct secret *secret)
{
    static const char *const names[] = {"PORT_CLIENT_SECRET"};
    struct buffer problems = {0};
    struct config config;
    int failed = input_settings(&config, names, 1, &problems);
    bool missing = !failed && config.client_secret.value.len == 0;
    if (failed == PA_ERR_MEMORY)
        fprintf(stderr, "port-agent %s: out of memory\n", command);
    else if (failed)
        fputs(buffer_text(&problems), stderr);
    else if (missing)
        fprintf(stderr,
                "port-agent %s: there is no client secret; set PORT_CLIENT_SECRET or give --secret-file\n",
                command);
    else
        *secret =
            (struct secret){{slice_to_text(config.client_secret.value), config.client_secret.value.len}};
    buffer_clear(&problems);
    config_clear(&config);
    if (failed == PA_ERR_MEMORY)
        return EXIT_CODE_FAILURE;
    return failed || missing ? EXIT_CODE_CONFIG : EXIT_CODE_OK;
}

int secret_read(const char *command, const char *file, struct secret *secret)
{
    *secret = (struct secret){{NULL, 0}};
    int code = file ? from_file(command, file, secret) : from_settings(command, secret);
    if (code == EXIT_CODE_OK && !secret->value.ptr) {
        fprintf(stderr, "port-agent %s: out of memory\n", command);
        return EXIT_CODE_FAILURE;
    }
    return code;
}

void secret_clear(struct secret *secret)
{
    char *bytes = (char *)(uintptr_t)secret->value.ptr;
    if (bytes)
        explicit_bzero(bytes, secret->value.len);
    free(bytes);
    *secret = (struct secret){{NULL, 0}};
}
