/* See log_terminal.h. */
#include "base/log_terminal.h"
#include <string.h>

enum { COLUMNS = 100, INDENT = 11, URL_COLUMNS = 50 };

/** What a webhook's line is made of; NULL: it has not got that. */
struct webhook {
    const struct log_field *status, *method, *url, *duration, *run_id;
};

static struct webhook webhook_of(const struct log_field *fields, size_t count)
{
    static const char *const names[] = {"http.response.status_code", "http.request.method", "url.full",
                                        "http.client.request.duration", "port.run_id"};
    const struct log_field *found[5] = {NULL};
    for (size_t i = 0; i < count; i++)
        for (size_t n = 0; n < sizeof names / sizeof *names; n++)
            if (fields[i].kind != LOG_FIELD_SKIP && slice_equal_text(fields[i].name, names[n]))
                found[n] = &fields[i];
    return (struct webhook){found[0], found[1], found[2], found[3], found[4]};
}

static bool is_whole(const struct webhook *webhook)
{
    return webhook->status && webhook->method && webhook->url && webhook->duration;
}

static bool is_shown(const struct webhook *webhook, const struct log_field *field)
{
    return field == webhook->status || field == webhook->method || field == webhook->url ||
           field == webhook->duration || field == webhook->run_id;
}

static bool starts_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

static size_t columns_of(struct slice text)
{
    size_t columns = 0;
    for (size_t i = 0; i < text.len; i++)
        columns += starts_character(text.ptr[i]);
    return columns;
}

/** The first bytes that take at most so many columns. */
static size_t bytes_in(struct slice text, size_t columns)
{
    size_t i = 0;
    for (; i < text.len; i++)
        if (starts_character(text.ptr[i]) && columns-- == 0)
            break;
    return i;
}

static void append_within(struct buffer *line, struct slice text, size_t columns)
{
    size_t fits = bytes_in(text, columns);
    if (fits < text.len)
        fits = bytes_in(text, columns - 1);
    buffer_append(line, text.ptr, fits);
    if (fits < text.len)
        buffer_append_text(line, "\xe2\x80\xa6");
}

/** The value as it is written, without its quotes. */
static struct slice value_of(const struct log_field *field, struct buffer *room,
                             void (*append_value)(struct buffer *, const struct log_field *))
{
    room->len = 0;
    append_value(room, field);
    struct slice text = buffer_slice(room);
    bool quoted = field->kind == LOG_FIELD_TEXT && text.len >= 2;
    return quoted ? (struct slice){text.ptr + 1, text.len - 2} : text;
}

static void append_webhook(struct buffer *line, const struct webhook *webhook,
                           void (*append_value)(struct buffer *, const struct log_field *))
{
    struct buffer room = {0};
    buffer_append_int(line, webhook->status->value.integer);
    buffer_append_char(line, ' ');
    append_within(line, value_of(webhook->method, &room, append_value), 10);
    buffer_append_char(line, ' ');
    struct slice url = value_of(webhook->url, &room, append_value);
    size_t scheme = slice_starts_with(url, "https://") ? 8 : slice_starts_with(url, "http://") ? 7 : 0;
    append_within(line, (struct slice){url.ptr + scheme, url.len - scheme}, URL_COLUMNS);
    buffer_appendf(line, " %lld ms", (long long)webhook->duration->value.integer);
    if (webhook->run_id) {
        buffer_append_char(line, ' ');
        append_within(line, value_of(webhook->run_id, &room, append_value), 24);
    }
    buffer_clear(&room);
}

static void append_sign(struct buffer *line, enum log_level level, bool answered)
{
    static const char *const signs[] = {[LOG_DEBUG] = "\033[2m\xc2\xb7",
                                        [LOG_INFO] = "\033[32m\xc2\xb7",
                                        [LOG_WARNING] = "\033[33m!",
                                        [LOG_ERROR] = "\033[31m\xe2\x9c\x97",
                                        [LOG_CRITICAL] = "\033[1;31m\xe2\x9c\x97"};
    bool success = answered && level <= LOG_INFO;
    buffer_appendf(line, " %s\033[0m ", success ? "\033[32m\xe2\x9c\x93" : signs[level]);
}

static void break_line(struct buffer *line, size_t *column)
{
    buffer_appendf(line, "\n%*s", INDENT, "");
    *column = INDENT;
}

/** In pieces, where a line does not hold it. */
static void append_pieces(struct buffer *line, struct slice text, size_t *column)
{
    for (;;) {
        size_t fits = bytes_in(text, COLUMNS - *column);
        buffer_append(line, text.ptr, fits);
        *column += columns_of((struct slice){text.ptr, fits});
        text = (struct slice){text.ptr + fits, text.len - fits};
        if (text.len == 0)
            return;
        break_line(line, column);
    }
}

/** A detail, in a line of its own where it does not fit. */
static void append_detail(struct buffer *line, struct slice detail, size_t *column)
{
    if (*column + 1 + columns_of(detail) > COLUMNS) {
        break_line(line, column);
    } else {
        buffer_append_char(line, ' ');
        ++*column;
    }
    append_pieces(line, detail, column);
}

void log_terminal_line(struct buffer *line, const char *time, enum log_level level, const char *message,
                       const struct log_field *fields, size_t count,
                       void (*append_value)(struct buffer *line, const struct log_field *field))
{
    enum { TIME_AT = 11, TIME_LENGTH = 8 };
    const struct webhook found = webhook_of(fields, count), none = {NULL, NULL, NULL, NULL, NULL};
    const struct webhook webhook = is_whole(&found) ? found : none;
    struct buffer head = {0}, detail = {0};
    if (webhook.status)
        append_webhook(&head, &webhook, append_value);
    else
        buffer_append_text(&head, message);
    buffer_append(line, time + TIME_AT, TIME_LENGTH);
    append_sign(line, level, webhook.status);
    size_t column = INDENT;
    append_pieces(line, buffer_slice(&head), &column);
    buffer_append_text(line, "\033[2m");
    for (size_t i = 0; i < count; i++) {
        bool left_out = fields[i].kind == LOG_FIELD_SKIP ||
                        (fields[i].kind == LOG_FIELD_TEXT && !fields[i].value.text.ptr);
        if (left_out || is_shown(&webhook, &fields[i]))
            continue;
        detail.len = 0;
        buffer_append_slice(&detail, fields[i].name);
        buffer_append_char(&detail, '=');
        append_value(&detail, &fields[i]);
        append_detail(line, buffer_slice(&detail), &column);
    }
    buffer_append_text(line, "\033[0m\n");
    line->failed |= head.failed || detail.failed;
    buffer_clear(&head);
    buffer_clear(&detail);
}
