/* `port-agent send`: an event of one's own through the agent's delivery to an endpoint, or into the topic.
 * Port itself is never told of it: what would be reported is shown. */
#include "agent/body.h"
#include "agent/commands.h"
#include "agent/input.h"
#include "agent/options.h"
#include "agent/record_source/record_source.h"
#include "agent/run/running.h"
#include "agent/run/setup.h"
#include "agent/terminal.h"
#include "base/clock.h"
#include "base/near.h"
#include "base/signals.h"
#include "event.h"
#include "port_stub.h"
#include "produce.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EVENT_MAX = 64 << 20 };

/** Others may be wrong or missing: neither Port nor, without --topic, Kafka is asked for anything. */
static const char *const NEEDED[] = {"PORT_CLIENT_SECRET",
                                     "CONTROL_THE_PAYLOAD_CONFIG_PATH",
                                     "MAPPING_TIMEOUT",
                                     "MAPPING_MAX_MEMORY",
                                     "WEBHOOK_INVOKER_TIMEOUT",
                                     "WEBHOOK_TOTAL_TIMEOUT",
                                     "WEBHOOK_VERIFY_SSL",
                                     "WEBHOOK_HTTP_VERSION",
                                     "WEBHOOK_FOLLOW_REDIRECTS",
                                     "WEBHOOK_MAX_RESPONSE_BYTES",
                                     "EGRESS_ALLOW",
                                     "EGRESS_DENY",
                                     "RECORD_MAX_BYTES",
                                     SETTINGS_OF_PROXIES,
                                     SETTINGS_OF_AUTHORITIES,
                                     SETTINGS_OF_CLIENT_CERTIFICATES,
                                     SETTINGS_OF_TOPICS,
                                     SETTINGS_OF_BROKERS};

struct sending {
    const struct command_usage *usage;
    const char *template, *file, *url;
    struct option_list sets;
    bool to_topic, json, colour;
    struct setup setup;
    struct running running;
    struct port_stub port;
    /** As it was read or made. */
    struct buffer in;
    /** As it goes out. */
    struct buffer record;
    enum event_kind kind;
    /** Text or JSON, of what Port would be told. */
    struct buffer reports;
    struct buffer answer, method, webhook_url, reason;
    /** Nothing can map the event: nobody waits for that to change. */
    bool unmappable;
    enum observed_end end;
    int status;
    int64_t duration_ms;
};

static int cannot(const struct sending *sending, const struct error *err)
{
    fprintf(stderr, "port-agent %s: %s\n", sending->usage->command, err->message);
    return EXIT_CODE_FAILURE;
}

/* What happens */

static void port_told(void *ctx, struct slice method, struct slice path, struct slice body)
{
    struct sending *sending = ctx;
    struct buffer *out = &sending->reports;
    if (sending->unmappable)
        return;
    if (!sending->json) {
        buffer_append_text(out, "  ");
        terminal_append(out, method, false);
        buffer_append_char(out, ' ');
        terminal_append(out, path, false);
        buffer_append_char(out, ' ');
        terminal_append(out, body, false);
        buffer_append_char(out, '\n');
        return;
    }
    buffer_append_text(out, out->len > 0 ? ",{\"method\":" : "{\"method\":");
    buffer_append_json_string(out, method);
    buffer_append_text(out, ",\"path\":");
    buffer_append_json_string(out, path);
    buffer_append_text(out, ",\"body\":");
    body_append_value(body, out);
    buffer_append_char(out, '}');
}

static void keep_text(struct buffer *out, struct slice text)
{
    buffer_clear(out);
    buffer_append_slice(out, text);
}

static void event_told(void *ctx, const struct observed *observed)
{
    struct sending *sending = ctx;
    enum observed_end end = observed_end(observed->kind);
    if (observed->kind == OBSERVED_EXPRESSION_EMPTY || observed->kind == OBSERVED_REPORT_UNMAPPED)
        fprintf(stderr, "port-agent send: warning: %.*s\n", (int)observed->reason.len, observed->reason.ptr);
    if (observed->kind == OBSERVED_UNWANTED)
        keep_text(&sending->reason, SLICE_LITERAL("no mapping wants the event"));
    if (observed->kind == OBSERVED_UNWANTED)
        sending->end = END_SKIPPED;
    if (end == END_NONE || sending->unmappable)
        return;
    sending->end = end;
    sending->status = observed->status;
    sending->duration_ms = observed->duration_ms;
    keep_text(&sending->reason, end == END_DELIVERED ? (struct slice){NULL, 0} : observed_why(observed));
    keep_text(&sending->method, slice_of(observed->method));
    keep_text(&sending->webhook_url, observed->url);
    keep_text(&sending->answer, observed->whole_answer);
}

/* Showing */

