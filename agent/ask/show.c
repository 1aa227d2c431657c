/* See show.h. What comes from the agent is printed on its line: control characters are escaped. */
#include "show.h"
#include "base/buffer.h"
#include "base/json_tree.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

/* Reading */

static const cJSON *item_of(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static double number(const cJSON *object, const char *name)
{
    const cJSON *item = item_of(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

static bool is_true(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(item_of(object, name));
}

static const char *text(const cJSON *object, const char *name)
{
    const cJSON *item = item_of(object, name);
    return cJSON_IsString(item) ? item->valuestring : "";
}

/* Printing */

static void print_text(FILE *out, const char *value)
{
    struct buffer line = {0};
    buffer_append_one_line(&line, slice_of(value));
    fputs(buffer_text(&line), out);
    buffer_clear(&line);
}

/** "behind" the value, or nothing at all where there is no value. */
static void print_member(FILE *out, const char *before, const cJSON *object, const char *name,
                         const char *behind)
{
    const char *value = text(object, name);
    if (!*value)
        return;
    fputs(before, out);
    print_text(out, value);
    fputs(behind, out);
}

static void print_number(FILE *out, const char *before, double value, const char *behind)
{
    if (!isnan(value))
        fprintf(out, "%s%.0f%s", before, value, behind);
}

static void print_duration(FILE *out, const char *before, double seconds, const char *behind)
{
    if (isnan(seconds))
        return;
    fputs(before, out);
    if (seconds < 1)
        fprintf(out, "%.0f ms", seconds * 1000);
    else if (seconds < 120)
        fprintf(out, "%.1f s", seconds);
    else if (seconds < 7200)
        fprintf(out, "%.0f min", seconds / 60);
    else
        fprintf(out, "%.1f h", seconds / 3600);
    fputs(behind, out);
}

static void print_size(FILE *out, double bytes)
{
    fprintf(out, "%.1f MiB", bytes / 1048576);
}

/* The status */

static void show_reload(FILE *out, const cJSON *reload)
{
    bool changed = *text(reload, "at"), refused = *text(reload, "refused_at");
    if (!changed && !refused)
        return;
    print_number(out, "reloaded      ", number(reload, "generation"), changed ? " times, last: " : " times");
    print_member(out, "", reload, "changed", "");
    print_member(out, ", at ", reload, "at", "");
    print_member(out, refused ? "; refused last: " : "", reload, "refused", "");
    print_member(out, ", at ", reload, "refused_at", "");
    fputc('\n', out);
}

static void show_head(FILE *out, const cJSON *status)
{
    const cJSON *streamer = item_of(status, "streamer");
    fputs("port-agent ", out);
    print_text(out, text(status, "version"));
    print_member(out, ", ", status, "phase", "");
    print_number(out, ", process ", number(status, "pid"), "");
    print_duration(out, ", up ", number(status, "uptime_s"), "\n");
    print_member(out, "source        ", streamer, "name", "");
    print_member(out, ": ", streamer, "state", "");
    fputs(is_true(streamer, "credentials_refused") ? "; the brokers refuse the credentials\n" : "\n", out);
    show_reload(out, item_of(status, "reload"));
}

static void show_port(FILE *out, const cJSON *status)
{
    const cJSON *port = item_of(status, "port");
    print_member(out, "Port          token ", port, "token", "");
    print_duration(out, ", for ", number(port, "token_expires_in_s"), "");
    print_number(out, "; results waiting: ", number(port, "results_waiting"), "");
    print_duration(out, ", the oldest for ", number(port, "oldest_result_s"), "");
    print_duration(out, "; quiet for ", number(port, "quiet_for_s"), "");
    print_member(out, "; ", port, "last_failure", "");
    fputc('\n', out);
    if (strcmp(text(port, "token"), "none") == 0 && *text(port, "last_failure"))
        fputs("  next step   'port-agent check --connect' goes the way to Port\n", out);
}

static void show_counts(FILE *out, const cJSON *status)
{
    const cJSON *counters = item_of(status, "counters"), *memory = item_of(status, "memory"),
                *letters = item_of(status, "dead_letters"), *mapping = item_of(status, "mapping");
    print_number(out, "events        taken ", number(counters, "taken"), "");
    print_number(out, ", delivered ", number(counters, "delivered"), "");
    print_number(out, ", failed ", number(counters, "failed"), "");
    print_number(out, ", skipped ", number(counters, "skipped"), "");
    print_number(out, ", signatures refused ", number(counters, "bad_signatures"), "\n");
    print_number(out, "now           queued ", number(counters, "queued"), "");
    print_number(out, ", in flight ", number(counters, "in_flight"), "");
    print_number(out, ", waiting for a retry ", number(counters, "waiting_for_retry"), "");
    print_number(out, ", for Port ", number(counters, "waiting_for_port"), "\n");
    fputs("memory        ", out);
    print_size(out, number(memory, "resident_bytes"));
    fputs("; records ", out);
    print_size(out, number(memory, "records_bytes"));
    fputs(" of ", out);
    print_size(out, number(memory, "records_max_bytes"));
    fputs(", answers ", out);
    print_size(out, number(memory, "answers_bytes"));
    fputs(" of ", out);
    print_size(out, number(memory, "answers_max_bytes"));
    print_member(out, "\ndead letters  kept in ", letters, "kept_in", "");
    print_number(out, ", written ", number(letters, "written"), "");
    print_number(out, ", waiting ", number(letters, "waiting"), "");
    print_member(out, "; mappings' process: ", mapping, "process", "\n");
}

static void show_partition(FILE *out, const cJSON *partition)
{
    const cJSON *oldest = item_of(partition, "oldest");
    print_member(out, "  ", partition, "topic", "");
    print_number(out, " ", number(partition, "partition"), ":");
    print_number(out, " committed ", number(partition, "committed"), ",");
    print_number(out, " end ", number(partition, "end"), ",");
    print_number(out, " not done ", number(partition, "not_done"), "\n");
    if (!oldest)
        return;
    print_number(out, "    oldest ", number(oldest, "offset"), "");
    print_duration(out, ", ", number(oldest, "age_s"), " old");
    print_member(out, ", run ", oldest, "run_id", "");
    print_member(out, ", waits for ", oldest, "waits_for", "");
    print_member(out, " (", oldest, "destination", ")");
    fputc('\n', out);
}

static void show_destination(FILE *out, const cJSON *destination)
{
    bool open = strcmp(text(destination, "breaker"), "open") == 0;
    print_member(out, "  ", destination, "name", ":");
    print_number(out, " in flight ", number(destination, "in_flight"), ",");
    print_number(out, " waiting ", number(destination, "waiting"), "");
    print_duration(out, ", answers in ", number(destination, "latency_s"), "");
    print_duration(out, " (99 % within ", number(destination, "p99_s"), ")");
    if (open)
        print_duration(out, "; ONLY FAILS, for ", number(destination, "open_for_s"), "");
    fputs(is_true(destination, "paused") ? "; PAUSED" : "", out);
    print_member(out, open ? ": " : "; last failure: ", destination, "last_cause", "");
    fputc('\n', out);
}

static void show_list(FILE *out, const cJSON *status, const char *name,
                      void (*show)(FILE *out, const cJSON *item))
{
    const cJSON *all = item_of(status, name), *item;
    double count = number(all, "count");
    int listed = cJSON_GetArraySize(item_of(all, "list"));
    print_number(out, "", count, " ");
    fputs(name, out);
    fputs(count > listed ? ", the worst of them:\n" : count > 0 ? ":\n" : "\n", out);
    cJSON_ArrayForEach(item, item_of(all, "list"))
    {
        show(out, item);
    }
}

static void show_conditions(FILE *out, const cJSON *status)
{
    const cJSON *condition;
    cJSON_ArrayForEach(condition, item_of(status, "conditions"))
    {
        print_member(out, "! ", condition, "words", "");
        print_member(out, " (", condition, "subject", ")");
        print_duration(out, ", for ", number(condition, "for_s"), "");
        print_member(out, ": ", condition, "reason", "");
        print_member(out, "; ", condition, "hint", "");
        fputc('\n', out);
    }
}

static void show_letters_failure(FILE *out, const cJSON *letters)
{
    if (!*text(letters, "failure"))
        return;
    fputs("! dead letters cannot be written: their records are held back", out);
    print_duration(out, ", for ", number(letters, "failing_for_s"), "");
    print_member(out, ": ", letters, "failure", "\n");
}

static void show_ended(FILE *out, const cJSON *runs, const char *heading)
{
    const cJSON *run;
    if (cJSON_GetArraySize(runs) > 0)
        fputs(heading, out);
    cJSON_ArrayForEach(run, runs)
    {
        print_member(out, "  ", run, "run_id", "");
        print_member(out, ", at ", run, "at", "");
        print_member(out, ": ", run, "cause", "");
        print_member(out, "; its result is refused: ", run, "refusal", "");
        fputc('\n', out);
    }
}

static void show_runs(FILE *out, const cJSON *runs)
{
    const cJSON *run, *under_way = item_of(runs, "under_way");
    if (cJSON_GetArraySize(under_way) > 0)
        fputs("runs under way, the oldest first:\n", out);
    cJSON_ArrayForEach(run, under_way)
    {
        print_member(out, "  ", run, "run_id", "");
        print_duration(out, ", for ", number(run, "age_s"), "");
        print_member(out, ", waits for ", run, "waits_for", "");
        print_member(out, " (", run, "destination", ")");
        fputc('\n', out);
    }
    show_ended(out, item_of(runs, "failed"), "runs that failed, the last first:\n");
    show_ended(out, item_of(runs, "refused"), "runs whose events were refused, the last first:\n");
}

static void show_settings(FILE *out, const cJSON *status)
{
    const cJSON *setting;
    fputs("settings that are not the defaults:\n", out);
    cJSON_ArrayForEach(setting, item_of(status, "settings"))
    {
        if (strcmp(text(setting, "from"), "default") == 0)
            continue;
        print_member(out, "  ", setting, "name", "=");
        print_text(out, text(setting, "value"));
        print_member(out, " (", setting, "from", ")\n");
    }
}

bool show_status(FILE *out, struct slice json)
{
    cJSON *status = json_tree(json, NULL);
    bool read = cJSON_IsObject(status);
    if (read) {
        show_head(out, status);
        show_conditions(out, status);
        show_letters_failure(out, item_of(status, "dead_letters"));
        show_port(out, status);
        show_counts(out, status);
        show_list(out, status, "partitions", show_partition);
        show_list(out, status, "destinations", show_destination);
        show_runs(out, item_of(status, "runs"));
        show_settings(out, status);
    }
    cJSON_Delete(status);
    return read;
}

/* One run */

static void show_delivery(FILE *out, const cJSON *delivery)
{
    print_member(out, "is here: ", delivery, "state", "");
    print_member(out, ", waits for ", delivery, "waits_for", "");
    print_duration(out, ", in ", number(delivery, "next_attempt_in_s"), "");
    print_member(out, "\n  taken        ", delivery, "taken", "");
    print_member(out, "\n  record       ", delivery, "topic", "");
    print_number(out, " partition ", number(delivery, "partition"), "");
    print_number(out, " offset ", number(delivery, "offset"), "");
    print_member(out, ", of ", delivery, "record_time", "");
    print_member(out, "\n  destination  ", delivery, "destination", "");
    print_member(out, "\n  URL          ", delivery, "url", "");
    print_number(out, "\n  attempts     ", number(delivery, "attempts"), "");
    print_number(out, "\n  last status  ", number(delivery, "status"), "");
    print_member(out, "\n  cause        ", delivery, "cause", "");
    print_member(out, "\n  why          ", delivery, "why", "");
    print_member(out, "\n  next step    ", delivery, "hint", "");
    fputc('\n', out);
}

static void show_remembered(FILE *out, const cJSON *run)
{
    const cJSON *try;
    print_member(out, *text(run, "ended") ? "how it ended: " : "so far: ", run, "outcome", "");
    print_number(out, " with status ", number(run, "status"), "");
    print_member(out, ", at ", run, "ended", "");
    print_number(out, "\n  attempts     ", number(run, "attempts"), "");
    print_member(out, "\n  URL          ", run, "url", "");
    print_member(out, "\n  reported     ", run, "reported", "");
    print_member(out, "\n  Port         ", run, "port", "");
    print_member(out, ": ", run, "refusal", "");
    print_member(out, "\n  next step    ", run, "refusal_hint", "");
    fputc('\n', out);
    cJSON_ArrayForEach(try, item_of(run, "tries"))
    {
        print_member(out, "  failed at    ", try, "at", "");
        print_number(out, " with status ", number(try, "status"), "");
        print_member(out, ": ", try, "cause", "");
        fputc('\n', out);
    }
    print_member(out, "  next step    ", run, "hint", "\n");
}

static void show_passed(FILE *out, const cJSON *run)
{
    print_member(out, "nothing was sent: ", run, "why", "");
    print_member(out, ", at ", run, "at", "");
    print_member(out, "\n  next step    ", run, "hint", "");
    fputc('\n', out);
}

bool show_run(FILE *out, struct slice json)
{
    cJSON *run = json_tree(json, NULL);
    bool read = cJSON_IsObject(run);
    const cJSON *delivery, *remembered = item_of(run, "remembered"), *passed = item_of(run, "passed");
    if (read) {
        fputs("run ", out);
        print_text(out, text(run, "run_id"));
        fputc('\n', out);
        cJSON_ArrayForEach(delivery, item_of(run, "deliveries")) show_delivery(out, delivery);
        if (remembered)
            show_remembered(out, remembered);
        if (passed)
            show_passed(out, passed);
    }
    cJSON_Delete(run);
    return read;
}
