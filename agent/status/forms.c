/* What is shown of a snapshot: JSON, readiness, log lines. */
#include "base/version.h"
#include "config/effective.h"
#include "deadletter/dead_letter.h"
#include "observe/conditions.h"
#include "pieces.h"
#include "snapshot.h"
#include "json/writer.h"
#include <stdio.h>
#include <unistd.h>

static void write_settings(struct json_writer *writer, const struct config *config)
{
    struct buffer value = {0};
    json_write_open(writer, "settings", '[');
    for (size_t i = 0; i < config_setting_count; i++) {
        value.len = 0;
        config_append_value(config, i, &value);
        json_write_open(writer, NULL, '{');
        piece_text(writer, "name", config_settings[i].name);
        piece_text(writer, "value", buffer_text(&value));
        piece_text(writer, "from", config_origin(config, i));
        json_write_close(writer, '}');
    }
    json_write_close(writer, ']');
    writer->out->failed |= value.failed;
    buffer_clear(&value);
}

/* Partitions and destinations */

static void write_delivery(struct json_writer *writer, const struct snapshot *snapshot,
                           const struct delivery_view *delivery)
{
    json_write_text(writer, "run_id", delivery->run_id);
    piece_known_seconds(writer, "age_s", snapshot_age_ms(snapshot, delivery->record_ms));
    piece_text(writer, "state", delivery->state);
    piece_text(writer, "waits_for", delivery->waits_for);
    piece_text(writer, "destination", delivery->destination);
    json_write_int(writer, "attempts", delivery->attempts);
}

static void write_partition(struct json_writer *writer, const struct snapshot *snapshot,
                            const struct partition_snapshot *partition)
{
    const struct source_partition *seen = &partition->partition;
    json_write_open(writer, NULL, '{');
    piece_text(writer, "topic", seen->topic);
    json_write_int(writer, "partition", seen->number);
    piece_known(writer, "position", seen->position);
    piece_known(writer, "committed", seen->committed);
    piece_known(writer, "end", seen->end);
    piece_known(writer, "lag", partition->lag);
    piece_known(writer, "not_done", partition->not_done);
    json_write_int(writer, "in_progress", (int64_t)seen->undone);
    if (seen->oldest >= 0) {
        json_write_open(writer, "oldest", '{');
        json_write_int(writer, "offset", seen->oldest);
        if (partition->has_oldest)
            write_delivery(writer, snapshot, &partition->oldest);
        json_write_close(writer, '}');
    }
    json_write_close(writer, '}');
}

static void write_destination(struct json_writer *writer, const struct snapshot *snapshot,
                              const struct destination_view *destination)
{
    json_write_open(writer, NULL, '{');
    piece_text(writer, "name", destination->name);
    json_write_int(writer, "in_flight", destination->in_flight);
    json_write_int(writer, "waiting", (int64_t)destination->waiting);
    piece_text(writer, "breaker", destination->broken ? "open" : "closed");
    if (destination->broken) {
        json_write_seconds(writer, "open_for_s", snapshot->monotonic_ms - destination->broken_since_ms);
        json_write_int(writer, "failures_in_row", destination->failures_in_row);
    }
    json_write_bool(writer, "paused", destination->paused);
    if (destination->latency_ms > 0)
        json_write_seconds(writer, "latency_s", (int64_t)destination->latency_ms);
    piece_known_seconds(writer, "p50_s", destination->p50_ms);
    piece_known_seconds(writer, "p99_s", destination->p99_ms);
    piece_text(writer, "last_cause", destination->cause);
    json_write_close(writer, '}');
}

static void write_lists(struct json_writer *writer, const struct snapshot *snapshot)
{
    json_write_open(writer, "partitions", '{');
    json_write_int(writer, "count", (int64_t)snapshot->partitions);
    json_write_open(writer, "list", '[');
    for (size_t i = 0; i < snapshot->partitions_listed; i++)
        write_partition(writer, snapshot, &snapshot->partition[i]);
    json_write_close(writer, ']');
    json_write_close(writer, '}');
    json_write_open(writer, "destinations", '{');
    json_write_int(writer, "count", (int64_t)snapshot->destinations);
    json_write_open(writer, "list", '[');
    for (size_t i = 0; i < snapshot->destinations_listed; i++)
        write_destination(writer, snapshot, &snapshot->destination[i]);
    json_write_close(writer, ']');
    json_write_close(writer, '}');
}

/* The rest of it */

