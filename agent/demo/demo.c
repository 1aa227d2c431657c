/* `port-agent demo`: real signed records through the code that runs in production, with everything around it
 * embedded. Prints each invocation as it goes through, checks that what happened is what should, and ends by
 * itself. */
#include "acts.h"
#include "agent/body.h"
#include "agent/commands.h"
#include "agent/input.h"
#include "agent/options.h"
#include "agent/run/running.h"
#include "agent/terminal.h"
#include "base/signals.h"
#include "script.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Joining takes three seconds, or more on a busy machine; who waits for longer wants to know why. */
enum { DEADLINE_MS = 60000, JOINING_MS = 15000, STEP_MS = 50, KEEP_MS = 1000 };
enum { FILES_NEEDED = 128, SHOWN_BYTES = 4096, SECRET_MAX = 500, WIDTH_USUAL = 80 };

struct demo {
    struct running running;
    uv_timer_t step;
    struct demo_world world;
    struct config config;
    struct log *log;
    /** A file in memory with the agent's warnings, shown when they explain something; -1: none. */
    int kept;
    struct demo_show show;
    struct script script;
    struct acts acts;
    bool keep_running, assigned, produced, stopping, finished_script, finished, told_why;
    int64_t started_ms, produced_ms;
    /** Events beyond the script. */
    unsigned extra;
};

static void demo_told(void *ctx, const struct observed *observed)
{
    struct demo *demo = ctx;
    script_told(&demo->script, observed);
}

/* Printing */

static void print_summary(struct demo *demo)
{
    const struct demo_show *show = &demo->show;
    script_print_totals(&demo->script, demo->finished);
    if (show->problems)
        demo_say(show, "%sNot as it should be: %u problem(s), marked above.%s", show->colour ? PAINT_RED : "",
                 show->problems, show->colour ? PAINT_NONE : "");
    else if (!demo->finished)
        demo_say(show, "Stopped before everything was shown.");
    else if (demo->world.to)
        demo_say(show,
                 "Everything was sent to %s. If it finds no signature valid, give both the same "
                 "PORT_CLIENT_SECRET.",
                 demo->world.to);
    else
        demo_say(show, "Everything went as it should. Next: read README.md, set PORT_ORG_ID, PORT_CLIENT_ID, "
                       "PORT_CLIENT_SECRET and KAFKA_CONSUMER_GROUP_ID, and run `port-agent`; `port-agent "
                       "--help` lists every setting.");
}

