/* What is known of one run, as JSON. */
#include "observe/runs.h"
#include "pieces.h"
#include "snapshot.h"

struct run_search {
    struct slice run_id;
    struct json_writer *writer;
    int64_t wall_ms, monotonic_ms;
    size_t found;
};

enum { RUN_DELIVERIES_MAX = 8 };

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
    json_write_close(writer, '}');
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
    if (seen->ended_ms == 0)
        return;
    piece_text(writer, "reported", *seen->reported ? seen->reported : "nothing: the endpoint reports it");
    piece_text(writer, "port", seen->refused ? "refused" : live ? "waiting" : "not waiting any more");
}

bool run_json(const struct status_parts *parts, struct slice run_id, struct buffer *out)
{
    struct json_writer writer = {.out = out};
    struct run_search search = {.run_id = run_id,
                                .writer = &writer,
                                .wall_ms = clock_wall_ms(parts->clock),
                                .monotonic_ms = clock_monotonic_ms(parts->clock)};
    const struct run_seen *seen =
        parts->observer ? run_memory_find(observer_run_memory(parts->observer), run_id) : NULL;
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
    json_write_close(&writer, '}');
    buffer_append_char(out, '\n');
    return seen || search.found > 0;
}
