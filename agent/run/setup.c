/* See setup.h. */
#include "setup.h"
#include "agent/commands.h"
#include "agent/input.h"
#include "agent/mapping_process.h"
#include "base/cut.h"
#include "base/signals.h"
#include "base/version.h"
#include "http/authorities.h"
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LOG_FLUSH_MS = 1000 };

extern char **environ;

/** One thread allocates nearly everything; more arenas would only hold memory that is free. What librdkafka
 * fetches comes in pieces of a mebibyte, which are not mapped and filled with zeroes anew for each. */
void setup_process(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
    signals_ignore_strays(); /* SIGXFSZ too: a file that may not grow is an error of its write */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Certificate authorities */

static void authority_left_out(void *ctx, const char *sentence)
{
    struct setup *setup = ctx;
    buffer_appendf(&setup->authority_warnings, "%s\n", sentence);
}

static int read_authorities(struct setup *setup, const char *ssl_cert_file, const char *requests_ca_bundle,
                            struct error *err)
{
    struct authorities_options options = {.ssl_cert_file = ssl_cert_file,
                                          .requests_ca_bundle = requests_ca_bundle,
                                          .directory = AUTHORITIES_DIRECTORY,
                                          .warn = authority_left_out,
                                          .ctx = setup};
    authorities_free(setup->authorities);
    buffer_clear(&setup->authority_warnings);
    setup->authorities = authorities_new(&options, err);
    return setup->authorities ? 0 : err->kind;
}

/** 0, or a kind of error, and then a line in `problems` for each of the two settings that is wrong. */
static int load_authorities(struct setup *setup, struct buffer *problems)
{
    const struct config *config = &setup->config;
    const char *alone[][2] = {{config->ssl_cert_file, ""}, {"", config->requests_ca_bundle}};
    struct error err = {0};
    int failed = read_authorities(setup, config->ssl_cert_file, config->requests_ca_bundle, &err);
    if (failed && failed != PA_ERR_INVALID)
        buffer_appendf(problems, "port-agent: %s\n", err.message);
    for (size_t i = 0; failed == PA_ERR_INVALID && i < 2; i++) {
        if (read_authorities(setup, alone[i][0], alone[i][1], &err) == PA_ERR_INVALID) {
            buffer_append_one_line(problems, slice_of(err.message));
            buffer_append_char(problems, '\n');
        }
    }
    return failed;
}

int setup_load(struct setup *setup)
{
    return setup_load_some(setup, NULL, 0);
}

int setup_load_some(struct setup *setup, const char *const *names, size_t count)
{
    struct config_input input = {.environment = environ,
                                 .dotenv_path = ".env",
                                 .stdout_is_terminal = isatty(STDOUT_FILENO) == 1,
                                 .needs = names,
                                 .needs_count = count};
    struct buffer problems = {0};
    *setup = (struct setup){.map_process = MAP_PROCESS_NONE};
    int failed = input_load(&setup->config, &input, &problems);
    if (failed == PA_ERR_MEMORY)
        buffer_append_text(&problems, "port-agent: out of memory\n");
    if (failed != PA_ERR_MEMORY && setup->config.mapping_path) {
        int unmapped = mapping_process_start(&setup->config, &setup->map_process, &setup->mapping_file,
                                             &setup->mapping_text, &problems, &setup->mapping_warnings);
        failed = failed ? failed : unmapped;
    }
    if (failed != PA_ERR_MEMORY) {
        int untrusted = load_authorities(setup, &problems);
        failed = failed ? failed : untrusted;
    }
    if (failed) {
        fputs(buffer_text(&setup->config.warnings), stderr);
        fwrite(buffer_text(&problems), 1, problems.len, stderr);
        setup_close(setup);
    }
    buffer_clear(&problems);
    return failed == 0 ? EXIT_CODE_OK : failed == PA_ERR_INVALID ? EXIT_CODE_CONFIG : EXIT_CODE_FAILURE;
}

void setup_tell_lines(const char *message, struct log_field field, struct buffer *warnings)
{
    struct slice lines = buffer_slice(warnings);
    while (lines.len > 0) {
        field.value.text = slice_cut(&lines, '\n');
        log_warning(message, field);
    }
    buffer_clear(warnings);
}

/** OpenTelemetry's attributes of a resource, as traces have them. */
static void name_service(struct setup *setup, struct log_options *options)
{
    const char *name = setup->config.tracing.service_name;
    if (!setup->config.log_resource)
        return;
    if (gethostname(setup->host, sizeof setup->host - 1) != 0)
        setup->host[0] = '\0';
    setup->resource[0] = F_STR("service.name", name && *name ? name : "port-agent");
    setup->resource[1] = F_STR("service.version", agent_version);
    setup->resource[2] = F_STR("service.instance.id", *setup->host ? setup->host : NULL);
    options->resource = setup->resource;
    options->resource_count = sizeof setup->resource / sizeof *setup->resource;
}

int setup_open(struct setup *setup, int log_fd)
{
    const struct config *config = &setup->config;
    struct log_options log_options = {
        .fd = log_fd, .format = config->log_format, .colour = config->log_colour, .level = config->log_level};
    name_service(setup, &log_options);
    setup->log = log_new(&log_options);
    if (!setup->log) {
        fputs("port-agent: out of memory or threads\n", stderr);
        return EXIT_CODE_FAILURE;
    }
    log_set_current(setup->log);
    setup_tell_lines("settings", F_STR("reason", ""), &setup->config.warnings);
    setup_tell_lines("mapping file", F_STR("reason", ""), &setup->mapping_warnings);
    struct buffer authorities = {0};
    buffer_append_slice(&authorities, buffer_slice(&setup->authority_warnings));
    setup_tell_lines("certificate authorities are incomplete", F_STR("error.message", ""), &authorities);
    if (authorities_added(setup->authorities) > 0)
        log_info("certificate authorities added to the system's",
                 F_INT("count", authorities_added(setup->authorities)));
    return EXIT_CODE_OK;
}

void setup_close(struct setup *setup)
{
    authorities_free(setup->authorities);
    map_process_end(&setup->map_process); /* if the daemon never came to it */
    log_set_current(NULL);
    log_free(setup->log, LOG_FLUSH_MS);
    buffer_clear(&setup->mapping_text);
    buffer_clear(&setup->mapping_warnings);
    buffer_clear(&setup->authority_warnings);
    config_clear(&setup->config);
    *setup = (struct setup){.map_process = MAP_PROCESS_NONE};
}

/** Settings that turn out wrong only now are told where all others are. */
int setup_cannot_start(const struct error *err)
{
    if (err->kind == PA_ERR_INVALID) {
        struct buffer line = {0};
        buffer_append_one_line(&line, slice_of(err->message));
        fprintf(stderr, "%s\n", buffer_text(&line));
        buffer_clear(&line);
        return EXIT_CODE_CONFIG;
    }
    log_critical("the agent cannot start", F_STR("error.message", err->message));
    return EXIT_CODE_FAILURE;
}

void setup_flush_log(struct setup *setup)
{
    log_free(setup->log, LOG_FLUSH_MS);
    setup->log = NULL;
}
