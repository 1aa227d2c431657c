/* See script.h. */
#include "script.h"
#include "agent/body.h"
#include <stdlib.h>
#include <string.h>

enum { SCHEME = sizeof "http://" - 1 };

static const struct expectation SCRIPT[] = {
    {.what = "synchronous success",
     .event =
         {.run_id = DEMO_EXAMPLE_RUN, .method = "POST", .path = "/ok", .synchronized = true, .agent = true},
     .end = END_DELIVERED,
     .status = "SUCCESS",
     .attempts = 1},
    {.what = "synchronous failure",
     .event =
         {.run_id = "r_sync_fail", .method = "POST", .path = "/fail", .synchronized = true, .agent = true},
     .end = END_FAILED,
     .status = "FAILURE",
     .attempts = 1},
    {.what = "asynchronous",
     .event = {.run_id = "r_async", .method = "POST", .path = "/slow", .agent = true},
     .end = END_DELIVERED,
     .status = "",
     .attempts = 1},
    {.what = "PUT",
     .event = {.run_id = "r_put", .method = "PUT", .path = "/ok", .synchronized = true, .agent = true},
     .end = END_DELIVERED,
     .status = "SUCCESS",
     .attempts = 1},
    {.what = "PATCH",
     .event = {.run_id = "r_patch", .method = "PATCH", .path = "/ok", .synchronized = true, .agent = true},
     .end = END_DELIVERED,
     .status = "SUCCESS",
     .attempts = 1},
    {.what = "DELETE",
     .event = {.run_id = "r_delete", .method = "DELETE", .path = "/ok", .synchronized = true, .agent = true},
     .end = END_DELIVERED,
     .status = "SUCCESS",
     .attempts = 1},
    {.what = "GET",
     .event = {.run_id = "r_get", .method = "GET", .path = "/ok", .synchronized = true, .agent = true},
     .end = END_DELIVERED,
     .status = "SUCCESS",
     .attempts = 1},
    {.what = "tampered record",
     .event = {.run_id = "r_tampered",
               .method = "POST",
               .path = "/ok",
               .synchronized = true,
               .agent = true,
               .tampered = true},
     .end = END_REFUSED,
     .status = ""},
    {.what = "not for an agent",
     .event = {.run_id = "r_not_agent", .method = "POST", .path = "/ok", .synchronized = true},
     .end = END_SKIPPED,
     .status = ""},
    {.what = "busy at first",
     .event = {.run_id = "r_busy", .method = "POST", .path = "/busy", .synchronized = true, .agent = true},
     .end = END_DELIVERED,
     .status = "SUCCESS",
     .attempts = 2},
    {.what = "change-log event",
     .event = {.run_id = "change-log", .method = "POST", .path = "/ok", .agent = true, .change_log = true},
     .end = END_DELIVERED,
     .status = "",
     .attempts = 1},
    {.what = "given up", /* the last one: not where others receive */
     .event = {.run_id = DEMO_LETTER_RUN,
               .method = "POST",
               .path = DEMO_LETTER_PATH,
               .synchronized = true,
               .agent = true},
     .end = END_FAILED,
     .status = "FAILURE",
     .attempts = DEMO_LETTER_ATTEMPTS},
};
_Static_assert(sizeof SCRIPT / sizeof *SCRIPT <= SCRIPT_MAX, "there is space for all");

void script_init(struct script *script, struct demo_world *world, struct demo_show *show)
{
    script->world = world;
    script->show = show;
    script->count = sizeof SCRIPT / sizeof *SCRIPT - (world->to ? 1 : 0);
    memcpy(script->events, SCRIPT, sizeof SCRIPT);
}

void script_produce(struct script *script)
{
    struct error err = {0};
    for (size_t i = 0; i < script->count; i++)
        if (demo_produce(script->world, &script->events[i].event, &err) != 0)
            demo_problem(script->show, "%s", err.message);
}

/* What becomes of them */

static const char *const end_names[] = {[END_DELIVERED] = "delivered",
                                        [END_FAILED] = "failed",
                                        [END_SKIPPED] = "not sent",
                                        [END_UNREADABLE] = "not a record",
                                        [END_REFUSED] = "refused"};

