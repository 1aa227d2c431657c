/* Lines are made on the caller's thread and appended to a bounded buffer; a writer thread swaps it for an
 * empty one and writes. The mutex is held for an append or a swap, never for a write. A line after a pause is
 * written at once; then the writer rests a little, because waking it for every line costs more than the line.
 */
#include "base/log.h"
#include "base/clock.h"
#include "base/json_escape.h"
#include "base/log_terminal.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum { DEFAULT_BUFFER_BYTES = 1 << 20, TEXT_MAX = 16 * 1024, REST_MS = 10 };

struct log {
    struct log_options options;
    /** Of options, or what it was changed to: libraries' threads ask for it. */
    atomic_int level;
    pthread_mutex_t mutex;
    pthread_cond_t filled, emptied;
    pthread_t writer;
    /** Guarded by mutex. */
    struct buffer pending;
    /** Guarded by mutex. */
    bool waiting, resting, writing, stopping;
    /** Guarded by mutex: lines dropped, and of those how many were told. */
    uint64_t dropped, said;
    /** The caller's, reused. */
    struct buffer line;
    /** Whose text is in `stamp`. */
    int64_t second;
    char stamp[CLOCK_RFC3339_SIZE];
};

static struct log *current;

static const char *const LEVEL_NAMES[] = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"};

struct log *log_set_current(struct log *log)
{
    struct log *before = current;
    current = log;
    return before;
}

const char *log_level_name(enum log_level level)
{
    return LEVEL_NAMES[level];
}

bool log_level_of(const char *name, enum log_level *out)
{
    for (int level = LOG_DEBUG; level <= LOG_CRITICAL; level++) {
        if (strcasecmp(name, LEVEL_NAMES[level]) != 0)
            continue;
        *out = (enum log_level)level;
        return true;
    }
    return false;
}

void log_set_level(enum log_level level)
{
    if (current)
        atomic_store_explicit(&current->level, (int)level, memory_order_relaxed);
}

enum log_level log_level_now(void)
{
    return current ? (enum log_level)atomic_load_explicit(&current->level, memory_order_relaxed)
                   : LOG_CRITICAL;
}

bool log_enabled(enum log_level level)
{
    return current && (int)level >= atomic_load_explicit(&current->level, memory_order_relaxed);
}

/* Writing */

static void write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);
        if (written > 0) {
            bytes += written;
            len -= (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            poll(&ready, 1, 1000);
        } else if (written < 0 && errno == EINTR) {
            continue;
        } else {
            return; /* nobody is there to read it */
        }
    }
}

static struct timespec after_ms(int wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return until;
}

static bool half_full(const struct log *log)
{
    return log->pending.len >= log->options.buffer_bytes / 2;
}

/** Lets lines gather; mutex held. */
static void rest(struct log *log)
{
    struct timespec until = after_ms(REST_MS);
    int err = 0;
    log->resting = true;
    while (!log->stopping && !half_full(log) && err == 0)
        err = pthread_cond_timedwait(&log->filled, &log->mutex, &until);
    log->resting = false;
}

static void *writer_main(void *ctx)
{
    struct log *log = ctx;
    struct buffer taken = {0};
    pthread_mutex_lock(&log->mutex);
    for (;;) {
        while (log->pending.len == 0 && !log->stopping) {
            log->waiting = true;
            pthread_cond_wait(&log->filled, &log->mutex);
        }
        log->waiting = false;
        if (log->pending.len == 0)
            break;
        struct buffer full = log->pending;
        log->pending = taken;
        log->writing = true;
        pthread_mutex_unlock(&log->mutex);
        write_all(log->options.fd, full.ptr, full.len);
        pthread_mutex_lock(&log->mutex);
        log->writing = false;
        full.len = 0;
        taken = full;
        pthread_cond_broadcast(&log->emptied);
        rest(log);
    }
    pthread_mutex_unlock(&log->mutex);
    buffer_clear(&taken);
    return NULL;
}