/** The last of what the agent warned of. */
static void print_kept(const struct demo *demo)
{
    char text[SHOWN_BYTES + 1];
    off_t length = demo->kept < 0 ? 0 : lseek(demo->kept, 0, SEEK_CUR);
    off_t from = length > SHOWN_BYTES ? length - SHOWN_BYTES : 0;
    ssize_t got = length > 0 ? pread(demo->kept, text, SHOWN_BYTES, from) : 0;
    if (got <= 0)
        return;
    text[got] = '\0';
    char *line = text, *rest = NULL;
    if (from > 0 && (line = strchr(text, '\n')) == NULL)
        line = text;
    demo_say(&demo->show, "What the agent says (--logs shows everything):");
    for (line = strtok_r(line, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        demo_say(&demo->show, "  %s", line);
}

/* Going on */

static void stop(struct demo *demo)
{
    if (demo->stopping)
        return;
    demo->stopping = true;
    acts_close(&demo->acts);
    uv_timer_stop(&demo->step);
    daemon_stop(demo->running.daemon);
}

static void late(struct demo *demo)
{
    if (demo->assigned)
        script_tell_missing(&demo->script);
    if (demo->finished_script)
        acts_tell_missing(&demo->acts);
    demo_problem(&demo->show,
                 demo->assigned ? "not over after %d s" : "the consumer group was not joined within %d s",
                 DEADLINE_MS / 1000);
    print_kept(demo);
    stop(demo);
}

/** Joining takes too long. Where loopback has gone since the start, waiting for it is over. */
static void tell_why(struct demo *demo)
{
    struct error err = {0};
    demo->told_why = true;
    demo_say(&demo->show, "not yet");
    print_kept(demo);
    if (demo_world_reachable(&demo->world, &err) != 0) {
        demo_problem(&demo->show, "%s", err.message);
        stop(demo);
    }
}

static void produce_more(struct demo *demo, int64_t now)
{
    if (now - demo->produced_ms < KEEP_MS)
        return;
    char run_id[32];
    struct error err = {0};
    demo->produced_ms = now;
    if (demo->kept >= 0 && ftruncate(demo->kept, 0) != 0) /* it must not grow for ever */
        demo->kept = -1;
    snprintf(run_id, sizeof run_id, "r_more_%u", ++demo->extra);
    struct demo_event event = {.run_id = run_id,
                               .method = "POST",
                               .path = demo->extra % 5 == 0 ? "/fail" : "/ok",
                               .synchronized = true,
                               .agent = true};
    PA_IGNORE(demo_produce(&demo->world, &event, &err)); /* there is another one in a moment */
}

static void script_over(struct demo *demo)
{
    demo->finished_script = true;
    script_check(&demo->script);
    script_print_example(&demo->script);
}

/** All that there is to show was shown. */
static void all_over(struct demo *demo)
{
    demo->finished = true;
    if (!demo->keep_running)
        stop(demo);
    else
        demo_say(&demo->show, "\n--keep-running: one more invocation a second; Ctrl-C ends");
}

static void step(uv_timer_t *timer)
{
    struct demo *demo = timer->data;
    int64_t now = clock_monotonic_ms(clock_system());
    rd_kafka_poll(demo->world.producer, 0);
    if (!demo->assigned && daemon_assigned(demo->running.daemon) >= 2) {
        demo->assigned = true;
        demo_say(&demo->show, "joined after %.1f s\n\n", (double)(now - demo->started_ms) / 1000);
    }
    if (!demo->assigned && !demo->told_why && now - demo->started_ms > JOINING_MS)
        tell_why(demo);
    if (demo->assigned && !demo->produced) {
        script_produce(&demo->script);
        demo->produced = true;
    }
    if (demo->produced && !demo->finished_script && script_complete(&demo->script))
        script_over(demo);
    if (!demo->world.to && !demo->finished)
        acts_go_on(&demo->acts, demo->finished_script);
    if (demo->finished_script && !demo->finished && (demo->world.to || acts_over(&demo->acts)))
        all_over(demo);
    else if (!demo->finished && now - demo->started_ms > DEADLINE_MS)
        late(demo);
    if (demo->finished && demo->keep_running)
        produce_more(demo, now);
}

static void demo_stop_asked(void *ctx, int number, bool again)
{
    struct demo *demo = ctx;
    if (again)
        _exit(128 + number);
    demo_say(&demo->show, "\nstopping: what is in flight is finished first");
    stop(demo);
}

static void world_closed(void *ctx)
{
    (void)ctx;
}

static void daemon_stopped(void *ctx, int exit_code)
{
    struct demo *demo = ctx;
    if (exit_code != 0) {
        demo_problem(&demo->show, "the agent could not stop as it should");
        print_kept(demo);
    }
    uv_close((uv_handle_t *)&demo->step, NULL);
    running_stopped(&demo->running, exit_code);
    print_summary(demo);
    demo_world_close(&demo->world, world_closed, NULL);
}

/* Starting */

/** Where others show a dead letter, the events' own agent gives one up. */
static int load_demo_settings(struct demo *demo)
{
    struct child_settings settings = {0};
    struct buffer problems = {0};
    demo_settings(&demo->world, DEMO_ORG, &settings);
    if (!demo->world.to) {
        child_set(&settings, "DEAD_LETTER_TOPIC", "%s", DEMO_LETTERS_TOPIC);
        child_set(&settings, "WEBHOOK_RETRY_ON", "500");
        child_set(&settings, "WEBHOOK_RETRY_MAX_ATTEMPTS", "%d", DEMO_LETTER_ATTEMPTS);
        child_set(&settings, "WEBHOOK_RETRY_INITIAL_BACKOFF", "0.2");
    } else { /* whoever waits hears soon that nobody listens there */
        child_set(&settings, "WEBHOOK_RETRY_MAX_ATTEMPTS", "3");
        child_set(&settings, "WEBHOOK_BREAKER_FAILURES", "0");
    }
    struct config_input input = {.environment = settings.list};
    int err = input_load(&demo->config, &input, &problems);
    if (err)
        fprintf(stderr, "%s", buffer_text(&problems));
    buffer_clear(&problems);
    return err;
}

static int start(struct demo *demo, struct error *err)
{
    struct daemon_options options = {.config = &demo->config,
                                     .map_process = MAP_PROCESS_NONE,
                                     .stopped = daemon_stopped,
                                     .told = demo_told,
                                     .ctx = demo};
    const struct signal_watch signals = {.stop = demo_stop_asked, .ctx = demo};
    demo->started_ms = clock_monotonic_ms(clock_system());
    if (!running_start(&demo->running, options, signals, err))
        return PA_ERR_IO;
    uv_timer_init(&demo->running.loop, &demo->step);
    demo->step.data = demo;
    uv_timer_start(&demo->step, step, STEP_MS, STEP_MS);
    return 0;
}

/** Sockets and threads' pipes that there is no space for make some part wait for ever, whichever asks last.
 */
static int check_files(struct error *err)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= FILES_NEEDED)
        return 0;
    return error_set(err, PA_ERR_IO, "only %llu files may be open, and it needs %d ('ulimit -n')",
                     (unsigned long long)files.rlim_cur, FILES_NEEDED);
}