static struct expectation *find_expectation(struct script *script, struct slice id)
{
    for (size_t i = 0; i < script->count; i++)
        if (slice_equal_text(id, script->events[i].event.run_id))
            return &script->events[i];
    return NULL;
}

static void count_end(struct script *script, enum observed_end end, const struct observed *observed)
{
    script->delivered += end == END_DELIVERED;
    script->failed += end == END_FAILED;
    script->refused += end == END_REFUSED;
    script->skipped += end == END_SKIPPED;
    if (observed->status && script->latency_count < LATENCIES_MAX)
        script->latencies[script->latency_count++] = observed->duration_ms;
}

/** "POST /ok → 200 in 14 ms"; a whole URL where the receiver is somebody's own. */
static void append_sent(const struct script *script, const struct observed *observed, unsigned attempts,
                        struct buffer *out)
{
    struct slice target = observed->url;
    const char *path = target.len > SCHEME && !script->world->to
                           ? memchr(target.ptr + SCHEME, '/', target.len - SCHEME)
                           : NULL;
    if (path)
        target = (struct slice){path, (size_t)(target.ptr + target.len - path)};
    buffer_append_text(out, observed->method);
    buffer_append_char(out, ' ');
    buffer_append_slice(out, target);
    if (observed->status)
        buffer_appendf(out, " → %d in %lld ms", observed->status, (long long)observed->duration_ms);
    if (attempts > 1)
        buffer_appendf(out, ", at attempt %u", attempts);
}

/** What became of an event, in a sentence. */
static void print_end(struct script *script, enum observed_end end, const struct observed *observed,
                      const struct expectation *expected, struct slice id)
{
    const struct demo_seen *seen = demo_seen(script->world, id);
    struct slice why = observed_why(observed);
    struct buffer text = {0};
    buffer_append_text(&text, end_names[end]);
    if (observed->method && *observed->method) {
        buffer_append_text(&text, ": ");
        append_sent(script, observed, seen->requests, &text);
    }
    if (why.len > 0 && !observed->status) {
        buffer_append_text(&text, ": ");
        buffer_append_slice(&text, why);
    }
    if (seen->requests > 0)
        buffer_append_text(&text, seen->signature_valid ? "; its signature is valid"
                                                        : "; its signature is NOT VALID");
    if (observed->reported)
        buffer_appendf(&text, "; Port was told %s", observed->reported);
    else if (end == END_DELIVERED)
        buffer_append_text(&text, expected && expected->event.change_log ? "; Port wants no result of it"
                                                                         : "; your backend reports the end");
    if (observed->has_letter && end == END_FAILED)
        buffer_append_text(&text, "; a dead letter keeps it");
    demo_row(script->show, expected ? expected->what : "one more", buffer_text(&text));
    buffer_clear(&text);
}

static void append_member(struct buffer *out, const char *name, struct slice text)
{
    buffer_appendf(out, ",\"%s\":", name);
    if (text.len > 0)
        buffer_append_json_string(out, text);
    else
        buffer_append_text(out, "null");
}

/** The same for programs. */
static void print_end_object(struct script *script, enum observed_end end, const struct observed *observed,
                             const struct expectation *expected, struct slice id)
{
    const struct demo_seen *seen = demo_seen(script->world, id);
    struct buffer members = {0};
    buffer_append_text(&members, "\"name\":");
    buffer_append_json_string(&members, slice_of(expected ? expected->what : "one more"));
    append_member(&members, "run_id", observed->run_id);
    append_member(&members, "outcome", slice_of(end_names[end]));
    append_member(&members, "method", slice_of(observed->method));
    append_member(&members, "url", observed->url);
    buffer_appendf(&members, ",\"status\":%d,\"duration_ms\":%lld,\"attempts\":%u", observed->status,
                   (long long)observed->duration_ms, observed->attempt);
    append_member(&members, "reason",
                  end == END_DELIVERED ? (struct slice){NULL, 0} : observed_why(observed));
    buffer_appendf(&members, ",\"signature_valid\":%s",
                   seen->requests == 0     ? "null"
                   : seen->signature_valid ? "true"
                                           : "false");
    append_member(&members, "port", slice_of(observed->reported));
    buffer_appendf(&members, ",\"dead_letter\":%s",
                   observed->has_letter && end == END_FAILED ? "true" : "false");
    demo_object(script->show, "event", &members);
}

