/* `port-agent demo`: real signed records through the code that runs in production, with everything around it
 * embedded. Prints each invocation as it goes through, checks that what happened is what should, and ends by
 * itself. */
#include "agent/body.h"
#include "agent/commands.h"
#include "agent/help.h"
#include "agent/input.h"
#include "agent/options.h"
#include "agent/run/running.h"
#include "agent/terminal.h"
#include "base/signals.h"
#include "world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Joining takes three seconds, or more on a busy machine; who waits for longer wants to know why. */
enum { DEADLINE_MS = 60000, JOINING_MS = 15000, STEP_MS = 50, KEEP_MS = 1000 };
enum { SCHEME = sizeof "http://" - 1, WHAT_COLUMN = 24, WIDTH_USUAL = 80 };
enum { FILES_NEEDED = 128, SHOWN_BYTES = 4096, SECRET_MAX = 500 };
static const char RUNS_TOPIC[] = "demo.runs", CHANGE_LOG_TOPIC[] = "demo.change.log";

struct expectation {
    const char *what;
    struct demo_event event;
    enum observed_end end;
    /** What Port must have been told; "" for nothing. */
    const char *status;
    bool seen;
};

static const struct expectation SCRIPT[] = {
    {"synchronous success",
     {"r_sync_ok", "POST", "/ok", true, true, false, false},
     END_DELIVERED,
     "SUCCESS",
     false},
    {"synchronous failure",
     {"r_sync_fail", "POST", "/fail", true, true, false, false},
     END_FAILED,
     "FAILURE",
     false},
    {"asynchronous", {"r_async", "POST", "/slow", false, true, false, false}, END_DELIVERED, "", false},
    {"PUT", {"r_put", "PUT", "/ok", true, true, false, false}, END_DELIVERED, "SUCCESS", false},
    {"PATCH", {"r_patch", "PATCH", "/ok", true, true, false, false}, END_DELIVERED, "SUCCESS", false},
    {"DELETE", {"r_delete", "DELETE", "/ok", true, true, false, false}, END_DELIVERED, "SUCCESS", false},
    {"GET", {"r_get", "GET", "/ok", true, true, false, false}, END_DELIVERED, "SUCCESS", false},
    {"tampered record", {"r_tampered", "POST", "/ok", true, true, true, false}, END_REFUSED, "", false},
    {"not for an agent", {"r_not_agent", "POST", "/ok", true, false, false, false}, END_SKIPPED, "", false},
    {"busy at first", {"r_busy", "POST", "/busy", true, true, false, false}, END_DELIVERED, "SUCCESS", false},
    {"change-log event", {"change-log", "POST", "/ok", false, true, false, true}, END_DELIVERED, "", false},
};
enum { SCRIPT_LENGTH = sizeof SCRIPT / sizeof *SCRIPT };

struct demo {
    struct running running;
    uv_timer_t step;
    struct demo_world world;
    struct config config;
    struct log *log;
    /** A file in memory with the agent's warnings, shown when they explain something; -1: none. */
    int kept;
    struct expectation script[SCRIPT_LENGTH];
    bool keep_running, colour, assigned, produced, stopping, finished_script, told_why;
    /** Of the terminal, in columns. */
    size_t width;
    int64_t started_ms, produced_ms;
    unsigned extra, delivered, failed, refused, skipped, problems;
    int64_t latencies[4096];
    size_t latency_count;
};

static const char *paint(const struct demo *demo, const char *code)
{
    return demo->colour ? code : "";
}

/* Printing */

static const char *const end_names[] = {[END_DELIVERED] = "delivered",
                                        [END_FAILED] = "failed",
                                        [END_SKIPPED] = "not sent",
                                        [END_UNREADABLE] = "not a record",
                                        [END_REFUSED] = "refused"};

static struct expectation *find_expectation(struct demo *demo, struct slice id)
{
    for (size_t i = 0; i < SCRIPT_LENGTH; i++)
        if (slice_equal_text(id, demo->script[i].event.run_id))
            return &demo->script[i];
    return NULL;
}

static void count(struct demo *demo, enum observed_end end, const struct observed *observed)
{
    demo->delivered += end == END_DELIVERED;
    demo->failed += end == END_FAILED;
    demo->refused += end == END_REFUSED;
    demo->skipped += end == END_SKIPPED;
    if (observed->status && demo->latency_count < sizeof demo->latencies / sizeof *demo->latencies)
        demo->latencies[demo->latency_count++] = observed->duration_ms;
}

