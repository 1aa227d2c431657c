/* See replay.h. Letters are read in batches as the sink has space for them, and remembered as replayed once
 * their tickets are back. */
#include "internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct replay_source *replay_of(struct source *source)
{
    return (struct replay_source *)source;
}

/* Lists of letters */

void letters_append(struct letter_list *list, struct replay_letter *letter)
{
    letter->next = NULL;
    letter->previous = list->last;
    if (list->last)
        list->last->next = letter;
    else
        list->first = letter;
    list->last = letter;
}

void letters_remove(struct letter_list *list, struct replay_letter *letter)
{
    if (letter->previous)
        letter->previous->next = letter->next;
    else
        list->first = letter->next;
    if (letter->next)
        letter->next->previous = letter->previous;
    else
        list->last = letter->previous;
    letter->next = letter->previous = NULL;
}

void letter_free(struct replay_letter *letter)
{
    buffer_clear(&letter->bytes);
    free(letter->record_id);
    free(letter->refusal);
    free(letter);
}

static void letters_free(struct letter_list *list)
{
    while (list->first) {
        struct replay_letter *letter = list->first;
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyser does not follow the list */
        letters_remove(list, letter);
        letter_free(letter);
    }
}

const struct dead_letter_entry *replay_letter_entry(const struct replay_letter *letter)
{
    return &letter->entry;
}

const char *replay_letter_refusal(const struct replay_letter *letter)
{
    return letter->refusal;
}

void replay_letter_set(struct replay_letter *letter, void *note)
{
    letter->note = note;
}

void *replay_letter_get(const struct replay_letter *letter)
{
    return letter->note;
}

struct replay_letter *replay_find(const struct source *source, struct slice record_id)
{
    const struct replay_source *replay = (const struct replay_source *)source;
    for (struct replay_letter *letter = replay->with_sink.first; letter; letter = letter->next)
        if (slice_equal_text(record_id, letter->record_id))
            return letter;
    return NULL;
}

/* Ends */

/** False: out of memory. */
static bool remember(struct replay_source *replay, const struct dead_letter_ref *ref)
{
    if (replay->mark_count == replay->mark_room) {
        size_t room = replay->mark_room ? replay->mark_room * 2 : 64;
        struct dead_letter_ref *grown = realloc(replay->marks, room * sizeof *grown);
        if (!grown)
            return false;
        replay->marks = grown;
        replay->mark_room = room;
    }
    replay->marks[replay->mark_count++] = *ref;
    return true;
}

static void finish(struct replay_source *replay, const char *reason)
{
    if (replay->finished)
        return;
    replay->finished = true;
    replay->replay.finished(replay->replay.ctx, reason);
}

bool letter_end(struct replay_letter *letter, enum replay_end end)
{
    struct replay_source *replay = letter->replay;
    struct same_record *same = letter->same;
    bool marked = replay->replay.ended(replay->replay.ctx, letter, end);
    if (marked && !remember(replay, &letter->entry.ref))
        log_error("out of memory: a dead letter is not remembered as replayed",
                  F_STR("dead_letter.id", letter->entry.ref.id));
    letter_free(letter);
    if (same)
        same_end(replay, same, marked);
    return marked;
}

static void replay_wake(struct replay_source *replay);

static void settle(struct ticket *ticket, bool done)
{
    struct replay_letter *letter = (struct replay_letter *)ticket;
    struct replay_source *replay = letter->replay;
    letters_remove(&replay->with_sink, letter);
    letter_end(letter, done ? REPLAY_DONE : REPLAY_DROPPED);
    replay_wake(replay);
}

/* Into the sink */

/** Only of a letter that was checked: its topic is one of the two, or it is proved to have none. */
static struct record record_of(const struct replay_letter *letter)
{
    const struct replay_options *replay = &letter->replay->replay;
    const struct dead_letter *from = &letter->entry.letter;
    bool topic = *from->topic != '\0', changes = strcmp(from->topic, replay->change_log_topic) == 0;
    return (struct record){
        .kind = topic && changes ? EVENT_CHANGE_LOG : EVENT_RUN,
        .trusted = !topic,
        .id = slice_of(letter->record_id),
        .run_id = topic ? (struct slice){NULL, 0} : from->run_id,
        .topic = topic ? from->topic : NULL,
        .partition = topic ? from->partition : -1,
        .offset = topic ? from->offset : -1,
        .timestamp_ms = -1, /* how old it is was known when its replay was asked for */
        .traceparent = from->traceparent,
        .tracestate = from->tracestate,
        .key = from->key,
        .value = from->value,
        .assignment = letter->replay,
    };
}

