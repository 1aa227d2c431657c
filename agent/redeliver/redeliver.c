/* `port-agent redeliver`: what is still in the topics goes once more through the agent's own delivery, at a
 * person's word, and is reported to Port: by the agent that runs (by_agent.c), or, where none does, here. No
 * group is joined and no offset moves. */
#include "agent/commands.h"
#include "agent/options.h"
#include "agent/record_outcome.h"
#include "agent/record_source/record_source.h"
#include "agent/run/running.h"
#include "agent/run/setup.h"
#include "agent/topics/topics.h"
#include "base/clock.h"
#include "base/signals.h"
#include "by_agent.h"
#include "source/kafka/record.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS_MAX = 1000 };

/** A record that is to go once more, kept with its message. */
struct kept_record {
    rd_kafka_message_t *message;
    struct redelivery_ids ids;
};

struct redelivery {
    const struct command_usage *usage;
    const char *run;
    int32_t partition;
    int64_t from, to;
    bool json;
    struct setup setup;
    struct running running;
    struct kept_record *kept;
    struct record *records;
    size_t count, delivered;
};

/* Choosing */

static bool is_wanted(const struct redelivery *redelivery, const rd_kafka_message_t *message)
{
    if (!redelivery->run)
        return message->offset >= redelivery->from && message->offset <= redelivery->to;
    struct event event;
    event_init(&event);
    bool wanted = event_parse(&event, EVENT_RUN, (struct slice){message->payload, message->len}, NULL) == 0 &&
                  slice_equal_text(event.run_id, redelivery->run);
    event_clear(&event);
    return wanted;
}

static int keep_record(struct redelivery *redelivery, rd_kafka_message_t *message, struct error *err)
{
    if (redelivery->count == RECORDS_MAX) {
        rd_kafka_message_destroy(message);
        return error_set(err, PA_ERR_TOO_LARGE, "these are more than %d records; ask for fewer at a time",
                         RECORDS_MAX);
    }
    struct kept_record *kept = &redelivery->kept[redelivery->count];
    const char *topic = rd_kafka_topic_name(message->rkt);
    *kept = (struct kept_record){.message = message};
    redelivery_ids_set(&kept->ids, topic, message->partition, message->offset, clock_system());
    redelivery->records[redelivery->count++] = record_once_more(&kept->ids, topic, message);
    return 0;
}

/** Up to the ends that the partitions have now, or to the last offset that is wanted. */
static int collect(struct redelivery *redelivery, struct topics *topics, struct error *err)
{
    rd_kafka_message_t *message;
    int step = redelivery->run ? topics_start(topics, -1, err)
                               : topics_start_at(topics, redelivery->partition, redelivery->from, err);
    while (step >= 0 && (step = topics_next(topics, &message, err)) != TOPICS_ENDED) {
        if (step != TOPICS_RECORD)
            continue;
        bool past = !redelivery->run && message->offset >= redelivery->to;
        if (!is_wanted(redelivery, message))
            rd_kafka_message_destroy(message);
        else
            step = keep_record(redelivery, message, err);
        if (past && step >= 0)
            return 0;
    }
    return step < 0 ? step : 0;
}

/* Delivering */

static void redelivery_told(void *ctx, const struct observed *observed)
{
    struct redelivery *redelivery = ctx;
    struct record_outcome outcome;
    if (record_outcome_of(observed, &outcome))
        redelivery->delivered += record_outcome_print(&outcome, redelivery->json);
}

static void redelivery_ended(void *ctx, size_t left)
{
    struct redelivery *redelivery = ctx;
    (void)left; /* what did not end well is not among the delivered */
    daemon_stop(redelivery->running.daemon);
}

static struct source *open_kept_records(void *ctx, const struct source_options *options, struct error *err)
{
    struct redelivery *redelivery = ctx;
    const struct record_source_options records = {.records = redelivery->records,
                                                  .count = redelivery->count,
                                                  .finished = redelivery_ended,
                                                  .ctx = redelivery};
    return record_source_new(&records, options, err);
}

static void redelivery_stopped(void *ctx, int exit_code)
{
    struct redelivery *redelivery = ctx;
    running_stopped(&redelivery->running, exit_code);
}

static int deliver_kept(struct redelivery *redelivery)
{
    struct daemon_options options = {.open_source = open_kept_records,
                                     .stopped = redelivery_stopped,
                                     .told = redelivery_told,
                                     .ctx = redelivery};
    const struct signal_watch signals = {.stop = running_stop_asked, .ctx = &redelivery->running};
    struct error err = {0};
    running_take_setup(&options, &redelivery->setup);
    running_open(&redelivery->running);
    bool started = running_start(&redelivery->running, options, signals, &err);
    int code = running_end(&redelivery->running);
    if (!started)
        return setup_cannot_start(&err);
    return code;
}

/** By the agent that runs, which no outcome passes by: its pauses, breakers and bounds hold for these too. */
static int ask_agent_to_deliver(struct redelivery *redelivery)
{
    struct record_place *places = calloc(redelivery->count, sizeof *places);
    if (!places)
        return EXIT_CODE_FAILURE;
    for (size_t i = 0; i < redelivery->count; i++)
        places[i] = (struct record_place){redelivery->records[i].partition, redelivery->records[i].offset};
    signals_release();
    int code = by_agent_deliver(&redelivery->setup.config, redelivery->usage, redelivery->json, places,
                                redelivery->count, &redelivery->delivered);
    signals_hold();
    free(places);
    return code;
}

