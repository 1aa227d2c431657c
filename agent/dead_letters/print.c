/* A letter as text for people, and as JSON. */
#include "agent/terminal.h"
#include "base/clock.h"
#include "dead_letters.h"
#include "event/event.h"
#include <string.h>

void print_plain(FILE *out, struct slice text)
{
    struct buffer plain = {0};
    terminal_append(&plain, text, false);
    fwrite(buffer_text(&plain), 1, plain.len, out);
    buffer_clear(&plain);
}

void print_refusal(const struct command_usage *usage, const char *what, const char *where, const char *why)
{
    struct buffer line = {0};
    buffer_appendf(&line, "port-agent %s: %s: ", usage->command, what);
    terminal_append(&line, slice_of(where), false);
    buffer_append_text(&line, ": ");
    terminal_append(&line, slice_of(why), false);
    buffer_append_char(&line, '\n');
    fwrite(buffer_text(&line), 1, line.len, stderr);
    buffer_clear(&line);
}

static void print_cell(FILE *out, struct slice text, int width)
{
    print_plain(out, text);
    fprintf(out, "%*s ", text.len < (size_t)width ? width - (int)text.len : 0, "");
}

static void print_place(FILE *out, const struct dead_letter *letter)
{
    char place[64];
    if (!*letter->topic) {
        fputs("polled", out);
        return;
    }
    print_plain(out, slice_of(letter->topic));
    snprintf(place, sizeof place, "[%d]@%lld", (int)letter->partition, (long long)letter->offset);
    fputs(place, out);
}

void print_row_titles(FILE *out)
{
    fprintf(out, "%4s %-16s %-24s %-24s %5s %6s %-8s %s\n", "NO", "ID", "TIME", "RUN", "TRIES", "STATUS",
            "REPLAYED", "FROM, REASON");
}

void print_row(FILE *out, const struct dead_letter_entry *entry, const char *refusal)
{
    const struct dead_letter *letter = &entry->letter;
    char time[CLOCK_RFC3339_SIZE];
    clock_rfc3339(letter->time_ms, time);
    fprintf(out, "%4llu %-16s %-24s ", (unsigned long long)entry->number, entry->ref.id, time);
    print_cell(out, slice_is_null(letter->run_id) ? SLICE_LITERAL("-") : letter->run_id, 24);
    fprintf(out, "%5u %6d %-8s ", letter->attempts, letter->status,
            refusal           ? "refused"
            : entry->replayed ? "yes"
                              : "no");
    print_place(out, letter);
    fputs(": ", out);
    print_plain(out, slice_of(letter->reason));
    if (refusal) {
        fputs("; replay refuses it: ", out);
        print_plain(out, slice_of(refusal));
        fputs(" (", out);
        print_plain(out, slice_of(entry->where));
        fputc(')', out);
    }
    fputc('\n', out);
}

/** What would be sent: the event without its signature, or the bytes as they are where they are no event. */
static void payload_of(const struct dead_letter *letter, struct buffer *out)
{
    struct event event;
    struct error err = {0};
    event_init(&event);
    if (event_parse(&event, EVENT_RUN, letter->value, &err) == 0)
        buffer_append_slice(out, buffer_slice(&event.payload));
    else
        buffer_append_slice(out, letter->value);
    event_clear(&event);
}

static void print_line(FILE *out, const char *name, struct slice text)
{
    fprintf(out, "%-10s ", name);
    print_plain(out, text.len > 0 ? text : SLICE_LITERAL("-"));
    fputc('\n', out);
}

void print_whole(FILE *out, const struct dead_letter_entry *entry, const char *refusal, bool payload)
{
    const struct dead_letter *letter = &entry->letter;
    char time[CLOCK_RFC3339_SIZE];
    clock_rfc3339(letter->time_ms, time);
    print_line(out, "id", slice_of(entry->ref.id));
    print_line(out, "where", slice_of(entry->where));
    if (refusal)
        print_line(out, "refused", slice_of(refusal));
    print_line(out, "time", slice_of(time));
    print_line(out, "run", letter->run_id);
    print_line(out, "reason", slice_of(letter->reason));
    fprintf(out, "%-10s %u\n%-10s %d\n%-10s ", "attempts", letter->attempts, "status", letter->status,
            "from");
    print_place(out, letter);
    fputc('\n', out);
    print_line(out, "url", slice_of(letter->url));
    print_line(out, "key", letter->key);
    fprintf(out, "%-10s %s\n%-10s %zu bytes%s\n", "replayed", entry->replayed ? "yes" : "no", "payload",
            letter->value.len, payload ? ":" : "; --payload shows it");
    if (!payload)
        return;
    struct buffer bytes = {0};
    payload_of(letter, &bytes);
    print_plain(out, buffer_slice(&bytes));
    fputc('\n', out);
    buffer_clear(&bytes);
}

static void add_text(struct buffer *json, const char *name, struct slice text)
{
    buffer_appendf(json, ",\"%s\":", name);
    if (slice_is_null(text))
        buffer_append_text(json, "null");
    else
        buffer_append_json_string(json, text);
}

void print_json(FILE *out, const struct dead_letter_entry *entry, const char *refusal, bool payload)
{
    const struct dead_letter *letter = &entry->letter;
    struct buffer json = {0}, bytes = {0};
    char time[CLOCK_RFC3339_SIZE];
    clock_rfc3339(letter->time_ms, time);
    buffer_appendf(&json, "{\"number\":%llu", (unsigned long long)entry->number);
    add_text(&json, "id", slice_of(entry->ref.id));
    add_text(&json, "where", slice_of(entry->where));
    add_text(&json, "refused", slice_of(refusal));
    add_text(&json, "time", slice_of(time));
    add_text(&json, "run_id", letter->run_id);
    add_text(&json, "reason", slice_of(letter->reason));
    buffer_appendf(&json, ",\"attempts\":%u,\"status\":%d", letter->attempts, letter->status);
    add_text(&json, "topic", slice_of(letter->topic));
    buffer_appendf(&json, ",\"partition\":%d,\"offset\":%lld", (int)letter->partition,
                   (long long)letter->offset);
    add_text(&json, "url", slice_of(letter->url));
    buffer_appendf(&json, ",\"replayed\":%s,\"payload_bytes\":%zu", entry->replayed ? "true" : "false",
                   letter->value.len);
    if (payload) {
        payload_of(letter, &bytes);
        add_text(&json, "key", letter->key);
        add_text(&json, "payload", buffer_slice(&bytes));
    }
    buffer_append_char(&json, '}');
    fwrite(buffer_text(&json), 1, json.len, out);
    buffer_clear(&bytes);
    buffer_clear(&json);
}