/** False: the sink has no space now. */
static bool hand_over(struct replay_source *replay, struct replay_letter *letter)
{
    const struct source_sink *sink = &replay->options.sink;
    struct record record = record_of(letter);
    if (!letter->refusal && !sink->has_room(sink->ctx, record.value.len + record.key.len))
        return false;
    letters_remove(&replay->ready, letter);
    if (letter->refusal) {
        letter_end(letter, REPLAY_REFUSED);
    } else if (same_enter(letter)) {
        letter->ticket.settle = settle;
        letters_append(&replay->with_sink, letter);
        sink->take(sink->ctx, &record, &letter->ticket);
    }
    return true;
}

static void replay_advance(struct replay_source *replay)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyser does not follow the list */
    while (!replay->stopped && replay->ready.first && hand_over(replay, replay->ready.first))
        ;
    if (replay->batch.under_way)
        return;
    bool read = !replay->stopped && !replay->end && !replay->ready.first;
    if (read || replay->mark_count > 0)
        batch_start(replay, read);
    else if (replay->end && !replay->ready.first && !replay->with_sink.first && !replay->closing)
        finish(replay, NULL);
}

static void replay_woken(uv_timer_t *timer)
{
    replay_advance(timer->data);
}

static void replay_wake(struct replay_source *replay)
{
    if (!replay->closing)
        uv_timer_start(&replay->wake, replay_woken, 0, 0);
}

static void close_further(struct replay_source *replay);

void replay_batch_done(struct replay_source *replay)
{
    struct batch *batch = &replay->batch;
    while (batch->letters.first) {
        struct replay_letter *letter = batch->letters.first;
        letters_remove(&batch->letters, letter);
        letters_append(&replay->ready, letter);
    }
    replay->end |= batch->end;
    if (batch->failed) {
        log_error("dead letters cannot be read, or not be remembered as replayed",
                  F_STR("error.message", batch->err.message));
        replay->stopped = true;
        finish(replay, batch->err.message);
    }
    if (replay->closing)
        close_further(replay);
    else
        replay_advance(replay);
}

/* As a source */

static void replay_resume(struct source *source)
{
    replay_wake(replay_of(source));
}

static void replay_stop_taking(struct source *source)
{
    replay_of(source)->stopped = true;
}

static bool replay_idle(const struct source *source)
{
    return ((const struct replay_source *)source)->stopped;
}

static void replay_free(struct replay_source *replay)
{
    letters_free(&replay->ready);
    same_free(replay);
    free(replay->marks);
    free(replay);
}

static void wake_closed(uv_handle_t *handle)
{
    struct replay_source *replay = handle->data;
    void (*closed)(void *) = replay->closed;
    void *ctx = replay->closed_ctx;
    replay_free(replay);
    closed(ctx);
}

/** What was replayed is remembered before anything else ends. */
static void close_further(struct replay_source *replay)
{
    if (replay->batch.under_way)
        return;
    if (replay->mark_count > 0 && !replay->batch.failed)
        batch_start(replay, false);
    else
        uv_close((uv_handle_t *)&replay->wake, wake_closed);
}

static void replay_close(struct source *source, void (*closed)(void *ctx), void *ctx)
{
    struct replay_source *replay = replay_of(source);
    const struct source_sink *sink = &replay->options.sink;
    replay->stopped = replay->closing = true;
    replay->closed = closed;
    replay->closed_ctx = ctx;
    uv_timer_stop(&replay->wake);
    sink->withdraw(sink->ctx, replay, true);
    while (replay->ready.first) {
        struct replay_letter *letter = replay->ready.first;
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyser does not follow the list */
        letters_remove(&replay->ready, letter);
        letter_end(letter, REPLAY_DROPPED);
    }
    close_further(replay);
}

static size_t replay_summary(const struct source *source, struct log_field fields[SOURCE_FIELDS_MAX])
{
    const struct replay_source *replay = (const struct replay_source *)source;
    fields[0] = F_BOOL("all_read", replay->end);
    return 1;
}

static unsigned replay_assigned(const struct source *source)
{
    (void)source;
    return 1;
}

static const struct source_class class = {.name = "dead letters",
                                          .resume = replay_resume,
                                          .stop_taking = replay_stop_taking,
                                          .idle = replay_idle,
                                          .close = replay_close,
                                          .summary = replay_summary,
                                          .assigned = replay_assigned};

struct source *replay_source_new(const struct replay_options *replay_options,
                                 const struct source_options *options, struct error *err)
{
    struct replay_source *replay = calloc(1, sizeof *replay);
    if (!replay) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    replay->source.class = &class;
    replay->options = *options;
    replay->replay = *replay_options;
    uv_timer_init(options->loop, &replay->wake);
    replay->wake.data = replay;
    replay_wake(replay);
    return &replay->source;
}
