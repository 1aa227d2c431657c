/* See metrics.h. The counters come from the table of lib/observe, the rest from the table below. Labels are
 * bounded: topics and partitions as many as a snapshot lists, everything else a fixed set. */
#include "metrics.h"
#include "accept.h"
#include "base/version.h"
#include "observe/metrics.h"
#include "port/tally.h"
#include <string.h>

const char metrics_type[] = "text/plain; version=0.0.4; charset=utf-8";
const char metrics_open_type[] = "application/openmetrics-text; version=1.0.0; charset=utf-8";

bool metrics_wants_open(const char *accept)
{
    int open = accept_weight(accept, "application/openmetrics-text");
    return open > 0 && open >= accept_weight(accept, "text/plain");
}

struct scrape {
    const struct snapshot *snapshot;
    const struct metrics *metrics;
    int64_t started_wall_ms;
    bool open_metrics;
    struct buffer *out;
};

struct family {
    /** Without "_total". */
    const char *name;
    /** "counter", "gauge" or "histogram". */
    const char *type;
    /** The labels' names, as the document lists them; "": none. */
    const char *labels;
    const char *help;
    void (*write)(const struct scrape *scrape, const struct family *family);
};

/* Samples */

/** `suffix` behind the name; the labels with their braces, or "". */
static void begin_sample(const struct scrape *scrape, const struct family *family, const char *suffix)
{
    buffer_appendf(scrape->out, "%s%s", family->name, suffix);
}

static void write_integer(const struct scrape *scrape, const struct family *family, const char *labels,
                          int64_t value)
{
    begin_sample(scrape, family, strcmp(family->type, "counter") == 0 ? "_total" : "");
    buffer_appendf(scrape->out, "%s %lld\n", labels, (long long)value);
}

/** Of a family with one label. */
static void write_labelled(const struct scrape *scrape, const struct family *family, const char *label,
                           int64_t value)
{
    char labels[64];
    snprintf(labels, sizeof labels, "{%s=\"%s\"}", family->labels, label);
    write_integer(scrape, family, labels, value);
}

/** Milliseconds as seconds. */
static void write_duration(const struct scrape *scrape, const struct family *family, const char *labels,
                           int64_t ms)
{
    begin_sample(scrape, family, "");
    buffer_appendf(scrape->out, "%s %.3f\n", labels, (double)ms / 1000);
}

static void write_histogram(const struct scrape *scrape, const struct family *family,
                            const struct histogram *histogram)
{
    uint64_t count = 0;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        count += histogram->counts[i];
        begin_sample(scrape, family, "_bucket");
        /* As the two formats write a bound: 0.01, and a whole number as 1 or as 1.0. */
        const char *whole = scrape->open_metrics && histogram_bounds_ms[i] % 1000 == 0 ? ".0" : "";
        buffer_appendf(scrape->out, "{le=\"%g%s\"} %llu\n", (double)histogram_bounds_ms[i] / 1000, whole,
                       (unsigned long long)count);
    }
    count += histogram->counts[HISTOGRAM_BOUNDS];
    begin_sample(scrape, family, "_bucket");
    buffer_appendf(scrape->out, "{le=\"+Inf\"} %llu\n", (unsigned long long)count);
    begin_sample(scrape, family, "_sum");
    buffer_appendf(scrape->out, " %.3f\n", (double)histogram->sum_ms / 1000);
    begin_sample(scrape, family, "_count");
    buffer_appendf(scrape->out, " %llu\n", (unsigned long long)count);
}

/** The writer of a family that has one sample. */
#define INTEGER_FAMILY(writer_, value_)                                           \
    static void writer_(const struct scrape *scrape, const struct family *family) \
    {                                                                             \
        write_integer(scrape, family, "", (int64_t)(value_));                     \
    }

/** The writer of a family that is a histogram. */
#define HISTOGRAM_FAMILY(writer_, histogram_)                                     \
    static void writer_(const struct scrape *scrape, const struct family *family) \
    {                                                                             \
        write_histogram(scrape, family, histogram_);                              \
    }

/* Events */

