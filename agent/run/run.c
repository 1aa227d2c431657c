/* `port-agent run`: the daemon, and its signals. */
#include "agent/commands.h"
#include "agent/options.h"
#include "agent/status/service.h"
#include "reload.h"
#include "running.h"
#include "setup.h"
#include <string.h>
#include <unistd.h>

enum { SUMMARY_MS = 60000, TICK_MS = 5000, IDLE_SUMMARIES = 60 };

struct run {
    struct running running;
    uv_timer_t summary, tick;
    struct setup setup;
    /** Events when the last summary was written. */
    uint64_t summarised;
    /** Minutes since the last summary in which nothing happened. */
    unsigned idle;
    /** NULL: not open. */
    struct status_service *status;
    /** NULL: nothing is read again. */
    struct reload *reload;
};

static void stopped(void *ctx, int exit_code)
{
    struct run *run = ctx;
    running_stopped(&run->running, exit_code);
    reload_close(run->reload);
    run->reload = NULL;
    status_service_close(run->status);
    run->status = NULL;
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
    bool comes_again = daemon_abandon(run->running.daemon, &given_up);
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
    daemon_stop(run->running.daemon);
}

static void summary_asked(void *ctx)
{
    struct run *run = ctx;
    daemon_log_summary(run->running.daemon);
    status_service_log(run->status);
}

static void reload_asked(void *ctx)
{
    struct run *run = ctx;
    reload_ask(run->reload);
}

static void parts_asked(void *ctx, struct status_parts *parts)
{
    const struct run *run = ctx;
    daemon_parts(run->running.daemon, parts);
    parts->reload = reload_view(run->reload);
}

static void run_told(void *ctx, const struct observed *observed)
{
    const struct run *run = ctx;
    status_service_told(run->status, observed);
}

static void open_status(struct run *run)
{
    const struct status_service_options options = {.loop = &run->running.loop,
                                                   .config = &run->setup.config,
                                                   .clock = clock_system(),
                                                   .parts = parts_asked,
                                                   .ctx = run};
    run->status = status_service_new(&options);
}

static void summary_due(uv_timer_t *timer)
{
    struct run *run = timer->data;
    struct counters counters;
    daemon_counters(run->running.daemon, &counters);
    bool busy = counters.in_flight + counters.queued + counters.waiting_for_port > 0;
    if (counters.taken != run->summarised || busy || ++run->idle >= IDLE_SUMMARIES) {
        daemon_log_summary(run->running.daemon);
        run->idle = 0;
    }
    run->summarised = counters.taken;
}

static void tick_due(uv_timer_t *timer)
{
    struct run *run = timer->data;
    daemon_tick(run->running.daemon);
}

static void start_timer(struct run *run, uv_timer_t *timer, uv_timer_cb due, uint64_t interval_ms)
{
    uv_timer_init(&run->running.loop, timer);
    timer->data = run;
    uv_timer_start(timer, due, interval_ms, interval_ms);
    uv_unref((uv_handle_t *)timer);
}

static int run_daemon(struct run *run)
{
    struct daemon_options options = {.stopped = stopped, .stuck = stuck, .told = run_told, .ctx = run};
    const struct signal_watch signals = {
        .stop = stop_asked, .summary = summary_asked, .reload = reload_asked, .ctx = run};
    struct error err = {0};
    running_take_setup(&options, &run->setup);
    running_open(&run->running);
    bool started = running_start(&run->running, options, signals, &err);
    if (started) {
        start_timer(run, &run->summary, summary_due, SUMMARY_MS);
        start_timer(run, &run->tick, tick_due, TICK_MS);
        open_status(run);
        run->reload = reload_new(&run->running.loop, run->running.daemon, run->status, &run->setup);
    }
    int exit_code = running_end(&run->running);
    return started ? exit_code : setup_cannot_start(&err);
}

int command_run(int argc, char **argv)
{
    const struct command_usage usage = {
        .command = "run",
        .summary = "",
        .intro =
            "Runs the agent: consumes webhook invocations, verifies and delivers them, and reports their "
            "results. It takes its settings from the environment; 'port-agent --help' lists them. SIGTERM "
            "and SIGINT end it once what is in flight is finished.\n\n"
            "  PORT_ORG_ID=org_x PORT_CLIENT_ID=... PORT_CLIENT_SECRET_FILE=/run/secrets/port "
            "\\\n  KAFKA_CONSUMER_GROUP_ID=org_x.agent port-agent run",
        .exit_codes = "Exit codes: 0 stopped as asked; 1 cannot go on (the last log line says why); 64 wrong "
                      "usage; 78 wrong settings (one line each on standard error).",
    };
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
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
