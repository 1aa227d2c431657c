/* `port-agent run`: the daemon. Environment to config, config to daemon, signals to a drain. */
#include "commands.h"
#include "daemon.h"
#include "http/authorities.h"
#include "mapping_process.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SUMMARY_MS = 60000, LOG_FLUSH_MS = 1000 };

extern char **environ;

struct run {
    uv_loop_t loop;
    uv_signal_t signals[3];
    uv_timer_t summary;
    struct daemon *daemon;
    struct log *log;
    bool stopping;
    int exit_code;
    uint64_t summarised; /* events when the last summary was written */
    struct map_process map_process;
    bool mapping_file;
    struct buffer mapping_warnings;
};

static void stopped(void *ctx, int exit_code)
{
    struct run *run = ctx;
    run->exit_code = exit_code;
    for (size_t i = 0; i < sizeof run->signals / sizeof *run->signals; i++)
        uv_close((uv_handle_t *)&run->signals[i], NULL);
    uv_close((uv_handle_t *)&run->summary, NULL);
}

static void stop_asked(uv_signal_t *handle, int number)
{
    struct run *run = handle->data;
    if (run->stopping) {
        log_warning("second signal: exiting at once; what is in flight will be delivered again",
                    F_STR("signal", strsignal(number)));
        log_free(run->log, LOG_FLUSH_MS);
        _exit(128 + number);
    }
    run->stopping = true;
    log_info("stopping: finishing what is in flight; a second signal exits at once",
             F_STR("signal", strsignal(number)));
    daemon_stop(run->daemon);
}

static void summary_asked(uv_signal_t *handle, int number)
{
    struct run *run = handle->data;
    (void)number;
    daemon_log_summary(run->daemon);
}

static void summary_due(uv_timer_t *timer)
{
    struct run *run = timer->data;
    struct deliver_counters counters;
    daemon_counters(run->daemon, &counters);
    bool busy = counters.sending + counters.queued + counters.reporting > 0;
    if (counters.taken != run->summarised || busy)
        daemon_log_summary(run->daemon);
    run->summarised = counters.taken;
}

static void watch_signals(struct run *run)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uv_signal_init(&run->loop, &run->signals[i]);
        run->signals[i].data = run;
        uv_signal_start(&run->signals[i], numbers[i] == SIGUSR1 ? summary_asked : stop_asked, numbers[i]);
        uv_unref((uv_handle_t *)&run->signals[i]);
    }
    uv_timer_init(&run->loop, &run->summary);
    run->summary.data = run;
    uv_timer_start(&run->summary, summary_due, SUMMARY_MS, SUMMARY_MS);
    uv_unref((uv_handle_t *)&run->summary);
}