static void write_ended(const struct scrape *scrape, const struct family *family)
{
    static const char *const classes[STATUS_CLASSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    for (size_t delivered = 0; delivered < 2; delivered++)
        for (size_t i = 0; i < STATUS_CLASSES; i++) {
            char labels[64];
            snprintf(labels, sizeof labels, "{outcome=\"%s\",status_class=\"%s\"}",
                     delivered ? "delivered" : "failed", classes[i]);
            if (scrape->metrics->ended[delivered][i] > 0)
                write_integer(scrape, family, labels, (int64_t)scrape->metrics->ended[delivered][i]);
        }
}

static void write_refused(const struct scrape *scrape, const struct family *family)
{
    for (size_t i = 0; i < REFUSAL_REASONS; i++)
        write_labelled(scrape, family, metrics_refusals[i], (int64_t)scrape->metrics->refused[i]);
}

INTEGER_FAMILY(write_attempts, scrape->metrics->attempts)

static void append_label(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            buffer_append_char(out, '\\');
        buffer_append_char(out, *text);
    }
}

/** Every fate of a topic that has had a record; its label is "none" where it has no name. */
static void write_fates(const struct scrape *scrape, const struct family *family)
{
    for (size_t i = 0; i < sizeof scrape->metrics->topics / sizeof *scrape->metrics->topics; i++) {
        const struct topic_fates *row = &scrape->metrics->topics[i];
        for (size_t fate = 0; fate < RECORD_FATES; fate++) {
            struct buffer labels = {0};
            if (!*row->topic && row->fates[fate] == 0)
                continue;
            buffer_append_text(&labels, "{topic=\"");
            append_label(&labels, *row->topic ? row->topic : "none");
            buffer_appendf(&labels, "\",fate=\"%s\"}", metrics_fates[fate]);
            write_integer(scrape, family, buffer_text(&labels), (int64_t)row->fates[fate]);
            scrape->out->failed |= labels.failed;
            buffer_clear(&labels);
        }
    }
}

HISTOGRAM_FAMILY(write_mapping_duration, &scrape->metrics->mapping_duration)

static void write_mapping_failures(const struct scrape *scrape, const struct family *family)
{
    for (size_t i = 0; i < MAPPING_FAILURES; i++)
        write_labelled(scrape, family, metrics_mapping_failures[i],
                       (int64_t)scrape->metrics->mapping_failures[i]);
}

HISTOGRAM_FAMILY(write_delivery_duration, &scrape->metrics->delivery_duration)
HISTOGRAM_FAMILY(write_queue_wait, &scrape->metrics->queue_wait)
HISTOGRAM_FAMILY(write_event_age, &scrape->metrics->event_age)

/* The source */

static void write_of_partition(const struct scrape *scrape, const struct family *family,
                               const struct source_partition *partition, int64_t value, bool seconds)
{
    struct buffer labels = {0};
    if (value < 0)
        return;
    buffer_append_text(&labels, "{topic=\"");
    append_label(&labels, partition->topic);
    buffer_appendf(&labels, "\",partition=\"%d\"}", (int)partition->number);
    if (seconds)
        write_duration(scrape, family, buffer_text(&labels), value);
    else
        write_integer(scrape, family, buffer_text(&labels), value);
    scrape->out->failed |= labels.failed;
    buffer_clear(&labels);
}

static void write_partition_lag(const struct scrape *scrape, const struct family *family)
{
    for (size_t i = 0; i < scrape->snapshot->partitions_listed; i++) {
        const struct partition_snapshot *partition = &scrape->snapshot->partition[i];
        write_of_partition(scrape, family, &partition->partition, partition->lag, false);
    }
}

static void write_partition_not_done(const struct scrape *scrape, const struct family *family)
{
    for (size_t i = 0; i < scrape->snapshot->partitions_listed; i++) {
        const struct partition_snapshot *partition = &scrape->snapshot->partition[i];
        write_of_partition(scrape, family, &partition->partition, partition->not_done, false);
    }
}

static void write_partition_oldest(const struct scrape *scrape, const struct family *family)
{
    for (size_t i = 0; i < scrape->snapshot->partitions_listed; i++) {
        const struct partition_snapshot *partition = &scrape->snapshot->partition[i];
        if (partition->has_oldest)
            write_of_partition(scrape, family, &partition->partition,
                               snapshot_age_ms(scrape->snapshot, partition->oldest.record_ms), true);
    }
}

static void write_assigned(const struct scrape *scrape, const struct family *family)
{
    const struct source *source = scrape->snapshot->parts.source;
    write_integer(scrape, family, "", source ? source_assigned(source) : 0);
}

INTEGER_FAMILY(write_connected, scrape->snapshot->source.connected)
INTEGER_FAMILY(write_credentials_refused, scrape->snapshot->source.credentials_refused)
INTEGER_FAMILY(write_rebalances, scrape->snapshot->source.rebalances)