/** "POST /ok → 200 in 14 ms"; a whole URL where the receiver is somebody's own. */
static void append_sent(const struct demo *demo, const struct observed *observed, unsigned attempts,
                        struct buffer *out)
{
    struct slice target = observed->url;
    const char *path =
        target.len > SCHEME && !demo->world.to ? memchr(target.ptr + SCHEME, '/', target.len - SCHEME) : NULL;
    if (path)
        target = (struct slice){path, (size_t)(target.ptr + target.len - path)};
    buffer_append_text(out, observed->method);
    buffer_append_char(out, ' ');
    buffer_append_slice(out, target);
    if (observed->status)
        buffer_appendf(out, " → %d in %lld ms", observed->status, (long long)observed->duration_ms);
    if (attempts > 1)
        buffer_appendf(out, ", at attempt %u", attempts);
}

/** What became of an event, in a sentence. */
static void print_end(struct demo *demo, enum observed_end end, const struct observed *observed,
                      const struct expectation *expected, struct slice id)
{
    const struct demo_seen *seen = demo_seen(&demo->world, id);
    struct slice why = observed_why(observed);
    struct buffer text = {0};
    buffer_append_text(&text, end_names[end]);
    if (observed->method && *observed->method) {
        buffer_append_text(&text, ": ");
        append_sent(demo, observed, seen->requests, &text);
    }
    if (why.len > 0 && !observed->status) {
        buffer_append_text(&text, ": ");
        buffer_append_slice(&text, why);
    }
    if (seen->requests > 0)
        buffer_append_text(&text, seen->signature_valid ? "; its signature is valid"
                                                        : "; its signature is NOT VALID");
    if (observed->reported)
        buffer_appendf(&text, "; Port was told %s", observed->reported);
    else if (end == END_DELIVERED)
        buffer_append_text(&text, expected && expected->event.change_log ? "; Port wants no result of it"
                                                                         : "; your backend reports the end");
    help_row(expected ? expected->what : "one more", WHAT_COLUMN, buffer_text(&text), demo->width, stdout);
    buffer_clear(&text);
    fflush(stdout);
}

static void demo_told(void *ctx, const struct observed *observed)
{
    struct demo *demo = ctx;
    enum observed_end end = observed_end(observed->kind);
    struct slice id = slice_is_null(observed->run_id) ? SLICE_LITERAL("change-log") : observed->run_id;
    if (end == END_NONE)
        return;
    struct expectation *expected = find_expectation(demo, id);
    print_end(demo, end, observed, expected, id);
    count(demo, end, observed);
    if (!expected)
        return;
    expected->seen = true;
    if (expected->end != end && !demo->world.to) { /* one's own handler answers as it likes */
        printf("  ^ expected %s\n", end_names[expected->end]);
        demo->problems++;
    }
}