static const char *outcome_name(enum observed_end end)
{
    return end == END_DELIVERED ? "delivered" : end == END_FAILED ? "failed" : "not sent";
}

static void append_json_outcome(struct sending *sending, struct buffer *out)
{
    buffer_appendf(out, "{\"outcome\":\"%s\",\"method\":", outcome_name(sending->end));
    buffer_append_json_string(out, buffer_slice(&sending->method));
    buffer_append_text(out, ",\"url\":");
    buffer_append_json_string(out, buffer_slice(&sending->webhook_url));
    buffer_appendf(out, ",\"status\":%d,\"duration_ms\":%lld,\"reason\":", sending->status,
                   (long long)sending->duration_ms);
    buffer_append_json_string(out, buffer_slice(&sending->reason));
    buffer_append_text(out, ",\"answer\":");
    body_append_value(buffer_slice(&sending->answer), out);
    buffer_append_text(out, ",\"event\":");
    body_append_value(buffer_slice(&sending->record), out);
    buffer_append_text(out, ",\"port\":[");
    buffer_append_slice(out, buffer_slice(&sending->reports));
    buffer_append_text(out, "]}\n");
}

static void append_text_outcome(struct sending *sending, struct buffer *out)
{
    bool delivered = sending->end == END_DELIVERED;
    if (sending->method.len > 0) {
        body_append_painted(out, sending->colour, PAINT_BOLD, buffer_slice(&sending->method));
        buffer_append_char(out, ' ');
        terminal_append(out, buffer_slice(&sending->webhook_url), false);
        buffer_append_char(out, '\n');
    }
    if (sending->status > 0)
        buffer_appendf(out, "answered %s%d%s in %lld ms\n",
                       !sending->colour ? ""
                       : delivered      ? PAINT_GREEN
                                        : PAINT_RED,
                       sending->status, sending->colour ? PAINT_NONE : "", (long long)sending->duration_ms);
    if (sending->reason.len > 0) {
        buffer_appendf(out, "%s: ", outcome_name(sending->end));
        terminal_append(out, buffer_slice(&sending->reason), true);
        buffer_append_char(out, '\n');
    }
    if (sending->answer.len > 0)
        body_show(buffer_slice(&sending->answer), sending->colour, out);
    if (sending->reports.len > 0)
        buffer_appendf(out, "Port would be told:\n%s", buffer_text(&sending->reports));
}