static void write_commits(const struct scrape *scrape, const struct family *family)
{
    write_labelled(scrape, family, "done", (int64_t)scrape->snapshot->source.commits);
    write_labelled(scrape, family, "failed", (int64_t)scrape->snapshot->source.commits_failed);
}

INTEGER_FAMILY(write_credentials_fetches, scrape->snapshot->source.credentials_fetched)

/* Port */

/** Those that there were. */
static void write_port_calls(const struct scrape *scrape, const struct family *family)
{
    const struct port_tally *tally = scrape->snapshot->port.tally;
    for (size_t route = 0; tally && route < PORT_ROUTES; route++)
        for (size_t code = 0; code < PORT_CODES; code++) {
            char labels[80];
            snprintf(labels, sizeof labels, "{route=\"%s\",code=\"%s\"}", port_tally_routes[route],
                     port_tally_codes[code]);
            if (tally->answers[route][code] > 0)
                write_integer(scrape, family, labels, (int64_t)tally->answers[route][code]);
        }
}

INTEGER_FAMILY(write_results_waiting, scrape->snapshot->results_waiting)

static void write_oldest_result(const struct scrape *scrape, const struct family *family)
{
    int64_t oldest_ms = scrape->snapshot->oldest_result_ms;
    write_duration(scrape, family, "", oldest_ms > 0 ? oldest_ms : 0);
}

INTEGER_FAMILY(write_token_valid, scrape->snapshot->port.has_token)
INTEGER_FAMILY(write_token_fetches, scrape->snapshot->port.tokens)
INTEGER_FAMILY(write_port_requests, scrape->snapshot->port.requests)

/* The agent */

static void write_memory_used(const struct scrape *scrape, const struct family *family)
{
    const struct snapshot *snapshot = scrape->snapshot;
    /* Results that wait for Port are in the budget of records. */
    uint64_t records = snapshot->counters.bytes_held + snapshot->counters.report_bytes;
    write_labelled(scrape, family, "records", (int64_t)records);
    write_labelled(scrape, family, "references", (int64_t)snapshot->reference_bytes);
    write_labelled(scrape, family, "answers", (int64_t)snapshot->answer_bytes);
}

static void write_memory_limit(const struct scrape *scrape, const struct family *family)
{
    const struct config *config = scrape->snapshot->parts.config;
    write_labelled(scrape, family, "records", config_records_bytes(config));
    write_labelled(scrape, family, "references", config->queue_max_bytes);
    write_labelled(scrape, family, "answers", config->total_response_bytes);
}

static void write_loop_lag(const struct scrape *scrape, const struct family *family)
{
    static const struct histogram none;
    const struct histogram *lag = scrape->snapshot->parts.loop_lag;
    write_histogram(scrape, family, lag ? lag : &none);
}

INTEGER_FAMILY(write_lines_dropped, log_dropped(NULL))
INTEGER_FAMILY(write_resident, scrape->snapshot->rss_bytes)

/** Labels; a kind that is not here is one of the others. */
static const char *const condition_kinds[CONDITION_KINDS] = {
    [CONDITION_CLOCK_OFF] = "clock_off",
    [CONDITION_SIGNED_AHEAD] = "signed_ahead",
    [CONDITION_UNREADABLE] = "unreadable",
    [CONDITION_NOTE_FULL] = "note_full",
    [CONDITION_NO_EVALUATOR] = "no_evaluator",
    [CONDITION_PAUSED] = "paused",
    [CONDITION_REFERENCES_FULL] = "references_full",
    [CONDITION_SPANS] = "spans",
    [CONDITION_CIRCUIT_OPEN] = "circuit_open",
    [CONDITION_NOTHING_WANTED] = "nothing_wanted",
    [CONDITION_SIGNATURES_REFUSED] = "signatures_refused",
    [CONDITION_BROKERS_AWAY] = "brokers_away",
    [CONDITION_KAFKA_CREDENTIALS] = "kafka_credentials",
    [CONDITION_TOPIC_MISSING] = "topic_missing",
    [CONDITION_NOTHING_ASSIGNED] = "nothing_assigned",
    [CONDITION_PORT_CREDENTIALS] = "port_credentials",
    [CONDITION_RESULTS_WAIT] = "results_wait",
    [CONDITION_RESULTS_REFUSED] = "results_refused",
    [CONDITION_PORT_GIVES_NOTHING] = "port_gives_nothing",
    [CONDITION_GROUP_REFUSED] = "group_refused",
    [CONDITION_RELOAD_REFUSED] = "reload_refused",
};

