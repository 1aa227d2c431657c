/* What is known of one run, as JSON. */
#include "deadletter/dead_letter.h"
#include "observe/runs.h"
#include "pieces.h"
#include "snapshot.h"
#include <string.h>

struct run_search {
    const struct status_parts *parts;
    struct slice run_id;
    struct json_writer *writer;
    int64_t wall_ms, monotonic_ms;
    size_t found;
};

enum { RUN_DELIVERIES_MAX = 8 };

/** Why what it waits for does not come; "": nothing is known. */
static const char *why_it_waits(const struct status_parts *parts, const struct delivery_view *delivery)
{
    if (delivery->at_port && parts->port)
        return port_api_view(parts->port).failure;
    if (!delivery->at_letter || !parts->dead_letters)
        return delivery->why;
    struct dead_letters_view letters = dead_letters_view(parts->dead_letters);
    return letters.failing ? letters.reason : "";
}

/** What to look at; NULL: nothing. */
static const char *hint_of(const struct status_parts *parts, const struct delivery_view *delivery)
{
    if (delivery->at_port && parts->port && !port_api_view(parts->port).has_token)
        return "check PORT_CLIENT_ID, PORT_CLIENT_SECRET and PORT_API_BASE_URL with 'port-agent check "
               "--connect'; "
               "it is tried until Port accepts it";
    if (delivery->at_port)
        return "nothing, unless it lasts: it is tried until Port accepts it; 'port-agent check --connect' "
               "goes "
               "the way to Port";
    if (delivery->at_letter)
        return "make space for dead letters, or mend what DEAD_LETTER_DIR or DEAD_LETTER_TOPIC leads to: it "
               "is tried until it is written";
    return delivery->hint;
}

static void write_why(struct run_search *search, const struct delivery_view *delivery)
{
    piece_text(search->writer, "why", why_it_waits(search->parts, delivery));
    piece_text(search->writer, "hint", hint_of(search->parts, delivery));
}

static void write_run_delivery(void *ctx, const struct delivery_view *delivery)
{
    struct run_search *search = ctx;
    struct json_writer *writer = search->writer;
    if (!slice_equal(delivery->run_id, search->run_id) || ++search->found > RUN_DELIVERIES_MAX)
        return;
    json_write_open(writer, NULL, '{');
    piece_time(writer, "taken", search->wall_ms - (search->monotonic_ms - delivery->taken_ms));
    if (delivery->record_ms >= 0)
        piece_time(writer, "record_time", delivery->record_ms);
    if (delivery->topic) {
        piece_text(writer, "topic", delivery->topic);
        json_write_int(writer, "partition", delivery->partition);
        json_write_int(writer, "offset", delivery->offset);
    }
    piece_text(writer, "state", delivery->state);
    piece_text(writer, "waits_for", delivery->waits_for);
    piece_text(writer, "destination", delivery->destination);
    piece_text(writer, "url", delivery->url);
    json_write_int(writer, "attempts", delivery->attempts);
    piece_known_seconds(writer, "next_attempt_in_s", delivery->due_in_ms);
    if (delivery->status > 0)
        json_write_int(writer, "status", delivery->status);
    if (delivery->cause.len > 0)
        json_write_text(writer, "cause", delivery->cause);
    write_why(search, delivery);
    json_write_close(writer, '}');
}

/** As its log line has it (port.result), or as it was since. */
static const char *ports_word(const struct run_seen *seen, bool live)
{
    bool waits = strcmp(seen->port_result, "waiting") == 0;
    if (seen->refused)
        return "refused";
    if (live)
        return "waiting";
    if (waits)
        return "not known: the record was given back, and whoever delivers it again reports it";
    return *seen->port_result ? seen->port_result : "none";
}

