/* `port-agent events`: what is in the topics, decoded and verified, without joining the group. The events
 * themselves go to standard output, what is said of them to standard error. */
#include "agent/body.h"
#include "agent/commands.h"
#include "agent/input.h"
#include "agent/options.h"
#include "agent/terminal.h"
#include "agent/topics/topics.h"
#include "agent/verify/diagnosis.h"
#include "base/clock.h"
#include "event/signature.h"
#include "http/authorities.h"
#include "last.h"
#include "json/canonical.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LAST_USUAL = 10, LAST_MAX = 1000 };

static const char *const NEEDED[] = {"PORT_CLIENT_ID",    "PORT_CLIENT_SECRET",   "STREAMER_NAME",
                                     "RECORD_MAX_BYTES",  SETTINGS_OF_TOPICS,     SETTINGS_OF_BROKERS,
                                     SETTINGS_OF_PROXIES, SETTINGS_OF_AUTHORITIES};

struct events {
    const struct command_usage *usage;
    const char *run, *topic;
    bool follow, json, colour, unwritable;
    struct config config;
    struct signer *signer;
    struct topics *topics;
    struct last_records last;
    size_t shown;
};

/* One event */

static void append_findings(const struct events *events, struct slice record, struct buffer *out)
{
    struct buffer findings = {0};
    bool unreadable;
    const struct signature_case given = {.secret = events->config.client_secret.value,
                                         .body = record,
                                         .record = true,
                                         .now_s = clock_wall_ms(clock_system()) / 1000};
    PA_IGNORE(signature_diagnose(&given, &findings, &unreadable)); /* it is known that it is not valid */
    for (const char *at = buffer_text(&findings); *at; at += strcspn(at, "\n") + 1) {
        buffer_append_text(out, "\n  - ");
        terminal_append(out, (struct slice){at, strcspn(at, "\n")}, false);
    }
    buffer_clear(&findings);
}

static void append_verdict_of(const struct events *events, const struct event *event, struct slice record,
                              struct buffer *out)
{
    if (event->kind == EVENT_CHANGE_LOG) {
        buffer_append_text(out, "a change-log event, which carries no signature");
        return;
    }
    if (!events->signer) {
        buffer_append_text(out, "signature not checked: PORT_CLIENT_SECRET is not set");
        return;
    }
    bool valid = signer_verify(events->signer, event) == SIGNATURE_VALID;
    buffer_append_text(out, valid ? "signature valid" : "signature not valid");
    if (!valid)
        append_findings(events, record, out);
}

static void say_of(const struct events *events, const rd_kafka_message_t *message, const struct event *event,
                   const char *wrong)
{
    char stamp[CLOCK_RFC3339_SIZE] = "-";
    struct buffer line = {0};
    int64_t time_ms = rd_kafka_message_timestamp(message, NULL);
    if (time_ms >= 0)
        clock_rfc3339(time_ms, stamp);
    buffer_appendf(&line, "%s[%d]@%lld %s ", rd_kafka_topic_name(message->rkt), (int)message->partition,
                   (long long)message->offset, stamp);
    if (!slice_is_null(event->run_id)) {
        terminal_append(&line, event->run_id, false);
        buffer_append_char(&line, ' ');
    }
    if (wrong) {
        buffer_append_text(&line, "no event: ");
        terminal_append(&line, slice_of(wrong), false);
    } else {
        append_verdict_of(events, event, (struct slice){message->payload, message->len}, &line);
    }
    buffer_append_char(&line, '\n');
    fwrite(buffer_text(&line), 1, line.len, stderr);
    buffer_clear(&line);
}

/** The whole record, its signature included. */
static void print_event(struct events *events, struct slice record)
{
    struct buffer text = {0};
    if (!events->json)
        body_show(record, events->colour, &text);
    else if (json_canonical(record, &text, NULL) == 0)
        buffer_append_char(&text, '\n');
    events->unwritable |= fwrite(buffer_text(&text), 1, text.len, stdout) != text.len || fflush(stdout) != 0;
    buffer_clear(&text);
}

