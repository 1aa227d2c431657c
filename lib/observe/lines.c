/* What happened, as log lines: kinds.c has their levels, words and fields. Every line about a record has its
 * topic, partition and offset first (its id where it is in no topic), and its run's id where there is a run;
 * where it has a trace, that is last. */
#include "observe/internal.h"
#include "observe/kinds.h"

struct slice observed_shown(const struct observed *observed, struct slice text, struct buffer *room)
{
    if (!observed->show)
        return text;
    observed->show(observed->show_ctx, text, room);
    return buffer_slice(room);
}

const char *observed_cut_words(enum observed_cut cut)
{
    static const char *const words[] = {
        [OBSERVED_WHOLE] = "",
        [OBSERVED_CUT_TOO_LONG] = "response body cut: it was longer than WEBHOOK_MAX_RESPONSE_BYTES",
        [OBSERVED_CUT_NO_ROOM] =
            "response body cut: there was no room for it in WEBHOOK_TOTAL_RESPONSE_BYTES",
        [OBSERVED_CUT_UNREADABLE] = "response body left out: its Content-Encoding could not be undone",
        [OBSERVED_CUT_ENDED_EARLY] = "response body cut: its Content-Encoding ended before its end",
        [OBSERVED_CUT_UNSURE] =
            "response body may be cut: its connection ended without the word of TLS that this was meant"};
    return words[cut];
}

static const struct kind_row *row_of(const struct observed *observed)
{
    return &observed_kinds[observed->kind == OBSERVED_ENDED ? observed->ended : observed->kind];
}

/** It has its line when Port has spoken. */
static bool is_told_later(const struct observed *observed)
{
    return observed->kind == OBSERVED_DELIVERED || observed->kind == OBSERVED_FAILED ||
           observed->kind == OBSERVED_UNSENT;
}

/** A webhook that fails is an error where nothing keeps its event, unless the endpoint itself says that the
 * request is wrong. */
static enum log_level level_of(const struct observed *observed)
{
    const struct kind_row *line = row_of(observed);
    bool is_callers = observed->status >= 400 && observed->status < 500;
    return (line->fields & LETTER) && (observed->has_letter || is_callers) ? LOG_WARNING : line->level;
}

/** A success of which nothing is to be said. */
static bool is_plain_success(const struct observed *observed)
{
    bool settled = slice_equal_text(slice_of(observed->port_result), "accepted") ||
                   slice_equal_text(slice_of(observed->port_result), "none");
    return observed->kind == OBSERVED_ENDED && observed->ended == OBSERVED_DELIVERED &&
           observed->attempt <= 1 && settled && slice_is_null(observed->waited);
}

static struct log_field age_of(const struct clock *clock, const struct observed *observed)
{
    return observed->record_ms >= 0 ? F_SECONDS("event.age", clock_wall_ms(clock) - observed->record_ms)
                                    : F_NONE;
}

/** A record that is in no topic is found by its id, which says nothing new where it is the run's. */
static bool is_placed_by_id(const struct observed *observed)
{
    return !observed->topic && observed->record_id.len > 0 &&
           !slice_equal(observed->record_id, observed->run_id);
}

#define F_TOPIC(o_) F_STR("messaging.destination.name", (o_)->topic)
#define F_PARTITION(o_) ((o_)->topic ? F_INT("messaging.destination.partition.id", (o_)->partition) : F_NONE)
#define F_OFFSET(o_) ((o_)->topic ? F_INT("messaging.kafka.offset", (o_)->offset) : F_NONE)
#define F_RECORD(o_) (is_placed_by_id(o_) ? F_SLICE("record.id", (o_)->record_id) : F_NONE)
#define F_RUN(o_) F_SLICE("port.run_id", (o_)->run_id)
#define F_TRACE(o_) F_STR("trace_id", (o_)->trace ? (o_)->trace->id : NULL)
#define F_SPAN(o_) F_STR("span_id", (o_)->trace &&*(o_)->trace->span ? (o_)->trace->span : NULL)
#define F_WHERE(bit_, field_) ((fields & (bit_)) ? (field_) : F_NONE)