/** What to do about a result that Port refuses, by what it answered. */
static const char *refusal_hint(const char *refusal)
{
    static const struct {
        const char *begins, *hint;
    } known[] = {{"Port answered 403",
                  "may the client of PORT_CLIENT_ID report runs? see its permissions in Port; what "
                  "the endpoint did stands"},
                 {"Port answered 413",
                  "the endpoint's answer is too long for Port, or for a proxy on the way: "
                  "WEBHOOK_MAX_RESPONSE_BYTES is how much of it is reported; what the endpoint did "
                  "stands"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(refusal, known[i].begins, strlen(known[i].begins)) == 0)
            return known[i].hint;
    return "look at the run in Port: it may have ended, or be gone; what the endpoint did stands";
}

static void write_seen(struct json_writer *writer, const struct run_seen *seen, bool live)
{
    unsigned kept = seen->failed_tries < RUN_TRIES_MAX ? seen->failed_tries : RUN_TRIES_MAX;
    piece_text(writer, "outcome",
               seen->ended_ms == 0 ? "tried again"
               : seen->delivered   ? "delivered"
                                   : "failed");
    if (seen->ended_ms > 0)
        piece_time(writer, "ended", seen->ended_ms);
    json_write_int(writer, "attempts", seen->attempts);
    if (seen->status > 0)
        json_write_int(writer, "status", seen->status);
    if (seen->ended_ms > 0)
        json_write_seconds(writer, "last_attempt_s", seen->duration_ms);
    piece_text(writer, "url", seen->url);
    json_write_int(writer, "failed_attempts", seen->failed_tries);
    json_write_open(writer, "tries", '[');
    for (unsigned i = 0; i < kept; i++) {
        json_write_open(writer, NULL, '{');
        piece_time(writer, "at", seen->tries[i].at_ms);
        if (seen->tries[i].status > 0)
            json_write_int(writer, "status", seen->tries[i].status);
        piece_text(writer, "cause", seen->tries[i].cause);
        json_write_close(writer, '}');
    }
    json_write_close(writer, ']');
    piece_text(writer, "hint", seen->hint);
    if (seen->ended_ms == 0)
        return;
    piece_text(writer, "reported", *seen->reported ? seen->reported : "nothing: the endpoint reports it");
    piece_text(writer, "port", ports_word(seen, live));
    if (seen->refused) {
        piece_text(writer, "refusal", seen->refusal);
        piece_text(writer, "refusal_hint", refusal_hint(seen->refusal));
    }
}

static void write_passed(struct json_writer *writer, const struct run_passed *passed)
{
    json_write_open(writer, "passed", '{');
    piece_text(writer, "why", passed->why);
    piece_time(writer, "at", passed->at_ms);
    piece_text(writer, "hint", passed->hint);
    json_write_close(writer, '}');
}

bool run_json(const struct status_parts *parts, struct slice run_id, struct buffer *out)
{
    struct json_writer writer = {.out = out};
    struct run_search search = {.parts = parts,
                                .run_id = run_id,
                                .writer = &writer,
                                .wall_ms = clock_wall_ms(parts->clock),
                                .monotonic_ms = clock_monotonic_ms(parts->clock)};
    const struct run_seen *seen =
        parts->observer ? run_memory_find(observer_run_memory(parts->observer), run_id) : NULL;
    const struct run_passed *passed =
        parts->observer ? run_memory_passed(observer_run_memory(parts->observer), run_id) : NULL;
    json_write_open(&writer, NULL, '{');
    json_write_text(&writer, "run_id", run_id);
    json_write_open(&writer, "deliveries", '[');
    if (parts->deliver)
        deliver_each(parts->deliver, write_run_delivery, &search);
    json_write_close(&writer, ']');
    if (seen) {
        json_write_open(&writer, "remembered", '{');
        write_seen(&writer, seen, search.found > 0);
        json_write_close(&writer, '}');
    }
    if (passed)
        write_passed(&writer, passed);
    json_write_close(&writer, '}');
    buffer_append_char(out, '\n');
    return seen || passed || search.found > 0;
}

/* Runs of the whole */

enum { RUNS_LISTED = 10 };

/** The oldest first. */
struct oldest_runs {
    struct delivery_view views[RUNS_LISTED];
    size_t count;
};

static void note_oldest(void *ctx, const struct delivery_view *delivery)
{
    struct oldest_runs *oldest = ctx;
    size_t at = oldest->count;
    if (slice_is_null(delivery->run_id))
        return;
    /* The newest come first: of those that were taken in one millisecond the later one here is the older. */
    while (at > 0 && oldest->views[at - 1].taken_ms >= delivery->taken_ms)
        at--;
    if (at == RUNS_LISTED)
        return;
    oldest->count += oldest->count < RUNS_LISTED;
    memmove(&oldest->views[at + 1], &oldest->views[at], (oldest->count - 1 - at) * sizeof *delivery);
    oldest->views[at] = *delivery;
}

static void write_oldest(struct json_writer *writer, const struct snapshot *snapshot)
{
    struct oldest_runs oldest = {.count = 0};
    if (snapshot->parts.deliver)
        deliver_each(snapshot->parts.deliver, note_oldest, &oldest);
    json_write_open(writer, "under_way", '[');
    for (size_t i = 0; i < oldest.count; i++) {
        const struct delivery_view *delivery = &oldest.views[i];
        json_write_open(writer, NULL, '{');
        json_write_text(writer, "run_id", delivery->run_id);
        json_write_seconds(writer, "age_s", snapshot->monotonic_ms - delivery->taken_ms);
        piece_text(writer, "state", delivery->state);
        piece_text(writer, "waits_for", delivery->waits_for);
        piece_text(writer, "destination", delivery->destination);
        json_write_close(writer, '}');
    }
    json_write_close(writer, ']');
}

static void write_failed(struct json_writer *writer, const struct run_memory *runs)
{
    const struct run_seen *seen = NULL;
    json_write_open(writer, "failed", '[');
    for (int i = 0; i < RUNS_LISTED && (seen = run_memory_failed(runs, seen)); i++) {
        unsigned kept = seen->failed_tries < RUN_TRIES_MAX ? seen->failed_tries : RUN_TRIES_MAX;
        json_write_open(writer, NULL, '{');
        piece_text(writer, "run_id", seen->run_id);
        piece_time(writer, "at", seen->ended_ms);
        piece_text(writer, "cause", !seen->delivered && kept > 0 ? seen->tries[kept - 1].cause : "");
        if (seen->refused)
            piece_text(writer, "refusal", seen->refusal);
        json_write_close(writer, '}');
    }
    json_write_close(writer, ']');
}

static void write_refused(struct json_writer *writer, const struct run_memory *runs)
{
    const struct run_passed *passed = NULL;
    json_write_open(writer, "refused", '[');
    for (int i = 0; i < RUNS_LISTED && (passed = run_memory_refused(runs, passed)); i++) {
        json_write_open(writer, NULL, '{');
        piece_text(writer, "run_id", passed->run_id);
        piece_time(writer, "at", passed->at_ms);
        piece_text(writer, "cause", passed->why);
        json_write_close(writer, '}');
    }
    json_write_close(writer, ']');
}

void runs_write(struct json_writer *writer, const struct snapshot *snapshot)
{
    const struct observer *observer = snapshot->parts.observer;
    json_write_open(writer, "runs", '{');
    write_oldest(writer, snapshot);
    if (observer) {
        write_failed(writer, observer_run_memory(observer));
        write_refused(writer, observer_run_memory(observer));
    }
    json_write_close(writer, '}');
}