static int run(struct demo *demo)
{
    struct error err = {0};
    script_init(&demo->script, &demo->world, &demo->show);
    running_open(&demo->running);
    demo_say(&demo->show,
             "port-agent demo: an embedded Kafka, a small Port API and a receiver run in this process, "
             "on loopback only. Signed records are produced to Kafka and go through the code that runs "
             "in production.");
    if (check_files(&err) != 0 || demo_world_open(&demo->world, &demo->running.loop, &err) != 0 ||
        load_demo_settings(demo) != 0) {
        fprintf(stderr, "port-agent demo: %s\n", err.message);
        return EXIT_CODE_FAILURE;
    }
    demo_say(&demo->show,
             "Kafka %s, Port API 127.0.0.1:%d, receiver 127.0.0.1:%d;\n"
             "joining the consumer group (a few seconds) ...",
             demo->world.bootstrap, http_server_port(demo->world.port),
             http_server_port(demo->world.receiver));
    if (start(demo, &err) != 0) {
        fprintf(stderr, "port-agent demo: %s\n", err.message);
        return EXIT_CODE_FAILURE;
    }
    if (!demo->world.to)
        acts_start(&demo->acts, &demo->world, &demo->show);
    PA_IGNORE(running_end(&demo->running)); /* what went wrong is among the problems of the demo */
    config_clear(&demo->config);
    return demo->show.problems ? EXIT_CODE_FAILURE : EXIT_CODE_OK;
}

/** `shown`: the agent's log goes to standard error; else its warnings are kept. */
static int run_with_log(struct demo *demo, bool shown)
{
    struct log_options options = {.fd = STDERR_FILENO, .format = LOG_FORMAT_TEXT, .level = LOG_INFO};
    demo->kept = shown ? -1 : memfd_create("demo-log", MFD_CLOEXEC);
    if (!shown)
        options = (struct log_options){.fd = demo->kept, .format = LOG_FORMAT_TEXT, .level = LOG_WARNING};
    demo->log = options.fd >= 0 ? log_new(&options) : NULL;
    log_set_current(demo->log);
    int exit_code = run(demo);
    log_set_current(NULL);
    log_free(demo->log, 1000);
    if (!shown && options.fd >= 0)
        close(options.fd);
    return exit_code;
}

int command_demo(int argc, char **argv)
{
    static struct demo demo;
    bool logs = false;
    const struct command_option options[] = {
        {.name = "to",
         .value = "URL",
         .text = &demo.world.to,
         .help =
             "send the webhooks to your own handler instead, signed with PORT_CLIENT_SECRET if it is set; "
             "without what needs a receiver of the demo's own: mapping, breaker, dead letter, kill -9"},
        {.name = "keep-running",
         .flag = &demo.keep_running,
         .help = "go on with one invocation a second, until Ctrl-C"},
        OPTION_OUTPUT(&demo.show.json, "json: one object a line for each thing that is shown"),
        {.name = "logs", .flag = &logs, .help = "the agent's own log lines on standard error"},
    };
    const struct command_usage usage = {
        .command = "demo",
        .summary = "[--to URL] [--keep-running] [--output text|json] [--logs]",
        .intro =
            "Shows the agent at work: an embedded Kafka, a small Port API and a receiver run in this "
            "process, on loopback only, and signed records go through the code that runs in "
            "production: an event of every kind, a retry, and, with the agent in processes of its own, a "
            "mapping, a breaker, a dead letter that is replayed, and a kill -9 that loses nothing.\n\n"
            "  port-agent demo\n"
            "  PORT_CLIENT_SECRET=any-secret port-agent demo --to http://localhost:3000\n"
            "  port-agent demo --keep-running --logs",
        .exit_codes = "Exit codes: 0 everything went as it should; 1 something did not; 64 wrong usage.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    const char *secret = demo.world.to ? getenv("PORT_CLIENT_SECRET") : NULL;
    demo.world.secret = secret && *secret ? secret : DEMO_SECRET;
    if (demo.world.to && strpbrk(demo.world.to, "\"\\ "))
        return options_wrong(&usage,
                             "--to: a URL has no quotes, backslashes or spaces; write %%22, %%5C or %%20");
    code = demo.world.to ? options_url(&usage, "to", demo.world.to, "http://localhost:3000") : OPTIONS_GO_ON;
    if (code != OPTIONS_GO_ON)
        return code;
    if (strlen(demo.world.secret) > SECRET_MAX)
        return options_wrong(&usage, "PORT_CLIENT_SECRET is longer than %d bytes", SECRET_MAX);
    demo.show.colour = terminal_has_colour(STDOUT_FILENO);
    demo.show.width = terminal_width(STDOUT_FILENO, WIDTH_USUAL);
    signals_ignore_strays();
    return run_with_log(&demo, logs);
}
