/* The list of letters that wait: each is tried, and tried again with backoff, until it is written. */
#include "deadletter/internal.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BACKOFF_MS = 500, MAX_BACKOFF_MS = 10000, SAY_EVERY_MS = 60000 };

/* Trying */

struct dead_letter_write *write_due(struct dead_letters *letters, struct dead_letter_write *after,
                                    int64_t now_ms)
{
    struct dead_letter_write *write = after ? TAILQ_NEXT(after, all) : TAILQ_FIRST(&letters->writes);
    while (write && (write->state != WRITE_WAITING || write->not_before_ms > now_ms))
        write = TAILQ_NEXT(write, all);
    return write;
}

static void timer_fired(uv_timer_t *timer);

/** The timer for the write that has the shortest time to wait. What is due already waits for the end of what
 * is under way, which wakes us. */
static void schedule(struct dead_letters *letters, int64_t now_ms)
{
    int64_t earliest = INT64_MAX;
    for (struct dead_letter_write *write = TAILQ_FIRST(&letters->writes); write;
         write = TAILQ_NEXT(write, all))
        if (write->state == WRITE_WAITING && write->not_before_ms > now_ms && write->not_before_ms < earliest)
            earliest = write->not_before_ms;
    if (earliest < INT64_MAX)
        uv_timer_start(&letters->timer, timer_fired, (uint64_t)(earliest - now_ms), 0);
}

static void timer_fired(uv_timer_t *timer)
{
    struct dead_letters *letters = timer->data;
    int64_t now_ms = clock_monotonic_ms(letters->clock);
    if (letters->directory)
        directory_pump(letters->directory, now_ms);
    else
        producer_pump(letters->producer, now_ms);
    schedule(letters, now_ms);
}

void letters_wake(struct dead_letters *letters)
{
    if (!letters->closing)
        uv_timer_start(&letters->timer, timer_fired, 0, 0);
}

/* The end of a write, or of one try */

static void write_unlink(struct dead_letter_write *write)
{
    struct dead_letters *letters = write->letters;
    TAILQ_REMOVE(&letters->writes, write, all);
    letters->counters.waiting--;
    letters->stuck -= write->failures > 0;
    free(write->texts);
    free(write);
}

void write_succeeded(struct dead_letter_write *write)
{
    struct dead_letters *letters = write->letters;
    void (*done)(void *) = write->forgotten ? NULL : write->done;
    void *ctx = write->ctx;
    letters->counters.written++;
    write_unlink(write);
    if (letters->failing) {
        letters->failing = false;
        log_info("dead letters are written again", F_INT("waiting", letters->counters.waiting));
    }
    if (done)
        done(ctx);
}

/** The id within its traceparent, which is one ("00-ID-…"); null: it has none. */
static struct slice trace_of(const struct dead_letter *letter)
{
    enum { BEFORE = 3, ID = 32 };
    return letter->traceparent.len > BEFORE + ID ? (struct slice){letter->traceparent.ptr + BEFORE, ID}
                                                 : (struct slice){NULL, 0};
}

static void say_failure(struct dead_letters *letters, const struct dead_letter_write *write,
                        const char *reason)
{
    int64_t now_ms = clock_monotonic_ms(letters->clock);
    if (letters->said && now_ms - letters->said_ms < SAY_EVERY_MS)
        return;
    letters->failing = letters->said = true;
    letters->said_ms = now_ms;
    bool of_topic = *write->letter.topic; /* a polled run is of none */
    log_error("a dead letter cannot be written: its record is held back and the write tried again",
              F_STR("error.message", reason),
              of_topic ? F_STR("messaging.destination.name", write->letter.topic) : F_NONE,
              of_topic ? F_INT("messaging.destination.partition.id", write->letter.partition) : F_NONE,
              of_topic ? F_INT("messaging.kafka.offset", write->letter.offset) : F_NONE,
              F_SLICE("port.run_id", write->letter.run_id), F_INT("waiting", letters->counters.waiting),
              F_SLICE("trace_id", trace_of(&write->letter)));
}

