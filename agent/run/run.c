/* `port-agent run`: the daemon, and its signals. */
#include "agent/commands.h"
#include "daemon.h"
#include "setup.h"
#include "signal_watch.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SUMMARY_MS = 60000, TICK_MS = 5000 };

struct run {
    uv_loop_t loop;
    struct signal_watch signals;
    uv_timer_t summary, tick;
    struct daemon *daemon;
    struct setup setup;
    int exit_code;
    /** Events when the last summary was written. */
    uint64_t summarised;
};

static void stopped(void *ctx, int exit_code)
{
    struct run *run = ctx;
    run->exit_code = exit_code;
    signal_watch_close(&run->signals);
    uv_close((uv_handle_t *)&run->summary, NULL);
    uv_close((uv_handle_t *)&run->tick, NULL);
}

static void stuck(void *ctx, int exit_code)
{
    struct run *run = ctx;
    setup_flush_log(&run->setup);
    _exit(exit_code); /* exit() would wait for the thread that hangs */
}

/** The words say whether what is in flight comes again: a record of Kafka does, an acknowledged run does not.
 */
static _Noreturn void exit_at_once(struct run *run, int number)
{
    size_t given_up;
    bool comes_again = daemon_abandon(run->daemon, &given_up);
    log_warning(comes_again ? "second signal: exiting at once; what is in flight will be delivered again"
                            : "second signal: exiting at once; runs that were acknowledged are given up",
                F_STR("signal", strsignal(number)), comes_again ? F_NONE : F_INT("given_up", given_up));
    setup_flush_log(&run->setup);
    _exit(128 + number);
}

static void stop_asked(void *ctx, int number, bool again)
{
    struct run *run = ctx;
    if (again)
        exit_at_once(run, number);
    log_info("stopping: finishing what is in flight; a second signal exits at once",
             F_STR("signal", strsignal(number)));
    daemon_stop(run->daemon);
}

static void summary_asked(void *ctx)
{
    struct run *run = ctx;
    daemon_log_summary(run->daemon);
}

static void summary_due(uv_timer_t *timer)
{
    struct run *run = timer->data;
    struct counters counters;
    daemon_counters(run->daemon, &counters);
    bool busy = counters.in_flight + counters.queued + counters.waiting_for_port > 0;
    if (counters.taken != run->summarised || busy)
        daemon_log_summary(run->daemon);
    run->summarised = counters.taken;
}

static void tick_due(uv_timer_t *timer)
{
    struct run *run = timer->data;
    daemon_tick(run->daemon);
}

static void start_timer(struct run *run, uv_timer_t *timer, uv_timer_cb due, uint64_t interval_ms)
{
    uv_timer_init(&run->loop, timer);
    timer->data = run;
    uv_timer_start(timer, due, interval_ms, interval_ms);
    uv_unref((uv_handle_t *)timer);
}

static void watch_signals(struct run *run)
{
    run->signals = (struct signal_watch){.stop = stop_asked, .summary = summary_asked, .ctx = run};
    signal_watch_start(&run->signals, &run->loop);
    start_timer(run, &run->summary, summary_due, SUMMARY_MS);
    start_timer(run, &run->tick, tick_due, TICK_MS);
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
