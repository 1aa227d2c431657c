/* What blocks: reading letters and remembering which were replayed. The reader is this thread's alone while a
 * batch is under way. */
#include "internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct slice copied(struct buffer *bytes, struct slice original)
{
    if (slice_is_null(original))
        return original;
    char *at = bytes->ptr + bytes->len;
    buffer_append_slice(bytes, original);
    buffer_append_char(bytes, '\0');
    return (struct slice){at, original.len};
}

static char *record_id_of(const struct dead_letter *letter)
{
    struct buffer id = {0};
    letter_record_id(letter, &id);
    return buffer_take(&id, NULL);
}

/** Why it is refused: NULL when it is not. False: out of memory. */
static bool refusal_of(struct replay_source *replay, const struct dead_letter_entry *entry, char **refusal)
{
    char reason[CHECK_REASON_SIZE];
    *refusal = NULL;
    if (letter_check_accepts(replay->replay.check, entry, reason))
        return true;
    *refusal = strdup(reason);
    return *refusal != NULL;
}

/** NULL: out of memory. */
static struct replay_letter *letter_copy(struct replay_source *replay, const struct dead_letter_entry *entry)
{
    const struct dead_letter *from = &entry->letter;
    struct slice reason = slice_of(from->reason), topic = slice_of(from->topic), url = slice_of(from->url);
    struct slice where = slice_of(entry->where);
    struct replay_letter *letter = calloc(1, sizeof *letter);
    if (!letter)
        return NULL;
    letter->replay = replay;
    letter->entry = *entry;
    letter->record_id = record_id_of(from);
    /* All at once, so that nothing moves. */
    size_t total = reason.len + topic.len + url.len + from->id.len + from->run_id.len + from->key.len +
                   from->value.len + from->traceparent.len + from->tracestate.len + where.len + 10;
    if (!letter->record_id || !refusal_of(replay, entry, &letter->refusal) ||
        buffer_reserve(&letter->bytes, total) != 0) {
        letter_free(letter);
        return NULL;
    }
    struct dead_letter *to = &letter->entry.letter;
    letter->entry.letter_id = letter->entry.mac = (struct slice){NULL, 0}; /* they have served */
    letter->entry.where = copied(&letter->bytes, where).ptr;
    to->reason = copied(&letter->bytes, reason).ptr;
    to->topic = copied(&letter->bytes, topic).ptr;
    to->url = copied(&letter->bytes, url).ptr;
    to->id = copied(&letter->bytes, from->id);
    to->run_id = copied(&letter->bytes, from->run_id);
    to->traceparent = copied(&letter->bytes, from->traceparent);
    to->tracestate = copied(&letter->bytes, from->tracestate);
    to->key = copied(&letter->bytes, from->key);
    to->value = copied(&letter->bytes, from->value);
    return letter;
}

static void read_letters(struct replay_source *replay)
{
    struct batch *batch = &replay->batch;
    struct dead_letter_entry entry;
    size_t count = 0, bytes = 0;
    while (count < BATCH_LETTERS && bytes < BATCH_LETTER_BYTES) {
        int got = dead_letter_reader_next(replay->replay.reader, &entry, &batch->err);
        if (got != 1) {
            batch->end = got == 0;
            batch->failed = got < 0 ? got : 0;
            return;
        }
        letter_check_copy(replay->replay.check, &entry);
        if (!replay->replay.wanted(replay->replay.ctx, &entry))
            continue;
        struct replay_letter *letter = letter_copy(replay, &entry);
        if (!letter) {
            batch->failed = error_set(&batch->err, PA_ERR_MEMORY, "out of memory");
            return;
        }
        letters_append(&batch->letters, letter);
        bytes += letter->bytes.len;
        count++;
    }
}

static void batch_work(uv_work_t *work)
{
    struct replay_source *replay = work->data;
    struct batch *batch = &replay->batch;
    batch->failed =
        dead_letter_reader_mark(replay->replay.reader, batch->marks, batch->mark_count, &batch->err);
    if (!batch->failed && batch->read)
        read_letters(replay);
}

static void batch_done(uv_work_t *work, int status)
{
    struct replay_source *replay = work->data;
    (void)status;
    replay->batch.under_way = false;
    replay_batch_done(replay);
}

void batch_start(struct replay_source *replay, bool read)
{
    struct batch *batch = &replay->batch;
    *batch = (struct batch){.under_way = true, .read = read};
    batch->mark_count = replay->mark_count < MARKS_MAX ? replay->mark_count : MARKS_MAX;
    if (batch->mark_count > 0) {
        memcpy(batch->marks, replay->marks, batch->mark_count * sizeof *batch->marks);
        replay->mark_count -= batch->mark_count;
        memmove(replay->marks, replay->marks + batch->mark_count, replay->mark_count * sizeof *replay->marks);
    }
    batch->work.data = replay;
    uv_queue_work(replay->options.loop, &batch->work, batch_work, batch_done);
}