static int compare_latency(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void print_indented(const char *text)
{
    for (size_t len; *text; text += len + (text[len] == '\n')) {
        len = strcspn(text, "\n");
        printf("%s%.*s\n", len > 0 ? "    " : "", (int)len, text);
    }
}

/** One request and one report, whole. */
static void print_example(struct demo *demo)
{
    struct buffer text = {0};
    if (demo->world.to || demo->world.shown_head.len == 0)
        return;
    puts("\nThe request of the synchronous success, as its receiver got it:\n");
    for (const char *at = buffer_text(&demo->world.shown_head); *at; at++)
        if (*at != '\r')
            buffer_append_char(&text, *at);
    buffer_append_char(&text, '\n');
    body_show(buffer_slice(&demo->world.shown_body), demo->colour, &text);
    print_indented(buffer_text(&text));
    printf("\nWhat Port was told of it (PATCH /v1/actions/runs/%s):\n\n", DEMO_SHOWN_RUN);
    text.len = 0;
    body_show(buffer_slice(&demo->world.shown_report), demo->colour, &text);
    print_indented(buffer_text(&text));
    buffer_clear(&text);
}

static void print_summary(struct demo *demo)
{
    int64_t p50 = 0, most = 0;
    if (demo->latency_count > 0) {
        qsort(demo->latencies, demo->latency_count, sizeof *demo->latencies, compare_latency);
        p50 = demo->latencies[demo->latency_count / 2];
        most = demo->latencies[demo->latency_count - 1];
    }
    printf("\nSummary: %u delivered, %u failed, %u refused, %u skipped;\n"
           "webhook latency p50 %lld ms, max %lld ms;\n%u requests to Port, of which %u for a token.\n",
           demo->delivered, demo->failed, demo->refused, demo->skipped, (long long)p50, (long long)most,
           demo->world.port_requests, demo->world.token_requests);
    if (demo->problems)
        printf("%sNot as it should be: %u problem(s), marked above.%s\n", paint(demo, "\033[31m"),
               demo->problems, paint(demo, "\033[0m"));
    else if (demo->world.to)
        printf("Everything was sent to %s. If it finds no signature valid, give both the same "
               "PORT_CLIENT_SECRET.\n",
               demo->world.to);
    else
        help_paragraphs(
            "Everything went as it should. Next: read README.md, set PORT_ORG_ID, PORT_CLIENT_ID, "
            "PORT_CLIENT_SECRET and KAFKA_CONSUMER_GROUP_ID, and run `port-agent`; `port-agent "
            "--help` lists every setting.",
            demo->width, stdout);
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
    puts("What the agent says (--logs shows everything):");
    for (line = strtok_r(line, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        printf("  %s\n", line);
}

/* Going on */

static void stop(struct demo *demo)
{
    if (demo->stopping)
        return;
    demo->stopping = true;
    uv_timer_stop(&demo->step);
    daemon_stop(demo->running.daemon);
}

/** Everything that should have happened has, Port's side included. */
static bool complete(struct demo *demo)
{
    for (size_t i = 0; i < SCRIPT_LENGTH; i++) {
        const struct expectation *expected = &demo->script[i];
        const struct demo_seen *seen = demo_seen(&demo->world, slice_of(expected->event.run_id));
        if (!expected->seen)
            return false;
        if (demo->world.to)
            continue;
        if (strcmp(seen->status, expected->status) != 0)
            return false;
        bool sent = expected->end == END_DELIVERED || expected->end == END_FAILED;
        if (sent && !expected->event.change_log && seen->logs < 2)
            return false;
    }
    return true;
}

static void check_receiver(struct demo *demo)
{
    for (size_t i = 0; i < SCRIPT_LENGTH && !demo->world.to; i++) {
        const struct expectation *expected = &demo->script[i];
        const struct demo_seen *seen = demo_seen(&demo->world, slice_of(expected->event.run_id));
        bool sent = expected->end == END_DELIVERED || expected->end == END_FAILED;
        unsigned attempts = strcmp(expected->event.path, "/busy") == 0 ? 2 : 1;
        if (seen->requests == (sent ? attempts : 0) && (!sent || seen->signature_valid))
            continue;
        printf("  %s: %u request(s) at the receiver, signature %s\n", expected->what, seen->requests,
               seen->signature_valid ? "valid" : "invalid");
        demo->problems++;
    }
}

static void late(struct demo *demo)
{
    if (!demo->assigned)
        printf("\n  the consumer group was not joined within %d s\n", DEADLINE_MS / 1000);
    for (size_t i = 0; demo->assigned && i < SCRIPT_LENGTH; i++)
        if (!demo->script[i].seen)
            printf("  missing after %d s: %s\n", DEADLINE_MS / 1000, demo->script[i].what);
    print_kept(demo);
    demo->problems++;
    stop(demo);
}

/** Joining takes too long. Where loopback has gone since the start, waiting for it is over. */
static void tell_why(struct demo *demo)
{
    struct error err = {0};
    demo->told_why = true;
    puts("not yet");
    print_kept(demo);
    if (demo_world_reachable(&demo->world, &err) != 0) {
        printf("  %s\n", err.message);
        demo->problems++;
        stop(demo);
    }
    fflush(stdout);
}

static void produce_script(struct demo *demo)
{
    struct error err = {0};
    for (size_t i = 0; i < SCRIPT_LENGTH; i++) {
        const struct demo_event *event = &demo->script[i].event;
        if (demo_produce(&demo->world, event->change_log ? CHANGE_LOG_TOPIC : RUNS_TOPIC, event, &err) != 0) {
            printf("  %s\n", err.message);
            demo->problems++;
        }
    }
    demo->produced = true;
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
    struct demo_event event = {run_id, "POST", demo->extra % 5 == 0 ? "/fail" : "/ok", true, true,
                               false,  false};
    PA_IGNORE(demo_produce(&demo->world, RUNS_TOPIC, &event, &err)); /* there is another one in a moment */
}

static void step(uv_timer_t *timer)
{
    struct demo *demo = timer->data;
    int64_t now = clock_monotonic_ms(clock_system());
    rd_kafka_poll(demo->world.producer, 0);
    if (!demo->assigned && daemon_assigned(demo->running.daemon) >= 2) {
        demo->assigned = true;
        printf("joined after %.1f s\n\n", (double)(now - demo->started_ms) / 1000);
    }
    if (!demo->assigned && !demo->told_why && now - demo->started_ms > JOINING_MS)
        tell_why(demo);
    if (demo->assigned && !demo->produced)
        produce_script(demo);
    if (demo->produced && !demo->finished_script && complete(demo)) {
        demo->finished_script = true;
        check_receiver(demo);
        if (!demo->keep_running)
            stop(demo);
        else
            puts("\n--keep-running: one more invocation a second; Ctrl-C ends");
    } else if (!demo->finished_script && now - demo->started_ms > DEADLINE_MS) {
        late(demo);
    }
    if (demo->finished_script && demo->keep_running)
        produce_more(demo, now);
}

static void demo_stop_asked(void *ctx, int number, bool again)
{
    struct demo *demo = ctx;
    if (again)
        _exit(128 + number);
    puts("\nstopping: what is in flight is finished first");
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
        demo->problems++;
        print_kept(demo);
    }
    uv_close((uv_handle_t *)&demo->step, NULL);
    running_stopped(&demo->running, exit_code);
    print_example(demo);
    print_summary(demo);
    demo_world_close(&demo->world, world_closed, NULL);
}

/* Starting */

static int load_demo_settings(struct demo *demo)
{
    static char secret[600];
    char bootstrap[300], port[80];
    snprintf(secret, sizeof secret, "PORT_CLIENT_SECRET=%s", demo->world.secret);
    snprintf(bootstrap, sizeof bootstrap, "KAFKA_CONSUMER_BOOTSTRAP_SERVERS=%s", demo->world.bootstrap);
    snprintf(port, sizeof port, "PORT_API_BASE_URL=http://127.0.0.1:%d", http_server_port(demo->world.port));
    char org[] = "PORT_ORG_ID=demo", client[] = "PORT_CLIENT_ID=demo",
         local[] = "USING_LOCAL_PORT_INSTANCE=true", group[] = "KAFKA_CONSUMER_GROUP_ID=demo",
         session[] = "KAFKA_CONSUMER_SESSION_TIMEOUT_MS=6000";
    char *environment[] = {org, client, secret, port, local, bootstrap, group, session, NULL};
    struct config_input input = {.environment = environment};
    struct buffer problems = {0};
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
    memcpy(demo->script, SCRIPT, sizeof SCRIPT);
    running_open(&demo->running);
    help_paragraphs(
        "port-agent demo: an embedded Kafka, a small Port API and a receiver run in this process, "
        "on loopback only. Signed records are produced to Kafka and go through the code that runs "
        "in production.",
        demo->width, stdout);
    if (check_files(&err) != 0 ||
        demo_world_open(&demo->world, &demo->running.loop, RUNS_TOPIC, CHANGE_LOG_TOPIC, &err) != 0 ||
        load_demo_settings(demo) != 0) {
        fprintf(stderr, "port-agent demo: %s\n", err.message);
        return EXIT_CODE_FAILURE;
    }
    printf("Kafka %s, Port API 127.0.0.1:%d, receiver 127.0.0.1:%d;\n"
           "joining the consumer group (a few seconds) ... ",
           demo->world.bootstrap, http_server_port(demo->world.port), http_server_port(demo->world.receiver));
    fflush(stdout);
    if (start(demo, &err) != 0) {
        fprintf(stderr, "port-agent demo: %s\n", err.message);
        return EXIT_CODE_FAILURE;
    }
    PA_IGNORE(running_end(&demo->running)); /* what went wrong is among the problems of the demo */
    config_clear(&demo->config);
    return demo->problems ? EXIT_CODE_FAILURE : EXIT_CODE_OK;
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
             "send the webhooks to your own handler instead, signed with PORT_CLIENT_SECRET if it is set"},
        {.name = "keep-running",
         .flag = &demo.keep_running,
         .help = "go on with one invocation a second, until Ctrl-C"},
        {.name = "logs", .flag = &logs, .help = "the agent's own log lines on standard error"},
    };
    const struct command_usage usage = {
        .command = "demo",
        .summary = "[--to URL] [--keep-running] [--logs]",
        .intro = "Shows the agent at work: an embedded Kafka, a small Port API and a receiver run in this "
                 "process, on loopback only, and signed records go through the code that runs in "
                 "production.\n\n"
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
    if (demo.world.to && (strncmp(demo.world.to, "http", 4) != 0 || strpbrk(demo.world.to, "\"\\ ")))
        return options_wrong(&usage, "--to: '%s' is no URL; write http://localhost:3000", demo.world.to);
    if (strlen(demo.world.secret) > SECRET_MAX)
        return options_wrong(&usage, "PORT_CLIENT_SECRET is longer than %d bytes", SECRET_MAX);
    demo.colour = terminal_has_colour(STDOUT_FILENO);
    demo.width = terminal_width(STDOUT_FILENO, WIDTH_USUAL);
    signals_ignore_strays();
    struct log_options log_options = {.fd = STDERR_FILENO, .format = LOG_FORMAT_TEXT, .level = LOG_INFO};
    demo.kept = logs ? -1 : memfd_create("demo-log", MFD_CLOEXEC);
    if (!logs)
        log_options = (struct log_options){.fd = demo.kept, .format = LOG_FORMAT_TEXT, .level = LOG_WARNING};
    demo.log = log_options.fd >= 0 ? log_new(&log_options) : NULL;
    log_set_current(demo.log);
    int exit_code = run(&demo);
    log_set_current(NULL);
    log_free(demo.log, 1000);
    if (!logs && log_options.fd >= 0)
        close(log_options.fd);
    return exit_code;
}