/** It fails for the first time. */
static void note_stuck(struct dead_letters *letters)
{
    if (letters->stuck++ == 0)
        letters->stuck_ms = clock_monotonic_ms(letters->clock);
}

struct dead_letters_view dead_letters_view(const struct dead_letters *letters)
{
    return (struct dead_letters_view){
        .failing = letters->stuck > 0, .since_ms = letters->stuck_ms, .reason = letters->stuck_reason};
}

void write_failed(struct dead_letter_write *write, const char *reason)
{
    struct dead_letters *letters = write->letters;
    if (write->forgotten || letters->closing) {
        write_unlink(write);
        return;
    }
    if (write->failures == 0)
        note_stuck(letters);
    snprintf(letters->stuck_reason, sizeof letters->stuck_reason, "%s", reason);
    write->state = WRITE_WAITING;
    write->not_before_ms =
        clock_monotonic_ms(letters->clock) + clock_backoff_ms(letters->clock, letters->first_backoff_ms, 2.0,
                                                              letters->max_backoff_ms, write->failures++);
    letters->counters.failures++;
    say_failure(letters, write, reason);
}

/* Writing and forgetting */

const char *letter_text(char **at, struct slice text)
{
    char *copy = *at;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *at += text.len + 1;
    return copy;
}

/** A NUL-terminated copy at *at, which moves on behind it, in which nothing is that a line of JSON or a
 * header could not give back as it was: what a letter's MAC is over is what its reader will see. */
static struct slice clean_text(char **at, struct slice text)
{
    static const char replacement[] = "\xef\xbf\xbd";
    char *copy = *at, *end = copy;
    for (size_t i = 0, len; i < text.len; i += len ? len : 1) {
        len = text.ptr[i] ? utf8_sequence(text.ptr + i, text.len - i) : 0;
        size_t written = len ? len : sizeof replacement - 1;
        memcpy(end, len ? text.ptr + i : replacement, written);
        end += written;
    }
    *end = '\0';
    *at = end + 1;
    return (struct slice){copy, (size_t)(end - copy)};
}

/** The letter's texts in one allocation of the write's own. False: out of memory. */
static bool copy_texts(struct dead_letter_write *write, const struct dead_letter *letter)
{
    struct slice reason = slice_of(letter->reason), topic = slice_of(letter->topic),
                 url = slice_of(letter->url);
    char *at = malloc(3 * (reason.len + topic.len + url.len + letter->id.len + letter->run_id.len +
                           letter->traceparent.len + letter->tracestate.len) +
                      7);
    if (!at)
        return false;
    write->texts = at;
    write->letter = *letter;
    write->letter.reason = clean_text(&at, reason).ptr;
    write->letter.topic = clean_text(&at, topic).ptr;
    write->letter.url = clean_text(&at, url).ptr;
    write->letter.id = clean_text(&at, letter->id);
    if (!slice_is_null(letter->run_id))
        write->letter.run_id = clean_text(&at, letter->run_id);
    if (!slice_is_null(letter->traceparent))
        write->letter.traceparent = clean_text(&at, letter->traceparent);
    if (!slice_is_null(letter->tracestate))
        write->letter.tracestate = clean_text(&at, letter->tracestate);
    return true;
}

/** 64 random bits in hexadecimal: unique among the letters of all agents that write to one place. */
static void make_id(const struct clock *clock, char id[LETTER_ID_SIZE])
{
    uint32_t high = (uint32_t)(clock->random(clock->ctx) * 4294967296.0);
    uint32_t low = (uint32_t)(clock->random(clock->ctx) * 4294967296.0);
    snprintf(id, LETTER_ID_SIZE, "%08" PRIx32 "%08" PRIx32, high, low);
}