static void write_conditions(const struct scrape *scrape, const struct family *family)
{
    const struct conditions *conditions = scrape->snapshot->parts.conditions;
    const struct condition *condition = NULL;
    int64_t counts[CONDITION_KINDS] = {0}, others = 0;
    while (conditions && (condition = conditions_next(conditions, condition)))
        counts[condition->kind]++;
    for (size_t i = 0; i < CONDITION_KINDS; i++) {
        if (condition_kinds[i])
            write_labelled(scrape, family, condition_kinds[i], counts[i]);
        else
            others += counts[i];
    }
    write_labelled(scrape, family, "other", others);
}

static void write_paused(const struct scrape *scrape, const struct family *family)
{
    const struct deliver *deliver = scrape->snapshot->parts.deliver;
    const struct window *window = deliver ? deliver_window(deliver) : NULL;
    write_integer(scrape, family, "", window && (window_is_paused(window) || window_paused(window, 0)));
}

INTEGER_FAMILY(write_mapping_up, scrape->snapshot->parts.mapping && !scrape->snapshot->parts.mapping_lost)

static void write_started(const struct scrape *scrape, const struct family *family)
{
    write_duration(scrape, family, "", scrape->started_wall_ms);
}

static void write_build(const struct scrape *scrape, const struct family *family)
{
    struct buffer labels = {0};
    buffer_append_text(&labels, "{version=\"");
    append_label(&labels, agent_version);
    buffer_append_text(&labels, "\",revision=\"");
    append_label(&labels, agent_revision);
    buffer_append_text(&labels, "\",streamer=\"");
    append_label(&labels, scrape->snapshot->parts.streamer);
    buffer_append_text(&labels, "\"}");
    write_integer(scrape, family, buffer_text(&labels), 1);
    scrape->out->failed |= labels.failed;
    buffer_clear(&labels);
}

/* The table */

static const struct family families[] = {
    {"port_agent_deliveries", "counter", "outcome, status_class",
     "events that ended, by outcome and the class of the last status (none: there was no answer)",
     write_ended},
    {"port_agent_records", "counter", "topic, fate",
     "what became of records, by topic (none: they are in no topic); one that was given back comes again",
     write_fates},
    {"port_agent_attempts", "counter", "", "attempts at webhooks that were begun", write_attempts},
    {"port_agent_signature_failures", "counter", "reason", "events that were refused, by reason",
     write_refused},
    {"port_agent_delivery_duration_seconds", "histogram", "", "how long last attempts took",
     write_delivery_duration},
    {"port_agent_queue_wait_seconds", "histogram", "", "from taking a record to its first attempt",
     write_queue_wait},
    {"port_agent_event_age_seconds", "histogram", "",
     "from a record's own timestamp to its event's last answer", write_event_age},
    {"port_agent_mapping_duration_seconds", "histogram", "",
     "from asking for an event's mapping to its evaluator's answer", write_mapping_duration},
    {"port_agent_mapping_failures", "counter", "of",
     "requests (their events failed), reports and single expressions that a mapping could not make",
     write_mapping_failures},
    {"port_agent_partitions_assigned", "gauge", "",
     "partitions that are this agent's; 1 for a poller that works", write_assigned},
    {"port_agent_partition_lag", "gauge", "topic, partition",
     "records between the committed offset and the log's end", write_partition_lag},
    {"port_agent_partition_not_done", "gauge", "topic, partition",
     "records that are not done: taken, or still to be taken", write_partition_not_done},
    {"port_agent_partition_oldest_age_seconds", "gauge", "topic, partition",
     "age of the oldest record that was taken and is not done", write_partition_oldest},
    {"port_agent_source_connected", "gauge", "", "1: the brokers, or Port's queue, are reached",
     write_connected},
    {"port_agent_source_credentials_refused", "gauge", "", "1: the brokers refuse the credentials",
     write_credentials_refused},
    {"port_agent_source_credentials_fetches", "counter", "",
     "times that Port gave Kafka's credentials, the first included", write_credentials_fetches},
    {"port_agent_rebalances", "counter", "", "times that partitions were given or taken away by the group",
     write_rebalances},
    {"port_agent_commits", "counter", "outcome", "offsets of partitions that were committed, or could not be",
     write_commits},
    {"port_agent_results_waiting", "gauge", "", "results that Port has not accepted yet",
     write_results_waiting},
    {"port_agent_oldest_result_age_seconds", "gauge", "", "how long the oldest of them waits; 0: none waits",
     write_oldest_result},
    {"port_agent_port_token_valid", "gauge", "", "1: there is a token of Port's API that is good",
     write_token_valid},
    {"port_agent_port_token_fetches", "counter", "", "tokens fetched", write_token_fetches},
    {"port_agent_port_requests", "counter", "", "HTTP requests to Port's API", write_port_requests},
    {"port_agent_port_calls", "counter", "route, code",
     "requests to Port's API that ended, by what was asked and status (none: no answer)", write_port_calls},
    {"port_agent_memory_bytes", "gauge", "budget", "memory used of a budget", write_memory_used},
    {"port_agent_memory_limit_bytes", "gauge", "budget", "the budget", write_memory_limit},
    {"port_agent_conditions", "gauge", "kind", "standing conditions: what goes on being wrong",
     write_conditions},
    {"port_agent_paused", "gauge", "", "1: the operator has paused a destination, or everything",
     write_paused},
    {"port_agent_mapping_up", "gauge", "", "1: there is a process that evaluates mappings", write_mapping_up},
    {"port_agent_loop_lag_seconds", "histogram", "",
     "how late the loop came back, measured every two seconds", write_loop_lag},
    {"port_agent_log_lines_dropped", "counter", "",
     "log lines that were lost because their reader did not keep up", write_lines_dropped},
    {"port_agent_build_info", "gauge", "version, revision, streamer", "always 1", write_build},
    {"process_resident_memory_bytes", "gauge", "", "resident memory of the agent's process", write_resident},
    {"process_start_time_seconds", "gauge", "", "when the process began, since the Unix epoch",
     write_started},
};
enum { FAMILIES = sizeof families / sizeof *families };