static int start_writer(struct log *log)
{
    /* Signals are the loop's business, in the main thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&log->writer, NULL, writer_main, log);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

struct log *log_new(const struct log_options *options)
{
    struct log *log = calloc(1, sizeof *log);
    if (!log)
        return NULL;
    log->options = *options;
    atomic_init(&log->level, (int)options->level);
    if (log->options.buffer_bytes == 0)
        log->options.buffer_bytes = DEFAULT_BUFFER_BYTES;
    log->second = -1;
    pthread_mutex_init(&log->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&log->filled, &attributes);
    pthread_cond_init(&log->emptied, &attributes);
    pthread_condattr_destroy(&attributes);
    if (start_writer(log) != 0) {
        pthread_mutex_destroy(&log->mutex);
        free(log);
        return NULL;
    }
    return log;
}

void log_free(struct log *log, int wait_ms)
{
    if (!log)
        return;
    if (current == log)
        current = NULL;
    struct timespec until = after_ms(wait_ms);
    pthread_mutex_lock(&log->mutex);
    log->stopping = true;
    pthread_cond_signal(&log->filled);
    int err = 0;
    while ((log->pending.len > 0 || log->writing) && err == 0)
        err = pthread_cond_timedwait(&log->emptied, &log->mutex, &until);
    bool stuck = log->pending.len > 0 || log->writing;
    pthread_mutex_unlock(&log->mutex);
    if (stuck) {
        pthread_detach(log->writer); /* blocked in write(); it keeps its memory until the process ends */
        return;
    }
    pthread_join(log->writer, NULL);
    pthread_cond_destroy(&log->filled);
    pthread_cond_destroy(&log->emptied);
    pthread_mutex_destroy(&log->mutex);
    buffer_clear(&log->pending);
    buffer_clear(&log->line);
    free(log);
}

uint64_t log_dropped(const struct log *log)
{
    log = log ? log : current;
    if (!log)
        return 0;
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&log->mutex;
    pthread_mutex_lock(mutex);
    uint64_t dropped = log->dropped;
    pthread_mutex_unlock(mutex);
    return dropped;
}

/* Making lines */

static const char *stamp(struct log *log)
{
    int64_t now = clock_wall_ms(clock_system());
    if (now / 1000 != log->second) {
        clock_rfc3339(now, log->stamp);
        log->second = now / 1000;
    }
    int millis = (int)(now % 1000);
    log->stamp[20] = (char)('0' + millis / 100);
    log->stamp[21] = (char)('0' + millis / 10 % 10);
    log->stamp[22] = (char)('0' + millis % 10);
    return log->stamp;
}

static struct slice cut_text(struct slice text, bool *cut)
{
    *cut = text.len > TEXT_MAX;
    if (*cut) {
        text.len = TEXT_MAX;
        /* At most three back: more continuation bytes than that are no character. */
        while (text.len > TEXT_MAX - 3 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80)
            text.len--;
    }
    return text;
}

/** The character that starts here, when it would break a line for some readers, or steer a terminal or the
 * order in which text is shown (Unicode's C1 controls, its line and paragraph separators and its
 * bidirectional controls): its code point, else 0. Valid UTF-8 has two or three bytes for them. */
static unsigned unsafe_character(struct slice text)
{
    const unsigned char *c = (const unsigned char *)text.ptr;
    if (text.len >= 2 && c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
        return c[1];
    if (text.len < 3 || c[0] != 0xe2 || (c[1] != 0x80 && c[1] != 0x81) || (c[2] & 0xc0) != 0x80)
        return 0;
    unsigned code = 0x2000U + ((c[1] & 0x3fU) << 6) + (c[2] & 0x3fU);
    bool unsafe = code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
                  (code >= 0x2066 && code <= 0x2069);
    return unsafe ? code : 0;
}

/** No unsafe character starts with another byte. */
static bool may_be_unsafe(struct slice text)
{
    return text.len > 0 && (memchr(text.ptr, 0xc2, text.len) || memchr(text.ptr, 0xe2, text.len));
}

static void append_escaped(struct buffer *line, struct slice text)
{
    char escape[JSON_ESCAPE_MAX];
    size_t start = 0, i = may_be_unsafe(text) ? 0 : text.len;
    while (i < text.len) {
        unsigned code = unsafe_character((struct slice){text.ptr + i, text.len - i});
        if (code == 0) {
            i++;
            continue;
        }
        buffer_append_json_escaped(line, (struct slice){text.ptr + start, i - start});
        buffer_append(line, escape, json_escape_unit(code, escape));
        i += code < 0x800 ? 2 : 3;
        start = i;
    }
    buffer_append_json_escaped(line, (struct slice){text.ptr + start, text.len - start});
}

/** ,"NAME": */
static void append_json_name(struct buffer *line, struct slice name)
{
    enum { AROUND = 4 };
    if (buffer_reserve(line, name.len + AROUND) != 0)
        return;
    char *at = line->ptr + line->len;
    memcpy(at, ",\"", 2);
    memcpy(at + 2, name.ptr, name.len);
    memcpy(at + 2 + name.len, "\":", 2);
    line->len += name.len + AROUND;
}

static void append_text_value(struct buffer *line, struct slice text)
{
    bool cut;
    text = cut_text(text, &cut);
    buffer_append_char(line, '"');
    append_escaped(line, text);
    if (cut)
        buffer_append_text(line, "\xe2\x80\xa6");
    buffer_append_char(line, '"');
}

/** With three decimals: what printf does for a double is a thousand instructions or more. */
static void append_seconds(struct buffer *line, int64_t ms)
{
    uint64_t all = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms, rest = all % 1000;
    const char decimals[] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
                             (char)('0' + rest % 10)};
    if (ms < 0)
        buffer_append_char(line, '-');
    buffer_append_int(line, (int64_t)(all / 1000));
    buffer_append(line, decimals, sizeof decimals);
}