struct dead_letter_write *dead_letters_write(struct dead_letters *letters, const struct dead_letter *letter,
                                             void (*done)(void *ctx), void *ctx)
{
    assert(!letters->closing);
    struct dead_letter_write *write = calloc(1, sizeof *write);
    if (!write || !copy_texts(write, letter)) {
        free(write);
        return NULL;
    }
    write->letters = letters;
    write->done = done;
    write->ctx = ctx;
    make_id(letters->clock, write->id);
    TAILQ_INSERT_TAIL(&letters->writes, write, all);
    letters->counters.waiting++;
    letters_wake(letters);
    return write;
}

void dead_letter_write_forget(struct dead_letter_write *write)
{
    if (!write)
        return;
    if (write->state == WRITE_UNDER_WAY)
        write->forgotten = true;
    else
        write_unlink(write);
}

void dead_letters_counters(const struct dead_letters *letters, struct dead_letters_counters *out)
{
    *out = letters->counters;
}

/* Life */

struct dead_letters *dead_letters_new(const struct dead_letters_options *options, struct error *err)
{
    bool directory = options->directory && *options->directory, topic = options->topic && *options->topic;
    if (directory == topic) {
        error_set(err, PA_ERR_INVALID, "dead letters need either a directory or a topic");
        return NULL;
    }
    if (options->secret.len == 0) {
        error_set(err, PA_ERR_INVALID, "dead letters need PORT_CLIENT_SECRET");
        return NULL;
    }
    struct dead_letters *letters = calloc(1, sizeof *letters);
    if (!letters) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    TAILQ_INIT(&letters->writes);
    letters->loop = options->loop;
    letters->clock = options->clock;
    letters->seal = letter_seal_new(options->secret);
    if (!letters->seal) {
        error_set(err, PA_ERR_MEMORY, "out of memory, or no HKDF and HMAC-SHA-256 from OpenSSL");
        free(letters);
        return NULL;
    }
    letters->first_backoff_ms = options->first_backoff_ms > 0 ? options->first_backoff_ms : FIRST_BACKOFF_MS;
    letters->max_backoff_ms = options->max_backoff_ms > 0 ? options->max_backoff_ms : MAX_BACKOFF_MS;
    if (directory)
        letters->directory = directory_new(letters, options->directory, options->max_bytes, err);
    else
        letters->producer = producer_new(letters, options, err);
    if (!letters->directory && !letters->producer) {
        letter_seal_free(letters->seal);
        free(letters);
        return NULL;
    }
    uv_timer_init(letters->loop, &letters->timer);
    letters->timer.data = letters;
    return letters;
}

int dead_letters_use_secret(struct dead_letters *letters, struct slice secret)
{
    struct letter_seal *seal = letter_seal_new(secret);
    if (!seal)
        return PA_ERR_MEMORY;
    letter_seal_free(letters->seal);
    letters->seal = seal;
    return 0;
}

void letters_part_closed(struct dead_letters *letters)
{
    if (--letters->closing_parts > 0)
        return;
    void (*closed)(void *) = letters->closed;
    void *ctx = letters->closed_ctx;
    letter_seal_free(letters->seal);
    free(letters);
    if (closed)
        closed(ctx);
}

static void letters_timer_closed(uv_handle_t *handle)
{
    letters_part_closed(handle->data);
}

void dead_letters_close(struct dead_letters *letters, void (*closed)(void *ctx), void *ctx)
{
    letters->closing = true;
    letters->closed = closed;
    letters->closed_ctx = ctx;
    letters->closing_parts = 2;
    for (struct dead_letter_write *write = TAILQ_FIRST(&letters->writes), *next; write; write = next) {
        next = TAILQ_NEXT(write, all);
        dead_letter_write_forget(write);
    }
    uv_close((uv_handle_t *)&letters->timer, letters_timer_closed);
    if (letters->directory)
        directory_close(letters->directory);
    else
        producer_close(letters->producer);
}