static void show_record(struct events *events, const rd_kafka_message_t *message)
{
    struct slice record = {message->payload, message->len};
    bool changes = strcmp(rd_kafka_topic_name(message->rkt), events->config.change_log_topic) == 0;
    struct event event;
    struct error err = {0};
    event_init(&event);
    int failed = event_parse(&event, changes ? EVENT_CHANGE_LOG : EVENT_RUN, record, &err);
    if (!events->run || (!failed && slice_equal_text(event.run_id, events->run))) {
        say_of(events, message, &event, failed ? err.message : NULL);
        if (!failed)
            print_event(events, record);
        events->shown++;
    }
    event_clear(&event);
}

/* Reading */

/** The end is reached: what was kept back is shown. True: go on. */
static bool reached_end(struct events *events)
{
    last_sort(&events->last);
    for (size_t i = 0; i < events->last.count; i++)
        show_record(events, events->last.list[i]);
    last_clear(&events->last);
    if (events->shown == 0 && !events->follow)
        fprintf(stderr, "port-agent events: no %s\n",
                events->run ? "event of this run is in the topics" : "events");
    return events->follow;
}

static int read_topics(struct events *events, int64_t tail, struct error *err)
{
    bool at_end = false;
    rd_kafka_message_t *message;
    int step = topics_start(events->topics, tail, err);
    while (step >= 0 && !events->unwritable) {
        step = topics_next(events->topics, &message, err);
        if (step == TOPICS_RECORD && tail > 0 && !at_end) {
            last_add(&events->last, message);
        } else if (step == TOPICS_RECORD) {
            show_record(events, message);
            rd_kafka_message_destroy(message);
        } else if (step == TOPICS_ENDED) {
            at_end = true;
            if (!reached_end(events))
                return 0;
        }
    }
    return step < 0 ? step : 0;
}

static void topic_missing(void *ctx, const char *name)
{
    const struct events *events = ctx;
    fprintf(stderr, "port-agent %s: there is no topic %s\n", events->usage->command, name);
}

static int open_events(struct events *events, const struct authorities *authorities, struct error *err)
{
    const struct config *config = &events->config;
    struct topics_options options = {.config = config, .authorities = authorities};
    size_t count = 0;
    if (!events->topic || strcmp(events->topic, "runs") == 0)
        options.names[count++] = config->runs_topic;
    if (!events->topic || strcmp(events->topic, "change-log") == 0)
        options.names[count++] = config->change_log_topic;
    if (config->client_secret.value.len > 0 && !(events->signer = signer_new(config->client_secret.value)))
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    if (events->signer && signer_accept_too(events->signer, config->client_secret_previous.value) != 0)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    events->topics = topics_open(&options, topic_missing, events, err);
    return events->topics ? 0 : err->kind;
}

static int events_with(struct events *events, int64_t tail)
{
    const struct config *config = &events->config;
    struct authorities_options trust = {.ssl_cert_file = config->ssl_cert_file,
                                        .requests_ca_bundle = config->requests_ca_bundle,
                                        .directory = AUTHORITIES_DIRECTORY};
    struct error err = {0};
    struct authorities *authorities = NULL;
    int failed = 0;
    if (config->streamer != STREAMER_KAFKA)
        failed = error_set(&err, PA_ERR_INVALID, "STREAMER_NAME: with POLLING there are no topics to read");
    else if (*config->runs_topic == '.' || *config->change_log_topic == '.')
        failed = error_set(&err, PA_ERR_INVALID, "PORT_ORG_ID: is not set; it names the topics");
    else if (!(authorities = authorities_new(&trust, &err)))
        failed = err.kind;
    if (!failed)
        failed = open_events(events, authorities, &err);
    if (!failed)
        failed = read_topics(events, tail, &err);
    if (failed)
        fprintf(stderr, "port-agent %s: %s\n", events->usage->command, err.message);
    topics_close(events->topics);
    last_clear(&events->last);
    signer_free(events->signer);
    authorities_free(authorities);
    if (failed)
        return failed == PA_ERR_INVALID ? EXIT_CODE_CONFIG : EXIT_CODE_FAILURE;
    return events->unwritable || (events->shown == 0 && events->run) ? EXIT_CODE_FAILURE : EXIT_CODE_OK;
}