static void write_brake(struct json_writer *writer, const struct deliver *deliver)
{
    const struct window *window = deliver ? deliver_window(deliver) : NULL;
    const char *name;
    json_write_open(writer, "brake", '{');
    json_write_bool(writer, "all", window && window_is_paused(window));
    json_write_open(writer, "destinations", '[');
    for (size_t i = 0; window && (name = window_paused(window, i)); i++)
        piece_text(writer, NULL, name);
    json_write_close(writer, ']');
    json_write_close(writer, '}');
}

static void write_port(struct json_writer *writer, const struct snapshot *snapshot)
{
    const struct port_view *port = &snapshot->port;
    json_write_open(writer, "port", '{');
    piece_text(writer, "token", port->has_token ? "good" : port->token_asked ? "being fetched" : "none");
    if (port->has_token)
        json_write_seconds(writer, "token_expires_in_s", port->token_ms);
    if (port->refused_ms > 0)
        json_write_seconds(writer, "token_refused_for_s", port->refused_ms);
    if (port->quiet_ms > 0)
        json_write_seconds(writer, "quiet_for_s", port->quiet_ms);
    json_write_int(writer, "tokens_fetched", port->tokens);
    json_write_int(writer, "calls_under_way", port->calls);
    json_write_int(writer, "requests", (int64_t)port->requests);
    piece_text(writer, "last_failure", port->failure);
    json_write_int(writer, "results_waiting", (int64_t)snapshot->results_waiting);
    piece_known_seconds(writer, "oldest_result_s", snapshot->oldest_result_ms);
    json_write_close(writer, '}');
}

static void write_memory(struct json_writer *writer, const struct snapshot *snapshot)
{
    const struct config *config = snapshot->parts.config;
    json_write_open(writer, "memory", '{');
    json_write_int(writer, "resident_bytes", (int64_t)snapshot->rss_bytes);
    json_write_int(writer, "records_bytes", (int64_t)snapshot->counters.bytes_held);
    json_write_int(writer, "records_max_bytes", config_records_bytes(config));
    json_write_int(writer, "answers_bytes", (int64_t)snapshot->answer_bytes);
    json_write_int(writer, "answers_max_bytes", config->total_response_bytes);
    json_write_int(writer, "reports_bytes", (int64_t)snapshot->counters.report_bytes);
    json_write_close(writer, '}');
}

static void write_reload(struct json_writer *writer, const struct reload_view *reload)
{
    if (!reload)
        return;
    json_write_open(writer, "reload", '{');
    json_write_int(writer, "generation", (int64_t)reload->generation);
    if (reload->wall_ms > 0) {
        piece_text(writer, "changed", reload->changed);
        piece_time(writer, "at", reload->wall_ms);
    }
    if (reload->refused_wall_ms > 0) {
        piece_text(writer, "refused", reload->refused);
        piece_time(writer, "refused_at", reload->refused_wall_ms);
    }
    json_write_close(writer, '}');
}

static void write_letters_failure(struct json_writer *writer, const struct snapshot *snapshot)
{
    const struct dead_letters *letters = snapshot->parts.dead_letters;
    struct dead_letters_view view = {0};
    if (letters)
        view = dead_letters_view(letters);
    if (!view.failing)
        return;
    piece_text(writer, "failure", view.reason);
    json_write_seconds(writer, "failing_for_s", snapshot->monotonic_ms - view.since_ms);
}

static void write_rest(struct json_writer *writer, const struct snapshot *snapshot)
{
    const struct status_parts *parts = &snapshot->parts;
    const struct config *config = parts->config;
    json_write_open(writer, "dead_letters", '{');
    piece_text(writer, "kept_in",
               *config->dead_letter_dir     ? "directory"
               : *config->dead_letter_topic ? "topic"
                                            : "nothing");
    if (snapshot->counters.dead_letters_written != COUNTER_NONE) {
        json_write_int(writer, "written", (int64_t)snapshot->counters.dead_letters_written);
        json_write_int(writer, "waiting", (int64_t)snapshot->counters.dead_letters_waiting);
    }
    write_letters_failure(writer, snapshot);
    json_write_close(writer, '}');
    piece_text(writer, "log_level", log_level_name(log_level_now()));
    write_reload(writer, parts->reload);
    json_write_open(writer, "mapping", '{');
    json_write_bool(writer, "file", parts->mapping_file);
    piece_text(writer, "process", parts->mapping_lost ? "gone" : parts->mapping ? "running" : "none");
    json_write_close(writer, '}');
    json_write_open(writer, "counters", '{');
    for (size_t i = 0; i < COUNTERS_COUNT; i++)
        if (counters_value(&snapshot->counters, i) != COUNTER_NONE)
            json_write_int(writer, counters_table[i].name.ptr,
                           (int64_t)counters_value(&snapshot->counters, i));
    json_write_close(writer, '}');
}