void script_told(struct script *script, const struct observed *observed)
{
    enum observed_end end = observed_end(observed->kind);
    struct slice id = slice_is_null(observed->run_id) ? SLICE_LITERAL("change-log") : observed->run_id;
    if (end == END_NONE)
        return;
    struct expectation *expected = find_expectation(script, id);
    print_end(script, end, observed, expected, id);
    print_end_object(script, end, observed, expected, id);
    count_end(script, end, observed);
    if (!expected)
        return;
    expected->seen = true;
    if (expected->end != end && !script->world->to) /* one's own handler answers as it likes */
        demo_problem(script->show, "%s: expected %s", expected->what, end_names[expected->end]);
    else if (script->world->to && end == END_FAILED && observed->status == 0)
        demo_problem(script->show, "%s: your handler gave no answer", expected->what);
}

bool script_complete(const struct script *script)
{
    for (size_t i = 0; i < script->count; i++) {
        const struct expectation *expected = &script->events[i];
        const struct demo_seen *seen = demo_seen(script->world, slice_of(expected->event.run_id));
        if (!expected->seen)
            return false;
        if (script->world->to)
            continue;
        if (strcmp(seen->status, expected->status) != 0)
            return false;
        if (expected->attempts > 0 && !expected->event.change_log && seen->logs < 2)
            return false;
    }
    return true;
}

void script_check(struct script *script)
{
    for (size_t i = 0; i < script->count && !script->world->to; i++) {
        const struct expectation *expected = &script->events[i];
        const struct demo_seen *seen = demo_seen(script->world, slice_of(expected->event.run_id));
        if (seen->requests == expected->attempts && (expected->attempts == 0 || seen->signature_valid))
            continue;
        demo_problem(script->show, "%s: %u request(s) at the receiver, signature %s", expected->what,
                     seen->requests, seen->signature_valid ? "valid" : "invalid");
    }
}

void script_tell_missing(struct script *script)
{
    for (size_t i = 0; i < script->count; i++)
        if (!script->events[i].seen)
            demo_problem(script->show, "%s: nothing was heard of it", script->events[i].what);
}

/* At the end */

void script_print_example(const struct script *script)
{
    const struct demo_kept *kept = &script->world->kept[DEMO_KEPT_EXAMPLE];
    struct buffer members = {0};
    if (script->world->to || kept->head.len == 0)
        return;
    buffer_append_text(&members, "\"event\":");
    body_append_value(buffer_slice(&kept->event), &members);
    demo_append_exchange(kept, &members);
    demo_object(script->show, "example", &members);
    demo_say(script->show, "\nThe request of the synchronous success, as its receiver got it:\n\n");
    demo_block(script->show, buffer_slice(&kept->head));
    demo_say(script->show, "\n");
    demo_body(script->show, buffer_slice(&kept->body));
    demo_say(script->show, "\nWhat Port was told of it (PATCH /v1/actions/runs/%s):\n\n", kept->run_id);
    demo_body(script->show, buffer_slice(&kept->report));
}

static int compare_latency(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

void script_print_totals(struct script *script, bool complete)
{
    struct buffer members = {0};
    int64_t p50 = 0, most = 0;
    if (script->latency_count > 0) {
        qsort(script->latencies, script->latency_count, sizeof *script->latencies, compare_latency);
        p50 = script->latencies[script->latency_count / 2];
        most = script->latencies[script->latency_count - 1];
    }
    buffer_appendf(
        &members,
        "\"delivered\":%u,\"failed\":%u,\"refused\":%u,\"skipped\":%u,\"p50_ms\":%lld,"
        "\"max_ms\":%lld,\"port_requests\":%u,\"token_requests\":%u,\"problems\":%u,\"complete\":%s",
        script->delivered, script->failed, script->refused, script->skipped, (long long)p50, (long long)most,
        script->world->port_requests, script->world->token_requests, script->show->problems,
        complete ? "true" : "false");
    demo_object(script->show, "summary", &members);
    demo_say(script->show,
             "\nSummary: %u delivered, %u failed, %u refused, %u skipped;\n"
             "webhook latency p50 %lld ms, max %lld ms;\n%u requests to Port, of which %u for a token.",
             script->delivered, script->failed, script->refused, script->skipped, (long long)p50,
             (long long)most, script->world->port_requests, script->world->token_requests);
}
