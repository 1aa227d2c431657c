/* Makes an event from what the walk over its record found. */
#include "event/event.h"
#include "event/scan.h"
#include <stdlib.h>
#include <string.h>

enum { RUN_ID_MAX = 128 };

void event_init(struct event *event)
{
    *event = (struct event){0};
}

void event_clear(struct event *event)
{
    buffer_clear(&event->payload);
    buffer_clear(&event->texts);
    event_init(event);
}

static struct slice text_at(const struct buffer *texts, struct scan_range range)
{
    if (!range.found)
        return (struct slice){NULL, 0};
    return (struct slice){texts->ptr + range.start, range.end - range.start};
}

static void fill(struct event *event, const struct scan *scan)
{
    event->invocation = (struct invocation_method){
        .present = scan->invocation,
        .agent = scan->invocation && scan->agent,
        .synchronized = scan->invocation && scan->synchronized,
        .method_wrong = scan->found[SCAN_METHOD].wrong,
        .url_wrong = scan->found[SCAN_URL].wrong,
        .type = text_at(scan->texts, scan->found[SCAN_TYPE]),
        .method = text_at(scan->texts, scan->found[SCAN_METHOD]),
        .url = text_at(scan->texts, scan->found[SCAN_URL]),
    };
    event->run_id = text_at(scan->texts, scan->found[SCAN_RUN_ID]);
    event->action = text_at(scan->texts, scan->found[SCAN_ACTION]);
    event->signature = text_at(scan->texts, scan->found[SCAN_SIGNATURE]);
    event->timestamp = text_at(scan->texts, scan->found[SCAN_TIMESTAMP]);
    event->traceparent = text_at(scan->texts, scan->found[SCAN_TRACEPARENT]);
    event->tracestate = text_at(scan->texts, scan->found[SCAN_TRACESTATE]);
    event->has_signature_member = scan->signature_member;
    event->has_timestamp_member = scan->timestamp_member;
    event->run_id_wrong = scan->found[SCAN_RUN_ID].wrong;
    event->context_wrong = scan->context_wrong;
    event->other_topics = scan->other_topics;
    event->duplicate = scan->duplicate;
    event->duplicate_run = scan->duplicate_run;
    event->wrong_type = scan->wrong_type;
}

static bool is_of_gitlab(const struct scan *scan)
{
    return !scan->invocation_in_root &&
           slice_equal_text(text_at(scan->texts, scan->found[SCAN_TYPE]), "GITLAB");
}

/** Of an event for GitLab nothing of its headers is signed (docs/contract.md), however often they come. */
static int scan_signed(struct scan *scan, struct error *err)
{
    int failed = scan_record(scan, err);
    if (failed || !scan->headers_found || !is_of_gitlab(scan))
        return failed;
    if (!scan->headers_twice) {
        scan_cut_headers(scan);
        return 0;
    }
    scan->out->len = scan->texts->len = 0;
    struct scan again = {.in = scan->in, .cuts_headers = true, .out = scan->out, .texts = scan->texts};
    *scan = again;
    return scan_record(scan, err);
}

int event_parse(struct event *event, enum event_kind kind, struct slice record, struct error *err)
{
    event_clear(event);
    event->kind = kind;
    struct scan scan = {
        .in = record,
        .invocation_in_root = kind == EVENT_CHANGE_LOG,
        .out = &event->payload,
        .texts = &event->texts,
    };
    /* The canonical form is never longer than the record, so this is the only allocation for it. */
    if (buffer_reserve(&event->payload, record.len + 1) != 0 || buffer_reserve(&event->texts, 256) != 0) {
        event_clear(event);
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    }
    int failed = scan_signed(&scan, err);
    if (failed) {
        event_clear(event);
        return failed;
    }
    fill(event, &scan);
    return 0;
}

const char *event_other_topics(enum event_kind kind)
{
    return kind == EVENT_RUN ? "it is on the runs topic and has a changelogDestination"
                             : "it is on the change-log topic and has a payload.action.invocationMethod";
}

bool run_id_is_node_run(struct slice run_id)
{
    return slice_starts_with(run_id, "wfnr_");
}

bool run_id_is_usable(struct slice run_id)
{
    if (run_id.len == 0 || run_id.len > RUN_ID_MAX || run_id.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < run_id.len; i++) {
        char c = run_id.ptr[i];
        if (!char_is_letter(c) && !char_is_digit(c) && !memchr("_-.~", c, 4))
            return false;
    }
    return true;
}