static int show_outcome(struct sending *sending)
{
    struct buffer out = {0};
    if (sending->json)
        append_json_outcome(sending, &out);
    else
        append_text_outcome(sending, &out);
    bool written = fwrite(buffer_text(&out), 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    bool failed = out.failed || !written || sending->end != END_DELIVERED;
    buffer_clear(&out);
    return failed ? EXIT_CODE_FAILURE : EXIT_CODE_OK;
}

/* Through the agent's delivery */

static void event_ended(void *ctx, size_t left)
{
    struct sending *sending = ctx;
    (void)left;
    daemon_stop(sending->running.daemon);
}

static void event_unmappable(void *ctx, const char *reason)
{
    struct sending *sending = ctx;
    sending->unmappable = true;
    buffer_clear(&sending->reason);
    buffer_appendf(&sending->reason, "the process that evaluates mappings cannot work: %s", reason);
    sending->setup.config.drain_timeout_ms = 0;
    daemon_stop(sending->running.daemon);
}

static struct source *open_event_source(void *ctx, const struct source_options *options, struct error *err)
{
    static struct record record; /* one event a process */
    static char id[48];          /* and the webhook's Idempotency-Key: never the same twice */
    struct sending *sending = ctx;
    snprintf(id, sizeof id, "send-%lld-%d", (long long)clock_wall_ms(clock_system()), (int)getpid());
    record = (struct record){.kind = sending->kind,
                             .id = slice_of(id),
                             .partition = -1,
                             .offset = -1,
                             .timestamp_ms = -1,
                             .value = buffer_slice(&sending->record)};
    const struct record_source_options records = {
        .records = &record, .count = 1, .finished = event_ended, .ctx = sending};
    return record_source_new(&records, options, err);
}

static void send_stopped(void *ctx, int exit_code)
{
    struct sending *sending = ctx;
    port_stub_close(&sending->port);
    running_stopped(&sending->running, exit_code);
}

/** What a person who waits wants: one attempt, no dead letter, and no line of the log for what is shown. */
static bool adapt(struct config *config, char *port_url)
{
    free(config->api_base_url);
    free(config->dead_letter_dir);
    free(config->dead_letter_topic);
    config->api_base_url = port_url;
    config->dead_letter_dir = strdup("");
    config->dead_letter_topic = strdup("");
    config->retry_max_attempts = 1;
    config->log_level = LOG_CRITICAL;
    config->event_max_age_ms = 0;
    return config->api_base_url && config->dead_letter_dir && config->dead_letter_topic;
}

static int deliver_event(struct sending *sending)
{
    struct daemon_options options = {.open_source = open_event_source,
                                     .stopped = send_stopped,
                                     .told = event_told,
                                     .keeps_answers = true,
                                     .unmappable = event_unmappable,
                                     .ctx = sending};
    const struct signal_watch signals = {.stop = running_stop_asked, .ctx = &sending->running};
    struct error err = {0};
    sending->port = (struct port_stub){.told = port_told, .ctx = sending};
    running_open(&sending->running);
    if (port_stub_open(&sending->port, &sending->running.loop, &err) != 0)
        return cannot(sending, &err);
    bool started = adapt(&sending->setup.config, port_stub_url(&sending->port)) &&
                   setup_open(&sending->setup, STDERR_FILENO) == EXIT_CODE_OK;
    if (started) {
        running_take_setup(&options, &sending->setup);
        started = running_start(&sending->running, options, signals, &err);
    }
    if (!started)
        port_stub_close(&sending->port);
    int code = running_end(&sending->running);
    if (!started)
        return setup_cannot_start(&err);
    int shown = show_outcome(sending);
    return code != EXIT_CODE_OK ? code : shown;
}

/* Into the topic */

static int produce_event(struct sending *sending)
{
    const struct config *config = &sending->setup.config;
    const char *topic = sending->kind == EVENT_CHANGE_LOG ? config->change_log_topic : config->runs_topic;
    struct produced produced;
    struct error err = {0};
    struct slice value = buffer_slice(&sending->record);
    if (*topic == '.') {
        fprintf(stderr, "PORT_ORG_ID: is not set; it names the topic\n");
        return EXIT_CODE_CONFIG;
    }
    int failed = record_produce(config, sending->setup.authorities, topic, value, &produced, &err);
    if (failed) {
        int code = cannot(sending, &err);
        return failed == PA_ERR_INVALID ? EXIT_CODE_CONFIG : code;
    }
    if (sending->json)
        printf("{\"topic\":\"%s\",\"partition\":%d,\"offset\":%lld,\"event\":%s}\n", topic,
               (int)produced.partition, (long long)produced.offset, buffer_text(&sending->record));
    else
        printf("written to %s, partition %d, offset %lld\n", topic, (int)produced.partition,
               (long long)produced.offset);
    return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}

/* The command */

/** The built-in mapping sends GitLab's events to GITLAB_URL, with a token from the environment. */
static void prepare_gitlab(const struct sending *sending)
{
    if (sending->url)
        setenv("GITLAB_URL", sending->url, 1);
    if (sending->template)
        setenv("group_project", "token-of-the-template", 0);
}

static int read_event(struct sending *sending)
{
    struct error err = {0};
    if (!sending->template)
        return input_read(sending->file, EVENT_MAX, &sending->in, &err) == 0 ? EXIT_CODE_OK
                                                                             : cannot(sending, &err);
    if (event_template(sending->template, &sending->in))
        return EXIT_CODE_OK;
    char question[NEAR_QUESTION_SIZE];
    return options_wrong(sending->usage, "--template: '%s' is none of %s%s", sending->template,
                         event_template_names,
                         near_question("", event_template_near(sending->template), question));
}

static int make_event(struct sending *sending, struct slice secret)
{
    struct error err = {0};
    const struct event_wishes wishes = {.url = sending->url,
                                        .sets = sending->sets.items,
                                        .set_count = sending->sets.count,
                                        .secret = secret,
                                        .now_s = clock_wall_ms(clock_system()) / 1000};
    buffer_clear(&sending->record);
    if (event_make(buffer_slice(&sending->in), &wishes, &sending->record, &sending->kind, &err) == 0)
        return EXIT_CODE_OK;
    fprintf(stderr, "port-agent send: ");
    if (sending->file)
        fprintf(stderr, "%s: ", strcmp(sending->file, "-") == 0 ? "standard input" : sending->file);
    fprintf(stderr, "%s\n", err.message);
    return EXIT_CODE_FAILURE;
}

static int send_with_settings(struct sending *sending)
{
    struct slice secret = sending->setup.config.client_secret.value;
    if (secret.len == 0) {
        fputs("port-agent send: there is no client secret; set PORT_CLIENT_SECRET\n", stderr);
        return EXIT_CODE_CONFIG;
    }
    int code = make_event(sending, secret);
    if (code != EXIT_CODE_OK || sending->to_topic)
        return code != EXIT_CODE_OK ? code : produce_event(sending);
    signals_hold();
    return deliver_event(sending);
}

static int send_event(struct sending *sending)
{
    signals_release(); /* nothing is on its way yet that would have to be finished */
    int code = read_event(sending);
    if (code == EXIT_CODE_OK)
        code = make_event(sending, SLICE_LITERAL("the settings are read later"));
    if (code != EXIT_CODE_OK)
        return code;
    /* Before the mappings' process is forked: it takes the environment along. */
    if (sending->kind == EVENT_RUN && event_is_gitlab(buffer_slice(&sending->record)))
        prepare_gitlab(sending);
    setup_process();
    code = setup_load_some(&sending->setup, NEEDED, sizeof NEEDED / sizeof *NEEDED);
    if (code != EXIT_CODE_OK)
        return code;
    fputs(buffer_text(&sending->setup.config.warnings), stderr);
    code = send_with_settings(sending);
    setup_close(&sending->setup);
    return code;
}

static int send_choices_check(const struct sending *sending)
{
    if (sending->template && sending->file)
        return options_wrong(sending->usage, "--template and --event are both given; leave one of them out");
    if (!sending->template && !sending->file)
        return options_wrong(sending->usage, "the event is missing; write --template (%s) or --event FILE",
                             event_template_names);
    if (!sending->url && !sending->to_topic)
        return options_wrong(sending->usage, "the destination is missing; write --to URL, or --topic");
    int code = sending->url ? options_url(sending->usage, "to", sending->url, "http://localhost:3000")
                            : OPTIONS_GO_ON;
    if (code != OPTIONS_GO_ON)
        return code;
    for (size_t i = 0; i < sending->sets.count; i++)
        if (!event_wish_is_whole(sending->sets.items[i]))
            return options_wrong(sending->usage, "--set: '%s' is not path=value; write %s",
                                 sending->sets.items[i], "payload.properties.region=eu-west-1");
    return OPTIONS_GO_ON;
}

static const char intro[] =
    "Makes an event, signs it as Port does, and sends it through the agent's own delivery: "
    "verified,\n"
    "mapped by CONTROL_THE_PAYLOAD_CONFIG_PATH where there is one, signed, one attempt. Shows the\n"
    "answer, and what Port would be told; Port itself is asked for nothing. PORT_CLIENT_SECRET is\n"
    "the only setting that it needs; any text works if the receiver has the same.\n"
    "A mapping's own url is used in place of --to.\n\n"
    "  port-agent send --template sync --to http://localhost:8080\n"
    "  port-agent send --template change-log --set diff.after.properties.cpu=16 --to "
    "http://localhost:8080\n"
    "  port-agent events --last 1 | port-agent send --event - --to http://localhost:3000\n"
    "  port-agent send --template async --to http://svc.internal/vm --topic";

static int parse_and_send(struct sending *sending, int argc, char **argv)
{
    const struct command_option options[] = {
        {.name = "template",
         .value = "sync|async|change-log|gitlab|node-run",
         .text = &sending->template,
         .help = "a built-in event"},
        {.name = "event",
         .value = "FILE",
         .text = &sending->file,
         .help = "an event of your own, which is signed anew; - is standard input"},
        {.name = "set",
         .value = "PATH=VALUE",
         .list = &sending->sets,
         .help = "change the event; may be given several times; a VALUE that is not JSON is a string"},
        {.name = "to", .value = "URL", .text = &sending->url, .help = "where the webhook goes"},
        {.name = "topic",
         .flag = &sending->to_topic,
         .help = "write the event to its topic instead, where an agent gets it"},
        OPTION_OUTPUT(&sending->json,
                      "json: one object with the answer, the event and what Port would be told"),
    };
    const struct command_usage usage = {
        .command = "send",
        .summary = "--template NAME|--event FILE [--set PATH=VALUE]… --to URL|--topic",
        .intro = intro,
        .exit_codes = "Exit codes: 0 the answer is a success (or the event is written); 1 it is not; 64 "
                      "wrong usage; 78 wrong "
                      "settings.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    // cppcheck-suppress autoVariables // nobody looks at it once the command has ended
    sending->usage = &usage;
    int code = options_parse(&usage, argc, argv);
    if (code == OPTIONS_GO_ON)
        code = send_choices_check(sending);
    if (code != OPTIONS_GO_ON)
        return code;
    sending->colour = terminal_has_colour(STDOUT_FILENO);
    return send_event(sending);
}

int command_send(int argc, char **argv)
{
    struct sending sending = {0};
    int code = parse_and_send(&sending, argc, argv);
    free((void *)sending.sets.items);
    buffer_clear(&sending.in);
    buffer_clear(&sending.record);
    buffer_clear(&sending.reports);
    buffer_clear(&sending.answer);
    buffer_clear(&sending.method);
    buffer_clear(&sending.webhook_url);
    buffer_clear(&sending.reason);
    return code;
}