static int load_and_read(struct events *events, int64_t tail)
{
    struct buffer problems = {0};
    int failed = input_settings(&events->config, NEEDED, sizeof NEEDED / sizeof *NEEDED, &problems);
    int code = failed == 0 ? EXIT_CODE_OK : failed == PA_ERR_MEMORY ? EXIT_CODE_FAILURE : EXIT_CODE_CONFIG;
    fputs(failed == PA_ERR_MEMORY ? "port-agent: out of memory\n" : buffer_text(&problems), stderr);
    buffer_clear(&problems);
    if (code == EXIT_CODE_OK)
        code = events_with(events, tail);
    config_clear(&events->config);
    return code;
}

/* The command line */

/** How many records before the end each partition is read from; negative: from its beginning. */
static bool read_place(const struct events *events, const char *last, int64_t *tail)
{
    size_t digits = last ? strspn(last, "0123456789") : 0;
    *tail = events->run ? -1 : events->follow ? 0 : LAST_USUAL;
    if (!last)
        return true;
    *tail = digits > 0 && digits < 6 ? strtoll(last, NULL, 10) : 0;
    return last[digits] == '\0' && *tail > 0 && *tail <= LAST_MAX;
}

int command_events(int argc, char **argv)
{
    struct events events = {0};
    const char *last = NULL;
    int64_t tail;
    const struct command_option options[] = {
        {.name = "run", .value = "ID", .text = &events.run, .help = "the events of this run"},
        {.name = "last", .value = "N", .text = &last, .help = "the last N events (10 by default)"},
        {.name = "follow", .flag = &events.follow, .help = "then show new events as they come, until Ctrl-C"},
        {.name = "topic", .value = "runs|change-log", .text = &events.topic, .help = "of this topic only"},
        OPTION_OUTPUT(&events.json, "json: each event on one line, as 'map --events' takes it"),
    };
    const struct command_usage usage = {
        .command = "events",
        .summary = "[--run ID | --last N] [--follow] [--topic runs|change-log]",
        .intro =
            "Shows events of the topics as they stand there, without joining the consumer group: no\n"
            "offset moves. Events go to standard output, as 'map --event' and 'send --event' take them;\n"
            "where each is from, and whether its signature is valid, goes to standard error. Events hold\n"
            "what people typed in: store them with care.\n\n"
            "  port-agent events --last 1 --topic runs > event.json\n"
            "  port-agent events --run r_HardNzG6kzc9vWOQ | port-agent map --event -\n"
            "  port-agent events --follow --output json | jq .action",
        .exit_codes =
            "Exit codes: 0 shown; 1 the topics cannot be read, or have nothing of the run; 64 wrong "
            "usage;\n78 wrong settings.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    events.usage = &usage;
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    if (events.run && !*events.run)
        return options_wrong(&usage, "--run is empty; write the run's ID");
    if (events.run && last)
        return options_wrong(&usage, "--run and --last are both given");
    if (!read_place(&events, last, &tail))
        return options_wrong(&usage, "--last: '%s' is not a number from 1 to %d", last, LAST_MAX);
    if (events.topic && strcmp(events.topic, "runs") != 0 && strcmp(events.topic, "change-log") != 0)
        return options_wrong(&usage, "--topic: '%s' is neither runs nor change-log", events.topic);
    events.colour = terminal_has_colour(STDOUT_FILENO);
    events.last.limit = tail > 0 ? (size_t)tail : 1;
    return load_and_read(&events, tail);
}