static void append_value(struct buffer *line, const struct log_field *field)
{
    switch (field->kind) {
    case LOG_FIELD_TEXT:
        append_text_value(line, field->value.text);
        break;
    case LOG_FIELD_INT:
        buffer_append_int(line, field->value.integer);
        break;
    case LOG_FIELD_SECONDS:
        append_seconds(line, field->value.integer);
        break;
    case LOG_FIELD_BOOL:
        buffer_append_text(line, field->value.integer ? "true" : "false");
        break;
    case LOG_FIELD_SKIP:
        break;
    }
}

static bool left_out(const struct log_field *field)
{
    return field->kind == LOG_FIELD_SKIP || (field->kind == LOG_FIELD_TEXT && !field->value.text.ptr);
}

static void append_json_fields(struct buffer *line, const struct log_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (left_out(&fields[i]))
            continue;
        append_json_name(line, fields[i].name);
        append_value(line, &fields[i]);
    }
}

static void make_json(struct log *log, enum log_level level, const char *message,
                      const struct log_field *fields, size_t count)
{
    struct buffer *line = &log->line;
    buffer_append_text(line, "{\"time\":\"");
    buffer_append_text(line, stamp(log));
    buffer_append_text(line, "\",\"level\":\"");
    buffer_append_text(line, LEVEL_NAMES[level]);
    buffer_append_text(line, "\",\"msg\":");
    buffer_append_json_string(line, slice_of(message));
    append_json_fields(line, fields, count);
    append_json_fields(line, log->options.resource, log->options.resource_count);
    buffer_append_text(line, "}\n");
}

static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return text.len > 0 && text.len <= TEXT_MAX;
}

static void append_text_fields(struct buffer *line, const struct log_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (left_out(&fields[i]))
            continue;
        buffer_appendf(line, " %s=", fields[i].name.ptr);
        if (fields[i].kind == LOG_FIELD_TEXT && is_plain(fields[i].value.text))
            buffer_append_slice(line, fields[i].value.text);
        else
            append_value(line, &fields[i]);
    }
}

static void make_text(struct log *log, enum log_level level, const char *message,
                      const struct log_field *fields, size_t count)
{
    struct buffer *line = &log->line;
    buffer_append_text(line, stamp(log));
    buffer_appendf(line, " %-8s %s", LEVEL_NAMES[level], message);
    append_text_fields(line, fields, count);
    append_text_fields(line, log->options.resource, log->options.resource_count);
    buffer_append_char(line, '\n');
}

static void make_line(struct log *log, enum log_level level, const char *message,
                      const struct log_field *fields, size_t count)
{
    log->line.len = 0;
    log->line.failed = false;
    if (log->options.format == LOG_FORMAT_JSON)
        make_json(log, level, message, fields, count);
    else if (log->options.colour)
        log_terminal_line(&log->line, stamp(log), level, message, fields, count, append_value);
    else
        make_text(log, level, message, fields, count);
}

/** Appends the made line if it fits; mutex held. */
static bool append_line(struct log *log)
{
    if (log->line.failed || log->pending.len + log->line.len > log->options.buffer_bytes)
        return false;
    buffer_append_slice(&log->pending, buffer_slice(&log->line));
    bool appended = !log->pending.failed;
    log->pending.failed = false;
    return appended;
}

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t count)
{
    struct log *log = current;
    if (!log || !log_enabled(level))
        return;
    pthread_mutex_lock(&log->mutex);
    uint64_t untold = log->dropped - log->said;
    if (untold > 0 && log->pending.len < log->options.buffer_bytes / 2) {
        const struct log_field dropped = F_INT("dropped", untold);
        make_line(log, LOG_WARNING, "log lines dropped: their reader did not keep up", &dropped, 1);
        if (append_line(log))
            log->said = log->dropped;
    }
    make_line(log, level, message, fields, count);
    if (!append_line(log))
        log->dropped++;
    if (log->waiting || (log->resting && half_full(log))) {
        log->waiting = log->resting = false;
        pthread_cond_signal(&log->filled);
    }
    pthread_mutex_unlock(&log->mutex);
}
