/* See record_outcome.h. */
#include "record_outcome.h"
#include "terminal.h"
#include "json/writer.h"
#include <stdio.h>

bool record_outcome_of(const struct observed *observed, struct record_outcome *out)
{
    static const char *const names[] = {
        [END_NONE] = "",           [END_DELIVERED] = "delivered",   [END_FAILED] = "failed",
        [END_SKIPPED] = "skipped", [END_UNREADABLE] = "unreadable", [END_REFUSED] = "refused"};
    enum observed_end end = observed_end(observed->kind);
    *out = (struct record_outcome){.topic = slice_of(observed->topic ? observed->topic : ""),
                                   .partition = observed->partition,
                                   .offset = observed->offset,
                                   .run_id = observed->run_id,
                                   .name = slice_of(names[end]),
                                   .status = observed->status,
                                   .duration_ms = observed->duration_ms,
                                   .reason = observed_why(observed)};
    return end != END_NONE;
}

/** The null slice is a text of no characters. */
static struct slice text_of(struct slice text)
{
    return text.len > 0 ? text : SLICE_LITERAL("");
}

void record_outcome_json(const struct record_outcome *outcome, struct buffer *out)
{
    struct json_writer writer = {.out = out};
    json_write_open(&writer, NULL, '{');
    json_write_text(&writer, "topic", text_of(outcome->topic));
    json_write_int(&writer, "partition", outcome->partition);
    json_write_int(&writer, "offset", outcome->offset);
    json_write_text(&writer, "run_id", text_of(outcome->run_id));
    json_write_text(&writer, "outcome", text_of(outcome->name));
    json_write_int(&writer, "status", outcome->status);
    json_write_int(&writer, "duration_ms", outcome->duration_ms);
    json_write_text(&writer, "reason", text_of(outcome->reason));
    json_write_close(&writer, '}');
}

static void append_outcome_line(const struct record_outcome *outcome, struct buffer *out)
{
    terminal_append(out, outcome->topic, false);
    buffer_appendf(out, "[%d]@%lld ", (int)outcome->partition, (long long)outcome->offset);
    terminal_append(out, outcome->run_id, false);
    buffer_append_text(out, "  ");
    terminal_append(out, outcome->name, false);
    if (outcome->status)
        buffer_appendf(out, " %d in %lld ms", outcome->status, (long long)outcome->duration_ms);
    buffer_append_text(out, outcome->reason.len > 0 ? ": " : "");
    terminal_append(out, outcome->reason, false);
    buffer_append_char(out, '\n');
}

bool record_outcome_print(const struct record_outcome *outcome, bool json)
{
    struct buffer line = {0};
    if (json) {
        record_outcome_json(outcome, &line);
        buffer_append_char(&line, '\n');
    } else {
        append_outcome_line(outcome, &line);
    }
    fwrite(buffer_text(&line), 1, line.len, stdout);
    fflush(stdout);
    buffer_clear(&line);
    return slice_equal_text(outcome->name, "delivered");
}