/** One thread allocates nearly everything; more arenas would only hold memory that is free. */
static void prepare_process(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/** Settings that turn out wrong only now are told where all others are. */
static int cannot_start(const struct error *err)
{
    if (err->kind == PA_ERR_INVALID) {
        fprintf(stderr, "%s\n", err->message);
        return EXIT_CODE_CONFIG;
    }
    log_critical("the agent cannot start", F_STR("error.message", err->message));
    return EXIT_CODE_FAILURE;
}

static int run_daemon(struct run *run, const struct config *config, const char *ca_bundle)
{
    struct daemon_options options = {.loop = &run->loop,
                                     .clock = clock_system(),
                                     .config = config,
                                     .ca_bundle = ca_bundle,
                                     .map_process = run->map_process,
                                     .mapping_file = run->mapping_file,
                                     .stopped = stopped,
                                     .ctx = run};
    struct error err = {0};
    uv_loop_init(&run->loop);
    run->map_process = MAP_PROCESS_NONE;
    run->daemon = daemon_new(&options, &err);
    if (!run->daemon) {
        uv_run(&run->loop, UV_RUN_DEFAULT);
        uv_loop_close(&run->loop);
        return cannot_start(&err);
    }
    watch_signals(run);
    uv_run(&run->loop, UV_RUN_DEFAULT);
    daemon_free(run->daemon);
    uv_loop_close(&run->loop);
    return run->exit_code;
}

static void authority_left_out(void *ctx, const char *sentence)
{
    (void)ctx;
    log_warning("certificate authorities are incomplete", F_STR("error.message", sentence));
}

static int run_trusting(struct run *run, const struct config *config)
{
    struct authorities_options options = {.ssl_cert_file = config->ssl_cert_file,
                                          .requests_ca_bundle = config->requests_ca_bundle,
                                          .directory = AUTHORITIES_DIRECTORY,
                                          .warn = authority_left_out};
    struct error err = {0};
    struct authorities *authorities = authorities_new(&options, &err);
    if (!authorities)
        return cannot_start(&err);
    if (authorities_added(authorities) > 0)
        log_info("certificate authorities added to the system's",
                 F_INT("count", authorities_added(authorities)));
    int exit_code = run_daemon(run, config, authorities_bundle(authorities));
    authorities_free(authorities);
    return exit_code;
}

/** Settings and mapping file; all that is wrong with either is told at once. 0, or the exit code. */
static int load(struct run *run, struct config *config)
{
    struct config_input input = {
        .environment = environ, .dotenv_path = ".env", .stdout_is_terminal = isatty(STDOUT_FILENO) == 1};
    struct buffer problems = {0};
    int failed = config_load(config, &input, &problems);
    if (failed == PA_ERR_MEMORY)
        buffer_append_text(&problems, "port-agent: out of memory\n");
    if (failed != PA_ERR_MEMORY && config->mapping_path) {
        int unmapped = mapping_process_start(config, &run->map_process, &run->mapping_file, &problems,
                                             &run->mapping_warnings);
        failed = failed ? failed : unmapped;
    }
    if (failed) {
        fwrite(buffer_text(&problems), 1, problems.len, stderr);
        map_process_end(&run->map_process);
        buffer_clear(&run->mapping_warnings);
        config_clear(config);
    }
    buffer_clear(&problems);
    return failed == 0 ? EXIT_CODE_OK : failed == PA_ERR_INVALID ? EXIT_CODE_CONFIG : EXIT_CODE_FAILURE;
}

static void tell_mapping_warnings(struct run *run)
{
    struct slice lines = buffer_slice(&run->mapping_warnings);
    while (lines.len > 0) {
        const char *end = memchr(lines.ptr, '\n', lines.len);
        size_t len = end ? (size_t)(end - lines.ptr) : lines.len;
        log_warning("mapping file", F_SLICE("reason", ((struct slice){lines.ptr, len})));
        len += end != NULL;
        lines.ptr += len;
        lines.len -= len;
    }
    buffer_clear(&run->mapping_warnings);
}

int command_run(int argc, char **argv)
{
    if (argc > 0) {
        if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
            puts("Usage: port-agent run\n\nThe agent takes its settings from the environment; 'port-agent "
                 "--help' lists them.");
            return EXIT_CODE_OK;
        }
        fprintf(stderr, "port-agent run: unexpected argument '%s'; settings come from the environment\n",
                argv[0]);
        return EXIT_CODE_USAGE;
    }
    prepare_process();
    struct config config;
    struct run run = {.map_process = MAP_PROCESS_NONE};
    int exit_code = load(&run, &config);
    if (exit_code != EXIT_CODE_OK)
        return exit_code;
    struct log_options log_options = {.fd = STDOUT_FILENO,
                                      .format = config.log_format,
                                      .colour = config.log_colour,
                                      .level = config.log_level};
    run.log = log_new(&log_options);
    if (!run.log) {
        fputs("port-agent: out of memory or threads\n", stderr);
        map_process_end(&run.map_process);
        buffer_clear(&run.mapping_warnings);
        config_clear(&config);
        return EXIT_CODE_FAILURE;
    }
    log_set_current(run.log);
    tell_mapping_warnings(&run);
    exit_code = run_trusting(&run, &config);
    map_process_end(&run.map_process); /* if the daemon never came to it */
    log_set_current(NULL);
    log_free(run.log, LOG_FLUSH_MS);
    config_clear(&config);
    return exit_code;
}
