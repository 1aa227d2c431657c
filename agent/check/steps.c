/* Steps as lines of text as they end, or as one JSON object at the end. Out of memory ends the process: a
 * check that cannot be shown is of no use. */
#include "steps.h"
#include "agent/commands.h"
#include "base/cut.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const VERDICTS[] = {
    [CHECK_OK] = "ok", [CHECK_WARNING] = "warning", [CHECK_FAILED] = "failed", [CHECK_SKIPPED] = "skipped"};
static const char *const MARKS[] = {
    [CHECK_OK] = "✓", [CHECK_WARNING] = "!", [CHECK_FAILED] = "✗", [CHECK_SKIPPED] = "–"};

static _Noreturn void no_memory(void)
{
    fputs("port-agent check: out of memory\n", stderr);
    exit(EXIT_CODE_FAILURE);
}

struct check_step *check_begin(struct check_steps *steps, const char *area, const char *name,
                               enum check_verdict verdict)
{
    struct check_step **grown = realloc(steps->list, (steps->count + 1) * sizeof *grown);
    struct check_step *step = calloc(1, sizeof *step);
    if (!grown || !step)
        no_memory();
    *step = (struct check_step){.area = area, .name = name, .verdict = verdict, .duration_ms = -1};
    steps->list = grown;
    steps->list[steps->count++] = step;
    return step;
}

struct buffer *check_hint(struct check_step *step)
{
    if (step->hint.len > 0)
        buffer_append_char(&step->hint, '\n');
    return &step->hint;
}

static void show_step(struct check_steps *steps, struct check_step *step)
{
    if (!steps->area || strcmp(steps->area, step->area) != 0)
        fprintf(steps->shown, "%s%s\n", steps->area ? "\n" : "", step->area);
    steps->area = step->area;
    fprintf(steps->shown, "  %s %-20s %s", MARKS[step->verdict], step->name, buffer_text(&step->detail));
    if (step->duration_ms >= 0)
        fprintf(steps->shown, " (%" PRId64 " ms)", step->duration_ms);
    fputc('\n', steps->shown);
    for (const char *line = buffer_text(&step->hint); *line;) {
        int len = (int)strcspn(line, "\n");
        fprintf(steps->shown, "      → %.*s\n", len, line);
        line += len + (line[len] == '\n');
    }
    fflush(steps->shown);
}

void check_end(struct check_steps *steps, struct check_step *step)
{
    if (step->detail.failed || step->hint.failed)
        no_memory();
    steps->failed += step->verdict == CHECK_FAILED;
    steps->warnings += step->verdict == CHECK_WARNING;
    if (steps->shown)
        show_step(steps, step);
}

void check_say(struct check_steps *steps, const char *area, const char *name, enum check_verdict verdict,
               const char *detail, const char *hint)
{
    struct check_step *step = check_begin(steps, area, name, verdict);
    buffer_append_text(&step->detail, detail);
    if (hint)
        buffer_append_text(&step->hint, hint);
    check_end(steps, step);
}

void check_summary(const struct check_steps *steps, FILE *out)
{
    size_t skipped = 0;
    for (size_t i = 0; i < steps->count; i++)
        skipped += steps->list[i]->verdict == CHECK_SKIPPED;
    fprintf(out, "\n%zu ok, %zu warning%s, %zu failed, %zu skipped\n",
            steps->count - steps->failed - steps->warnings - skipped, steps->warnings,
            steps->warnings == 1 ? "" : "s", steps->failed, skipped);
}

static void append_step(const struct check_step *step, struct buffer *out)
{
    buffer_appendf(out, "{\"area\":\"%s\",\"step\":\"%s\",\"outcome\":\"%s\",\"detail\":", step->area,
                   step->name, VERDICTS[step->verdict]);
    buffer_append_json_string(out, buffer_slice(&step->detail));
    buffer_append_text(out, ",\"hint\":");
    if (step->hint.len > 0)
        buffer_append_json_string(out, buffer_slice(&step->hint));
    else
        buffer_append_text(out, "null");
    buffer_append_text(out, ",\"duration_ms\":");
    if (step->duration_ms >= 0)
        buffer_append_int(out, step->duration_ms);
    else
        buffer_append_text(out, "null");
    buffer_append_char(out, '}');
}

void check_json(const struct check_steps *steps, struct buffer *out)
{
    struct slice rest = buffer_slice(&steps->problems);
    buffer_appendf(out, "{\"ok\":%s,\"problems\":[", steps->failed == 0 ? "true" : "false");
    for (const char *before = ""; rest.len > 0; before = ",") {
        buffer_append_text(out, before);
        buffer_append_json_string(out, slice_cut(&rest, '\n'));
    }
    buffer_append_text(out, "],\"steps\":[");
    for (size_t i = 0; i < steps->count; i++) {
        if (i > 0)
            buffer_append_char(out, ',');
        append_step(steps->list[i], out);
    }
    buffer_append_text(out, "]}\n");
}

void check_clear(struct check_steps *steps)
{
    for (size_t i = 0; i < steps->count; i++) {
        buffer_clear(&steps->list[i]->detail);
        buffer_clear(&steps->list[i]->hint);
        free(steps->list[i]);
    }
    free(steps->list);
    buffer_clear(&steps->problems);
    *steps = (struct check_steps){0};
}
