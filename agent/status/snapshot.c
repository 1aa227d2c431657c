/* See snapshot.h. */
#include "snapshot.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Partitions */

static void place_partition(struct snapshot *snapshot, const struct partition_snapshot *partition)
{
    size_t at = snapshot->partitions_listed;
    while (at > 0 && snapshot->partition[at - 1].not_done < partition->not_done)
        at--;
    if (at == SNAPSHOT_PARTITIONS)
        return;
    if (snapshot->partitions_listed < SNAPSHOT_PARTITIONS)
        snapshot->partitions_listed++;
    memmove(&snapshot->partition[at + 1], &snapshot->partition[at],
            (snapshot->partitions_listed - 1 - at) * sizeof *partition);
    snapshot->partition[at] = *partition;
}

static void add_partition(void *ctx, const struct source_partition *seen)
{
    struct snapshot *snapshot = ctx;
    struct partition_snapshot partition = {.partition = *seen, .lag = -1, .not_done = -1};
    int64_t ahead = seen->end > seen->position ? seen->end - seen->position : 0;
    if (seen->end >= 0 && seen->committed >= 0)
        partition.lag = seen->end > seen->committed ? seen->end - seen->committed : 0;
    if (seen->end >= 0 && seen->position >= 0)
        partition.not_done = (int64_t)seen->undone + ahead;
    snapshot->partitions++;
    place_partition(snapshot, &partition);
}

/** Is it the oldest record of one of the listed partitions that is not done? */
static void match_delivery(void *ctx, const struct delivery_view *delivery)
{
    struct snapshot *snapshot = ctx;
    for (size_t i = 0; delivery->topic && i < snapshot->partitions_listed; i++) {
        struct partition_snapshot *partition = &snapshot->partition[i];
        if (partition->partition.oldest != delivery->offset ||
            partition->partition.number != delivery->partition ||
            strcmp(partition->partition.topic, delivery->topic) != 0)
            continue;
        partition->has_oldest = true;
        partition->oldest = *delivery;
        return;
    }
}

/* Destinations */

static bool is_worse(const struct destination_view *a, const struct destination_view *b)
{
    if (a->broken != b->broken)
        return a->broken;
    if (a->waiting != b->waiting)
        return a->waiting > b->waiting;
    return a->in_flight > b->in_flight;
}

static void add_destination(void *ctx, const struct destination_view *destination)
{
    struct snapshot *snapshot = ctx;
    size_t at = snapshot->destinations_listed;
    snapshot->destinations++;
    while (at > 0 && is_worse(destination, &snapshot->destination[at - 1]))
        at--;
    if (at == SNAPSHOT_DESTINATIONS)
        return;
    if (snapshot->destinations_listed < SNAPSHOT_DESTINATIONS)
        snapshot->destinations_listed++;
    memmove(&snapshot->destination[at + 1], &snapshot->destination[at],
            (snapshot->destinations_listed - 1 - at) * sizeof *destination);
    snapshot->destination[at] = *destination;
}

/* The whole */

/** The second number of statm (proc(5)) is the pages that are there; 0: it cannot be read. */
static size_t resident_bytes(void)
{
    char line[128] = "";
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && !fgets(line, sizeof line, file))
        *line = '\0';
    if (file)
        fclose(file);
    const char *second = strchr(line, ' ');
    return second ? (size_t)strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

int64_t snapshot_age_ms(const struct snapshot *snapshot, int64_t record_ms)
{
    return record_ms >= 0 ? snapshot->wall_ms - record_ms : -1;
}

struct snapshot *snapshot_take(const struct status_parts *parts)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (!snapshot)
        return NULL;
    snapshot->parts = *parts;
    snapshot->wall_ms = clock_wall_ms(parts->clock);
    snapshot->monotonic_ms = clock_monotonic_ms(parts->clock);
    snapshot->rss_bytes = resident_bytes();
    snapshot->oldest_result_ms = -1;
    snapshot->source = (struct source_view){.state = "closed"};
    if (parts->source) {
        snapshot->source = source_view(parts->source);
        source_each_partition(parts->source, add_partition, snapshot);
    }
    if (parts->deliver) {
        deliver_counters(parts->deliver, &snapshot->counters);
        deliver_each(parts->deliver, match_delivery, snapshot);
        window_each_destination(deliver_window(parts->deliver), add_destination, snapshot);
        snapshot->answer_bytes = deliver_answer_bytes(parts->deliver);
        snapshot->reference_bytes = deliver_reference_bytes(parts->deliver);
    }
    if (parts->reports) {
        int64_t since_ms = reports_waiting_since_ms(parts->reports);
        snapshot->results_waiting = reports_waiting(parts->reports);
        snapshot->oldest_result_ms = since_ms >= 0 ? snapshot->monotonic_ms - since_ms : -1;
    }
    if (parts->port)
        snapshot->port = port_api_view(parts->port);
    return snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
    free(snapshot);
}