/* Writing */

static void write_head(const struct scrape *scrape, const char *name, const char *type, const char *help)
{
    const char *behind = !scrape->open_metrics && strcmp(type, "counter") == 0 ? "_total" : "";
    buffer_appendf(scrape->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, behind, help, name, behind, type);
}

static const char *type_of(const struct counter *counter)
{
    return counter->kind == COUNTER_TOTAL ? "counter" : "gauge";
}

/** Prometheus writes units in full. */
static void name_of(const struct counter *counter, char *out, size_t size)
{
    const char *name = counter->name.ptr;
    size_t length = counter->name.len;
    bool seconds = length > 2 && strcmp(name + length - 2, "_s") == 0;
    snprintf(out, size, "port_agent_%s%s", name, seconds ? "econds" : "");
}

static void write_counters(const struct scrape *scrape)
{
    for (size_t i = 0; i < COUNTERS_COUNT; i++) {
        const struct counter *counter = &counters_table[i];
        uint64_t value = counters_value(&scrape->snapshot->counters, i);
        char name[96];
        if (value == COUNTER_NONE)
            continue;
        name_of(counter, name, sizeof name);
        const struct family family = {.name = name, .type = type_of(counter)};
        write_head(scrape, name, family.type, counter->help);
        write_integer(scrape, &family, "", (int64_t)value);
    }
}

void metrics_write(const struct snapshot *snapshot, int64_t started_wall_ms, bool open_metrics,
                   struct buffer *out)
{
    static const struct metrics none;
    const struct observer *observer = snapshot->parts.observer;
    const struct scrape scrape = {.snapshot = snapshot,
                                  .metrics = observer ? observer_metrics(observer) : &none,
                                  .started_wall_ms = started_wall_ms,
                                  .open_metrics = open_metrics,
                                  .out = out};
    write_counters(&scrape);
    for (size_t i = 0; i < FAMILIES; i++) {
        write_head(&scrape, families[i].name, families[i].type, families[i].help);
        families[i].write(&scrape, &families[i]);
    }
    if (open_metrics)
        buffer_append_text(out, "# EOF\n");
}

void metrics_document(struct buffer *out)
{
    buffer_append_text(out, "| metric | type | labels | what it says |\n|---|---|---|---|\n");
    for (size_t i = 0; i < COUNTERS_COUNT; i++) {
        const struct counter *counter = &counters_table[i];
        char name[96];
        name_of(counter, name, sizeof name);
        buffer_appendf(out, "| `%s%s` | %s | | %s |\n", name, counter->kind == COUNTER_TOTAL ? "_total" : "",
                       type_of(counter), counter->help);
    }
    for (size_t i = 0; i < FAMILIES; i++) {
        const struct family *family = &families[i];
        bool counter = strcmp(family->type, "counter") == 0;
        buffer_appendf(out, "| `%s%s` | %s | %s%s| %s |\n", family->name, counter ? "_total" : "",
                       family->type, family->labels, *family->labels ? " " : "", family->help);
    }
}