static int deliver_once_more(struct redelivery *redelivery)
{
    struct error why = {0};
    int found = ask_finds_agent(&redelivery->setup.config, redelivery->usage, &why), code = BY_AGENT_CANNOT;
    if (found == EXIT_CODE_USAGE)
        return found;
    if (found == EXIT_CODE_OK)
        code = ask_agent_to_deliver(redelivery);
    else if (why.kind)
        fprintf(stderr, "port-agent redeliver: %s\n", why.message);
    bool own = code == BY_AGENT_CANNOT;
    if (own) {
        fputs("port-agent redeliver: no running agent can be asked; this command delivers\n", stderr);
        code = deliver_kept(redelivery);
    }
    if (!redelivery->json)
        printf("%zu delivered, %zu not\n", redelivery->delivered, redelivery->count - redelivery->delivered);
    bool all = redelivery->delivered == redelivery->count && fflush(stdout) == 0;
    return code != EXIT_CODE_OK ? code : all ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}

/* The command */

static int redeliver_from(struct redelivery *redelivery)
{
    const struct config *config = &redelivery->setup.config;
    const struct topics_options options = {
        .config = config, .authorities = redelivery->setup.authorities, .names = {config->runs_topic}};
    struct error err = {0};
    signals_release(); /* nothing is on its way yet: they end the process */
    struct topics *topics = topics_open(&options, NULL, NULL, &err);
    int failed = topics ? collect(redelivery, topics, &err) : err.kind;
    signals_hold();
    int code = failed == PA_ERR_INVALID ? EXIT_CODE_CONFIG : failed ? EXIT_CODE_FAILURE : EXIT_CODE_OK;
    if (failed)
        fprintf(stderr, "port-agent redeliver: %s\n", err.message);
    else if (redelivery->count == 0)
        fputs("port-agent redeliver: the topic has no such record any more\n", stderr);
    if (!failed)
        code = redelivery->count > 0 ? deliver_once_more(redelivery) : EXIT_CODE_FAILURE;
    for (size_t i = 0; i < redelivery->count; i++)
        rd_kafka_message_destroy(redelivery->kept[i].message);
    topics_close(topics);
    return code;
}

static int redeliver(struct redelivery *redelivery)
{
    setup_process();
    int code = setup_load(&redelivery->setup);
    if (code != EXIT_CODE_OK)
        return code;
    redelivery->kept = calloc(RECORDS_MAX, sizeof *redelivery->kept);
    redelivery->records = calloc(RECORDS_MAX, sizeof *redelivery->records);
    code = redelivery->kept && redelivery->records ? setup_open(&redelivery->setup, STDERR_FILENO)
                                                   : EXIT_CODE_FAILURE;
    if (code == EXIT_CODE_OK)
        code = redeliver_from(redelivery);
    setup_close(&redelivery->setup);
    free(redelivery->kept);
    free(redelivery->records);
    return code;
}

/** The digits at *text, and moves behind them; -1: there are none, or too many. */
static int64_t take_number(const char **text)
{
    size_t digits = strspn(*text, "0123456789");
    int64_t number = digits > 0 && digits <= 18 ? strtoll(*text, NULL, 10) : -1;
    *text += digits;
    return number;
}

/** "P:A-B", or "P:A" for one. */
static bool read_offsets(const char *text, struct redelivery *out)
{
    int64_t partition = take_number(&text);
    if (partition < 0 || partition > INT32_MAX || *text++ != ':')
        return false;
    out->partition = (int32_t)partition;
    out->from = out->to = take_number(&text);
    if (*text == '-') {
        text++;
        out->to = take_number(&text);
    }
    return *text == '\0' && out->from >= 0 && out->to >= out->from;
}

int command_redeliver(int argc, char **argv)
{
    struct redelivery redelivery = {0};
    const char *offsets = NULL;
    const struct command_option options[] = {
        {.name = "run", .value = "ID", .text = &redelivery.run, .help = "the events of this run"},
        {.name = "offsets",
         .value = "P:A-B",
         .text = &offsets,
         .help = "instead: the records of partition P of the runs topic, from offset A to offset B"},
        OPTION_OUTPUT(&redelivery.json, "json: one object a line for each record"),
    };
    const struct command_usage usage = {
        .command = "redeliver",
        .summary = "--run ID | --offsets P:A-B",
        .intro =
            "Has what is still in the runs topic delivered once more, and reported to Port. The running "
            "agent of these settings does it, beside its other work: 'pause', breakers and 'run-status' hold "
            "for it. Without one the command does it itself, with the agent's settings and mappings; its log "
            "lines go to standard error then. No consumer group is joined, and no offset moves. The endpoint "
            "gets a new Idempotency-Key, and the first one in X-Port-Redelivery-Of: the endpoint may have "
            "done its work already. At most 1,000 records. Once the command is interrupted, what the agent "
            "has taken goes on.\n\n"
            "  port-agent redeliver --run r_HardNzG6kzc9vWOQ\n"
            "  port-agent redeliver --offsets 0:1200-1250",
        .exit_codes =
            "Exit codes: 0 all events were delivered; 1 not all were, or there is no such event; 64 wrong "
            "usage, or several agents may be meant; 78 wrong settings.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    redelivery.usage = &usage;
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    if (redelivery.run && offsets)
        return options_wrong(&usage, "--run and --offsets are both given; leave one of them out");
    if (redelivery.run && !*redelivery.run)
        return options_wrong(&usage, "--run is empty; write the run's ID");
    if (!redelivery.run && !offsets)
        return options_wrong(&usage, "the events are missing; write --run ID or --offsets P:A-B");
    if (offsets && !read_offsets(offsets, &redelivery))
        return options_wrong(&usage, "--offsets: '%s' is not P:A-B; write 0:1200-1250", offsets);
    return redeliver(&redelivery);
}
