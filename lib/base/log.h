/* Structured logs: one line per call, constant message, typed fields.
 * The program's lines go through one `struct log` that main sets as the current one; tests set their own.
 * Writing never blocks the caller: lines go to a bounded buffer that a writer thread empties; when it is full
 * lines are dropped and counted, and the count is logged once there is space again. */
#pragma once
#include "base/buffer.h"
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_CRITICAL };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

/** A text that must never be printed. The type has no F_ macro and no accessor that logs. */
struct secret {
    struct slice value;
};

enum log_field_kind {
    LOG_FIELD_TEXT,
    LOG_FIELD_INT,
    LOG_FIELD_BOOL,
    /** Given in milliseconds, written in seconds. */
    LOG_FIELD_SECONDS,
    LOG_FIELD_SKIP
};
struct log_field {
    /** Constant, OpenTelemetry's where it has one. */
    struct slice name;
    enum log_field_kind kind;
    union {
        struct slice text;
        int64_t integer;
    } value;
};

/* Names are literals. */
#define LOG_NAME_(name_) SLICE_LITERAL("" name_)
#define F_STR(name_, text_) ((struct log_field){LOG_NAME_(name_), LOG_FIELD_TEXT, {.text = slice_of(text_)}})
#define F_SLICE(name_, slice_) ((struct log_field){LOG_NAME_(name_), LOG_FIELD_TEXT, {.text = (slice_)}})
#define F_INT(name_, value_) \
    ((struct log_field){LOG_NAME_(name_), LOG_FIELD_INT, {.integer = (int64_t)(value_)}})
/** A duration: `ms_` are milliseconds, and the line has seconds, as OpenTelemetry's names want. */
#define F_SECONDS(name_, ms_) \
    ((struct log_field){LOG_NAME_(name_), LOG_FIELD_SECONDS, {.integer = (int64_t)(ms_)}})
#define F_BOOL(name_, value_) \
    ((struct log_field){LOG_NAME_(name_), LOG_FIELD_BOOL, {.integer = (value_) ? 1 : 0}})
/** A field that is left out: for fields that only some events have. A text field whose slice is null is
 * left out as well. */
#define F_NONE ((struct log_field){LOG_NAME_(""), LOG_FIELD_SKIP, {.integer = 0}})

/** A status of HTTP; left out where there is none (0). */
#define F_STATUS(status_) ((status_) ? F_INT("http.response.status_code", (status_)) : F_NONE)

struct log;
struct log_options {
    /** Where lines go; not closed by the log. */
    int fd;
    enum log_format format;
    /** Text format only. */
    bool colour;
    /** Lines below it are not made. */
    enum log_level level;
    /** Bound of lines not yet written; 0: 1 MiB. */
    size_t buffer_bytes;
    /** What every line says at its end, except on a terminal; borrowed. */
    const struct log_field *resource;
    size_t resource_count;
};

/** Starts a log and its writer thread. NULL: out of memory or threads. */
PA_MUST_USE struct log *log_new(const struct log_options *options);
/** Waits at most `wait_ms` for the buffer to be written, then stops; NULL is allowed. If the reader never
 * reads, the writer thread is abandoned with its memory: call it only on the way out. */
void log_free(struct log *log, int wait_ms);
/** Makes `log` the current one (NULL: none, lines are discarded) and returns the one before, for
 * tests that put it back. */
PA_MAY_IGNORE struct log *log_set_current(struct log *log);
PA_MUST_USE bool log_enabled(enum log_level level);
/** The current log makes lines of that level and above from now on. Without one: nothing. */
void log_set_level(enum log_level level);
/** Of the current log; CRITICAL where there is none. */
PA_MUST_USE enum log_level log_level_now(void);
/** "DEBUG", "INFO" …; lives for ever. */
const char *log_level_name(enum log_level level);
/** The level of that name, in any case. False: there is none. */
PA_MUST_USE bool log_level_of(const char *name, enum log_level *out);
/** Lines dropped so far because the reader did not keep up. NULL: the current log's; 0 where there is none.
 */
uint64_t log_dropped(const struct log *log);

/** Writes one line to the current log. Texts are escaped; a text over 16 KiB is cut and ends in "…". */
void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t count);

#define LOG_LINE_(level_, message_, ...)                                                            \
    do {                                                                                            \
        if (log_enabled(level_)) {                                                                  \
            const struct log_field log_fields_[] = {__VA_ARGS__};                                   \
            log_write((level_), (message_), log_fields_, sizeof log_fields_ / sizeof *log_fields_); \
        }                                                                                           \
    } while (0)
/* Every call has at least one field; F_NONE where there is nothing to add. */
#define log_debug(message_, ...) LOG_LINE_(LOG_DEBUG, message_, __VA_ARGS__)
#define log_info(message_, ...) LOG_LINE_(LOG_INFO, message_, __VA_ARGS__)
#define log_warning(message_, ...) LOG_LINE_(LOG_WARNING, message_, __VA_ARGS__)
#define log_error(message_, ...) LOG_LINE_(LOG_ERROR, message_, __VA_ARGS__)
#define log_critical(message_, ...) LOG_LINE_(LOG_CRITICAL, message_, __VA_ARGS__)