static void write_conditions(struct json_writer *writer, const struct snapshot *snapshot)
{
    const struct conditions *conditions = snapshot->parts.conditions;
    const struct condition *condition = NULL;
    json_write_open(writer, "conditions", '[');
    while (conditions && (condition = conditions_next(conditions, condition))) {
        json_write_open(writer, NULL, '{');
        piece_text(writer, "words", condition_text(conditions, condition));
        piece_text(writer, "subject", condition->subject);
        piece_text(writer, "reason", condition->sentence);
        if (condition->hint)
            piece_text(writer, "hint", condition->hint);
        json_write_int(writer, "value", condition->value);
        json_write_int(writer, "count", (int64_t)condition->count);
        json_write_seconds(writer, "for_s", snapshot->monotonic_ms - condition->since_ms);
        json_write_close(writer, '}');
    }
    json_write_close(writer, ']');
}

static void write_streamer(struct json_writer *writer, const struct snapshot *snapshot)
{
    json_write_open(writer, "streamer", '{');
    piece_text(writer, "name", snapshot->parts.streamer);
    piece_text(writer, "state", snapshot->source.state);
    json_write_bool(writer, "connected", snapshot->source.connected);
    json_write_bool(writer, "credentials_refused", snapshot->source.credentials_refused);
    json_write_close(writer, '}');
}

static void write_state(struct json_writer *writer, const struct snapshot *snapshot, int64_t started_wall_ms)
{
    piece_text(writer, "version", agent_version);
    piece_text(writer, "revision", agent_revision);
    json_write_int(writer, "pid", getpid());
    piece_text(writer, "phase", snapshot->parts.phase);
    piece_time(writer, "started", started_wall_ms);
    piece_time(writer, "now", snapshot->wall_ms);
    json_write_seconds(writer, "uptime_s", snapshot->wall_ms - started_wall_ms);
    write_streamer(writer, snapshot);
    write_conditions(writer, snapshot);
    write_brake(writer, snapshot->parts.deliver);
    write_lists(writer, snapshot);
    write_port(writer, snapshot);
    write_memory(writer, snapshot);
    write_rest(writer, snapshot);
}

void snapshot_json(const struct snapshot *snapshot, int64_t started_wall_ms, struct buffer *out)
{
    struct json_writer writer = {.out = out};
    json_write_open(&writer, NULL, '{');
    write_state(&writer, snapshot, started_wall_ms);
    runs_write(&writer, snapshot);
    write_settings(&writer, snapshot->parts.config);
    json_write_close(&writer, '}');
    buffer_append_char(out, '\n');
}

/* Readiness */

static void add_reason(struct json_writer *writer, bool is_so, const char *words, bool *ready)
{
    if (!is_so)
        return;
    piece_text(writer, NULL, words);
    *ready = false;
}

static void write_notes(struct json_writer *writer, const struct snapshot *snapshot)
{
    const struct conditions *conditions = snapshot->parts.conditions;
    const struct condition *condition = NULL;
    char note[420];
    while (conditions && (condition = conditions_next(conditions, condition))) {
        snprintf(note, sizeof note, "%s%s%s: %.200s", condition_text(conditions, condition),
                 *condition->subject ? ", " : "", condition->subject, condition->sentence);
        piece_text(writer, NULL, note);
    }
    if (snapshot->counters.circuits_open > 0)
        piece_text(writer, NULL, "destinations only fail, and are probed");
    if (snapshot->parts.source && snapshot->source.connected && source_assigned(snapshot->parts.source) == 0)
        piece_text(writer, NULL, "no partition is assigned");
}

static bool write_readiness(struct json_writer *writer, const char *name, const struct snapshot *snapshot)
{
    const struct status_parts *parts = &snapshot->parts;
    bool ready = true;
    char port[480];
    snprintf(port, sizeof port, "Port cannot be asked: %s",
             *(snapshot->port.failure ? snapshot->port.failure : "") ? snapshot->port.failure
                                                                     : "no token yet");
    json_write_open(writer, name, '{');
    json_write_open(writer, "reasons", '[');
    add_reason(writer, !parts->running, parts->phase, &ready);
    add_reason(writer, parts->mapping_lost, "the mappings' process is gone", &ready);
    add_reason(writer, !snapshot->source.connected, snapshot->source.state, &ready);
    add_reason(writer, snapshot->source.credentials_refused, "the brokers refuse the credentials", &ready);
    add_reason(writer, !snapshot->port.has_token, port, &ready);
    json_write_close(writer, ']');
    json_write_open(writer, "notes", '[');
    write_notes(writer, snapshot);
    json_write_close(writer, ']');
    json_write_bool(writer, "ready", ready);
    json_write_close(writer, '}');
    return ready;
}

