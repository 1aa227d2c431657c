/* `port-agent run`: the daemon, and its signals. */
#include "commands.h"
#include "daemon.h"
#include "setup.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SUMMARY_MS = 60000, TRIM_MS = 5000 };

static const int SIGNALS[] = {SIGTERM, SIGINT, SIGUSR1};
enum { SIGNAL_COUNT = sizeof SIGNALS / sizeof *SIGNALS };

struct run {
    uv_loop_t loop;
    uv_signal_t signals[SIGNAL_COUNT];
    uv_timer_t summary, trim;
    struct daemon *daemon;
    struct setup setup;
    bool stopping;
    int exit_code;
    uint64_t summarised; /* events when the last summary was written */
};

static void stopped(void *ctx, int exit_code)
{
    struct run *run = ctx;
    run->exit_code = exit_code;
    for (size_t i = 0; i < sizeof run->signals / sizeof *run->signals; i++)
        uv_close((uv_handle_t *)&run->signals[i], NULL);
    uv_close((uv_handle_t *)&run->summary, NULL);
    uv_close((uv_handle_t *)&run->trim, NULL);
}

static void stuck(void *ctx, int exit_code)
{
    struct run *run = ctx;
    setup_flush_log(&run->setup);
    _exit(exit_code); /* exit() would wait for the thread that hangs */
}

static void stop_asked(uv_signal_t *handle, int number)
{
    struct run *run = handle->data;
    if (run->stopping) {
        log_warning("second signal: exiting at once; what is in flight will be delivered again",
                    F_STR("signal", strsignal(number)));
        setup_flush_log(&run->setup);
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

static void trim_due(uv_timer_t *timer)
{
    struct run *run = timer->data;
    daemon_trim(run->daemon);
}

static void start_timer(struct run *run, uv_timer_t *timer, uv_timer_cb due, uint64_t interval_ms)
{
    uv_timer_init(&run->loop, timer);
    timer->data = run;
    uv_timer_start(timer, due, interval_ms, interval_ms);
    uv_unref((uv_handle_t *)timer);
}

/** SIG_BLOCK: signals that come while the agent starts wait until there is a loop that hears them. */
static void mask_signals(int how)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        sigaddset(&set, SIGNALS[i]);
    sigprocmask(how, &set, NULL);
}

static void watch_signals(struct run *run)
{
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        uv_signal_init(&run->loop, &run->signals[i]);
        run->signals[i].data = run;
        uv_signal_start(&run->signals[i], SIGNALS[i] == SIGUSR1 ? summary_asked : stop_asked, SIGNALS[i]);
        uv_unref((uv_handle_t *)&run->signals[i]);
    }
    mask_signals(SIG_UNBLOCK);
    start_timer(run, &run->summary, summary_due, SUMMARY_MS);
    start_timer(run, &run->trim, trim_due, TRIM_MS);
}

static int run_daemon(struct run *run)
{
    struct daemon_options options = {.loop = &run->loop,
                                     .clock = clock_system(),
                                     .config = &run->setup.config,
                                     .ca_bundle = setup_ca_bundle(&run->setup),
                                     .map_process = run->setup.map_process,
                                     .mapping_file = run->setup.mapping_file,
                                     .stopped = stopped,
                                     .stuck = stuck,
                                     .ctx = run};
    struct error err = {0};
    uv_loop_init(&run->loop);
    run->setup.map_process = MAP_PROCESS_NONE;
    run->daemon = daemon_new(&options, &err);
    if (!run->daemon) {
        uv_run(&run->loop, UV_RUN_DEFAULT);
        uv_loop_close(&run->loop);
        return setup_cannot_start(&err);
    }
    watch_signals(run);
    uv_run(&run->loop, UV_RUN_DEFAULT);
    daemon_free(run->daemon);
    uv_loop_close(&run->loop);
    return run->exit_code;
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
    struct run run = {0};
    mask_signals(SIG_BLOCK);
    setup_process();
    int exit_code = setup_load(&run.setup);
    if (exit_code != EXIT_CODE_OK)
        return exit_code;
    exit_code = setup_open(&run.setup, STDOUT_FILENO);
    if (exit_code == EXIT_CODE_OK)
        exit_code = run_daemon(&run);
    setup_close(&run.setup);
    return exit_code;
}