static void write_line(const struct clock *clock, const struct observed *o, struct slice url)
{
    const struct kind_row *line = row_of(o);
    unsigned fields = line->fields;
    bool ended = o->kind == OBSERVED_ENDED, failed = ended && (fields & LETTER);
    bool refused = observed_end(o->kind) == END_REFUSED;
    struct buffer body = {0};
    const struct log_field all[] = {
        F_TOPIC(o),
        F_PARTITION(o),
        F_OFFSET(o),
        F_RECORD(o),
        F_STR("server.address", o->destination),
        F_WHERE(METHOD, F_STR("http.request.method", o->method)),
        F_WHERE(URL, F_SLICE("url.full", url)),
        F_WHERE(STATUS, F_STATUS(o->status)),
        F_WHERE(ERROR, F_STR("error.type", o->error_type)),
        F_WHERE(ERROR, F_SLICE("error.message", o->reason)),
        F_RUN(o),
        F_WHERE(MOVE, F_STR("from_state", o->from)),
        F_WHERE(MOVE, F_STR("to_state", o->to)),
        F_WHERE(REASON, F_SLICE("reason", o->reason)),
        F_WHERE(MESSAGE, F_SLICE("error.message", o->reason)),
        F_WHERE(o->mapping ? MAPPING : 0, F_INT("mapping", o->mapping)),
        F_WHERE(o->attempt > 1 ? ATTEMPT : 0, F_INT("http.request.resend_count", o->attempt - 1)),
        F_WHERE(BODY, F_SLICE("body", observed_shown(o, o->body, &body))),
        F_WHERE(ANSWER, F_SECONDS("http.client.request.duration", o->duration_ms)),
        F_WHERE(WAIT, F_SECONDS("next_attempt_in", o->wait_ms)),
        F_WHERE(AGE, age_of(clock, o)),
        F_WHERE(o->resent ? ANSWER : 0, F_BOOL("resent", true)),
        F_WHERE(o->redirects ? ANSWER : 0, F_INT("redirects", o->redirects)),
        F_WHERE(o->answer.len > 0 ? ANSWER : 0, F_SLICE("answer", o->answer)),
        F_WHERE(AT_ONCE, F_INT("webhooks_at_once", o->count)),
        F_WHERE(COUNT, F_INT("count", o->count)),
        F_WHERE(UNREPORTED, F_INT("unreported_node_runs", o->unreported)),
        F_STR("port.result", ended ? o->port_result : NULL),
        F_SLICE("waited_for", o->waited),
        failed ? F_BOOL("dead_letter", o->letter_written) : F_NONE,
        failed || refused ? F_STR("hint", observed_hint(o)) : F_NONE,
        F_TRACE(o),
        F_SPAN(o),
    };
    log_write(level_of(o), line->message, all, sizeof all / sizeof *all);
    buffer_clear(&body);
}

static void write_cut(const struct observed *o, struct slice url)
{
    log_warning(observed_cut_words(o->cut), F_TOPIC(o), F_PARTITION(o), F_OFFSET(o), F_RECORD(o),
                F_SLICE("url.full", url), F_RUN(o), F_INT("kept_bytes", o->kept_bytes), F_TRACE(o),
                F_SPAN(o));
}

void lines_write(const struct observer_options *options, const struct observed *observed)
{
    const struct kind_row *line = row_of(observed);
    bool unlisted = observed->unlisted || is_told_later(observed) ||
                    (options->successes_unlisted && is_plain_success(observed));
    bool wanted = line->message && !unlisted && log_enabled(level_of(observed));
    struct buffer room = {0};
    struct slice url = {NULL, 0};
    bool cut = observed->cut && (line->fields & ANSWER);
    if (!wanted && !cut)
        return;
    if (line->fields & URL)
        url = observed_shown(observed, observed->url, &room);
    if (wanted)
        write_line(options->clock, observed, url);
    if (cut)
        write_cut(observed, url);
    buffer_clear(&room);
}