bool snapshot_readiness(const struct snapshot *snapshot, struct buffer *out)
{
    struct json_writer writer = {.out = out};
    bool ready = write_readiness(&writer, NULL, snapshot);
    buffer_append_char(out, '\n');
    return ready;
}

void snapshot_state_json(const struct snapshot *snapshot, int64_t started_wall_ms, struct buffer *out)
{
    struct json_writer writer = {.out = out};
    json_write_open(&writer, NULL, '{');
    PA_IGNORE(write_readiness(&writer, "readiness", snapshot)); /* it is in what is written */
    write_state(&writer, snapshot, started_wall_ms);
    json_write_close(&writer, '}');
}

/* Log lines */

static void log_partition(const struct snapshot *snapshot, const struct partition_snapshot *partition)
{
    const struct source_partition *seen = &partition->partition;
    const struct delivery_view *oldest = &partition->oldest;
    bool known = partition->has_oldest;
    int64_t age_ms = known ? snapshot_age_ms(snapshot, oldest->record_ms) : -1;
    log_info("status: partition", F_STR("messaging.destination.name", seen->topic),
             F_INT("messaging.destination.partition.id", seen->number),
             seen->position >= 0 ? F_INT("position", seen->position) : F_NONE,
             seen->committed >= 0 ? F_INT("committed", seen->committed) : F_NONE,
             partition->not_done >= 0 ? F_INT("not_done", partition->not_done) : F_NONE,
             partition->lag >= 0 ? F_INT("lag", partition->lag) : F_NONE,
             seen->oldest >= 0 ? F_INT("oldest_offset", seen->oldest) : F_NONE,
             age_ms >= 0 ? F_SECONDS("event.age", age_ms) : F_NONE,
             known ? F_SLICE("port.run_id", oldest->run_id) : F_NONE,
             known ? F_STR("waits_for", oldest->waits_for) : F_NONE,
             known ? F_STR("server.address", oldest->destination) : F_NONE);
}

static void log_destination(const struct snapshot *snapshot, const struct destination_view *destination)
{
    int64_t open_ms = snapshot->monotonic_ms - destination->broken_since_ms;
    log_info("status: destination", F_STR("server.address", destination->name),
             F_INT("in_flight", destination->in_flight), F_INT("waiting", destination->waiting),
             F_BOOL("circuit_open", destination->broken),
             destination->broken ? F_SECONDS("open_for", open_ms) : F_NONE,
             destination->paused ? F_BOOL("paused", true) : F_NONE,
             *destination->cause ? F_STR("error.message", destination->cause) : F_NONE);
}

void snapshot_log(const struct snapshot *snapshot)
{
    const struct conditions *conditions = snapshot->parts.conditions;
    const struct condition *condition = NULL;
    log_info(
        "status", F_STR("version", agent_version), F_STR("phase", snapshot->parts.phase),
        F_STR("streamer", snapshot->parts.streamer), F_STR("state", snapshot->source.state),
        F_BOOL("port_token", snapshot->port.has_token), F_INT("results_waiting", snapshot->results_waiting),
        snapshot->oldest_result_ms >= 0 ? F_SECONDS("oldest_result_age", snapshot->oldest_result_ms) : F_NONE,
        F_INT("partitions", snapshot->partitions), F_INT("destinations", snapshot->destinations),
        F_INT("resident_bytes", snapshot->rss_bytes));
    for (size_t i = 0; i < snapshot->partitions_listed; i++)
        log_partition(snapshot, &snapshot->partition[i]);
    for (size_t i = 0; i < snapshot->destinations_listed; i++)
        log_destination(snapshot, &snapshot->destination[i]);
    while (conditions && (condition = conditions_next(conditions, condition)))
        log_info("status: condition", F_STR("condition", condition_text(conditions, condition)),
                 *condition->subject ? F_STR("subject", condition->subject) : F_NONE,
                 F_STR("reason", condition->sentence), F_STR("hint", condition->hint),
                 F_SECONDS("standing_for", snapshot->monotonic_ms - condition->since_ms));
}
